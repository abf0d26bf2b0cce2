// The transform that changes nothing.
#pragma once

#include <string_view>

#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>

namespace halfstep {

/// Leaves a weight in its own basis.
struct identity {
  static constexpr std::string_view name = "identity";

  static constexpr bool fits(extents2) { return true; }

  template <executor Executor>
  void apply(Executor const&, matrix_view<float, typename Executor::space>) const {}

  template <executor Executor>
  void invert(Executor const&, matrix_view<float, typename Executor::space>) const {}

  template <executor Executor>
  void apply_to_input(Executor const&, matrix_view<float, typename Executor::space>) const {}
};

}  // namespace halfstep
