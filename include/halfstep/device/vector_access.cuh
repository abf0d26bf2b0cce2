// Loads and stores of up to 16 bytes at once.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

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

/// How many threads a multiprocessor should hold of a kernel that takes weights of type T by 16 bytes: enough to keep the memory
/// busy, and so few that their registers hold the elements of a vector as FP32, sixteen of FP8.
template <class T>
inline constexpr int resident_threads = sizeof(T) == 1 ? 1024 : 1536;

/// Neighbouring elements in registers.
template <class T, int Width>
struct vector_of {
  T value[Width];

  static constexpr int bytes = static_cast<int>(sizeof(T)) * Width;
  using word = typename word_of<bytes>::type;

  /// Precondition: `p` is a multiple of `bytes`.
  HALFSTEP_HD static vector_of load(T const* p) { return of(load_word(p)); }

  /// Returns the elements as they came, in registers that the compiler does not take apart. Precondition: as above.
  HALFSTEP_HD static word load_word(T const* p) {
#if defined(__CUDA_ARCH__)
    return *reinterpret_cast<word const*>(p);
#else
    word w;
    std::memcpy(&w, p, sizeof(w));
    return w;
#endif
  }

  HALFSTEP_HD static vector_of of(word const& w) {
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

  /// Precondition: `p` is a multiple of `bytes`, in global memory.
  HALFSTEP_HD void store(T* p) const {
#if defined(__CUDA_ARCH__)
    word w;
    std::memcpy(&w, this, sizeof(w));
    __stcs(reinterpret_cast<word*>(p), w);  // the compiler splits a plain assignment now and then; nobody here reads it again
#else
    std::memcpy(p, this, sizeof(*this));
#endif
  }

  /// Stores where it is read again soon. Precondition: `p` is a multiple of `bytes`.
  HALFSTEP_HD void keep(T* p) const {
#if defined(__CUDA_ARCH__)
    word w;
    std::memcpy(&w, this, sizeof(w));
    *reinterpret_cast<word*>(p) = w;
#else
    std::memcpy(p, this, sizeof(*this));
#endif
  }
};

/// Returns `x`, an integer or a pointer to global memory, as something the device's compiler takes from a register where it would
/// compute it anew for every use.
template <class T>
HALFSTEP_HD T kept_in_register(T x) {
#if defined(__CUDA_ARCH__)
  if constexpr (sizeof(T) == 8)
    asm volatile("" : "+l"(x));
  else
    asm volatile("" : "+r"(x));
  if constexpr (std::is_pointer_v<T>) __builtin_assume(__isGlobal(x));
#endif
  return x;
}

/// Whether `load` and `store` of `Width` elements may start at `p`.
template <int Width, class T>
bool is_aligned(T const* p) {
  return reinterpret_cast<std::uintptr_t>(p) % vector_of<T, Width>::bytes == 0;
}

}  // namespace halfstep::detail
