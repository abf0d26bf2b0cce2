// Functions of the runtime that tests and programs call and the library does not.
#include <cstdlib>
#include <cstring>

#include "fake_device.hpp"
#include "fake_runtime.hpp"

namespace {

cudaError_t noted(cudaError_t error) {
  if (error != cudaSuccess) fake().last_error = error;
  return error;
}

}  // namespace

extern "C" {

cudaError_t cudaMemcpy(void* to, void const* from, std::size_t bytes, cudaMemcpyKind) {
  cudaError_t const status = device().copy(to, from, bytes);
  return noted(status != cudaSuccess ? status : device().status());
}
cudaError_t cudaMemset(void* p, int value, std::size_t bytes) { return noted(device().fill(p, value, bytes)); }
cudaError_t cudaDeviceSynchronize() { return noted(device().status()); }
cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, void const*) {
  std::memset(attributes, 0, sizeof *attributes);
  attributes->maxThreadsPerBlock = 1024;
  attributes->numRegs = 32;
  attributes->ptxVersion = attributes->binaryVersion = device().capability();
  return cudaSuccess;
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, void const*, int, std::size_t, unsigned) {
  *blocks = 2;
  return cudaSuccess;
}
}
