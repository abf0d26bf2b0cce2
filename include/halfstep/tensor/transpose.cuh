// The transpose of a quantized tensor on the device: codes and groups move, no number changes.
#pragma once

#include <utility>

#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/transpose.cuh>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/transposed.hpp>
#include <halfstep/tensor/quantized_tensor.hpp>
#include <halfstep/tensor/uninitialized_tensor.hpp>
#include <halfstep/transform/identity.hpp>

namespace halfstep {

/// Returns W^T for the W that `q` stands for, as the host's `transpose` does: the same codes and groups, each transposed.
///
/// Queues the work and does not wait; allocates the result through the executor, whose stream must outlive it. Throws cuda_error.
template <device_executor Executor, class Layout>
quantized_tensor<typename transpose_of<Layout>::type, device_space> transpose_async(
    Executor const& ex, quantized_tensor<Layout, device_space> const& q) {
  auto result = detail::uninitialized_tensor<typename transpose_of<Layout>::type>(ex, q.extents().transposed(), identity{},
                                                                                  q.source_type());
  transpose_async(ex, q.codes(), result.codes());
  if constexpr (has_groups<Layout>) transpose_async(ex, q.groups(), result.groups());
  return result;
}

/// `transpose_async`, and waits for the executor.
template <device_executor Executor, class Layout>
quantized_tensor<typename transpose_of<Layout>::type, device_space> transpose(Executor const& ex,
                                                                              quantized_tensor<Layout, device_space> const& q) {
  auto result = transpose_async(ex, q);
  ex.wait();
  return result;
}

}  // namespace halfstep
