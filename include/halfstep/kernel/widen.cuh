// Weights of any type to FP32 and back, on the device.
#pragma once

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/device/element_tile.cuh>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/widen.hpp>

namespace halfstep {

namespace detail {

template <class From, class To>
struct convert_op {
  using from_type = From;
  using to_type = To;
  using step_type = tile_nothing;

  HALFSTEP_HD step_type prepare(index_t, index_t) const { return {}; }
  HALFSTEP_HD To operator()(From x, step_type, index_t) const { return halfstep::narrow<To>(halfstep::widen(x)); }
};

}  // namespace detail

/// Stores every element of `from` in FP32: exact, but for FP64, which is rounded.
///
/// Runs in stream order; the host overload's bits. Throws shape_error where the shapes differ, cuda_error.
template <device_executor Executor, source Source>
void widen_async(Executor const& ex, device_view<Source const> from, device_view<float> to) {
  require_extents(to.extents(), from.extents(), "halfstep: the output of widen");
  detail::for_each_element(ex, detail::convert_op<Source, float>{}, from.data(), to.data(), from.extents(), 0,
                           traversal::forward);
}

/// Stores every element of `from` as a `Target`, ties to even; what a magnitude beyond the target's range becomes is said at
/// its `to_..` function.
///
/// Runs in stream order; the host overload's bits. Throws shape_error where the shapes differ, cuda_error.
template <device_executor Executor, source Target>
void narrow_async(Executor const& ex, device_view<float const> from, device_view<Target> to) {
  require_extents(to.extents(), from.extents(), "halfstep: the output of narrow");
  detail::for_each_element(ex, detail::convert_op<float, Target>{}, from.data(), to.data(), from.extents(), 0,
                           traversal::forward);
}

/// `widen_async`, and waits for the executor.
template <device_executor Executor, source Source>
void widen(Executor const& ex, device_view<Source const> from, device_view<float> to) {
  widen_async(ex, from, to);
  ex.wait();
}

/// `narrow_async`, and waits for the executor.
template <device_executor Executor, source Target>
void narrow(Executor const& ex, device_view<float const> from, device_view<Target> to) {
  narrow_async(ex, from, to);
  ex.wait();
}

}  // namespace halfstep
