#include <halfstep/layout/fp16.hpp>

#include "instances.hpp"

template void instances::use_layout<halfstep::fp16>(halfstep::cuda_stream);
