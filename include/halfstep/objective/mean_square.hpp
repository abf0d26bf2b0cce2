// The plain mean of squared errors as an objective.
#pragma once

#include <algorithm>

#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/for_each_index.hpp>
#include <halfstep/kernel/sum.hpp>

namespace halfstep {

/// The mean of E^2 over all elements. Rounding to nearest is its optimum for given scales: no solver can lower it.
struct mean_square {
  static constexpr bool gradient_in_place = true;

  /// Returns the mean of squares; 0 for an empty residual.
  template <host_executor Executor>
  double loss(Executor const& ex, host_view<float const> residual) const {
    return sum_of_squares(ex, residual) / count(residual);
  }

  /// Stores 2 E / (M N), returns the loss. `out` may be the residual's own memory. Throws shape_error.
  template <host_executor Executor>
  double gradient(Executor const& ex, host_view<float const> residual, host_view<float> out) const {
    require_extents(out.extents(), residual.extents(), "halfstep: the gradient of mean_square");
    double const found = loss(ex, residual);
    auto const factor = static_cast<float>(2.0 / count(residual));
    for_each_index(ex, residual.extents().count(), [&](index_t i) { out.data()[i] = factor * residual.data()[i]; });
    return found;
  }

 private:
  static double count(host_view<float const> x) { return static_cast<double>(std::max<index_t>(x.extents().count(), 1)); }
};

}  // namespace halfstep
