// Solves with an objective and a solver that the library has never heard of, and gives the same objective to one of its own.

#include <cmath>
#include <cstdio>

#include "carry_forward.hpp"

/// How far a layer's outputs are off for an input of ones: the length of E's row sums.
struct row_sums {
  template <class Executor>
  double loss(Executor const& ex, halfstep::host_view<float const> residual) const {
    halfstep::host_buffer<float> sums(residual.rows());
    return add_up(ex, residual, sums);
  }

  template <class Executor>
  double gradient(Executor const& ex, halfstep::host_view<float const> residual, halfstep::host_view<float> out) const {
    halfstep::host_buffer<float> sums(residual.rows());
    double const length = add_up(ex, residual, sums);
    ex.for_each(out.rows(), [&](halfstep::index_t row) {
      auto const slope = static_cast<float>(length > 0.0 ? static_cast<double>(sums[row]) / length : 0.0);
      std::fill_n(out.row(row), out.columns(), slope);
    });
    return length;
  }

 private:
  template <class Executor>
  static double add_up(Executor const& ex, halfstep::host_view<float const> residual, halfstep::host_buffer<float>& sums) {
    ex.for_each(residual.rows(), [&](halfstep::index_t row) {
      sums[row] = static_cast<float>(halfstep::sum(halfstep::serial{}, residual.rows(row, 1)));
    });
    return std::sqrt(halfstep::sum_of_squares(ex, sums.view({1, residual.rows()})));
  }
};

int main() {
  constexpr halfstep::extents2 shape{64, 256};
  halfstep::host_buffer<float> weights(shape.count());
  for (halfstep::index_t i = 0; i < weights.size(); ++i) weights[i] = std::sin(static_cast<float>(i) * 0.37f) * 0.05f;
  halfstep::host_view<float const> const weight = weights.view(shape);
  halfstep::threads const ex;

  double gain = 1e3;
  auto const solve = [&](char const* name, auto const& solver) {
    auto q = halfstep::quantizer<halfstep::int8_axis>()(ex, weight);
    halfstep::coded_matrix<halfstep::symmetric_grid<127>> const codes{q.codes(), q.groups(),
                                                                      halfstep::geometry_of<halfstep::int8_axis>(shape)};
    auto const report = solver.refine(ex, weight, codes, row_sums{});
    std::printf("%-14s the objective falls by %.1f dB for %.2f dB of SQNR; %lld codes moved\n", name, report.gain_db(),
                report.cost_db(), static_cast<long long>(report.moved));
    gain = std::fmin(gain, report.gain_db());
  };
  solve("carry_forward:", carry_forward{});
  solve("descent:", halfstep::descent(halfstep::adamw{}, halfstep::adaptive_rate(halfstep::adamw::default_rate), {300, 0.5}));
  return gain > 10.0 ? 0 : 1;
}
