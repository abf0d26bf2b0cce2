// Arithmetic with reals that IEEE 754 defines to the last bit: add, sub, mul, fma, div, sqrt, rcp, min, max, neg, abs, copysign.
#include "real_opcodes.hpp"

#include <array>
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "approximate_opcodes.hpp"
#include "elementwise.hpp"
#include "real_rules.hpp"
#include "warp.hpp"

namespace ptx {

namespace {

/// f of Count numbers of type T, by the rules.
template <class T, std::size_t Count, class F>
operation by_rules(decoder& d, real_rules rules, F f) {
  if (rules.are_plain()) return elementwise<Count>(d, [f](auto... bits) { return bits_of<T>(f(number_of<T>(bits)...)); });
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return plain([to = d.out(0), from = std::array<source, Count>{d.in(I + 1)...}, rules, f](warp& w, lane_mask lanes) {
      std::array<lane_values, Count> scratch;
      std::array<std::uint64_t const*, Count> const x{from[I].read(w, lanes, scratch[I])...};
      std::uint64_t* const y = to.write(w, lanes);
      rounding_scope const scope(rules.mode);
      for_each_lane(lanes, [&](int l) {
        if constexpr (std::is_same_v<T, float>) {
          auto const input = [&](std::uint64_t bits) {
            return rules.flushes ? flushed(number_of<float>(bits)) : number_of<float>(bits);
          };
          float r = f(input(x[I][l])...);
          if (rules.flushes) r = flushed(r);
          if (rules.saturates) r = clamped_to_one(r);
          y[l] = bits_of<float>(r);
        } else {
          y[l] = bits_of<T>(f(number_of<T>(x[I][l])...));
        }
      });
    });
  }
  (std::make_index_sequence<Count>());
}

/// Returns a + b, or where that is inexact the neighbour of it that is odd in its last bit: rounding it to fewer than 52 bits
/// rounds the exact sum. Source: S. Boldo, G. Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using
/// rounding to odd", IEEE Transactions on Computers 57, 2008.
double sum_to_odd(double a, double b) {
  double const s = a + b;
  if (!std::isfinite(s)) return s;
  double const from_b = s - a;
  double const error = (a - (s - from_b)) + (b - from_b);
  if (error == 0) return s;
  std::uint64_t bits = std::bit_cast<std::uint64_t>(s);
  if (bits & 1) return s;
  return std::nextafter(s, error > 0 ? INFINITY : -INFINITY);
}

/// Halves, one or two in a register: f computes in FP64 what rounds to the right half.
template <std::size_t Count, class F>
operation by_halves(decoder& d, scalar t, real_rules rules, F f) {
  if (rules.mode != rounding::nearest) d.refuse("a rounding that halves do not have");
  real_format const format = format_of(t);
  auto const number = [format, rules](std::uint64_t bits) {
    double const x = widened(static_cast<std::uint32_t>(bits & 0xffff), format);
    return rules.flushes && std::fabs(x) < std::ldexp(1.0, format.smallest) ? std::copysign(0.0, x) : x;
  };
  auto const half = [format, rules](double x) -> std::uint64_t {
    if (rules.saturates) x = x > 0.0 ? (x < 1.0 ? x : 1.0) : 0.0;
    std::uint32_t const bits = narrowed(x, format, rounding::nearest);
    bool const is_subnormal = (bits & 0x7fff) >> format.mantissa_bits == 0;
    return rules.flushes && is_subnormal ? bits & 0x8000 : bits;
  };
  if (t.count == 1) return elementwise<Count>(d, [=](auto... bits) { return half(f(number(bits)...)); });
  return elementwise<Count>(d, [=](auto... bits) { return half(f(number(bits)...)) | half(f(number(bits >> 16)...)) << 16; });
}

/// Picks FP32, FP64 or halves; `f` is for the first two, `exact` for halves.
template <std::size_t Count, class F, class Exact>
operation any_real(decoder& d, F f, Exact exact) {
  real_rules const rules = take_rules(d);
  scalar const t = d.take_type();
  if (!t.is_real()) d.refuse("no type that is known");
  if (t.bits == 16) return by_halves<Count>(d, t, rules, exact);
  if (t.bits == 32) return by_rules<float, Count>(d, rules, f);
  if (rules.flushes || rules.saturates) d.refuse("a modifier that .f64 does not have");
  return by_rules<double, Count>(d, rules, f);
}

/// FP32 and FP64 alone; a rounding modifier must be there.
template <std::size_t Count, class F>
operation rounded_real(decoder& d, F f) {
  rounding const mode = static_cast<rounding>(d.take_one_of({"rn", "rz", "rm", "rp"}));
  bool const flushes = d.take("ftz");
  scalar const t = d.take_type();
  if (t == *scalar_named("f32")) return by_rules<float, Count>(d, {mode, flushes, false}, f);
  if (t == *scalar_named("f64") && !flushes) return by_rules<double, Count>(d, {mode, false, false}, f);
  d.refuse("no type that is known");
}

/// Changes bits of the sign of every real in a register.
template <class F>
operation by_sign(decoder& d, F f) {
  bool const flushes = d.take("ftz");
  scalar const t = d.take_type();
  if (flushes && t.bits != 32) d.refuse("flushing of halves");
  std::uint64_t signs = std::uint64_t{1} << (t.bits - 1);
  if (t.count == 2) signs |= signs << 16;
  return elementwise<1>(d, [=](std::uint64_t a) {
    if (flushes) a = std::bit_cast<std::uint32_t>(flushed(number_of<float>(a)));
    return f(a & ones(t.width()), signs);
  });
}

/// The smaller or larger of two: of a number and a NaN the number, of zeros the one of the wanted sign.
template <class T>
T chosen(T a, T b, bool larger) {
  if (a != a) return b;
  if (b != b) return a;
  if (a == b) return std::signbit(a) == larger ? b : a;
  return (a > b) == larger ? a : b;
}

operation choice(decoder& d, bool larger) {
  bool const keeps_nan = d.take("NaN");
  bool const flushes = d.take("ftz");
  scalar const t = d.take_type();
  auto const f = [=](auto a, auto b) {
    using T = decltype(a);
    if (keeps_nan && (a != a || b != b)) return std::numeric_limits<T>::quiet_NaN();
    return chosen(a, b, larger);
  };
  if (t.bits == 16) return by_halves<2>(d, t, {rounding::nearest, flushes, false}, f);
  if (t.bits == 32) return by_rules<float, 2>(d, {rounding::nearest, flushes, false}, f);
  if (flushes || keeps_nan) d.refuse("a modifier that .f64 does not have");
  return by_rules<double, 2>(d, {}, f);
}

operation sqrt(decoder& d) {
  if (d.next() == "approx") return approximate_sqrt(d);
  return rounded_real<1>(d, [](auto x) { return std::sqrt(x); });
}

operation rcp(decoder& d) {
  if (d.next() == "approx") return approximate_rcp(d);
  return rounded_real<1>(d, [](auto x) { return decltype(x){1} / x; });
}

operation fma(decoder& d) {
  if (d.take("relu")) d.refuse("modifier .relu");
  return real_fma(d);
}

/// The sign of operand 1 and the rest of operand 2.
operation copysign(decoder& d) {
  scalar const t = d.take_type();
  std::uint64_t const sign = std::uint64_t{1} << (t.bits - 1);
  return elementwise<2>(d, [sign](std::uint64_t a, std::uint64_t b) { return (a & sign) | (b & (sign - 1)); });
}

}  // namespace

