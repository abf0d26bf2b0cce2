// INT8 dot products by the instructions of AVX-512 VNNI and AVX-VNNI, where the compiler targets them.
#pragma once

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
#include <immintrin.h>
#endif

#include <cstdint>
#include <cstring>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/extents.hpp>

namespace halfstep::detail {

#if defined(__AVX512VNNI__)
/// Sixteen sums at once. `dot` adds to each the products of four bytes, those of `a` without sign.
struct avx512_vnni {
  using vector = __m512i;
  static constexpr int lanes = 16;
  static constexpr int tile_rows = 6;    ///< of the weight, with which `tile_panels` of inputs fill 29 of 32 registers
  static constexpr int tile_panels = 4;

  static vector zero() { return _mm512_setzero_si512(); }
  static vector load(void const* p) { return _mm512_loadu_si512(p); }
  static void store(void* p, vector v) { _mm512_storeu_si512(p, v); }
  static vector everywhere(std::int32_t x) { return _mm512_set1_epi32(x); }
  static vector exclusive_or(vector a, vector b) { return _mm512_xor_si512(a, b); }
  static vector dot(vector sum, vector a, vector b) { return _mm512_dpbusd_epi32(sum, a, b); }
};
#endif

#if defined(__AVXVNNI__)
/// Eight sums at once; otherwise as `avx512_vnni`.
struct avx_vnni {
  using vector = __m256i;
  static constexpr int lanes = 8;
  static constexpr int tile_rows = 4;  ///< with which `tile_panels` of inputs fill 16 of 16 registers
  static constexpr int tile_panels = 3;

  static vector zero() { return _mm256_setzero_si256(); }
  static vector load(void const* p) { return _mm256_loadu_si256(static_cast<__m256i const*>(p)); }
  static void store(void* p, vector v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }
  static vector everywhere(std::int32_t x) { return _mm256_set1_epi32(x); }
  static vector exclusive_or(vector a, vector b) { return _mm256_xor_si256(a, b); }
  static vector dot(vector sum, vector a, vector b) { return _mm256_dpbusd_avx_epi32(sum, a, b); }
};
#endif

/// Bytes with a sign differ from bytes without by this bit, which is worth 128.
inline constexpr std::int32_t sign_bits = static_cast<std::int32_t>(0x80808080u);
inline constexpr std::int32_t sign_worth = 128;

template <class Vnni>
std::int32_t sum_of_lanes(typename Vnni::vector v) {
  alignas(64) std::int32_t lanes[Vnni::lanes];
  Vnni::store(lanes, v);
  std::int32_t sum = 0;
  for (std::int32_t const lane : lanes) sum += lane;
  return sum;
}

/// Returns the sum of `count` codes. Precondition: at most 65536.
template <class Vnni>
std::int32_t sum_of_codes(std::int8_t const* codes, index_t count) {
  constexpr index_t width = 4 * Vnni::lanes;
  auto const ones = Vnni::everywhere(0x01010101);
  auto sum = Vnni::zero();
  index_t k = 0;
  for (; k + width <= count; k += width) sum = Vnni::dot(sum, ones, Vnni::load(codes + k));
  std::int32_t total = sum_of_lanes<Vnni>(sum);
  for (; k < count; ++k) total += codes[k];
  return total;
}

/// Stores the sums of products of `count` codes of each of `Rows` rows with those of `x`, whose sum is `x_sum`.
///
/// Precondition: at most 65536 codes.
template <class Vnni, int Rows>
void dot_rows(std::int8_t const* const (&rows)[Rows], std::int8_t const* x, std::int32_t x_sum, index_t count,
              std::int32_t (&products)[Rows]) {
  constexpr index_t width = 4 * Vnni::lanes;
  auto const flip = Vnni::everywhere(sign_bits);
  typename Vnni::vector sum[Rows];
  HALFSTEP_UNROLL_VECTORS
  for (int r = 0; r < Rows; ++r) sum[r] = Vnni::zero();
  index_t k = 0;
  for (; k + width <= count; k += width) {
    auto const input = Vnni::load(x + k);
    HALFSTEP_UNROLL_VECTORS
    for (int r = 0; r < Rows; ++r) sum[r] = Vnni::dot(sum[r], Vnni::exclusive_or(Vnni::load(rows[r] + k), flip), input);
  }
  if (k < count) {
    alignas(64) std::int8_t rest[width] = {};
    std::memcpy(rest, x + k, static_cast<std::size_t>(count - k));
    auto const input = Vnni::load(rest);
    for (int r = 0; r < Rows; ++r) {
      std::memcpy(rest, rows[r] + k, static_cast<std::size_t>(count - k));
      sum[r] = Vnni::dot(sum[r], Vnni::exclusive_or(Vnni::load(rest), flip), input);
    }
  }
  for (int r = 0; r < Rows; ++r) products[r] = sum_of_lanes<Vnni>(sum[r]) - sign_worth * x_sum;
}

/// Products of rows of the weight with panels of inputs, as `panel_product` calls them.
template <class Vnni>
struct vnni_panels {
  static constexpr int lanes = Vnni::lanes;
  static constexpr int strip = 8 * Vnni::tile_rows;  ///< rows of the weight that are worked on together
  static constexpr int depth = 512;                  ///< columns at a time: so much of a tile's inputs stays in 48 KiB
  static constexpr int width = 256;                  ///< inputs at a time
  static constexpr int granule = 4;                  ///< sums begin at multiples of so many columns
  static constexpr std::int32_t flip = sign_bits;

