// mov, and, or, xor, not, cnot, shl, shr, shf, lop3, prmt, bfe, bfi, bfind, bmsk, clz, popc, brev, szext and cvta.
#include <algorithm>
#include <bit>

#include "elementwise.hpp"
#include "generic_address.hpp"
#include "warp.hpp"

namespace ptx {

namespace {

/// Takes a type whose width alone matters.
int take_width(decoder& d) { return d.take_type().width(); }

operation mov(decoder& d) {
  int const width = take_width(d);
  if (d.raw(0).is == operand::kind::vector) {
    auto const parts = d.vector_out(0);
    int const bits = width / static_cast<int>(parts.size());
    return plain([parts, from = d.in(1), bits](warp& w, lane_mask lanes) {
      lane_values scratch, x{};
      std::uint64_t const* const v = from.read(w, lanes, scratch);
      for_each_lane(lanes, [&](int l) { x[static_cast<std::size_t>(l)] = v[l]; });
      for (std::size_t n = 0; n < parts.size(); ++n) {
        std::uint64_t* const to = parts[n].write(w, lanes);
        for_each_lane(
            lanes, [&](int l) { to[l] = x[static_cast<std::size_t>(l)] >> (static_cast<std::size_t>(bits) * n) & ones(bits); });
      }
    });
  }
  if (d.raw(1).is == operand::kind::vector) {
    auto const parts = d.vector_in(1);
    int const bits = width / static_cast<int>(parts.size());
    return plain([to = d.out(0), parts, bits](warp& w, lane_mask lanes) {
      lane_values all{};
      for (std::size_t n = 0; n < parts.size(); ++n) {
        lane_values scratch;
        std::uint64_t const* const x = parts[n].read(w, lanes, scratch);
        for_each_lane(lanes, [&](int l) {
          all[static_cast<std::size_t>(l)] |= (x[l] & ones(bits)) << (static_cast<std::size_t>(bits) * n);
        });
      }
      std::uint64_t* const y = to.write(w, lanes);
      for_each_lane(lanes, [&](int l) { y[l] = all[static_cast<std::size_t>(l)]; });
    });
  }
  return elementwise<1>(d, [width](std::uint64_t a) { return a & ones(width); });
}

template <class F>
operation logic(decoder& d, F f) {
  int const width = take_width(d);
  return elementwise<2>(d, [=](std::uint64_t a, std::uint64_t b) { return f(a, b) & ones(width); });
}

operation bit_and(decoder& d) {
  return logic(d, [](std::uint64_t a, std::uint64_t b) { return a & b; });
}
operation bit_or(decoder& d) {
  return logic(d, [](std::uint64_t a, std::uint64_t b) { return a | b; });
}
operation bit_xor(decoder& d) {
  return logic(d, [](std::uint64_t a, std::uint64_t b) { return a ^ b; });
}

operation bit_not(decoder& d) {
  int const width = take_width(d);
  return elementwise<1>(d, [width](std::uint64_t a) { return ~a & ones(width); });
}

operation cnot(decoder& d) {
  int const width = take_width(d);
  return elementwise<1>(d, [width](std::uint64_t a) { return std::uint64_t{(a & ones(width)) == 0}; });
}

/// Shift counts are 32 bits; those beyond the width count as the width.
operation shl(decoder& d) {
  int const width = take_width(d);
  return elementwise<2>(d, [width](std::uint64_t a, std::uint64_t n) {
    n &= ones(32);
    return n >= static_cast<std::uint64_t>(width) ? 0 : a << n & ones(width);
  });
}

operation shr(decoder& d) {
  scalar const t = d.take_type();
  return elementwise<2>(d, [t](std::uint64_t a, std::uint64_t n) {
    auto const width = static_cast<std::uint64_t>(t.bits);
    n &= ones(32);
    if (t.is_signed()) return static_cast<std::uint64_t>(sign_extended(a, t.bits) >> std::min(n, width - 1));
    return n >= width ? 0 : (a & ones(t.bits)) >> n;
  });
}

/// Shifts 64 bits of which operand 1 is the low half, and keeps one half.
operation shf(decoder& d) {
  bool const is_left = d.take_one_of({"l", "r"}) == 0;
  bool const wraps = d.take_one_of({"wrap", "clamp"}) == 0;
  if (take_width(d) != 32) d.refuse("a funnel that is not 32 bits wide");
  return elementwise<3>(d, [=](std::uint64_t low, std::uint64_t high, std::uint64_t n) {
    n &= ones(32);
    n = wraps ? n & 31 : std::min<std::uint64_t>(n, 32);
    std::uint64_t const both = (low & ones(32)) | high << 32;
    return is_left ? (n == 32 ? both : both << n >> 32) & ones(32) : both >> n & ones(32);
  });
}

operation lop3(decoder& d) {
  if (take_width(d) != 32 || d.operands() != 5) d.refuse("a form of lop3 that is not known");
  return elementwise<4>(d, [](std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t table) {
    std::uint64_t r = 0;
    for (unsigned row = 0; row < 8; ++row)
      if (table >> row & 1) r |= (row & 4 ? a : ~a) & (row & 2 ? b : ~b) & (row & 1 ? c : ~c);
    return r & ones(32);
  });
}

/// Returns byte `n` of the eight of a and b; of the sign alone where bit 3 of the selector says so.
std::uint64_t selected_byte(std::uint64_t both, std::uint64_t selector) {
  std::uint64_t const byte = both >> 8 * (selector & 7) & 255;
  return selector & 8 ? (byte & 128 ? 255 : 0) : byte;
}

operation prmt(decoder& d) {
  if (take_width(d) != 32) d.refuse("no type that is known");
  enum class mode { index, f4e, b4e, rc8, ecl, ecr, rc16 };
  mode const m = d.take("f4e")    ? mode::f4e
                 : d.take("b4e")  ? mode::b4e
                 : d.take("rc8")  ? mode::rc8
                 : d.take("ecl")  ? mode::ecl
                 : d.take("ecr")  ? mode::ecr
                 : d.take("rc16") ? mode::rc16
                                  : mode::index;
  return elementwise<3>(d, [m](std::uint64_t a, std::uint64_t b, std::uint64_t c) {
    std::uint64_t const both = (a & ones(32)) | b << 32;
    std::uint64_t r = 0;
    for (std::uint64_t n = 0; n < 4; ++n) {
      std::uint64_t const i = c & 3;
      std::uint64_t s = 0;
      switch (m) {
        case mode::index:
          s = c >> 4 * n & 15;
          break;
        case mode::f4e:
          s = (i + n) & 7;
          break;
        case mode::b4e:
          s = (i - n) & 7;
          break;
        case mode::rc8:
          s = i;
          break;
        case mode::ecl:
          s = std::max(n, i);
          break;
        case mode::ecr:
          s = std::min(n, i);
          break;
        case mode::rc16:
          s = (i & 1) * 2 + (n & 1);
          break;
      }
      r |= selected_byte(both, s) << 8 * n;
    }
    return r;
  });
}

operation bfe(decoder& d) {
  scalar const t = d.take_type();
  if (t.bits < 32 || t.is_real()) d.refuse("no type that is known");
  return elementwise<3>(d, [t](std::uint64_t a, std::uint64_t position, std::uint64_t length) -> std::uint64_t {
    position &= 255;
    length &= 255;
    auto const width = static_cast<std::uint64_t>(t.bits);
    if (length == 0) return 0;
    std::uint64_t const last = std::min(position + length - 1, width - 1);  // the sign, where the field is cut off
    std::uint64_t const x = position >= width ? 0 : (a & ones(t.bits)) >> position;
    bool const is_negative = t.is_signed() && (a >> last & 1);
    std::uint64_t const kept = position >= width ? 0 : std::min(length, width - position);
    return (x & ones(static_cast<int>(kept))) | (is_negative ? ~ones(static_cast<int>(kept)) : 0);
  });
}

operation bfi(decoder& d) {
  int const width = take_width(d);
  return elementwise<4>(d, [width](std::uint64_t a, std::uint64_t b, std::uint64_t position, std::uint64_t length) {
    position &= 255;
    length &= 255;
    if (position >= static_cast<std::uint64_t>(width)) return b & ones(width);
    std::uint64_t const field = ones(static_cast<int>(length)) << position & ones(width);
    return (b & ~field & ones(width)) | (a << position & field);
  });
}

operation bmsk(decoder& d) {
  bool const clamps = d.take_one_of({"clamp", "wrap"}) == 0;
  if (take_width(d) != 32) d.refuse("no type that is known");
  return elementwise<2>(d, [clamps](std::uint64_t a, std::uint64_t b) {
    a &= clamps ? ones(32) : 31;
    b &= clamps ? ones(32) : 31;
    return a >= 32 ? 0 : ones(static_cast<int>(std::min<std::uint64_t>(b, 32))) << a & ones(32);
  });
}

operation szext(decoder& d) {
  bool const clamps = d.take_one_of({"clamp", "wrap"}) == 0;
  scalar const t = d.take_type();
  return elementwise<2>(d, [clamps, t](std::uint64_t a, std::uint64_t n) -> std::uint64_t {
    n &= clamps ? ones(32) : 31;
    if (n >= 32) return a & ones(32);
    if (n == 0) return 0;
    int const bits = static_cast<int>(n);
    return t.is_signed() ? static_cast<std::uint64_t>(sign_extended(a & ones(bits), bits)) & ones(32) : a & ones(bits);
  });
}

operation clz(decoder& d) {
  int const width = take_width(d);
  return elementwise<1>(
      d, [width](std::uint64_t a) { return static_cast<std::uint64_t>(std::countl_zero(a & ones(width)) - (64 - width)); });
}

operation popc(decoder& d) {
  int const width = take_width(d);
  return elementwise<1>(d, [width](std::uint64_t a) { return static_cast<std::uint64_t>(std::popcount(a & ones(width))); });
}

operation brev(decoder& d) {
  int const width = take_width(d);
  return elementwise<1>(d, [width](std::uint64_t a) {
    std::uint64_t r = 0;
    for (int i = 0; i < width; ++i) r |= (a >> i & 1) << (width - 1 - i);
    return r;
  });
}

/// The place of the most significant bit that is not a sign; .shiftamt: how far it is from the top.
operation bfind(decoder& d) {
  bool const is_distance = d.take("shiftamt");
  scalar const t = d.take_type();
  return elementwise<1>(d, [=](std::uint64_t a) {
    std::uint64_t x = a & ones(t.bits);
    if (t.is_signed() && sign_extended(x, t.bits) < 0) x = ~x & ones(t.bits);
    if (x == 0) return ones(32);
    auto const at = static_cast<std::uint64_t>(63 - std::countl_zero(x));
    return is_distance ? static_cast<std::uint64_t>(t.bits) - 1 - at : at;
  });
}

/// Between addresses of one space and generic ones.
operation cvta(decoder& d) {
  bool const to_space = d.take("to");
  std::size_t const space = d.take_one_of({"global", "shared", "shared::cta", "local", "param", "const"});
  if (take_width(d) != 64) d.refuse("addresses of 32 bits");
  std::uint64_t const window = space == 1 || space == 2 ? shared_window
                               : space == 3             ? local_window
                               : space == 4             ? parameter_window
                                                        : 0;
  if (to_space) return elementwise<1>(d, [window](std::uint64_t a) { return a - window; });
  return elementwise<1>(d, [window](std::uint64_t a) { return a + window; });
}

}  // namespace

void add_bit_opcodes(opcode_table& table) {
  table.insert({{"mov", mov},   {"and", bit_and}, {"or", bit_or}, {"xor", bit_xor}, {"not", bit_not},
                {"cnot", cnot}, {"shl", shl},     {"shr", shr},   {"shf", shf},     {"lop3", lop3},
                {"prmt", prmt}, {"bfe", bfe},     {"bfi", bfi},   {"bmsk", bmsk},   {"szext", szext},
                {"clz", clz},   {"popc", popc},   {"brev", brev}, {"bfind", bfind}, {"cvta", cvta}});
}

}  // namespace ptx
