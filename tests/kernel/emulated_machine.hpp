// The host as the device of device_cases.hpp.
#pragma once

#include <vector>

#include "emulated_device.hpp"

/// Elements at an offset from an aligned address.
template <class T>
class emulated_memory {
 public:
  emulated_memory(std::vector<T> const& from, halfstep::index_t shift)
      : storage_(static_cast<halfstep::index_t>(from.size()) + shift), shift_(shift) {
    std::copy(from.begin(), from.end(), data());
  }
  T* data() const { return storage_.data() + shift_; }
  std::size_t size() const { return static_cast<std::size_t>(storage_.size() - shift_); }

 private:
  mutable halfstep::host_buffer<T> storage_;  // memory of a device is written through constant handles, too
  halfstep::index_t shift_;
};

/// Copies vectors to and from the emulated device.
class emulated_machine {
 public:
  explicit emulated_machine(int capability = 90) : executor_{capability} {}

  emulated_device const& executor() const { return executor_; }

  template <class T>
  emulated_memory<T> upload(std::vector<T> const& from, halfstep::index_t shift) const {
    return {from, shift};
  }
  template <class T>
  void assign(emulated_memory<T>& to, std::vector<T> const& from) const {
    std::copy(from.begin(), from.end(), to.data());
  }
  template <class T>
  std::vector<T> download(emulated_memory<T> const& from) const {
    return {from.data(), from.data() + from.size()};
  }

 private:
  emulated_device executor_;
};
