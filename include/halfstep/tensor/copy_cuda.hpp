// Copies between host and device.
#pragma once

#include <cstddef>
#include <type_traits>

#include <cuda_runtime_api.h>

#include <halfstep/core/cuda_error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/layout/concept.hpp>
#include <halfstep/tensor/quantized_tensor.hpp>

namespace halfstep {

namespace detail {

template <class Executor, class T>
void copy_elements(Executor const& ex, T const* from, T* to, extents2 e, cudaMemcpyKind kind) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (e.count() == 0) return;
  check_cuda(cudaMemcpyAsync(to, from, static_cast<std::size_t>(e.count()) * sizeof(T), kind, ex.handle()),
             "halfstep: copying between host and device");
}

}  // namespace detail

/// Copies a matrix to the device. Runs in stream order: `from` must stay as it is until `ex.wait()`.
///
/// Throws shape_error where the shapes differ, cuda_error.
template <device_executor Executor, class T>
void copy(Executor const& ex, host_view<T const> from, device_view<std::type_identity_t<T>> to) {
  require_extents(to.extents(), from.extents(), "halfstep: the target of a copy");
  detail::copy_elements(ex, from.data(), to.data(), from.extents(), cudaMemcpyHostToDevice);
}

/// Copies a matrix from the device. Runs in stream order: `to` holds it after `ex.wait()`.
///
/// Throws shape_error where the shapes differ, cuda_error.
template <device_executor Executor, class T>
void copy(Executor const& ex, device_view<T const> from, host_view<std::type_identity_t<T>> to) {
  require_extents(to.extents(), from.extents(), "halfstep: the target of a copy");
  detail::copy_elements(ex, from.data(), to.data(), from.extents(), cudaMemcpyDeviceToHost);
}

/// Copies a matrix from one place of the device to another. Runs in stream order.
///
/// Throws shape_error where the shapes differ, cuda_error.
template <device_executor Executor, class T>
void copy(Executor const& ex, device_view<T const> from, device_view<std::type_identity_t<T>> to) {
  require_extents(to.extents(), from.extents(), "halfstep: the target of a copy");
  detail::copy_elements(ex, from.data(), to.data(), from.extents(), cudaMemcpyDeviceToDevice);
}

namespace detail {

template <class Space, class Executor, class Layout, class From, class Transform>
quantized_tensor<Layout, Space, Transform> moved_copy(Executor const& ex, quantized_tensor<Layout, From, Transform> const& q) {
  quantized_tensor<Layout, Space, Transform> result(q.extents(), q.transform(), q.source_type());
  copy(ex, q.codes(), result.codes());
  if constexpr (has_groups<Layout>) copy(ex, q.groups(), result.groups());
  ex.wait();
  return result;
}

}  // namespace detail

/// Returns a quantized tensor like `q` in device memory. Allocates it, waits for the stream. Throws cuda_error.
template <device_executor Executor, class Layout, class Transform>
quantized_tensor<Layout, device_space, Transform> copy_to_device(Executor const& ex,
                                                                 quantized_tensor<Layout, host_space, Transform> const& q) {
  return detail::moved_copy<device_space>(ex, q);
}

/// Returns a quantized tensor like `q` in host memory. Allocates it, waits for the stream. Throws cuda_error.
template <device_executor Executor, class Layout, class Transform>
quantized_tensor<Layout, host_space, Transform> copy_to_host(Executor const& ex,
                                                             quantized_tensor<Layout, device_space, Transform> const& q) {
  return detail::moved_copy<host_space>(ex, q);
}

}  // namespace halfstep
