// What solvers work on and what they report.
#pragma once

#include <algorithm>
#include <cmath>

#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/layout/group_geometry.hpp>

namespace halfstep {

/// Codes on `Grid` with the scales of their groups, borrowed. A solver changes codes and nothing else.
///
/// codes [M, N]; scales [geometry.groups()].
template <class Grid>
struct coded_matrix {
  host_view<typename Grid::code_type> codes;
  host_view<float const> scales;
  group_geometry geometry;

  /// Returns the prepared scale of an element.
  typename Grid::step_type step(index_t row, index_t column) const {
    return Grid::unpack(scales.data()[geometry.group_of(row, column)]);
  }
};

/// What a solver did, measured on rounded codes.
struct solve_report {
  double loss_before = 0.0;   ///< the objective of the codes that came in
  double loss_after = 0.0;    ///< the objective of the codes that went out
  double error_before = 0.0;  ///< |E|^2 of the codes that came in
  double error_after = 0.0;   ///< |E|^2 of the codes that went out
  index_t moved = 0;          ///< codes that changed
  int iterations = 0;         ///< iterations, or sweeps over the matrix
  double damping = 0.0;       ///< what a Hessian was damped by, as a share of its mean diagonal; 0 where there is none

  /// Returns how many dB the objective fell.
  double gain_db() const {
    return loss_before > 0.0 && loss_after > 0.0 ? 20.0 * std::log10(loss_before / loss_after) : 0.0;
  }

  /// Returns how many dB of SQNR that cost.
  double cost_db() const {
    return error_before > 0.0 && error_after > 0.0 ? 10.0 * std::log10(error_after / error_before) : 0.0;
  }
};

/// The watcher of a solver that nobody watches. A watcher is called as `watch(iterations done, loss)`, returns whether to go on,
/// and may throw.
struct keep_going {
  bool operator()(int, double) const { return true; }
};

namespace detail {

/// Throws shape_error unless weight, codes, scales and geometry belong together.
template <class Grid>
void require_coded(host_view<float const> weight, coded_matrix<Grid> const& q) {
  require_extents(q.codes.extents(), weight.extents(), "halfstep: the codes given to a solver");
  require_extents(q.geometry.extents, weight.extents(), "halfstep: the geometry given to a solver");
  require_extents(q.scales.extents(), q.geometry.groups(), "halfstep: the scales given to a solver");
}

}  // namespace detail

}  // namespace halfstep
