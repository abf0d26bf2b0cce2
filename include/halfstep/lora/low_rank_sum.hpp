// The low-rank products of all adapters for one tensor, as one product in memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/add_product.hpp>
#include <halfstep/lora/delta_part.hpp>
#include <halfstep/lora/small_matrix.hpp>

namespace halfstep::detail {

/// sum of factor B A over some parts, with zeros in the rows of B that a part has not.
class low_rank_sum {
 public:
  low_rank_sum() = default;

  /// Reads the pairs. Throws value_error at NaN or infinity, and io_error.
  explicit low_rank_sum(std::span<delta_part const> parts) {
    for (auto const& part : parts) {
      auto const& b = part.layer->up()->shape;
      left_extents_.columns += static_cast<index_t>(b[1]);
      left_extents_.rows = part.rows.empty() ? static_cast<index_t>(b[0]) : part.tensor_rows;
    }
    left_ = host_buffer<float>(left_extents_.count());
    std::fill(left_.begin(), left_.end(), 0.0f);
    small_matrix right;
    for (index_t first = 0; auto const& part : parts) {
      auto const factor = right_factor(*part.from, *part.layer);
      if (right.extents.rows == 0) {
        right.extents = {left_extents_.columns, factor.extents.columns};
        right.values = host_buffer<float>(right.extents.count());
      }
      std::copy_n(factor.values.data(), factor.extents.count(), right.values.data() + first * right.extents.columns);
      read_left(part, first);
      first += factor.extents.rows;
    }
    right_ = packed_factor(right.view());
  }

  /// Adds to `rows`, which are those of the tensor from its `first_row()` on; summed in FP32.
  void add_to(host_view<float> rows) const {
    if (left_extents_.columns == 0) return;
    add_product(serial{}, host_view<float const>(left_.view(left_extents_)).rows(rows.first_row(), rows.rows()), right_, rows);
  }

 private:
  /// Reads B, with the part's factor in it, into the columns of the left factor from `first` on.
  void read_left(delta_part const& part, index_t first) {
    auto const up = read_matrix(*part.from, *part.layer->up());
    index_t const rank = up.extents.columns;
    for_each_run(part.rows, 0, left_extents_.rows, [&](index_t from, index_t to, index_t count) {
      for (index_t row = 0; row < count; ++row)
        for (index_t k = 0; k < rank; ++k)
          left_[(to + row) * left_extents_.columns + first + k] =
              static_cast<float>(part.factor * static_cast<double>(up.values[(from + row) * rank + k]));
    });
  }

  extents2 left_extents_{};
  host_buffer<float> left_;
  packed_factor right_;
};

}  // namespace halfstep::detail
