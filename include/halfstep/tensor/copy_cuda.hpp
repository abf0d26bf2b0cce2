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
#include <halfstep/tensor/uninitialized_tensor.hpp>

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
void copy_async(Executor const& ex, host_view<T const> from, device_view<std::type_identity_t<T>> to) {
  require_extents(to.extents(), from.extents(), "halfstep: the target of a copy");
  detail::copy_elements(ex, from.data(), to.data(), from.extents(), cudaMemcpyHostToDevice);
}

/// Copies a matrix from the device. Runs in stream order: `to` holds it after `ex.wait()`.
///
/// Throws shape_error where the shapes differ, cuda_error.
template <device_executor Executor, class T>
void copy_async(Executor const& ex, device_view<T const> from, host_view<std::type_identity_t<T>> to) {
  require_extents(to.extents(), from.extents(), "halfstep: the target of a copy");
  detail::copy_elements(ex, from.data(), to.data(), from.extents(), cudaMemcpyDeviceToHost);
}

/// Copies a matrix from one place of the device to another. Runs in stream order.
///
/// Throws shape_error where the shapes differ, cuda_error.
template <device_executor Executor, class T>
void copy_async(Executor const& ex, device_view<T const> from, device_view<std::type_identity_t<T>> to) {
  require_extents(to.extents(), from.extents(), "halfstep: the target of a copy");
  detail::copy_elements(ex, from.data(), to.data(), from.extents(), cudaMemcpyDeviceToDevice);
}

/// Copies a matrix to the device, and waits for the executor. Throws shape_error where the shapes differ, cuda_error.
template <device_executor Executor, class T>
void copy(Executor const& ex, host_view<T const> from, device_view<std::type_identity_t<T>> to) {
  copy_async(ex, from, to);
  ex.wait();
}

/// Copies a matrix from the device, and waits for the executor. Throws shape_error where the shapes differ, cuda_error.
template <device_executor Executor, class T>
void copy(Executor const& ex, device_view<T const> from, host_view<std::type_identity_t<T>> to) {
  copy_async(ex, from, to);
  ex.wait();
}

/// Copies a matrix from one place of the device to another, and waits for the executor. Throws shape_error where the shapes
/// differ, cuda_error.
template <device_executor Executor, class T>
void copy(Executor const& ex, device_view<T const> from, device_view<std::type_identity_t<T>> to) {
  copy_async(ex, from, to);
  ex.wait();
}

namespace detail {

template <class Executor, class From, class To>
void copy_tensor(Executor const& ex, From const& from, To& to) {
  copy_async(ex, from.codes(), to.codes());
  if constexpr (has_groups<typename From::layout_type>) copy_async(ex, from.groups(), to.groups());
  ex.wait();
}

}  // namespace detail

/// Returns a quantized tensor like `q` in device memory. Allocates it through the executor, whose stream must outlive it, and
/// waits for the stream. Throws cuda_error.
template <device_executor Executor, class Layout, class Transform>
quantized_tensor<Layout, device_space, Transform> copy_to_device(Executor const& ex,
                                                                 quantized_tensor<Layout, host_space, Transform> const& q) {
  auto result = detail::uninitialized_tensor<Layout>(ex, q.extents(), q.transform(), q.source_type());
  detail::copy_tensor(ex, q, result);
  return result;
}

/// Returns a quantized tensor like `q` in host memory. Allocates it, waits for the stream. Throws cuda_error.
template <device_executor Executor, class Layout, class Transform>
quantized_tensor<Layout, host_space, Transform> copy_to_host(Executor const& ex,
                                                             quantized_tensor<Layout, device_space, Transform> const& q) {
  quantized_tensor<Layout, host_space, Transform> result(q.extents(), q.transform(), q.source_type());
  detail::copy_tensor(ex, q, result);
  return result;
}

}  // namespace halfstep
