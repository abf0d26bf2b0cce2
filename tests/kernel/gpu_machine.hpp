// The device of device_cases.hpp, where there is one.
#pragma once

#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/core/cuda_buffer.hpp>
#include <halfstep/core/cuda_error.hpp>
#include <halfstep/exec/cuda_stream.hpp>

/// Elements in device memory at an offset from an aligned address.
template <class T>
class gpu_memory {
 public:
  gpu_memory(std::vector<T> const& from, halfstep::index_t shift)
      : storage_(static_cast<halfstep::index_t>(from.size()) + shift), size_(from.size()), shift_(shift) {}
  T* data() const { return storage_.data() + shift_; }
  std::size_t size() const { return size_; }

 private:
  halfstep::device_buffer<T> storage_;
  std::size_t size_;
  halfstep::index_t shift_;
};

/// Copies vectors to and from the device; each call waits for all work before it.
class gpu_machine {
 public:
  halfstep::cuda_stream executor() const { return stream_.get(); }

  template <class T>
  gpu_memory<T> upload(std::vector<T> const& from, halfstep::index_t shift) const {
    gpu_memory<T> to(from, shift);
    assign(to, from);
    return to;
  }
  template <class T>
  void assign(gpu_memory<T>& to, std::vector<T> const& from) const {
    copy(to.data(), from.data(), from.size() * sizeof(T));
  }
  template <class T>
  std::vector<T> download(gpu_memory<T> const& from) const {
    std::vector<T> to(from.size());
    copy(to.data(), from.data(), to.size() * sizeof(T));
    return to;
  }

 private:
  void copy(void* to, void const* from, std::size_t bytes) const {
    executor().wait();
    halfstep::check_cuda(cudaMemcpy(to, from, bytes, cudaMemcpyDefault), "a copy of the test");
  }

  halfstep::owned_cuda_stream stream_;
};

/// Whether a case of that much work, in elements or in products of elements, is to run.
///
/// HALFSTEP_GPU_TEST_WORK is the most; without it every case runs. tests/ptx sets it, whose device is a million times slower.
inline bool is_within_reach(halfstep::index_t work) {
  char const* const most = std::getenv("HALFSTEP_GPU_TEST_WORK");
  return work <= (most && *most ? std::strtoll(most, nullptr, 10) : std::numeric_limits<halfstep::index_t>::max());
}

/// A test that needs a device, and says so where there is none.
class GpuTest : public testing::Test {
 protected:
  void SetUp() override {
    int devices = 0;
    cudaError_t const status = cudaGetDeviceCount(&devices);
    if (status != cudaSuccess || devices == 0)
      GTEST_SKIP() << "SKIPPED FOR WANT OF A DEVICE: "
                   << (status != cudaSuccess ? cudaGetErrorString(status) : "no CUDA device here");
  }
};
