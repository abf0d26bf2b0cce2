// Learned rounding by gradients: the one gradient loop of the library, straight-through.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/for_each_index.hpp>
#include <halfstep/kernel/sum.hpp>
#include <halfstep/layout/on_grid.hpp>
#include <halfstep/objective/concept.hpp>
#include <halfstep/optimizer/concept.hpp>
#include <halfstep/solver/concept.hpp>
#include <halfstep/solver/shifted_rounding.hpp>

namespace halfstep {

/// How long `descent` goes on, and what it may cost.
struct descent_settings {
  int iterations = 1000;
  double budget_db = 0.1;  ///< of weight SQNR, against round to nearest
};

/// Lowers an objective by moving codes away from the nearest, within a budget of weight SQNR.
///
/// The variable is a shift Z of the *unrounded* weight in steps, those that the weight lies in where a grid's are not all equal:
/// q = clip(rint(W / s + Z)), E = W - q s. The gradient at the
/// rounded point, dL/dZ = -s dL/dE, goes into Z through the optimizer: rounding is passed straight through. It is multiplied by a
/// constant that gives the first gradient an rms of 1, so that a rate is in steps: plain descent moves Z by about `rate` steps
/// rms, Adam by about `rate` steps an element, whatever the layer's size and scale.
///
/// Kept is the best of the *rounded* candidates whose |E|^2 is within the budget; what came in stays where none is better, so the
/// result is never worse. Two ways back keep iterations from being wasted: a candidate beyond the budget is shrunk towards Z = 0
/// to where the budget should be (the cost grows with Z^2), and from the fifth iteration without a new best on, one that is more
/// than 1 % worse than the best, or beyond the budget, makes Z return to the best one's.
/// Stops after the iterations, where the schedule says so, at a loss of 0, and at a gradient of 0 or beyond FP32.
template <class Optimizer, class Schedule>
class descent {
  static_assert(check_optimizer<Optimizer>());
  static_assert(check_schedule<Schedule>());

 public:
  /// Throws value_error for a budget that is negative or not a number.
  descent(Optimizer optimizer, Schedule schedule, descent_settings settings)
      : optimizer_(optimizer), schedule_(schedule), settings_(settings) {
    if (!(settings.budget_db >= 0.0))
      throw value_error(stated("solver.bad_budget", "halfstep: the SQNR budget of descent is a number of dB, 0 or more"));
  }

  /// Changes the codes of `q`, which come in as round to nearest or better, where that lowers `objective`.
  ///
  /// A step of `watch` is an iteration; the best codes so far are those that stay. In a fixed order: the same codes for every
  /// number of threads. Memory: three FP32 matrices (four where the objective's gradient is not in place),
  /// two of codes, and what the optimizer remembers. Throws shape_error.
  template <host_executor Executor, class Grid, class Objective, class Watch = keep_going>
  solve_report refine(Executor const& ex, host_view<float const> weight, coded_matrix<Grid> const& q, Objective const& objective,
                      Watch&& watch = {}) const {
    static_assert(check_objective<Objective>());
    detail::require_coded(weight, q);
    if (weight.extents().count() == 0) return {};
    return run<Executor, Grid, Objective>(*this, ex, weight, q, objective)(watch);
  }

 private:
  static constexpr int patience = 5;         ///< iterations without a new best before Z returns to it
  static constexpr double tolerance = 1.01;  ///< of a loss that counts as no worse

  /// One layer's optimization.
  template <class Executor, class Grid, class Objective>
  class run {
   public:
    using code_type = typename Grid::code_type;

    run(descent const& how, Executor const& ex, host_view<float const> weight, coded_matrix<Grid> const& q,
        Objective const& objective)
        : how_(how),
          ex_(ex),
          q_(q),
          objective_(objective),
          round_(ex, weight, q),
          e_(weight.extents()),
          shift_(e_.count()),
          best_shift_(e_.count()),
          slope_(e_.count()),
          apart_(has_gradient_in_place<Objective> ? 0 : e_.count()),
          candidate_(e_.count()),
          start_(e_.count()) {}

    template <class Watch>
    solve_report operator()(Watch& watch) {
      begin();
      auto state = how_.optimizer_.start(e_);
      Schedule schedule = how_.schedule_;
      progress now{e_, 0, loss_, 0};
      int worse = 0;
      while (now.iteration < how_.settings_.iterations && loss_ > 0.0) {
        float const rate = schedule.rate(now);
        if (schedule.done(now) || !scale_slope()) break;
        how_.optimizer_.step(ex_, state, slope(), shift_.view(e_), rate);
        evaluate();
        now.loss = loss_;
        ++now.iteration;
        ++now.stall;
        ++worse;
        bool const affordable = error_ <= limit_;
        if (affordable && loss_ < report_.loss_after) {
          keep();
          now.stall = worse = 0;
        } else if (worse >= patience && (!affordable || !(loss_ <= report_.loss_after * tolerance))) {
          return_to_best(state);
          worse = 0;
        } else if (!affordable) {
          shrink(state, static_cast<float>(0.99 * std::sqrt((limit_ - nearest_error_) / (error_ - nearest_error_))));
        }
        if (!watch(now.iteration, detail::share_left(report_.loss_after, report_.loss_before))) break;
      }
      report_.iterations = now.iteration;
      for (index_t i = 0; i < start_.size(); ++i) report_.moved += start_[i] != q_.codes.data()[i] ? 1 : 0;
      return report_;
    }

