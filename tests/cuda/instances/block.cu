#include <halfstep/layout/int8_block.hpp>

#include "instances.hpp"

template void instances::use_layout<halfstep::int8_block<128>>(halfstep::cuda_stream);
