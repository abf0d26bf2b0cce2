// cvt and cvt.pack.
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "elementwise.hpp"
#include "real_rules.hpp"
#include "warp.hpp"

namespace ptx {

namespace {

/// The modifiers of a conversion.
struct conversion {
  std::optional<rounding> to_integer;  ///< .rni .rzi .rmi .rpi
  std::optional<rounding> mode;        ///< .rn .rz .rm .rp .rna
  bool flushes = false;
  bool saturates = false;
  bool satfinite = false;
  bool relu = false;
};

conversion take_conversion(decoder& d) {
  conversion c;
  for (auto const& [name, mode] :
       {std::pair{"rni", rounding::nearest}, {"rzi", rounding::to_zero}, {"rmi", rounding::down}, {"rpi", rounding::up}})
    if (d.take(name)) c.to_integer = mode;
  for (auto const& [name, mode] : {std::pair{"rna", rounding::nearest_away},
                                   {"rn", rounding::nearest},
                                   {"rz", rounding::to_zero},
                                   {"rm", rounding::down},
                                   {"rp", rounding::up}})
    if (d.take(name)) c.mode = mode;
  c.flushes = d.take("ftz");
  c.saturates = d.take("sat");
  c.satfinite = d.take("satfinite");
  c.relu = d.take("relu");
  return c;
}

/// Returns a real of any type as FP64, which holds all of them.
double real_value(std::uint64_t bits, scalar t) {
  if (t.bits == 64) return number_of<double>(bits);
  if (t.bits == 32 && t.real_form == scalar::form::ieee) return static_cast<double>(number_of<float>(bits));
  return widened(static_cast<std::uint32_t>(bits & ones(t.bits)), format_of(t));
}

/// Returns the bits of `x` as a real of type `t`.
std::uint64_t real_bits(double x, scalar t, conversion const& c) {
  if (c.relu && !(x > 0) && x == x) x = 0;
  if (c.saturates) x = x > 0 ? std::min(x, 1.0) : 0.0;
  if (t.bits == 64) return bits_of(x);
  rounding const mode = c.mode.value_or(rounding::nearest);
  std::uint64_t bits = t.bits == 32 && t.real_form == scalar::form::ieee && mode == rounding::nearest && !c.satfinite
                           ? bits_of(static_cast<float>(x))
                           : narrowed(x, format_of(t), mode, c.satfinite ? overflow::largest : overflow::infinity);
  if (c.flushes && t.bits == 32) bits = std::bit_cast<std::uint32_t>(flushed(number_of<float>(bits)));
  return bits;
}

/// A NaN becomes zero, or for FP64 and 64 bits the smallest number; what does not fit the nearest that does.
template <class To>
std::uint64_t integer_bits(double x, rounding mode, bool is_nan_of_64) {
  using limits = std::numeric_limits<To>;
  if (x != x) return is_nan_of_64 ? std::uint64_t{1} << (8 * sizeof(To) - 1) : 0;
  double const y = rounded(x, mode);
  if (y < static_cast<double>(limits::min())) return bits_of(limits::min());
  if (y >= std::ldexp(1.0, limits::digits)) return bits_of(limits::max());
  return bits_of(static_cast<To>(y));
}

operation real_to_integer(decoder& d, scalar to, scalar from, conversion c) {
  if (!c.to_integer || c.mode || c.satfinite || c.relu) d.refuse("a conversion that is not known");
  rounding const mode = *c.to_integer;
  bool const is_nan_of_64 = from.bits == 64 || to.bits == 64;
  return with_integer(d, to, [&]<class T>() {
    return elementwise<1>(d, [=](std::uint64_t a) {
      double x = real_value(a, from);
      if (c.flushes && std::fabs(x) < 0x1p-126) x = std::copysign(0.0, x);
      return integer_bits<T>(x, mode, is_nan_of_64);
    });
  });
}

template <class From>
operation integer_to_real_of(decoder& d, scalar to, conversion c) {
  rounding const mode = *c.mode;
  if (to.bits >= 32)
    return plain([y = d.out(0), x = d.in(1), to, mode](warp& w, lane_mask lanes) {
      lane_values scratch;
      std::uint64_t const* const from = x.read(w, lanes, scratch);
      std::uint64_t* const result = y.write(w, lanes);
      rounding_scope const scope(mode);
      for_each_lane(lanes, [&](int l) {
        From const n = number_of<From>(from[l]);
        result[l] = to.bits == 32 ? bits_of(static_cast<float>(n)) : bits_of(static_cast<double>(n));
      });
    });
  if (sizeof(From) == 8) d.refuse("a conversion that is not known");  // by way of FP64 it would be rounded twice
  return elementwise<1>(d, [to, c](std::uint64_t a) { return real_bits(static_cast<double>(number_of<From>(a)), to, c); });
}

operation integer_to_real(decoder& d, scalar to, scalar from, conversion c) {
  if (!c.mode || *c.mode == rounding::nearest_away || c.to_integer || c.satfinite || c.relu || c.flushes || c.saturates ||
      to.count != 1)
    d.refuse("a conversion that is not known");
  return with_integer(d, from, [&]<class From>() { return integer_to_real_of<From>(d, to, c); });
}

operation integer_to_integer(decoder& d, scalar to, scalar from, conversion c) {
  if (c.mode || c.to_integer || c.satfinite || c.relu || c.flushes) d.refuse("a conversion that is not known");
  return with_integer(d, from, [&]<class From>() {
    return with_integer(d, to, [&]<class To>() {
      if (!c.saturates) return elementwise<1>(d, [](std::uint64_t a) { return bits_of(static_cast<To>(number_of<From>(a))); });
      return elementwise<1>(d, [](std::uint64_t a) {
        From const x = number_of<From>(a);
        using limits = std::numeric_limits<To>;
        if (std::cmp_less(x, limits::min())) return bits_of(limits::min());
        if (std::cmp_greater(x, limits::max())) return bits_of(limits::max());
        return bits_of(static_cast<To>(x));
      });
    });
  });
}

operation real_to_real(decoder& d, scalar to, scalar from, conversion c) {
  if (from.count != 1 || to.count != 1) d.refuse("a conversion that is not known");
  bool const narrows = to.bits < from.bits || (to.bits == 32 && to.real_form == scalar::form::tf32);
  bool const crosses = to.bits == from.bits && to.real_form != from.real_form && !narrows;
  if (crosses && to.bits == 16) d.refuse("a conversion that is not known");
  if (narrows != c.mode.has_value() && !(to.bits == from.bits && c.mode)) d.refuse("a rounding modifier too many or too few");
  if (c.to_integer && to != from) d.refuse("a conversion that is not known");
  return elementwise<1>(d, [=](std::uint64_t a) {
    double x = real_value(a, from);
    if (c.flushes && from.bits == 32) x = static_cast<double>(flushed(static_cast<float>(x)));
    if (c.to_integer) x = rounded(x, *c.to_integer);
    return real_bits(x, to, c);
  });
}

/// Two FP32 numbers into the halves of a register: operand 1 into the upper one.
operation pack_two(decoder& d, scalar to, conversion c) {
  if (!c.mode || (*c.mode != rounding::nearest && *c.mode != rounding::to_zero) || (to.bits == 8 && !c.satfinite))
    d.refuse("a conversion that is not known");
  return elementwise<2>(d, [=](std::uint64_t upper, std::uint64_t lower) {
    scalar const half{scalar::kind::real, to.bits, 1, to.real_form};
    auto const bits = [&](std::uint64_t a) { return real_bits(static_cast<double>(number_of<float>(a)), half, c); };
    return bits(upper) << to.bits | bits(lower);
  });
}

/// Both halves of a register to another format: FP8 to FP16 and back.
operation both_halves(decoder& d, scalar to, scalar from, conversion c) {
  if (!c.mode || *c.mode != rounding::nearest || (to.bits == 8) != c.satfinite) d.refuse("a conversion that is not known");
  return elementwise<1>(d, [=](std::uint64_t a) {
    scalar const to_half{scalar::kind::real, to.bits, 1, to.real_form},
        from_half{scalar::kind::real, from.bits, 1, from.real_form};
    std::uint64_t const lower = real_bits(real_value(a, from_half), to_half, c);
    return lower | real_bits(real_value(a >> from.bits, from_half), to_half, c) << to.bits;
  });
}

/// cvt.pack.sat.s8.s32.b32 d, a, b, c: two numbers, saturated, below the lower bits of c.
operation pack_integers(decoder& d) {
  if (!d.take("sat")) d.refuse("expected .sat");
  scalar const to = d.take_type(), from = d.take_type();
  bool const has_rest = d.operands() == 4;
  if (has_rest != (d.next() == "b32") || from != *scalar_named("s32") || to.bits > 16) d.refuse("a conversion that is not known");
  if (has_rest) d.take("b32");
  auto const saturated = [to](std::uint64_t a) {
    std::int64_t const largest = static_cast<std::int64_t>(ones(to.is_signed() ? to.bits - 1 : to.bits));
    std::int64_t const smallest = to.is_signed() ? -largest - 1 : 0;
    return static_cast<std::uint64_t>(std::clamp(sign_extended(a, 32), smallest, largest)) & ones(to.bits);
  };
  if (!has_rest)
    return elementwise<2>(d, [=](std::uint64_t a, std::uint64_t b) { return saturated(a) << to.bits | saturated(b); });
  return elementwise<3>(d, [=](std::uint64_t a, std::uint64_t b, std::uint64_t rest) {
    return (saturated(a) << to.bits | saturated(b) | rest << 2 * to.bits) & ones(32);
  });
}

operation cvt(decoder& d) {
  if (d.take("pack")) return pack_integers(d);
  conversion const c = take_conversion(d);
  scalar const to = d.take_type(), from = d.take_type();
  if (to.count == 2 && from == *scalar_named("f32")) return pack_two(d, to, c);
  if (to.count == 2 && from.count == 2 && (to.bits == 8) != (from.bits == 8)) return both_halves(d, to, from, c);
  if (to.count == 2 || from.count == 2) d.refuse("a conversion that is not known");
  if (to.is_real()) return from.is_real() ? real_to_real(d, to, from, c) : integer_to_real(d, to, from, c);
  return from.is_real() ? real_to_integer(d, to, from, c) : integer_to_integer(d, to, from, c);
}

}  // namespace

void add_conversion_opcodes(opcode_table& table) { table.insert({{"cvt", cvt}}); }

}  // namespace ptx