   private:
    host_view<float const> slope() const { return slope_.view(e_); }
    host_view<float> residue() { return has_gradient_in_place<Objective> ? slope_.view(e_) : apart_.view(e_); }

    /// Measures the codes that came in and round to nearest, and leaves the gradient there.
    void begin() {
      std::fill(shift_.begin(), shift_.end(), 0.0f);
      std::fill(best_shift_.begin(), best_shift_.end(), 0.0f);
      std::copy_n(q_.codes.data(), start_.size(), start_.data());
      report_.error_before = round_.residue_of(ex_, q_.codes, residue());
      report_.loss_before = objective_.loss(ex_, residue());
      evaluate();
      nearest_error_ = error_;
      limit_ = error_ * std::pow(10.0, how_.settings_.budget_db / 10.0);
      report_.error_after = report_.error_before;
      report_.loss_after = report_.loss_before;
      if (loss_ < report_.loss_after) keep();
    }

    /// Rounds the shifted weight and stores the objective's gradient there.
    void evaluate() {
      error_ = round_(ex_, shift_.view(e_), candidate_.view(e_), residue());
      loss_ = objective_.gradient(ex_, residue(), slope_.view(e_));
    }

    /// Turns dL/dE into dL/dZ of the scaled objective; returns whether it can be followed.
    bool scale_slope() {
      multiply_by_steps(factor_ > 0.0f ? factor_ : 1.0f);
      if (factor_ > 0.0f) return true;
      double const rms = std::sqrt(sum_of_squares(ex_, slope()) / static_cast<double>(e_.count()));
      auto const factor = static_cast<float>(1.0 / rms);
      if (!(rms > 0.0) || !(factor > 0.0f) || factor > std::numeric_limits<float>::max()) return false;
      factor_ = factor;
      for_each_index(ex_, slope_.size(), [&](index_t i) { slope_[i] *= factor; });
      return true;
    }

    void multiply_by_steps(float factor) {
      ex_.for_each(e_.rows, [&](index_t row) {
        float* const g = slope_.data() + row * e_.columns;
        detail::for_each_run(q_, row, [&](index_t first, index_t last, auto step) {
          for (index_t c = first; c < last; ++c) g[c] *= -on_grid<Grid>::spacing(round_.weight(row, c), step) * factor;
        });
      });
    }

    void keep() {
      report_.loss_after = loss_;
      report_.error_after = error_;
      std::copy(candidate_.begin(), candidate_.end(), q_.codes.data());
      std::copy(shift_.begin(), shift_.end(), best_shift_.begin());
    }

    template <class State>
    void return_to_best(State& state) {
      std::copy(best_shift_.begin(), best_shift_.end(), shift_.begin());
      restart(state);
      evaluate();
    }

    template <class State>
    void shrink(State& state, float factor) {
      for_each_index(ex_, shift_.size(), [&](index_t i) { shift_[i] *= factor; });
      restart(state);
    }

    template <class State>
    void restart(State& state) {
      if constexpr (requires { how_.optimizer_.restart(ex_, state, host_view<float const>(shift_.view(e_))); })
        how_.optimizer_.restart(ex_, state, shift_.view(e_));
    }

    descent const& how_;
    Executor const& ex_;
    coded_matrix<Grid> q_;
    Objective const& objective_;
    shifted_rounding<Grid> round_;
    extents2 e_;
    host_buffer<float> shift_;       ///< Z
    host_buffer<float> best_shift_;  ///< Z of the best candidate
    host_buffer<float> slope_;       ///< the gradient
    host_buffer<float> apart_;       ///< E where it does not share the gradient's memory
    host_buffer<code_type> candidate_;
    host_buffer<code_type> start_;  ///< the codes that came in
    solve_report report_;
    double loss_ = 0.0;
    double error_ = 0.0;
    double nearest_error_ = 0.0;
    double limit_ = 0.0;
    float factor_ = 0.0f;  ///< of the objective; 0 before the first gradient
  };

  Optimizer optimizer_;
  Schedule schedule_;
  descent_settings settings_;
};

}  // namespace halfstep
