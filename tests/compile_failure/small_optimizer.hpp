// An objective, an optimizer and a schedule whose members can be left out one by one, by defining WITHOUT_<MEMBER>.
#pragma once

#include <halfstep/objective/concept.hpp>
#include <halfstep/optimizer/concept.hpp>

struct small_objective {
#ifndef WITHOUT_LOSS
  double loss(halfstep::serial, halfstep::host_view<float const>) const { return 0.0; }
#endif
#ifndef WITHOUT_GRADIENT
  double gradient(halfstep::serial, halfstep::host_view<float const>, halfstep::host_view<float>) const { return 0.0; }
#endif
};

struct small_memory {};

struct small_optimizer {
#ifndef WITHOUT_STATE
  using state_type = small_memory;
#endif
#ifndef WITHOUT_START
  small_memory start(halfstep::extents2) const { return {}; }
#endif
#ifndef WITHOUT_STEP
  void step(halfstep::serial, small_memory&, halfstep::host_view<float const>, halfstep::host_view<float>, float) const {}
#endif
};

struct small_schedule {
#ifndef WITHOUT_RATE
  float rate(halfstep::progress const&) { return 1.0f; }
#endif
#ifndef WITHOUT_DONE
  bool done(halfstep::progress const&) const { return false; }
#endif
};
