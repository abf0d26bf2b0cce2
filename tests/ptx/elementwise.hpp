// Operations that compute each lane from that lane alone.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "decoder.hpp"
#include "operation.hpp"

namespace ptx {

/// Operand 0 becomes f(operand 1, operand 2, ..), as many as f has parameters, all of them bits.
template <std::size_t Count, class F>
operation elementwise(decoder& d, F f) {
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return plain([to = d.out(0), from = std::array<source, Count>{d.in(I + 1)...}, f](warp& w, lane_mask lanes) {
      std::array<lane_values, Count> scratch;
      std::array<std::uint64_t const*, Count> const x{from[I].read(w, lanes, scratch[I])...};
      std::uint64_t* const y = to.write(w, lanes);
      std::uint64_t const mask = to.mask();
      for_each_lane(lanes, [&](int l) { y[l] = f(x[I][l]...) & mask; });
    });
  }
  (std::make_index_sequence<Count>());
}

/// Calls f.operator()<T>() for the integer type of C++ that a PTX type is; .bX counts as unsigned.
template <class F>
operation with_integer(decoder const& d, scalar t, F&& f) {
  if (t.count != 1 || t.is_real() || t.is == scalar::kind::predicate) d.refuse("not an integer type");
  switch (t.bits) {
    case 8:
      return t.is_signed() ? f.template operator()<std::int8_t>() : f.template operator()<std::uint8_t>();
    case 16:
      return t.is_signed() ? f.template operator()<std::int16_t>() : f.template operator()<std::uint16_t>();
    case 32:
      return t.is_signed() ? f.template operator()<std::int32_t>() : f.template operator()<std::uint32_t>();
    case 64:
      return t.is_signed() ? f.template operator()<std::int64_t>() : f.template operator()<std::uint64_t>();
    default:
      d.refuse("no type that is known");
  }
}

}  // namespace ptx
