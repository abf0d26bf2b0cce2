// The INT8 product of few inputs, which reads the weight once: by the processor's dot instructions, or in plain C++.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/kernel/int8_operands.hpp>
#include <halfstep/kernel/int8_vnni.hpp>
#include <halfstep/kernel/row_tiles.hpp>

namespace halfstep::detail {

/// Stores the product of `in` through `write(sum, x_scale, row, column)`: what every other way must give, for any operands.
template <class Layout, class Executor, class Write>
void plain_product(Executor const& ex, int8_operands<Layout, host_space> const& in, Write const& write) {
  extents2 const e = in.weight.extents();
  row_tiles const tiles(e);
  ex.for_each(tiles.count(), [&](index_t tile) {
    for (index_t b = 0; b < in.x.rows(); ++b) {
      std::int8_t const* const input = in.x.row(b);
      for (index_t row = tiles.first(tile); row < tiles.first(tile) + tiles.rows(tile); ++row) {
        std::int8_t const* const codes = in.weight.row(row);
        float sum = 0.0f;
        for (index_t column = 0, end = 0; column < e.columns; column = end) {
          end = in.end_of_sum(column);
          std::int32_t products = 0;
          for (index_t k = column; k < end; ++k) products += std::int32_t{input[k]} * std::int32_t{codes[k]};
          sum = std::fma(static_cast<float>(products), in.worth(b, row, column), sum);
        }
        write(sum, in.scale_of_input(b), b, row);
      }
    }
  });
}

/// As `plain_product`, the sums four rows of the weight at a time by the instructions of `Vnni`.
template <class Vnni, class Layout, class Executor, class Write>
void row_product(Executor const& ex, int8_operands<Layout, host_space> const& in, Write const& write) {
  constexpr int together = 4;
  extents2 const e = in.weight.extents();
  std::vector<index_t> ends;
  for (index_t column = 0; column < e.columns; column = ends.back()) ends.push_back(in.end_of_sum(column));
  std::vector<std::int32_t> input_sums;
  for (index_t b = 0; b < in.x.rows(); ++b) {
    index_t column = 0;
    for (index_t const end : ends) {
      input_sums.push_back(sum_of_codes<Vnni>(in.x.row(b) + column, end - column));
      column = end;
    }
  }
  row_tiles const tiles(e, together);
  ex.for_each(tiles.count(), [&](index_t tile) {
    index_t const last = tiles.first(tile) + tiles.rows(tile);
    for (index_t row = tiles.first(tile); row < last; row += together)
      for (index_t b = 0; b < in.x.rows(); ++b) {
        std::int32_t const* input_sum = input_sums.data() + b * static_cast<index_t>(ends.size());
        float sums[together] = {};
        index_t column = 0;
        for (index_t const end : ends) {
          std::int8_t const* rows[together];
          for (int r = 0; r < together; ++r) rows[r] = in.weight.row(std::min(row + r, last - 1)) + column;
          std::int32_t products[together];
          dot_rows<Vnni>(rows, in.x.row(b) + column, *input_sum++, end - column, products);
          for (int r = 0; r < together; ++r)
            sums[r] = std::fma(static_cast<float>(products[r]), in.worth(b, std::min(row + r, last - 1), column), sums[r]);
          column = end;
        }
        for (int r = 0; r < together && row + r < last; ++r) write(sums[r], in.scale_of_input(b), b, row + r);
      }
  });
}

}  // namespace halfstep::detail
