// A basis that mixes rows whose members can be left out, by defining WITHOUT_<MEMBER>.
#pragma once

#include <string_view>

#include <halfstep/transform/whole_basis.hpp>

struct small_whole_basis {
  static constexpr std::string_view name = "small";
  bool fits(halfstep::extents2) const { return true; }
  void apply(halfstep::serial, halfstep::host_view<float>) const {}
  void invert(halfstep::serial, halfstep::host_view<float>) const {}
  void apply_to_input(halfstep::serial, halfstep::host_view<float>) const {}
#ifndef WITHOUT_OUTPUT
  void invert_output(halfstep::serial, halfstep::host_view<float>) const {}
#endif
#ifndef WITHOUT_SHAPES
  halfstep::extents2 original() const { return {}; }
  halfstep::extents2 padded() const { return {}; }
#endif
};
