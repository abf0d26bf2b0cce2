// Rows of a weight on their way from the file to the quantizer: widened to FP32, merged with adapters, smoothed, rotated.
#pragma once

#include <string>
#include <type_traits>

#include <halfstep/core/error.hpp>
#include <halfstep/core/magnitude.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/hadamard.hpp>
#include <halfstep/kernel/widen.hpp>
#include <halfstep/lora/delta.hpp>
#include <halfstep/recipe/format_table.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/transform/smoothing.hpp>

namespace halfstep::detail {

/// Stores rows of type `type` in FP32: with `delta` added unless it is null, then with groups of `rotation_group` columns rotated
/// unless that is 0.
inline void prepare_rows(dtype type, erased_rows stored, weight_delta const* delta, int rotation_group, host_view<float> to) {
  with_source_type(type, [&]<class Source>(std::type_identity<Source>) {
    host_view<Source const> const from{static_cast<Source const*>(stored.data), stored.extents, stored.first_row};
    if (rotation_group != 0 && delta == nullptr)
      hadamard_regular(serial{}, from, to, rotation_group);
    else
      widen(serial{}, from, to);
  });
  if (delta == nullptr) return;
  delta->add_to(to);
  if (rotation_group != 0) hadamard_regular(serial{}, host_view<float const>(to), to, rotation_group);
}

/// Multiplies the columns of `rows` by their factors, then rotates groups of `rotation_group` of them unless that is 0.
inline void smooth_rows(smoothing const& factors, int rotation_group, host_view<float> rows) {
  factors.apply(serial{}, rows);
  if (rotation_group != 0) hadamard_regular(serial{}, host_view<float const>(rows), rows, rotation_group);
}

/// Throws value_error with the place of the first NaN or infinity of `rows`, which are of type `type`, if there is one.
inline void refuse_nonfinite(safetensors::tensor const& tensor, dtype type, erased_rows rows) {
  with_source_type(type, [&]<class Source>(std::type_identity<Source>) {
    auto const* const x = static_cast<Source const*>(rows.data);
    for (index_t i = 0; i < rows.extents.count(); ++i) {
      if (is_finite(x[i])) continue;
      index_t const place = rows.first_row * rows.extents.columns + i;
      float const value = widen(x[i]);
      throw value_error("cannot quantize '" + tensor.name + "': element " + std::to_string(place) + " (row " +
                        std::to_string(place / rows.extents.columns) + ", column " +
                        std::to_string(place % rows.extents.columns) + ") is " +
                        (value != value ? "NaN"
                         : value > 0    ? "infinite"
                                        : "minus infinite") +
                        "; keep such tensors as they are with `nonfinite keep`");
    }
  });
}

/// Throws value_error for rows that hold NaN or infinity after `prepare_rows`.
[[noreturn]] inline void refuse_prepared(safetensors::tensor const& tensor, dtype type, erased_rows stored,
                                         weight_delta const* delta) {
  refuse_nonfinite(tensor, type, stored);
  throw value_error("cannot quantize '" + tensor.name + "': its " +
                    (delta == nullptr ? "rotated weights exceed FP32; convert it without `rotation`"
                                      : "weights exceed FP32 once its LoRAs are merged; merge them with less strength"));
}

}  // namespace halfstep::detail
