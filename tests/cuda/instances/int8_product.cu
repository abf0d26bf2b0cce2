// The INT8 product with the longest ending, and for groups of 128 columns every way in which integer sums become numbers.
#include <cstdint>

#include <halfstep/core/bfloat16.hpp>
#include <halfstep/exec/cuda_stream.hpp>
#include <halfstep/kernel/gelu.hpp>
#include <halfstep/kernel/linear_int8.cuh>
#include <halfstep/layout/int8_block.hpp>

namespace instances {

using namespace halfstep;

void use_int8_product(cuda_stream ex) {
  device_view<std::int8_t const> const codes;
  device_view<float const> const scales;
  linear_int8_async<int8_block<128>>(ex, codes, scales, codes, scales, product_ending<device_space, gelu_tanh, bfloat16>{},
                                     device_view<bfloat16>());
}

}  // namespace instances
