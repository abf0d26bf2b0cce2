// Quantized tensors back to numbers in their own basis, on a device.
#pragma once

#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/exec/without_waits.hpp>
#include <halfstep/kernel/dequantize.cuh>
#include <halfstep/kernel/hadamard.cuh>
#include <halfstep/kernel/widen.cuh>
#include <halfstep/tensor/dequantize.hpp>
#include <halfstep/tensor/quantized_tensor.hpp>

namespace halfstep {

/// Stores the numbers that `q` stands for as `dequantize` does, and does not wait: runs in stream order.
template <device_executor Executor, class Layout, class Transform, source Target>
void dequantize_async(Executor const& ex, quantized_tensor<Layout, device_space, Transform> const& q, device_view<Target> out) {
  dequantize(without_waits<Executor>(ex), q, out);
}

}  // namespace halfstep
