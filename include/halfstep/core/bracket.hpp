// What a rounding policy sees of a value: the two codes around it.
#pragma once

namespace halfstep {

/// The code nearest to a value, its neighbour on the other side of the value, and how far the value lies towards it.
///
/// `t` in [0, .5] counts in steps between the two codes. At the end of a grid both codes are the last one.
template <class Code>
struct bracket {
  Code nearer;   ///< the code nearest to the value, ties to the even one
  Code farther;  ///< the neighbouring code on the other side of the value
  float t;       ///< distance from `nearer`, in steps
};

}  // namespace halfstep
