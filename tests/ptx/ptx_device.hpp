// The machine as the device of the fake runtime.
#pragma once

#include <map>
#include <string>

#include "../cuda/fake_device.hpp"
#include "machine.hpp"

namespace ptx {

/// Runs the kernels of a program that is linked with it instead of the CUDA runtime.
///
/// HALFSTEP_PTX_SEED draws another order of blocks and warps, HALFSTEP_PTX_CAPABILITY (80, 90) is what the device says it is and
/// which PTX it takes, HALFSTEP_PTX_INSTEAD a file of PTX whose kernels run in place of those of the same names,
/// HALFSTEP_PTX_COUNTERS=1 prints what kernels did when the program ends, HALFSTEP_PTX_TRACE=1 each launch.
class ptx_device : public fake_device {
 public:
  ptx_device();
  ~ptx_device() override;

  void* allocate(std::size_t bytes) override;
  void* allocate_pinned(std::size_t bytes) override;
  void release(void* p) override;
  cudaError_t copy(void* to, void const* from, std::size_t bytes) override;
  cudaError_t fill(void* p, int value, std::size_t bytes) override;
  void load(void const* fat_binary) override;
  void name_kernel(void const* handle, char const* name) override;
  cudaError_t launch(void const* handle, dim3 grid, dim3 block, std::size_t shared, void** arguments) override;
  cudaError_t status() const override { return status_; }
  int capability() const override { return capability_; }

  class machine& machine() {
    return machine_;
  }

 private:
  template <class Text>
  void load_text(Text text);
  bool is_within(void const* p, std::size_t bytes);

  int capability_;
  class machine machine_;
  std::map<void const*, std::string> names_;
  cudaError_t status_ = cudaSuccess;  ///< sticky, as a device's after a fault
};

/// Returns the device of this program.
ptx_device& this_device();

}  // namespace ptx
