#include <halfstep/layout/fp8_block.hpp>
#include <halfstep/layout/fp8_tensor.hpp>

#include "instances.hpp"

// The types that most models come in are enough: kernels differ from those of INT8 by their grid alone.
template void instances::use_rounding<halfstep::fp8_tensor, halfstep::nearest, halfstep::bfloat16>(halfstep::cuda_stream);
template void instances::use_rounding<halfstep::fp8_tensor, halfstep::stochastic, float>(halfstep::cuda_stream);
template void instances::use_rounding<halfstep::fp8_block<128>, halfstep::nearest, halfstep::bfloat16>(halfstep::cuda_stream);
template void instances::use_ranges_and_numbers<halfstep::fp8_block<128>, halfstep::bfloat16>(halfstep::cuda_stream);
template void instances::use_ranges_and_numbers<halfstep::fp8_tensor, float>(halfstep::cuda_stream);
