// The INT8 product of rows with a scale each, in FP32: what tensor_cores.sh reads.
#include <cstdint>

#include <halfstep/exec/cuda_stream.hpp>
#include <halfstep/kernel/linear_int8.cuh>
#include <halfstep/layout/int8_axis.hpp>

namespace tensor_cores {

using namespace halfstep;

void use_int8_product(cuda_stream ex) {
  device_view<std::int8_t const> const codes;
  device_view<float const> const numbers;
  linear_int8_async<int8_axis>(ex, codes, numbers, codes, numbers, numbers, device_view<float>());
}

}  // namespace tensor_cores
