// Rotations of a weight's columns by Hadamard matrices.
#pragma once

#include <string_view>

#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/hadamard.hpp>

namespace halfstep {

/// Rotates groups of neighbouring columns by the regular Hadamard matrix of their size: ConvRot.
///
/// Spreads a large weight over its group. Orthonormal, symmetric, its own inverse, so an input goes through the same rotation.
/// `group` is 4, 16, 64, 256 or 1024. On a device the calls need cuda.cuh.
struct regular_hadamard {
  static constexpr std::string_view name = "convrot";

  int group = 256;

  constexpr bool fits(extents2 e) const {
    return (group == 4 || group == 16 || group == 64 || group == 256 || group == 1024) && e.columns % group == 0;
  }

  /// Returns how many neighbouring columns of an input go together.
  constexpr index_t column_group() const { return group; }

  friend constexpr bool operator==(regular_hadamard const&, regular_hadamard const&) = default;

  template <executor Executor, source Source>
  void apply(Executor const& ex, matrix_view<Source const, typename Executor::space> from,
             matrix_view<float, typename Executor::space> to) const {
    hadamard_regular(ex, from, to, group);
  }

  template <executor Executor>
  void apply(Executor const& ex, matrix_view<float, typename Executor::space> w) const {
    hadamard_regular(ex, w, w, group);
  }

  template <executor Executor>
  void invert(Executor const& ex, matrix_view<float, typename Executor::space> w) const {
    apply(ex, w);
  }

  template <executor Executor>
  void apply_to_input(Executor const& ex, matrix_view<float, typename Executor::space> x) const {
    apply(ex, x);
  }
};

}  // namespace halfstep
