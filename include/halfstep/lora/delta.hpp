// What adapters add to one tensor, in memory, and added to its rows.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/magnitude.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/add_product.hpp>
#include <halfstep/kernel/group_range.hpp>
#include <halfstep/kernel/widen.hpp>
#include <halfstep/lora/adapter.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep {

/// One adapter's part in a tensor: factor * up * down, or factor * difference.
struct delta_part {
  adapter const* from;
  double factor;                                    ///< strength, dampening and, for a pair, alpha / r
  safetensors::tensor const* down = nullptr;        ///< A [r, N], with `up`
  safetensors::tensor const* up = nullptr;          ///< B [M, r]
  safetensors::tensor const* difference = nullptr;  ///< of the tensor's shape, where there is no pair
};

namespace detail {

/// Reads elements of `t` from `first` on as FP32. Throws value_error at NaN or infinity.
inline void read_adapter(adapter const& from, safetensors::tensor const& t, index_t first, std::span<float> into) {
  with_source_type(t.type, [&]<class Source>(std::type_identity<Source>) {
    host_buffer<Source> const stored(static_cast<index_t>(into.size()));
    from.file().read(t, static_cast<std::uint64_t>(first) * sizeof(Source),
                     std::as_writable_bytes(std::span(stored.data(), into.size())));
    extents2 const e{1, stored.size()};
    widen(serial{}, host_view<Source const>(stored.view(e)), host_view<float>(into.data(), e));
    if (is_finite(matrix_range(serial{}, host_view<Source const>(stored.view(e))).amax)) return;
    auto const bad = std::find_if(into.begin(), into.end(), [](float x) { return !std::isfinite(x); });
    throw value_error(from.described(t) + " holds NaN or infinity at element " + std::to_string(first + (bad - into.begin())));
  });
}

}  // namespace detail

/// What adapters add to a tensor, with all low-rank pairs as one in memory; differences stay in their files.
class weight_delta {
 public:
  /// Reads the pairs of `parts`, which all fit one tensor. Throws value_error at NaN or infinity, and io_error.
  explicit weight_delta(std::vector<delta_part> const& parts) {
    index_t rank = 0;
    for (auto const& part : parts) {
      if (part.difference != nullptr) differences_.push_back(part);
      if (part.down == nullptr) continue;
      rank += static_cast<index_t>(part.down->shape[0]);
      left_extents_.rows = static_cast<index_t>(part.up->shape[0]);
      right_columns_ = static_cast<index_t>(part.down->shape[1]);
    }
    left_extents_.columns = rank;
    left_ = host_buffer<float>(left_extents_.count());
    host_buffer<float> const right(rank * right_columns_);
    for (index_t first = 0; auto const& part : parts) {
      if (part.down == nullptr) continue;
      auto const r = static_cast<index_t>(part.down->shape[0]);
      detail::read_adapter(*part.from, *part.down, 0,
                           {right.data() + first * right_columns_, static_cast<std::size_t>(r * right_columns_)});
      read_left(part, first, r);
      first += r;
    }
    right_ = packed_factor(right.view({rank, right_columns_}));
  }

  /// Adds to `rows`, which are those of the tensor from its `first_row()` on.
  ///
  /// The pairs' product first, summed in FP32, then the differences in the order of the files. On one machine the same bits
  /// however a tensor is cut into rows. Throws io_error, and value_error for NaN or infinity in a difference.
  void add_to(host_view<float> rows) const {
    if (left_extents_.columns != 0)
      add_product(serial{}, host_view<float const>(left_.view(left_extents_)).rows(rows.first_row(), rows.rows()), right_, rows);
    for (auto const& part : differences_) {
      host_buffer<float> const more(rows.extents().count());
      detail::read_adapter(*part.from, *part.difference, rows.first_row() * rows.columns(),
                           {more.data(), static_cast<std::size_t>(more.size())});
      auto const factor = static_cast<float>(part.factor);
      for (index_t i = 0; i < more.size(); ++i) rows.data()[i] = multiply_add(factor, more[i], rows.data()[i]);
    }
  }

 private:
  /// Reads B, with the part's factor in it, into the columns of the left factor from `first` on.
  void read_left(delta_part const& part, index_t first, index_t rank) {
    host_buffer<float> const up(left_extents_.rows * rank);
    detail::read_adapter(*part.from, *part.up, 0, {up.data(), static_cast<std::size_t>(up.size())});
    for (index_t row = 0; row < left_extents_.rows; ++row)
      for (index_t k = 0; k < rank; ++k)
        left_[row * left_extents_.columns + first + k] =
            static_cast<float>(part.factor * static_cast<double>(up[row * rank + k]));
  }

  extents2 left_extents_{};
  index_t right_columns_ = 0;
  host_buffer<float> left_;
  packed_factor right_;
  std::vector<delta_part> differences_;
};

}  // namespace halfstep
