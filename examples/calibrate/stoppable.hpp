// An executor that stops between two of its tasks.
#pragma once

#include <atomic>
#include <utility>

#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/space.hpp>
#include <halfstep/exec/concept.hpp>

namespace calibrate {

/// Runs on `Executor` until the flag is set; the next task throws halfstep::cancelled then. Borrows both.
template <halfstep::host_executor Executor>
class stoppable {
 public:
  using space = halfstep::host_space;

  stoppable(Executor const& ex, std::atomic<bool> const& stop) : ex_(&ex), stop_(&stop) {}

  void wait() const { ex_->wait(); }

  template <class F>
  void for_each(halfstep::index_t count, F&& f) const {
    if (stop_->load(std::memory_order_relaxed)) throw halfstep::cancelled("stopped on request: nothing was published");
    ex_->for_each(count, std::forward<F>(f));
  }

 private:
  Executor const* ex_;
  std::atomic<bool> const* stop_;
};

}  // namespace calibrate
