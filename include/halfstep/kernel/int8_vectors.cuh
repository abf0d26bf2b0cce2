// Vectors of weights to INT8 codes and back, with no instruction for one element that serves two or four.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/bits.hpp>
#include <halfstep/core/compiler.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/core/magnitude.hpp>
#include <halfstep/device/packed_values.cuh>
#include <halfstep/device/vector_access.cuh>
#include <halfstep/layout/absmax_scale.hpp>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/geometry/per_block.hpp>
#include <halfstep/layout/geometry/per_row.hpp>
#include <halfstep/layout/geometry/per_tensor.hpp>
#include <halfstep/layout/grid_step.hpp>
#include <halfstep/layout/scaled.hpp>
#include <halfstep/layout/symmetric_grid.hpp>
#include <halfstep/rounding/nearest.hpp>

namespace halfstep::detail {

template <class Layout>
using parts_of = scaled<typename Layout::grid, typename Layout::geometry, typename Layout::scale_rule>;

/// Whether a layout's codes are INT8 numbers times a scale, found and read as `symmetric_grid` does: none of it hidden.
template <class Layout>
concept has_int8_codes = requires {
  typename parts_of<Layout>;
  requires std::is_same_v<typename Layout::grid, symmetric_grid<127>>;
  requires(&Layout::locate == &symmetric_grid<127>::locate);
  requires(&Layout::decode == &symmetric_grid<127>::decode);
  requires(&Layout::unpack == &parts_of<Layout>::unpack);
};

template <class ScaleRule>
inline constexpr bool is_absmax_scale = false;
template <int Floor>
inline constexpr bool is_absmax_scale<absmax_scale<Floor>> = true;

/// Whether a layout of INT8 codes fits scales with which no weight of the group lies beyond the last code.
template <class Layout>
concept fits_to_last_code = has_int8_codes<Layout> && requires {
  requires is_absmax_scale<typename Layout::scale_rule>;
  requires(&Layout::fit == &parts_of<Layout>::fit);
};

/// Whether `nearest_codes` gives the codes of a layout and a rounding policy.
template <class Layout, class Rounding, class Source>
inline constexpr bool packs_codes = has_int8_codes<Layout>&& std::is_same_v<Rounding, nearest> && sizeof(Source) <= 4;

/// What is known of where a vector's weights lie.
enum class code_limits {
  unknown,  ///< they may lie beyond the last code
  kept      ///< the scale is the one that their own group was fitted to
};

/// Returns the codes that `nearest` chooses of `symmetric_grid<127>::locate`.
///
/// They are the lowest bytes of the quotients shifted to 1.5 * 2^23. Where the scale or a weight is not finite they mean nothing.
template <code_limits Limits, class Source, int Width>
HALFSTEP_HD vector_of<std::int8_t, Width> nearest_codes(vector_of<Source, Width> const& x, grid_step step) {
  static_assert(Width % 4 == 0);
  constexpr float magic = 12582912.0f;
  float y[Width];
  widen_vector(x, y);
  std::uint32_t word[Width / 4];
  HALFSTEP_UNROLL
  for (int i = 0; i < Width / 4; ++i) {
    std::uint32_t shifted[4];
    HALFSTEP_UNROLL
    for (int k = 0; k < 4; ++k) {
      float z = static_cast<float>(ieee_float{exact_quotient(y[4 * i + k], step.scale, step.reciprocal)} + magic);
      if constexpr (Limits == code_limits::unknown) z = limited(z, magic - 127.0f, magic + 127.0f);
      shifted[k] = static_cast<std::uint32_t>(bits(z));
    }
    word[i] = low_bytes(shifted[0], shifted[1], shifted[2], shifted[3]);
  }
  vector_of<std::int8_t, Width> codes;
  std::memcpy(&codes, word, sizeof(codes));
  return codes;
}

/// Stores the numbers that codes of `symmetric_grid<127>` stand for.
template <int Width>
HALFSTEP_HD void decode_codes(vector_of<std::int8_t, Width> const& codes, float scale, float (&y)[Width]) {
  static_assert(Width % 4 == 0);
  std::uint32_t word[Width / 4];
  std::memcpy(word, &codes, sizeof(word));
  HALFSTEP_UNROLL
  for (int i = 0; i < Width / 4; ++i) {
    std::uint32_t const biased = word[i] ^ 0x80808080u;
    y[4 * i] = static_cast<float>(signed_byte<0>(biased) * scale);
    y[4 * i + 1] = static_cast<float>(signed_byte<1>(biased) * scale);
    y[4 * i + 2] = static_cast<float>(signed_byte<2>(biased) * scale);
    y[4 * i + 3] = static_cast<float>(signed_byte<3>(biased) * scale);
  }
}

/// Returns the numbers that codes of `symmetric_grid<127>` stand for, rounded to `Target`, ties to even.
template <class Target, int Width>
HALFSTEP_HD vector_of<Target, Width> numbers_of(vector_of<std::int8_t, Width> const& codes, float scale) {
  float y[Width];
  decode_codes(codes, scale, y);
  vector_of<Target, Width> numbers;
  if constexpr (sizeof(Target) == 2) {
    std::uint32_t pair[Width / 2];
    HALFSTEP_UNROLL
    for (int k = 0; k < Width / 2; ++k) pair[k] = narrow_pair<Target>(y[2 * k], y[2 * k + 1]);
    std::memcpy(&numbers, pair, sizeof(numbers));
  } else {
    HALFSTEP_UNROLL
    for (int k = 0; k < Width; ++k) numbers.value[k] = halfstep::narrow<Target>(y[k]);
  }
  return numbers;
}

/// Returns what `Layout::fit` does; where that divides by 127, without the branch of a division.
template <class Layout>
HALFSTEP_HD typename Layout::group_type fit_group(value_range range) {
  if constexpr (fits_to_last_code<Layout>) {
    // Exact where the quotient is normal, and the least scale is larger than any that is not.
    float const scale = bits(range.amax) < 0x7f800000 ? exact_quotient(range.amax, 127.0f, 1.0f / 127.0f) : range.amax;
    return ieee_float{scale} > Layout::scale_rule::least ? scale : Layout::scale_rule::least;
  } else {
    return Layout::fit(range);
  }
}

/// Returns a fitted scale prepared for its elements. Where the scale is not finite the reciprocal means nothing.
template <class Layout>
HALFSTEP_HD typename Layout::step_type unpack_fitted(typename Layout::group_type group) {
  if constexpr (fits_to_last_code<Layout>)
    return {group, usual_reciprocal(group)};  // from 1e-37 to 2^122
  else
    return Layout::unpack(group);
}

template <class Geometry>
inline constexpr bool lies_row_by_row = false;
template <>
inline constexpr bool lies_row_by_row<per_row> = true;
template <>
inline constexpr bool lies_row_by_row<per_tensor> = true;
template <int Side>
inline constexpr bool lies_row_by_row<per_block<Side>> = true;

/// Whether a layout numbers its groups row by row, as they lie.
template <class Layout>
concept numbers_groups_as_they_lie = requires {
  requires lies_row_by_row<typename Layout::geometry>;
  requires(&Layout::group_of == &Layout::geometry::group_of);
};

/// Finds an element's group like `Layout::group_of`, where it can with numbers of 32 bits.
template <class Layout>
class group_finder {
 public:
  explicit group_finder(extents2 e) : extents_(e), per_row_(static_cast<std::uint32_t>(Layout::groups(e).columns)) {}

  HALFSTEP_HD index_t operator()(std::uint32_t row, std::uint32_t column) const {
    if constexpr (numbers_groups_as_they_lie<Layout> && requires { Layout::geometry::side; })
      return row / Layout::geometry::side * per_row_ + column / Layout::geometry::side;
    else
      return Layout::group_of(extents_, row, column);
  }

 private:
  extents2 extents_;
  std::uint32_t per_row_;  ///< groups that lie side by side
};

}  // namespace halfstep::detail
