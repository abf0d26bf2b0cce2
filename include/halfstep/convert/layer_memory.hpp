// What the work on one layer leaves to the next.
#pragma once

#include <cstddef>

#include <halfstep/convert/shared_hessian.hpp>
#include <halfstep/core/buffer.hpp>

namespace halfstep {

/// What one layer after the other works in: memory that grows to the largest and stays, and the Hessians of the last inputs.
struct layer_memory {
  host_buffer<float> weight;
  host_buffer<std::byte> codes;
  host_buffer<float> scales;
  shared_hessian shared;  ///< of all rows
  shared_hessian trial;   ///< of those that are not held out

  /// Makes room for so many elements, their codes and their groups; the contents are gone.
  void grow(index_t elements, index_t code_bytes, index_t groups) {
    if (weight.size() < elements) {
      weight = {};
      weight = host_buffer<float>(elements);
    }
    if (codes.size() < elements * code_bytes) {
      codes = {};
      codes = host_buffer<std::byte>(elements * code_bytes);
    }
    if (scales.size() < groups) scales = host_buffer<float>(groups);
  }
};

}  // namespace halfstep
