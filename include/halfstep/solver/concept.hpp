// What solvers work on and what they report.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>

#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/layout/grid.hpp>
#include <halfstep/layout/group_geometry.hpp>

namespace halfstep {

/// Codes on `Grid` with the scales of their groups, borrowed. A solver changes codes and nothing else.
///
/// codes [M, N]; scales [geometry.groups()].
template <class Grid>
struct coded_matrix {
  static_assert(check_grid<Grid>());

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
  double gain_db() const { return loss_before > 0.0 && loss_after > 0.0 ? 20.0 * std::log10(loss_before / loss_after) : 0.0; }

  /// Returns how many dB of SQNR that cost.
  double cost_db() const { return error_before > 0.0 && error_after > 0.0 ? 10.0 * std::log10(error_after / error_before) : 0.0; }
};

/// The watcher of a solver that nobody watches.
///
/// A watcher is called after every step as `watch(steps done, left)`. `left` is the least objective of codes found so far, over
/// what has been worked on, as a share of that of the codes that came in: 1 where nothing is won yet. It returns whether to go
/// on. Where it does not, or throws, what is finished and no worse stays, and the rest is as it came in.
struct keep_going {
  bool operator()(int, double) const { return true; }
};

namespace detail {

/// Returns what is left of an objective, as a share.
constexpr double share_left(double after, double before) { return before > 0.0 ? after / before : 1.0; }

/// Throws shape_error unless weight, codes, scales and geometry belong together.
template <class Grid>
void require_coded(host_view<float const> weight, coded_matrix<Grid> const& q) {
  require_extents(q.codes.extents(), weight.extents(), "halfstep: the codes given to a solver");
  require_extents(q.geometry.extents, weight.extents(), "halfstep: the geometry given to a solver");
  require_extents(q.scales.extents(), q.geometry.groups(), "halfstep: the scales given to a solver");
}

template <class S, class Grid, class... Objective>
concept solver_has_refine = requires(S const s, serial ex, host_view<float const> weight, coded_matrix<Grid> q,
                                     Objective const&... objective) {
  s.refine(ex, weight, q, objective...);
};
template <class S, class Grid, class... Objective>
concept solver_has_watcher = requires(S const s, serial ex, host_view<float const> weight, coded_matrix<Grid> q,
                                      Objective const&... objective, keep_going watch) {
  s.refine(ex, weight, q, objective..., watch);
};
template <class S, class Grid, class... Objective>
concept solver_has_report = requires(S const s, serial ex, host_view<float const> weight, coded_matrix<Grid> q,
                                     Objective const&... objective) {
  { s.refine(ex, weight, q, objective...) } -> std::same_as<solve_report>;
};

}  // namespace detail

/// A value that moves codes on a grid so that an objective falls: `refine(ex, weight, codes, objective, watch)`.
///
/// The codes are never worse by the objective, after rounding, than those that came in; scales stay; threads change no code. A
/// solver that knows its objective itself takes none. `watch` is what `keep_going` describes, and may be left out.
template <class S, class Grid, class... Objective>
concept solver = detail::solver_has_report<S, Grid, Objective...> && detail::solver_has_watcher<S, Grid, Objective...>;

/// Returns true if `S` solves for `Objective` on `Grid`; where it does not, compilation fails with a sentence for what is
/// missing.
template <class S, class Grid, class... Objective>
consteval bool check_solver() {
  static_assert(detail::solver_has_refine<S, Grid, Objective...>,
                "halfstep: a solver needs refine(executor, view<float const> weight, coded_matrix<Grid>, objective) const: "
                "better codes for this grid and objective");
  if constexpr (detail::solver_has_refine<S, Grid, Objective...>) {
    static_assert(detail::solver_has_report<S, Grid, Objective...>,
                  "halfstep: a solver's refine returns solve_report, what it did to the objective");
    static_assert(detail::solver_has_watcher<S, Grid, Objective...>,
                  "halfstep: a solver's refine takes a watcher last, and asks it after every step whether to go on");
  }
  return true;  // false would add a second error to the sentences above
}

}  // namespace halfstep
