// Functions whose last bits the ISA leaves open.
#pragma once

#include "decoder.hpp"

namespace ptx {

operation approximate_sqrt(decoder& d);
operation approximate_rcp(decoder& d);
operation approximate_div(decoder& d);

}  // namespace ptx
