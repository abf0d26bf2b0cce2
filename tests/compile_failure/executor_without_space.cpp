// expect: 'typename E::space'
#include <halfstep/exec/concept.hpp>

struct small_executor {
#ifndef HALFSTEP_MISTAKE
  using space = halfstep::host_space;
#endif
  void wait() const {}
  template <class F>
  void for_each(halfstep::index_t count, F&& f) const {
    for (halfstep::index_t i = 0; i < count; ++i) f(i);
  }
};

void run(halfstep::host_executor auto const& ex) { ex.wait(); }

void use() { run(small_executor{}); }
