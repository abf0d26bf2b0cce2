// expect: halfstep: -ffast-math changes which code a weight gets
// errors: 1
// flags: -ffast-math
#include <halfstep/core/arithmetic.hpp>

float quotient(float x) { return halfstep::exact_quotient(x, 2.0f, 0.5f); }
