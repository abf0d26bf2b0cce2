// A solver of one's own: each weight takes on the rounding error of its left neighbour, so that errors of a row add up to
// nothing.
#pragma once

#include <halfstep/halfstep.hpp>

struct carry_forward {
  /// Lowers `objective` where it can: returns the codes as they were if it does not fall. The same codes on every executor.
  template <halfstep::host_executor Executor, class Grid, class Objective, class Watch = halfstep::keep_going>
  halfstep::solve_report refine(Executor const& ex, halfstep::host_view<float const> weight, halfstep::coded_matrix<Grid> q,
                                Objective const& objective, Watch const& watch = {}) const {
    auto const e = weight.extents();
    halfstep::host_buffer<typename Grid::code_type> codes(e.count());
    halfstep::host_buffer<float> before(e.count()), after(e.count());
    ex.for_each(e.rows, [&](halfstep::index_t row) {
      float carried = 0.0f;
      for (halfstep::index_t column = 0; column < e.columns; ++column) {
        halfstep::index_t const i = row * e.columns + column;
        float const w = weight(row, column);
        auto const step = q.step(row, column);
        codes[i] = Grid::locate(w + carried, step).nearer;
        before[i] = w - Grid::decode(q.codes(row, column), step);
        after[i] = w - Grid::decode(codes[i], step);
        carried += after[i];
      }
    });
    auto const view = [&](auto const& buffer) { return halfstep::host_view<float const>(buffer.view(e)); };
    halfstep::solve_report report{objective.loss(ex, view(before)),
                                  objective.loss(ex, view(after)),
                                  halfstep::sum_of_squares(ex, view(before)),
                                  halfstep::sum_of_squares(ex, view(after)),
                                  0,
                                  1};
    if (report.loss_after >= report.loss_before)
      return {report.loss_before, report.loss_before, report.error_before, report.error_before, 0, 1};
    for (halfstep::index_t i = 0; i < e.count(); ++i) report.moved += codes[i] != q.codes.data()[i] ? 1 : 0;
    std::copy(codes.begin(), codes.end(), q.codes.data());
    watch(1, report.loss_after / report.loss_before);  // there is no second step that it could stop
    return report;
  }
};
