// Decoding of opcodes that integers and reals share, for reals.
#pragma once

#include "decoder.hpp"

namespace ptx {

operation real_add(decoder& d);
operation real_sub(decoder& d);
operation real_mul(decoder& d);
operation real_fma(decoder& d);
operation real_div(decoder& d);
operation real_neg(decoder& d);
operation real_abs(decoder& d);
operation real_min(decoder& d);
operation real_max(decoder& d);

}  // namespace ptx
