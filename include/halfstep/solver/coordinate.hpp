// Learned rounding by discrete coordinate descent under an SQNR budget.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/solver/concept.hpp>
#include <halfstep/solver/coordinate_sweep.hpp>

namespace halfstep {

/// Moves codes by single steps so that |U^T E V| falls, at a price in SQNR that stays within a budget.
///
/// Descends on J = mu |E|^2 + |U^T E V|^2; every move lowers J. mu sets the trade: it falls from 300 k^2 / (M N), one sweep each,
/// until the budget is passed or nothing more is won, and is then bisected with warm starts; three sweeps at the value found
/// close. The cost ends at most 0.004 dB above the budget; codes
/// that cannot be bettered within it stay. Coming from above wins about 1 dB over starting at the final mu,
/// since the cheapest moves are made first.
/// 2 M N k flops a sweep, 20 to 45 sweeps. On one machine the same codes for every number of threads.
class coordinate {
 public:
  /// `budget_db`: by how much the SQNR of the codes may fall, in dB.
  explicit coordinate(double budget_db = 0.1) : budget_db_(budget_db) {}

  /// Moves the codes of `q`, which come in rounded to nearest. `objective` is `principal`, or has its `u()` [M, k] and `v()`
  /// [N, k]. A step of `watch` is a sweep: those that are done stay where they are within the budget and better than what came
  /// in. Throws shape_error.
  template <class Grid, host_executor Executor, class Objective, class Watch = keep_going>
  solve_report refine(Executor const& ex, host_view<float const> weight, coded_matrix<Grid> const& q, Objective const& objective,
                      Watch const& watch = {}) const {
    detail::require_coded(weight, q);
    index_t const rank = objective.u().columns();
    require_extents(objective.u().extents(), {weight.rows(), rank}, "halfstep: the left directions given to coordinate");
    require_extents(objective.v().extents(), {weight.columns(), rank}, "halfstep: the right directions given to coordinate");
    solve_report report;
    if (rank == 0) return report;
    std::vector const start(q.codes.data(), q.codes.data() + q.codes.extents().count());
    coordinate_sweep<Grid, Executor> sweep(ex, weight, q, objective.u(), objective.v());
    report.loss_before = sweep.loss();
    report.error_before = sweep.error_square();
    auto const settle = [&] {
      sweep.project();
      report.loss_after = sweep.loss();
      report.error_after = sweep.error_square();
      if (report.loss_after < report.loss_before && report.cost_db() <= budget_db_ + 2.0 * tolerance_db) return;
      std::copy(start.begin(), start.end(), q.codes.data());
      report.loss_after = report.loss_before;
      report.error_after = report.error_before;
    };
    if (report.loss_before > 0.0 && report.error_before > 0.0) {
      double const unit = 10.0 * static_cast<double>(rank * rank) / static_cast<double>(weight.extents().count());
      try {
        descend(sweep, unit, report, watch);
      } catch (...) {
        settle();
        throw;
      }
    }
    settle();
    for (std::size_t i = 0; i < start.size(); ++i) report.moved += q.codes.data()[i] != start[i] ? 1 : 0;
    return report;
  }

 private:
  static constexpr double tolerance_db = 0.002;

  template <class Sweep, class Watch>
  void descend(Sweep& sweep, double unit, solve_report& report, Watch const& watch) const {
    bool going = true;
    double least = report.loss_before;
    auto const over = [&](double db) { return 10.0 * std::log10(sweep.error_square() / report.error_before) > budget_db_ + db; };
    auto const go = [&](double mu) {
      sweep(mu);
      bool const is_over = over(0.0);
      if (!over(2.0 * tolerance_db)) least = std::min(least, sweep.loss());
      going = watch(++report.iterations, detail::share_left(least, report.loss_before));
      return is_over;
    };
    double within = 0.0;  // the smallest mu seen to stay within the budget
    double beyond = 0.0;
    double best = report.loss_before;
    for (double mu = 30.0 * unit; going && mu > 1e-5 * unit; mu /= mu > 0.1 * unit ? 1.6 : 3.0) {
      if (go(mu)) {
        beyond = mu;
        break;
      }
      within = mu;
      bool const stalls = mu < 0.1 * unit && sweep.loss() > 0.97 * best;
      best = std::min(best, sweep.loss());
      if (stalls) break;
    }
    if (within == 0.0) within = 30.0 * beyond;
    for (int i = 0; going && beyond > 0.0 && i < 6; ++i) {
      double const mu = std::sqrt(within * beyond);
      (go(mu) ? beyond : within) = mu;
    }
    double mu = within;
    for (int i = 0; going && (i < 3 || (over(tolerance_db) && i < 60)); ++i) {
      if (over(0.5 * tolerance_db)) mu *= i < 8 ? 1.02 : 1.3;
      go(mu);
    }
  }

  double budget_db_;
};

}  // namespace halfstep
