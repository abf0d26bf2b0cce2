// Memory for the time of a call, and for its result, wherever the executor is.
#pragma once

#include <concepts>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/exec/concept.hpp>

namespace halfstep::detail {

/// Returns `count` uninitialized elements in the executor's memory; on a device they are given back in the order of its work.
template <class T, executor Executor>
auto scratch(Executor const& ex, index_t count) {
  if constexpr (device_executor<Executor>)
    return ex.template allocate<T>(count);
  else
    return buffer<T, typename Executor::space>(count);
}

/// Returns `count` uninitialized elements for a result: what `scratch` returns, unless the executor's buffers are of a type of
/// their own.
template <class T, executor Executor>
buffer<T, typename Executor::space> result_buffer(Executor const& ex, index_t count) {
  using result = buffer<T, typename Executor::space>;
  if constexpr (std::same_as<decltype(scratch<T>(ex, count)), result>)
    return scratch<T>(ex, count);
  else
    return result(count);
}

}  // namespace halfstep::detail
