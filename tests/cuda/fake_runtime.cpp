#include "fake_runtime.hpp"

#include <cstdlib>

#include <vector_types.h>

#include "fake_device.hpp"

fake_runtime& fake() {
  static fake_runtime state;
  return state;
}

namespace {

bool fails() { return ++fake().calls == fake().failing_call; }

cudaError_t result(bool failed, cudaError_t error) {
  if (failed && fake().records) fake().last_error = error;
  return failed ? error : cudaSuccess;
}

cudaError_t step(cudaError_t error = cudaErrorLaunchFailure) { return result(fails(), error); }

std::size_t allocated() {
  std::size_t bytes = 0;
  for (auto const& [p, size] : fake().memory) bytes += size;
  return bytes;
}

cudaError_t allocate(void** p, std::size_t bytes) {
  ++fake().allocations;
  cudaError_t const status = step(cudaErrorMemoryAllocation);
  if (status != cudaSuccess) return status;
  if (bytes > fake().limit - allocated()) return result(true, cudaErrorMemoryAllocation);
  *p = device().allocate(bytes);
  if (!*p) return result(true, cudaErrorMemoryAllocation);
  fake().memory[*p] = bytes;
  return cudaSuccess;
}

/// The first of what went wrong: the call, what it does, or a kernel before it.
cudaError_t done(cudaError_t status, cudaError_t work) {
  if (status != cudaSuccess) return status;
  cudaError_t const error = work != cudaSuccess ? work : device().status();
  return result(error != cudaSuccess, error);
}

// Whether the call reports a failure or not, what was given back is gone: the caller can do no more about it.
cudaError_t release(void* p) {
  ++fake().allocations;
  bool const failed = fails();
  if (failed) fake().failed_release = true;
  if (p && fake().memory.erase(p) == 0)
    ++fake().wrong_releases;
  else
    device().release(p);
  return result(failed, cudaErrorLaunchFailure);
}

cudaError_t wait() {
  ++fake().waits;
  if (fake().is_capturing) return result(true, cudaErrorStreamCaptureUnsupported);
  fake().unfinished = 0;
  return done(step(), cudaSuccess);
}

struct call_configuration {
  dim3 grid, block;
  std::size_t shared;
  CUstream_st* stream;
};
call_configuration pushed;

cudaError_t launch(void const* handle, dim3 grid, dim3 block, std::size_t shared, void** arguments) {
  cudaError_t const status = step(cudaErrorLaunchOutOfResources);
  return status != cudaSuccess ? status : done(status, device().launch(handle, grid, block, shared, arguments));
}

}  // namespace

extern "C" {

cudaError_t cudaMalloc(void** p, std::size_t bytes) {
  return fake().is_capturing ? result(true, cudaErrorStreamCaptureUnsupported) : allocate(p, bytes);
}
cudaError_t cudaMallocAsync(void** p, std::size_t bytes, cudaStream_t) {
  return fake().has_pools ? allocate(p, bytes) : result(true, cudaErrorNotSupported);
}
cudaError_t cudaFree(void* p) { return fake().is_capturing ? result(true, cudaErrorStreamCaptureUnsupported) : release(p); }
cudaError_t cudaFreeAsync(void* p, cudaStream_t) { return fake().has_pools ? release(p) : result(true, cudaErrorNotSupported); }

cudaError_t cudaMemcpyAsync(void* to, void const* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t) {
  cudaError_t const status = step();
  ++fake().unfinished;
  return status != cudaSuccess ? status : done(status, device().copy(to, from, bytes));
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  cudaError_t const status = step();
  if (status == cudaSuccess) {
    *stream = static_cast<cudaStream_t>(std::malloc(1));
    fake().streams[*stream] = fake().device;
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

cudaError_t cudaStreamSynchronize(cudaStream_t) { return wait(); }

cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) {
  fake().is_capturing = true;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  fake().is_capturing = false;
  *graph = nullptr;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = fake().device;
  return step(cudaErrorNoDevice);
}

cudaError_t cudaSetDevice(int device) {
  cudaError_t const status = step(cudaErrorInvalidDevice);
  if (status == cudaSuccess) fake().device = device;
  return status;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  int const capability = ::device().capability();
  *value = attribute == cudaDevAttrComputeCapabilityMajor   ? capability / 10
           : attribute == cudaDevAttrComputeCapabilityMinor ? capability % 10
                                                            : 0;
  return step();
}

cudaError_t cudaLaunchKernelExC(cudaLaunchConfig_t const* config, void const* handle, void** arguments) {
  ++fake().launches;
  ++fake().unfinished;
  auto const stream = fake().streams.find(config->stream);
  if (stream != fake().streams.end() && stream->second != fake().device) return result(true, cudaErrorInvalidResourceHandle);
  return launch(handle, config->gridDim, config->blockDim, config->dynamicSmemBytes, arguments);
}

cudaError_t cudaGetLastError() {
  cudaError_t const error = fake().last_error;
  fake().last_error = cudaSuccess;
  return error;
}

cudaError_t cudaPeekAtLastError() { return fake().last_error; }

char const* cudaGetErrorName(cudaError_t) { return "cudaErrorOfTheFake"; }
char const* cudaGetErrorString(cudaError_t) { return "the fake runtime was told to fail"; }

// What compiled kernels ask for when a program starts.
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, void const* handle) {
  *kernel = static_cast<cudaKernel_t>(const_cast<void*>(handle));
  return cudaSuccess;
}
cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments, std::size_t shared, cudaStream_t) {
  ++fake().launches;
  ++fake().unfinished;
  return launch(kernel, grid, block, shared, arguments);
}
cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, std::size_t* shared, void* stream) {
  *grid = pushed.grid;
  *block = pushed.block;
  *shared = pushed.shared;
  *static_cast<CUstream_st**>(stream) = pushed.stream;
  return cudaSuccess;
}
unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, std::size_t shared, CUstream_st* stream) {
  pushed = {grid, block, shared, stream};
  return 0;
}
void** __cudaRegisterFatBinary(void* fat_binary) {
  static void* handle = nullptr;
  device().load(fat_binary);
  return &handle;
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
char __cudaInitModule(void**) { return 1; }
void __cudaRegisterFunction(void**, char const* handle, char*, char const* name, int, uint3*, uint3*, dim3*, dim3*, int*) {
  device().name_kernel(handle, name);
}
void __cudaRegisterVar(void**, char*, char*, char const*, int, std::size_t, int, int) {}
}
