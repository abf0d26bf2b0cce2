// The device's dot product of four INT8 numbers, and the same on the host.
#pragma once

#include <cstdint>
#include <cstring>

#include <halfstep/core/compiler.hpp>

namespace halfstep::detail {

/// Returns c and the four products of the bytes of `a` and `b`.
HALFSTEP_HD inline int add_products(int a, int b, int c) {
#if defined(__CUDA_ARCH__)
  return __dp4a(a, b, c);
#else
  std::int8_t left[4], right[4];
  std::memcpy(left, &a, sizeof(a));
  std::memcpy(right, &b, sizeof(b));
  for (int i = 0; i < 4; ++i) c += int{left[i]} * int{right[i]};
  return c;
#endif
}

}  // namespace halfstep::detail
