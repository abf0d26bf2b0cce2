// The modifiers of arithmetic with reals: rounding, subnormal numbers, saturation.
#pragma once

#include <cfenv>
#include <cmath>
#include <cstdint>

#include "bits.hpp"
#include "decoder.hpp"
#include "real_format.hpp"

namespace ptx {

/// .rn .rz .rm .rp, .ftz, .sat
struct real_rules {
  rounding mode = rounding::nearest;
  bool flushes = false;    ///< subnormal operands and results are zeros of their sign
  bool saturates = false;  ///< results are clamped to [0, 1], a NaN to 0

  bool are_plain() const { return mode == rounding::nearest && !flushes && !saturates; }
};

/// Takes the rounding modifier; without one: to nearest.
inline rounding take_rounding(decoder& d) {
  if (d.take("rn")) return rounding::nearest;
  if (d.take("rz")) return rounding::to_zero;
  if (d.take("rm")) return rounding::down;
  if (d.take("rp")) return rounding::up;
  return rounding::nearest;
}

/// Takes all three kinds of modifiers.
inline real_rules take_rules(decoder& d) {
  real_rules r;
  r.mode = take_rounding(d);
  r.flushes = d.take("ftz");
  r.saturates = d.take("sat");
  return r;
}

/// Returns x, or a zero of its sign where x is subnormal.
inline float flushed(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x; }

inline float clamped_to_one(float x) { return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f; }

/// The processor rounds as a PTX modifier says, as long as this lives.
class rounding_scope {
 public:
  explicit rounding_scope(rounding mode) {
    switch (mode) {
      case rounding::to_zero:
        std::fesetround(FE_TOWARDZERO);
        break;
      case rounding::down:
        std::fesetround(FE_DOWNWARD);
        break;
      case rounding::up:
        std::fesetround(FE_UPWARD);
        break;
      default:
        break;
    }
  }
  rounding_scope(rounding_scope const&) = delete;
  rounding_scope& operator=(rounding_scope const&) = delete;
  ~rounding_scope() { std::fesetround(FE_TONEAREST); }
};

}  // namespace ptx
