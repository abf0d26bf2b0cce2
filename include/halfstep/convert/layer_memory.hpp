// What the work on one layer leaves to the next.
#pragma once

#include <cstdint>

#include <halfstep/convert/shared_hessian.hpp>
#include <halfstep/core/buffer.hpp>

namespace halfstep {

/// What one layer after the other works in: memory that grows to the largest and stays, and the Hessian of the last inputs.
struct layer_memory {
  host_buffer<float> weight;
  host_buffer<std::int8_t> codes;
  host_buffer<float> scales;
  shared_hessian shared;

  void grow(index_t elements, index_t groups) {
    if (weight.size() < elements) {
      weight = {};
      codes = {};
      weight = host_buffer<float>(elements);
      codes = host_buffer<std::int8_t>(elements);
    }
    if (scales.size() < groups) scales = host_buffer<float>(groups);
  }
};

}  // namespace halfstep
