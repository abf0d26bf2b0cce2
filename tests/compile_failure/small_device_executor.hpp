// A device executor whose members can be left out one by one, by defining WITHOUT_<MEMBER>.
#pragma once

#include <memory>

#include <halfstep/exec/concept.hpp>

template <class T>
struct owned_elements {
  std::unique_ptr<T[]> elements;
  T* data() const { return elements.get(); }
};

struct small_device_executor {
  using space = halfstep::device_space;
  void wait() const {}
#ifndef WITHOUT_ALLOCATE
  template <class T>
  owned_elements<T> allocate(halfstep::index_t count) const {
    return {std::make_unique<T[]>(static_cast<unsigned>(count))};
  }
#endif
#ifndef WITHOUT_READ
  template <class T>
  void read(T const*, T*, halfstep::index_t) const {}
#endif
#ifndef WITHOUT_WRITE
  template <class T>
  void write(T const*, T*, halfstep::index_t) const {}
#endif
#ifndef WITHOUT_HANDLE
  int handle() const { return 0; }
#endif
#ifndef WITHOUT_CAPABILITY
  int capability() const { return 90; }
#endif
};
