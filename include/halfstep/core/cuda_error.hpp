// Failed calls of the CUDA runtime as exceptions.
#pragma once

#include <string>

#include <cuda_runtime_api.h>

#include <halfstep/core/error.hpp>

namespace halfstep {

/// A call of the CUDA runtime that failed; the text holds the runtime's name of the error and its sentence.
class cuda_error : public error {
 public:
  /// `doing` says what was attempted, such as "halfstep: copying to the device".
  cuda_error(cudaError_t code, std::string const& doing)
      : error(stated("device.call_failed", "{doing}: {name} ({reason})",
                     {{"doing", doing}, {"name", cudaGetErrorName(code)}, {"reason", cudaGetErrorString(code)}})),
        code_(code) {}

  /// Returns the runtime's code, such as cudaErrorMemoryAllocation.
  cudaError_t code() const noexcept { return code_; }

 private:
  cudaError_t code_;
};

/// Throws cuda_error unless `status` is success.
///
/// Where the runtime's record of the last error holds `status` it is cleared, so that an error that was handled is not met again
/// at the next launch; an error of somebody else's own stays there for them.
inline void check_cuda(cudaError_t status, char const* doing) {
  if (status == cudaSuccess) return;
  if (cudaPeekAtLastError() == status) static_cast<void>(cudaGetLastError());
  throw cuda_error(status, doing);
}

}  // namespace halfstep
