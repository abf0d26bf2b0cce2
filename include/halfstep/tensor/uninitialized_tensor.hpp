// A quantized tensor to be filled, in an executor's memory.
#pragma once

#include <halfstep/core/dtype.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/exec/scratch.hpp>
#include <halfstep/tensor/quantized_tensor.hpp>

namespace halfstep::detail {

/// Returns a tensor of uninitialized codes and groups in memory of the executor's. Throws shape_error where layout or transform
/// cannot take the shape.
template <class Layout, executor Executor, class Transform>
quantized_tensor<Layout, typename Executor::space, Transform> uninitialized_tensor(Executor const& ex, extents2 e,
                                                                                   Transform const& transform, dtype type) {
  bool const fits = e.rows >= 0 && e.columns >= 0 && Layout::fits(e) && transform.fits(e);  // the constructor says what does not
  index_t const codes = fits ? e.count() : 0, groups = fits ? Layout::groups(e).count() : 0;
  return {e, result_buffer<typename Layout::code_type>(ex, codes), result_buffer<typename Layout::group_type>(ex, groups),
          transform, type};
}

}  // namespace halfstep::detail
