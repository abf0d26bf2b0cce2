// From weights in device memory to a quantized tensor there.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

#include <halfstep/core/dtype.hpp>
#include <halfstep/core/magnitude.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/exec/without_waits.hpp>
#include <halfstep/kernel/fit_quantize.cuh>
#include <halfstep/kernel/group_range.cuh>
#include <halfstep/kernel/hadamard.cuh>
#include <halfstep/kernel/rotate_quantize.cuh>
#include <halfstep/kernel/widen.cuh>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/rounding/nearest.hpp>
#include <halfstep/tensor/quantized_tensor.hpp>
#include <halfstep/tensor/quantizer.hpp>
#include <halfstep/tensor/uninitialized_tensor.hpp>
#include <halfstep/transform/hadamard.hpp>
#include <halfstep/transform/identity.hpp>

namespace halfstep {

namespace detail {

/// Throws value_error, as the host's quantizer does, where a range that the device found is not finite.
template <class Executor, class Source>
void require_finite(Executor const& ex, device_view<value_range const> ranges, device_view<Source const> weight) {
  std::vector<value_range> here(static_cast<std::size_t>(ranges.extents().count()));
  ex.read(ranges.data(), here.data(), ranges.extents().count());
  if (std::all_of(here.begin(), here.end(), [](value_range r) { return is_finite(r.amax); })) return;
  std::vector<Source> elements(static_cast<std::size_t>(weight.extents().count()));
  ex.read(weight.data(), elements.data(), weight.extents().count());
  refuse_not_finite(host_view<Source const>(elements.data(), weight.extents(), weight.first_row()));
}

template <class Layout, class Executor, class Weight, class Source, class Tensor, class Rounding>
void quantize_into(Executor const& ex, device_view<Weight const> weight, device_view<Source const> origin, Tensor& q,
                   Rounding rounding) {
  // A layout without groups has no ranges; one for the whole matrix tells as much.
  using ranged = std::conditional_t<has_groups<Layout>, Layout, int8_tensor>;
  extents2 const g = ranged::groups(weight.extents());
  auto memory = ex.template allocate<value_range>(g.count());
  device_view<value_range> const ranges(memory.data(), g);
  if constexpr (has_groups<Layout>) {
    fit_quantize_async<Layout>(ex, weight, ranges, q.groups(), q.codes(), rounding);
  } else {
    group_range_async<ranged>(ex, weight, ranges);
    quantize_async<Layout>(ex, weight, std::as_const(q).groups(), q.codes(), rounding, traversal::backward);
  }
  require_finite(ex, device_view<value_range const>(ranges), origin);
}

/// `quantize_on_device` of weights that had the type `type`.
template <class Layout, class Executor, class Source, class Rounding, class Transform>
quantized_tensor<Layout, device_space, Transform> quantize_as(Executor const& ex, device_view<Source const> weight,
                                                              Rounding rounding, Transform const& transform, dtype type) {
  static_assert(check_transform<Transform>());
  extents2 const e = weight.extents();
  auto q = uninitialized_tensor<Layout>(ex, e, transform, type);
  if constexpr (std::same_as<Transform, identity>) {
    quantize_into<Layout>(ex, weight, weight, q, rounding);
  } else {
    if constexpr (std::same_as<Transform, regular_hadamard> && std::same_as<Rounding, nearest> && has_groups<Layout>) {
      auto memory = ex.template allocate<value_range>(q.groups().extents().count());
      device_view<value_range> const ranges(memory.data(), q.groups().extents());
      if (rotate_quantize_async<Layout>(ex, weight, ranges, q.groups(), q.codes(), transform.group)) {
        require_finite(ex, device_view<value_range const>(ranges), weight);
        return q;
      }
    }
    auto scratch = ex.template allocate<float>(e.count());
    device_view<float> const wide(scratch.data(), e, weight.first_row());
    without_waits<Executor> const queue(ex);
    if constexpr (requires { transform.apply(queue, weight, wide); }) {
      transform.apply(queue, weight, wide);
    } else {
      widen_async(ex, weight, wide);
      transform.apply(queue, wide);
    }
    quantize_into<Layout>(ex, device_view<float const>(wide), weight, q, rounding);
  }
  return q;
}

}  // namespace detail

/// Returns `weight` quantized on the device: its basis changed, every group fitted to its largest magnitude, codes chosen by
/// `rounding`; its type is remembered.
///
/// weight [M, N], whole rows of groups. The codes and groups that `quantizer` gives on the host, bit for bit. What `rounding`
/// points to lies in device memory. Allocates through the executor the result, a range a group, and FP32 scratch of the weight's
/// size where there is a transform that `rotate_quantize_async` has no pass for; the executor's stream must outlive the result.
/// Waits for the stream. Throws shape_error where layout or transform cannot take the shape, value_error naming the first element
/// that is not finite, cuda_error.
template <class Layout, device_executor Executor, source Source, class Rounding = nearest, class Transform = identity>
quantized_tensor<Layout, device_space, Transform> quantize_on_device(Executor const& ex, device_view<Source const> weight,
                                                                     Rounding rounding = {}, Transform transform = {}) {
  return detail::quantize_as<Layout>(ex, weight, rounding, transform, source_traits<Source>::type);
}

}  // namespace halfstep