  /// Returns what `add` adds too much for a row of codes.
  static std::int32_t surplus(std::int8_t const* codes, index_t count) {
    return sign_worth * sum_of_codes<Vnni>(codes, count);
  }

  /// Adds the products of codes [strip, depth] and panels to products [strip, width]. `columns` is a multiple of 64.
  static void add(std::int8_t const* codes, index_t columns, std::uint8_t const* x, index_t panel_bytes, int panels,
                  std::int32_t* products) {
    for (int panel = 0; panel < panels;) {
      int const left = panels - panel;
      int const count = left < Vnni::tile_panels ? left : Vnni::tile_panels;
      for (int row = 0; row < strip; row += Vnni::tile_rows) {
        std::int8_t const* const from = codes + row * depth;
        std::uint8_t const* const input = x + panel * panel_bytes;
        std::int32_t* const to = products + row * width + panel * lanes;
        if (count == 4) add_tile<4>(from, columns, input, panel_bytes, to);
        if (count == 3) add_tile<3>(from, columns, input, panel_bytes, to);
        if (count == 2) add_tile<2>(from, columns, input, panel_bytes, to);
        if (count == 1) add_tile<1>(from, columns, input, panel_bytes, to);
      }
      panel += count;
    }
  }

 private:
  template <int Panels>
  static void add_tile(std::int8_t const* codes, index_t columns, std::uint8_t const* x, index_t panel_bytes,
                       std::int32_t* products) {
    if constexpr (Panels <= Vnni::tile_panels) {
      typename Vnni::vector sum[Vnni::tile_rows][Panels];
      HALFSTEP_UNROLL_VECTORS
      for (int r = 0; r < Vnni::tile_rows; ++r)
        HALFSTEP_UNROLL_VECTORS
        for (int p = 0; p < Panels; ++p) sum[r][p] = Vnni::load(products + r * width + p * lanes);
      for (index_t k = 0; k < columns; k += 4) {
        typename Vnni::vector input[Panels];
        HALFSTEP_UNROLL_VECTORS
        for (int p = 0; p < Panels; ++p) input[p] = Vnni::load(x + p * panel_bytes + k * lanes);
        HALFSTEP_UNROLL_VECTORS
        for (int r = 0; r < Vnni::tile_rows; ++r) {
          std::int32_t four = 0;
          std::memcpy(&four, codes + r * depth + k, sizeof(four));
          auto const code = Vnni::everywhere(four);
          HALFSTEP_UNROLL_VECTORS
          for (int p = 0; p < Panels; ++p) sum[r][p] = Vnni::dot(sum[r][p], input[p], code);
        }
      }
      HALFSTEP_UNROLL_VECTORS
      for (int r = 0; r < Vnni::tile_rows; ++r)
        HALFSTEP_UNROLL_VECTORS
        for (int p = 0; p < Panels; ++p) Vnni::store(products + r * width + p * lanes, sum[r][p]);
    }
  }
};

}  // namespace halfstep::detail
