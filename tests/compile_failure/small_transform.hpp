// A transform whose members can be left out one by one, by defining WITHOUT_<MEMBER>.
#pragma once

#include <string_view>

#include <halfstep/transform/concept.hpp>

struct small_transform {
#ifndef WITHOUT_NAME
  static constexpr std::string_view name = "small";
#endif
#ifndef WITHOUT_FITS
  bool fits(halfstep::extents2) const { return true; }
#endif
#ifndef WITHOUT_APPLY
  void apply(halfstep::serial, halfstep::host_view<float>) const {}
#endif
#ifndef WITHOUT_INVERT
  void invert(halfstep::serial, halfstep::host_view<float>) const {}
#endif
#ifndef WITHOUT_INPUT
  void apply_to_input(halfstep::serial, halfstep::host_view<float>) const {}
#endif
};
