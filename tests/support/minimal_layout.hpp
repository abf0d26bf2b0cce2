// The least that a layout written by hand has to be: its members and nothing else, none of them taken from a grid or a geometry.
#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>

#include <halfstep/core/extents.hpp>
#include <halfstep/layout/concept.hpp>

namespace halfstep_test {

/// Every two rows share a power of two, stored as its exponent; codes are whole numbers from -7 to 7.
struct minimal_layout {
  using extents2 = halfstep::extents2;
  using index_t = halfstep::index_t;

  static constexpr std::string_view name = "pairs_of_rows";
  using code_type = std::int8_t;
  using group_type = std::int16_t;
  using step_type = double;

  static constexpr bool fits(extents2 e) { return e.rows % 2 == 0; }
  static constexpr extents2 groups(extents2 e) { return {e.rows / 2, 1}; }
  static constexpr index_t run(extents2 e) { return e.columns; }
  static constexpr index_t group_of(extents2, index_t row, index_t) { return row / 2; }
  static group_type fit(halfstep::value_range v) {
    return v.amax > 0.0f ? static_cast<group_type>(std::ceil(std::log2(v.amax / 7.0f))) : group_type{0};
  }
  static step_type unpack(group_type exponent) { return std::ldexp(1.0, exponent); }
  static halfstep::bracket<code_type> locate(float x, step_type step) {
    double const at = std::fmin(std::fmax(static_cast<double>(x) / step, -7.0), 7.0);
    double const code = std::rint(at), off = at - code;
    double const other = off < 0.0 ? code - 1.0 : code < 7.0 ? code + 1.0 : 6.0;
    return {static_cast<code_type>(code), static_cast<code_type>(other), static_cast<float>(std::fabs(off))};
  }
  static float decode(code_type code, step_type step) { return static_cast<float>(code * step); }
};

static_assert(halfstep::check_layout<minimal_layout>() && halfstep::layout<minimal_layout>);

}  // namespace halfstep_test
