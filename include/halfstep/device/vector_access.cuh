// Loads and stores of up to 16 bytes at once.
#pragma once

#include <cstdint>
#include <cstring>

#include <cuda_runtime.h>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/extents.hpp>

namespace halfstep::detail {

template <int Bytes>
struct word_of;
template <>
struct word_of<1> {
  using type = unsigned char;
};
template <>
struct word_of<2> {
  using type = unsigned short;
};
template <>
struct word_of<4> {
  using type = unsigned int;
};
template <>
struct word_of<8> {
  using type = uint2;
};
template <>
struct word_of<16> {
  using type = uint4;
};

/// Neighbouring elements in registers.
template <class T, int Width>
struct vector_of {
  T value[Width];

  static constexpr int bytes = static_cast<int>(sizeof(T)) * Width;
  using word = typename word_of<bytes>::type;

  /// Precondition: `p` is a multiple of `bytes`.
  HALFSTEP_HD static vector_of load(T const* p) {
    word const w = *reinterpret_cast<word const*>(p);
    vector_of v;
    std::memcpy(&v, &w, sizeof(v));
    return v;
  }

  /// Returns vector `index` of the `count` that start at `first`, anything where there is none. Precondition: that of `load`.
  HALFSTEP_HD static vector_of load_if_below(index_t count, T const* first, index_t index) {
#if defined(__CUDA_ARCH__)
    vector_of v;
#else
    vector_of v{};  // g++ does not see that nobody uses it
#endif
    if (index < count) v = load(first + index * Width);
    return v;
  }

  /// Precondition: `p` is a multiple of `bytes`.
  HALFSTEP_HD void store(T* p) const {
    word w;
    std::memcpy(&w, this, sizeof(w));
#if defined(__CUDA_ARCH__)
    __stcs(reinterpret_cast<word*>(p), w);  // the compiler splits a plain assignment now and then; nobody here reads it again
#else
    *reinterpret_cast<word*>(p) = w;
#endif
  }
};

/// Whether `load` and `store` of `Width` elements may start at `p`.
template <int Width, class T>
bool is_aligned(T const* p) {
  return reinterpret_cast<std::uintptr_t>(p) % vector_of<T, Width>::bytes == 0;
}

}  // namespace halfstep::detail
