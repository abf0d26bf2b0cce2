#include <halfstep/layout/int8_tensor.hpp>

#include "instances.hpp"

// Only a group's place differs from axis.cu: the types that most models come in are enough.
template void instances::use_rounding<halfstep::int8_tensor, halfstep::nearest, halfstep::bfloat16>(halfstep::cuda_stream);
template void instances::use_rounding<halfstep::int8_tensor, halfstep::nearest, halfstep::float16>(halfstep::cuda_stream);
template void instances::use_rounding<halfstep::int8_tensor, halfstep::nearest, float>(halfstep::cuda_stream);
template void instances::use_ranges_and_numbers<halfstep::int8_tensor, halfstep::bfloat16>(halfstep::cuda_stream);
template void instances::use_ranges_and_numbers<halfstep::int8_tensor, float>(halfstep::cuda_stream);
