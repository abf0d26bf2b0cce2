// expect: e.for_each(n, f)
#include <halfstep/exec/concept.hpp>

struct small_executor {
  using space = halfstep::host_space;
  void wait() const {}
#ifndef HALFSTEP_MISTAKE
  template <class F>
  void for_each(halfstep::index_t count, F&& f) const {
    for (halfstep::index_t i = 0; i < count; ++i) f(i);
  }
#endif
};

void run(halfstep::host_executor auto const& ex) { ex.wait(); }

void use() { run(small_executor{}); }
