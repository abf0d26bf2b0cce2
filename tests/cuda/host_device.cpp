// A device whose memory is the host's and whose kernels do nothing.
#include <cstdlib>
#include <cstring>

#include "fake_device.hpp"

namespace {

class host_device : public fake_device {
 public:
  void* allocate(std::size_t bytes) override { return std::calloc(bytes, 1); }
  void release(void* p) override { std::free(p); }
  cudaError_t copy(void* to, void const* from, std::size_t bytes) override {
    if (bytes > 0) std::memcpy(to, from, bytes);
    return cudaSuccess;
  }
  cudaError_t fill(void* p, int value, std::size_t bytes) override {
    if (bytes > 0) std::memset(p, value, bytes);
    return cudaSuccess;
  }
  void load(void const*) override {}
  void name_kernel(void const*, char const*) override {}
  cudaError_t launch(void const*, dim3, dim3, std::size_t, void**) override { return cudaSuccess; }
  cudaError_t status() const override { return cudaSuccess; }
  int capability() const override { return 90; }
};

}  // namespace

fake_device& device() {
  static host_device one;
  return one;
}
