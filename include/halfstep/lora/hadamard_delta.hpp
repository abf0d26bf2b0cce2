// LoHa: what an adapter adds as the elementwise product of two low-rank products.
#pragma once

#include <algorithm>
#include <vector>

#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/add_product.hpp>
#include <halfstep/lora/adapter_layer.hpp>
#include <halfstep/lora/delta_part.hpp>
#include <halfstep/lora/names/name_pair.hpp>
#include <halfstep/lora/small_matrix.hpp>

namespace halfstep::detail {

/// factor (w1_a w1_b) o (w2_a w2_b), where each right factor may be a core times it (arXiv:2108.06098; LyCORIS).
class hadamard_delta {
 public:
  /// Reads the factors. Throws value_error at NaN or infinity, and io_error.
  explicit hadamard_delta(delta_part const& part)
      : rows_(part.rows),
        first_(part, adapter_part::hada_w1_a, adapter_part::hada_w1_b, adapter_part::hada_t1),
        second_(part, adapter_part::hada_w2_a, adapter_part::hada_w2_b, adapter_part::hada_t2) {
    for (float& x : first_.left.values) x = static_cast<float>(part.factor * static_cast<double>(x));
  }

  /// Adds to `rows`, which are those of the tensor from its `first_row()` on.
  void add_to(host_view<float> rows) const {
    for_each_run(rows_, rows.first_row(), rows.rows(), [&](index_t from, index_t to, index_t count) {
      auto const into = rows.rows(to - rows.first_row(), count);
      auto const one = first_.rows(from, into.extents()), other = second_.rows(from, into.extents());
      for (index_t i = 0; i < into.extents().count(); ++i) into.data()[i] = multiply_add(one[i], other[i], into.data()[i]);
    });
  }

 private:
  /// One of the two products.
  struct low_rank {
    low_rank(delta_part const& part, adapter_part a, adapter_part b, adapter_part core)
        : left(read_matrix(*part.from, *part.layer->at(a))) {
      auto inner = read_matrix(*part.from, *part.layer->at(b));
      auto const* const t = part.layer->at(core);
      if (t != nullptr) {
        left = transposed(left);
        inner = tucker(read_matrix(*part.from, *t), inner);
      }
      right = packed_factor(inner.view());
    }

    /// Returns the rows from `first` on.
    host_buffer<float> rows(index_t first, extents2 e) const {
      host_buffer<float> made(e.count());
      std::fill(made.begin(), made.end(), 0.0f);
      add_product(serial{}, host_view<float const>(left.view()).rows(first, e.rows), right, made.view(e));
      return made;
    }

    small_matrix left;
    packed_factor right;
  };

  std::vector<row_run> rows_;
  low_rank first_;
  low_rank second_;
};

}  // namespace halfstep::detail
