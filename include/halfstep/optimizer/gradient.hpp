// Plain gradient descent: the reference system's optimizer `original`.
#pragma once

#include <string_view>

#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/for_each_index.hpp>

namespace halfstep {

/// x <- x - rate g. Remembers nothing.
struct gradient {
  static constexpr std::string_view name = "original";
  static constexpr float default_rate = 8.077300000003e-3f;

  /// Nothing is remembered.
  struct state_type {};

  state_type start(extents2) const { return {}; }

  /// Throws shape_error.
  template <host_executor Executor>
  void step(Executor const& ex, state_type&, host_view<float const> g, host_view<float> x, float rate) const {
    require_extents(g.extents(), x.extents(), "halfstep: the gradient given to an optimizer");
    for_each_index(ex, x.extents().count(), [&](index_t i) { x.data()[i] -= settled(rate * g.data()[i]); });
  }
};

}  // namespace halfstep
