// A host executor whose type is known at run time.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include <halfstep/core/extents.hpp>
#include <halfstep/core/space.hpp>
#include <halfstep/exec/concept.hpp>

namespace halfstep {

/// Any host executor behind one type, so that kernels whose work is a whole matrix are compiled once. Borrows the executor.
class any_host {
 public:
  using space = host_space;

  template <host_executor Executor>
  any_host(Executor const& ex)
      : executor_(std::addressof(ex)), run_([](void const* executor, index_t count, void* f, call one) {
          static_cast<Executor const*>(executor)->for_each(count, [=](index_t i) { one(f, i); });
        }) {}

  void wait() const {}

  /// Calls `f(i)` for i = 0 .. count - 1 as the executor does.
  template <class F>
  void for_each(index_t count, F&& f) const {
    using function = std::remove_reference_t<F>;
    void* const erased = const_cast<void*>(static_cast<void const*>(std::addressof(f)));
    run_(executor_, count, erased, [](void* g, index_t i) { (*static_cast<function*>(g))(i); });
  }

 private:
  using call = void (*)(void* f, index_t i);

  void const* executor_;
  void (*run_)(void const* executor, index_t count, void* f, call one);
};

}  // namespace halfstep
