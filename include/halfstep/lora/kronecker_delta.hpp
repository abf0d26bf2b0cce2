// LoKr: what an adapter adds as a Kronecker product.
#pragma once

#include <vector>

#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/lora/adapter_layer.hpp>
#include <halfstep/lora/delta_part.hpp>
#include <halfstep/lora/names/name_pair.hpp>
#include <halfstep/lora/small_matrix.hpp>

namespace halfstep::detail {

/// factor w1 (x) w2: element [i p + k, j q + l] is w1[i, j] w2[k, l] for w2 [p, q], whose kernel lies flat in q (LyCORIS).
class kronecker_delta {
 public:
  /// Reads the factors and multiplies those that are products. Throws value_error at NaN or infinity, and io_error.
  explicit kronecker_delta(delta_part const& part) : rows_(part.rows) {
    auto const read = [&](adapter_part p) { return read_matrix(*part.from, *part.layer->at(p)); };
    auto const has = [&](adapter_part p) { return part.layer->at(p) != nullptr; };
    left_ = has(adapter_part::lokr_w1) ? read(adapter_part::lokr_w1)
                                       : product(read(adapter_part::lokr_w1_a), read(adapter_part::lokr_w1_b));
    right_ = has(adapter_part::lokr_w2)   ? read(adapter_part::lokr_w2)
             : has(adapter_part::lokr_t2) ? product(transposed(read(adapter_part::lokr_w2_a)),
                                                    tucker(read(adapter_part::lokr_t2), read(adapter_part::lokr_w2_b)))
                                          : product(read(adapter_part::lokr_w2_a), read(adapter_part::lokr_w2_b));
    for (float& x : left_.values) x = static_cast<float>(part.factor * static_cast<double>(x));
  }

  /// Adds to `rows`, which are those of the tensor from its `first_row()` on.
  void add_to(host_view<float> rows) const {
    index_t const height = right_.extents.rows, width = right_.extents.columns;
    for_each_run(rows_, rows.first_row(), rows.rows(), [&](index_t from, index_t to, index_t count) {
      for (index_t row = 0; row < count; ++row) {
        float* x = rows.row(to - rows.first_row() + row);
        float const* const w1 = left_.values.data() + (from + row) / height * left_.extents.columns;
        float const* const w2 = right_.values.data() + (from + row) % height * width;
        for (index_t j = 0; j < left_.extents.columns; ++j)
          for (index_t l = 0; l < width; ++l, ++x) *x = multiply_add(w1[j], w2[l], *x);
      }
    });
  }

 private:
  std::vector<row_run> rows_;
  small_matrix left_;
  small_matrix right_;
};

}  // namespace halfstep::detail
