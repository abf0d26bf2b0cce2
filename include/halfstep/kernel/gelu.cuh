// The GELU activation on the device, in its two forms.
#pragma once

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/device/element_tile.cuh>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/gelu.hpp>

namespace halfstep {

namespace detail {

template <class Form>
struct form_op {
  using from_type = float;
  using to_type = float;
  using step_type = tile_nothing;

  Form form;

  HALFSTEP_HD step_type prepare(index_t, index_t) const { return {}; }
  HALFSTEP_HD float operator()(float x, step_type, index_t) const { return form(x); }
};

}  // namespace detail

/// Stores `form(x)` for every element; `form` is `gelu_erf` or `gelu_tanh`. `x` and `y` may be the same memory.
///
/// The bits of the host overload. Runs in stream order. Throws shape_error, cuda_error.
template <device_executor Executor, class Form = gelu_erf>
void gelu_async(Executor const& ex, device_view<float const> x, device_view<float> y, Form form = {}) {
  require_extents(y.extents(), x.extents(), "halfstep: the output of gelu");
  detail::for_each_element(ex, detail::form_op<Form>{form}, x.data(), y.data(), x.extents(), 0, traversal::forward);
}

/// `gelu_async`, and waits for the executor.
template <device_executor Executor, class Form = gelu_erf>
void gelu(Executor const& ex, device_view<float const> x, device_view<float> y, Form form = {}) {
  gelu_async(ex, x, y, form);
  ex.wait();
}

}  // namespace halfstep
