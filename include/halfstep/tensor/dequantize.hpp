// Quantized tensors back to numbers in their own basis.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <type_traits>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/dtype.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/exec/scratch.hpp>
#include <halfstep/exec/without_waits.hpp>
#include <halfstep/kernel/dequantize.hpp>
#include <halfstep/kernel/widen.hpp>
#include <halfstep/tensor/quantized_tensor.hpp>

namespace halfstep {

/// Stores the numbers that `q` stands for in `out` [M, N] of any source type, the transform undone, rounded once to `Target`.
///
/// Needs FP32 scratch of the matrix's size where there is a transform and `Target` is not FP32. Waits for the executor. Throws
/// shape_error.
template <executor Executor, class Layout, class Transform, source Target>
void dequantize(Executor const& ex, quantized_tensor<Layout, typename Executor::space, Transform> const& q,
                matrix_view<Target, typename Executor::space> out) {
  static_assert(check_transform<Transform>());
  using space = typename Executor::space;
  auto&& queue = detail::queue_of(ex);
  if constexpr (std::same_as<Transform, identity>) {
    dequantize<Layout>(queue, q.codes(), q.groups(), out);
  } else if constexpr (std::same_as<Target, float>) {
    dequantize<Layout>(queue, q.codes(), q.groups(), out);
    q.transform().invert(queue, out);
  } else {
    auto scratch = detail::scratch<float>(ex, q.extents().count());
    matrix_view<float, space> const wide(scratch.data(), q.extents());
    dequantize<Layout>(queue, q.codes(), q.groups(), wide);
    q.transform().invert(queue, wide);
    narrow(queue, matrix_view<float const, space>(wide), out);
  }
  ex.wait();
}

/// Returns the numbers that `q` stands for in FP32, the transform undone.
template <executor Executor, class Layout, class Transform>
buffer<float, typename Executor::space> dequantize(Executor const& ex,
                                                   quantized_tensor<Layout, typename Executor::space, Transform> const& q) {
  static_assert(check_transform<Transform>());
  auto out = detail::result_buffer<float>(ex, q.extents().count());
  dequantize(ex, q, out.view(q.extents()));
  return out;
}

/// Stores the numbers that `q` stands for in the type that its weights had, as the bytes of a file.
///
/// `out` is aligned for that type and has M * N of them. Throws shape_error where its size is another, and value_error where
/// that type is none that weights come in.
template <host_executor Executor, class Layout, class Transform>
void dequantize_as_source(Executor const& ex, quantized_tensor<Layout, host_space, Transform> const& q,
                          std::span<std::byte> out) {
  with_source_type(q.source_type(), [&]<class Target>(std::type_identity<Target>) {
    require_extents({1, static_cast<index_t>(out.size() / sizeof(Target))}, {1, q.extents().count()},
                    "halfstep: the output of dequantize_as_source");
    dequantize(ex, q, host_view<Target>(reinterpret_cast<Target*>(out.data()), q.extents()));
  });
}

}  // namespace halfstep
