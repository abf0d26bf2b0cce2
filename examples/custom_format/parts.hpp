// A layout, a rounding, a basis and a solver that the library has never heard of.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <vector>

#include <halfstep/halfstep.hpp>
#include <halfstep/recipe/stored_basis.hpp>

using halfstep::host_view, halfstep::index_t;

/// The layout: codes from -31 to 31, a scale for each row.
struct int6_axis : halfstep::scaled<halfstep::symmetric_grid<31>, halfstep::per_row, halfstep::absmax_scale<-30>> {
  static constexpr std::string_view name = "int6_axiswise";
};

/// The rounding: up or down against a pattern of thresholds, as halftone printing does it.
struct ordered_dither {
  static constexpr std::string_view name = "ordered_dither";
  static constexpr float max_error_steps = 1.0f;

  template <class Code>
  HALFSTEP_HD constexpr Code operator()(halfstep::bracket<Code> b, index_t element) const {
    return b.t > (2.0f * static_cast<float>(element * 7 % 4) + 1.0f) / 8.0f ? b.farther : b.nearer;
  }
};

/// The basis: columns from the last to the first.
struct mirrored {
  static constexpr std::string_view name = "mirrored";

  static bool fits(halfstep::extents2) { return true; }
  static void apply(halfstep::host_executor auto const& ex, host_view<float> w) {
    ex.for_each(w.rows(), [&](index_t row) { std::reverse(w.row(row), w.row(row) + w.columns()); });
  }
  static void invert(halfstep::host_executor auto const& ex, host_view<float> w) { apply(ex, w); }
  static void apply_to_input(halfstep::host_executor auto const& ex, host_view<float> x) { apply(ex, x); }
};

/// How files hold it: a key of the marker.
template <>
struct halfstep::stored_basis<mirrored> {
  static constexpr std::array<std::string_view, 1> keys{"mirrored"};
  static constexpr std::array<std::string_view, 0> endings{};

  static bool is_in(layer_source const& layer) { return layer.is_marked("mirrored"); }
  static mirrored load(layer_source const&) { return {}; }
  static basis_record record(mirrored const&) { return {{{"mirrored", "true"}}, {}}; }
};

/// The solver: each weight takes on the rounding error of its left neighbour, so that the errors of a row add up to nothing; a
/// row that would be off by more keeps its codes.
struct carry_forward {
  static constexpr std::string_view name = "carry_forward";

  template <class Executor, class Grid, class Watch = halfstep::keep_going>
  halfstep::solve_report refine(Executor const&, host_view<float const> weight, halfstep::coded_matrix<Grid> const& q,
                                Watch const& watch = {}) const {
    halfstep::solve_report all;
    index_t row = 0;
    do carry(weight, q, row, all);
    while (++row < weight.rows() && watch(static_cast<int>(row), all.loss_after / std::max(all.loss_before, 1e-30)));
    return all;
  }

  template <class Grid>
  static void carry(host_view<float const> weight, halfstep::coded_matrix<Grid> const& q, index_t row,
                    halfstep::solve_report& all) {
    std::vector<typename Grid::code_type> codes;
    double before = 0, after = 0, squares_before = 0, squares_after = 0;
    index_t moved = 0;
    for (index_t column = 0; column < weight.columns(); ++column) {
      auto const step = q.step(row, column);
      float const w = weight(row, column), old = w - Grid::decode(q.codes(row, column), step);
      codes.push_back(Grid::locate(w + static_cast<float>(after), step).nearer);
      float const now = w - Grid::decode(codes.back(), step);
      moved += codes.back() != q.codes(row, column);
      before += old, after += now, squares_before += old * old, squares_after += now * now;
    }
    bool const better = std::fabs(after) < std::fabs(before);
    all.loss_before += std::fabs(before), all.error_before += squares_before;
    all.loss_after += std::fabs(better ? after : before), all.error_after += better ? squares_after : squares_before;
    if (better) all.moved += moved, std::copy(codes.begin(), codes.end(), q.codes.row(row));
  }
};
