#include <halfstep/layout/int8_axis.hpp>

#include "instances.hpp"

template void instances::use_layout<halfstep::int8_axis>(halfstep::cuda_stream);
