#include <halfstep/layout/int8_tensor.hpp>

#include "instances.hpp"

template void instances::use_layout<halfstep::int8_tensor>(halfstep::cuda_stream);