operation real_add(decoder& d) {
  return any_real<2>(
      d, [](auto a, auto b) { return a + b; }, sum_to_odd);
}

operation real_sub(decoder& d) {
  return any_real<2>(
      d, [](auto a, auto b) { return a - b; }, [](double a, double b) { return sum_to_odd(a, -b); });
}

operation real_mul(decoder& d) {
  return any_real<2>(
      d, [](auto a, auto b) { return a * b; }, [](double a, double b) { return a * b; });
}

operation real_fma(decoder& d) {
  return any_real<3>(
      d, [](auto a, auto b, auto c) { return std::fma(a, b, c); },
      [](double a, double b, double c) { return sum_to_odd(a * b, c); });
}

operation real_div(decoder& d) {
  if (d.next() == "approx" || d.next() == "full") return approximate_div(d);
  return rounded_real<2>(d, [](auto a, auto b) { return a / b; });
}

operation real_neg(decoder& d) {
  return by_sign(d, [](std::uint64_t a, std::uint64_t signs) { return a ^ signs; });
}

operation real_abs(decoder& d) {
  return by_sign(d, [](std::uint64_t a, std::uint64_t signs) { return a & ~signs; });
}

operation real_min(decoder& d) { return choice(d, false); }
operation real_max(decoder& d) { return choice(d, true); }

void add_real_opcodes(opcode_table& table) { table.insert({{"fma", fma}, {"sqrt", sqrt}, {"rcp", rcp}, {"copysign", copysign}}); }

}  // namespace ptx
