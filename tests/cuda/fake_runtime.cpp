#include "fake_runtime.hpp"

#include <cstdlib>
#include <cstring>

#include <vector_types.h>

fake_runtime& fake() {
  static fake_runtime state;
  return state;
}

namespace {

bool fails() { return ++fake().calls == fake().failing_call; }

cudaError_t result(bool failed, cudaError_t error) {
  if (failed) fake().last_error = error;
  return failed ? error : cudaSuccess;
}

cudaError_t step(cudaError_t error = cudaErrorLaunchFailure) { return result(fails(), error); }

cudaError_t allocate(void** p, std::size_t bytes) {
  cudaError_t const status = step(cudaErrorMemoryAllocation);
  if (status == cudaSuccess) {
    *p = std::calloc(bytes, 1);
    fake().memory[*p] = bytes;
  }
  return status;
}

// Whether the call reports a failure or not, what was given back is gone: the caller can do no more about it.
cudaError_t release(void* p) {
  bool const failed = fails();
  if (failed) fake().failed_release = true;
  if (p && fake().memory.erase(p) == 0)
    ++fake().wrong_releases;
  else
    std::free(p);
  return result(failed, cudaErrorLaunchFailure);
}

}  // namespace

extern "C" {

cudaError_t cudaMalloc(void** p, std::size_t bytes) { return allocate(p, bytes); }
cudaError_t cudaMallocAsync(void** p, std::size_t bytes, cudaStream_t) { return allocate(p, bytes); }
cudaError_t cudaFree(void* p) { return release(p); }
cudaError_t cudaFreeAsync(void* p, cudaStream_t) { return release(p); }

cudaError_t cudaMemcpyAsync(void* to, void const* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t) {
  cudaError_t const status = step();
  if (status == cudaSuccess && bytes > 0) std::memcpy(to, from, bytes);
  return status;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  cudaError_t const status = step();
  if (status == cudaSuccess) {
    *stream = static_cast<cudaStream_t>(std::malloc(1));
    fake().streams.insert(*stream);
  }
  return status;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  bool const failed = fails();
  if (failed) fake().failed_release = true;
  if (fake().streams.erase(stream) == 0)
    ++fake().wrong_releases;
  else
    std::free(stream);
  return result(failed, cudaErrorLaunchFailure);
}

cudaError_t cudaStreamSynchronize(cudaStream_t) { return step(); }

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return step(cudaErrorNoDevice);
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrComputeCapabilityMajor ? 9 : 0;
  return step();
}

cudaError_t cudaLaunchKernelExC(cudaLaunchConfig_t const*, void const*, void**) {
  ++fake().launches;
  return step(cudaErrorLaunchOutOfResources);
}

cudaError_t cudaGetLastError() {
  cudaError_t const error = fake().last_error;
  fake().last_error = cudaSuccess;
  return error;
}

char const* cudaGetErrorName(cudaError_t) { return "cudaErrorOfTheFake"; }
char const* cudaGetErrorString(cudaError_t) { return "the fake runtime was told to fail"; }

// What compiled kernels ask for when a program starts.
cudaError_t __cudaGetKernel(cudaKernel_t*, void const*) { return cudaSuccess; }
cudaError_t __cudaLaunchKernel(cudaKernel_t, dim3, dim3, void**, std::size_t, cudaStream_t) { return cudaSuccess; }
cudaError_t __cudaPopCallConfiguration(dim3*, dim3*, std::size_t*, void*) { return cudaSuccess; }
unsigned __cudaPushCallConfiguration(dim3, dim3, std::size_t, CUstream_st*) { return 0; }
void** __cudaRegisterFatBinary(void*) {
  static void* handle = nullptr;
  return &handle;
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
char __cudaInitModule(void**) { return 1; }
void __cudaRegisterFunction(void**, char const*, char*, char const*, int, uint3*, uint3*, dim3*, dim3*, int*) {}
}
