// add, sub, mul, mad, div, rem, neg, abs, min, max and the dot products of integers; those of reals are decoded by
// real_opcodes.cpp.
#include <algorithm>
#include <limits>
#include <type_traits>

#include "elementwise.hpp"
#include "real_opcodes.hpp"
#include "warp.hpp"

namespace ptx {

namespace {

__extension__ using wide_signed = __int128;
__extension__ using wide_unsigned = unsigned __int128;

template <class T>
using wide_of = std::conditional_t<std::is_signed_v<T>, wide_signed, wide_unsigned>;

template <class T>
T wrapped(wide_of<T> x) {
  return static_cast<T>(x);
}

template <class T>
T saturated(wide_of<T> x) {
  using limits = std::numeric_limits<T>;
  return static_cast<T>(std::clamp<wide_of<T>>(x, limits::min(), limits::max()));
}

template <class T>
T number(std::uint64_t bits) {
  return number_of<T>(bits);
}

/// Two packed numbers of 16 bits: f on each.
template <class F>
operation packed_pairs(decoder& d, scalar t, F f) {
  bool const is_signed = t.is_signed();
  return elementwise<2>(d, [f, is_signed](std::uint64_t a, std::uint64_t b) {
    std::uint64_t both = 0;
    for (int shift : {0, 16}) {
      std::uint64_t const x = a >> shift & 0xffff, y = b >> shift & 0xffff;
      std::int64_t const r = is_signed ? f(sign_extended(x, 16), sign_extended(y, 16))
                                       : f(static_cast<std::int64_t>(x), static_cast<std::int64_t>(y));
      both |= (static_cast<std::uint64_t>(r) & 0xffff) << shift;
    }
    return both;
  });
}

template <class F>
operation sums(decoder& d, F f) {
  bool const saturates = d.take("sat");
  scalar const t = d.take_type();
  if (t.count == 2) {
    if (saturates) d.refuse("saturation of packed integers");
    return packed_pairs(d, t, f);
  }
  if (saturates && !(t.is_signed() && t.bits == 32)) d.refuse("saturation is for .s32");
  return with_integer(d, t, [&]<class T>() {
    if (saturates)
      return elementwise<2>(d, [f](std::uint64_t a, std::uint64_t b) {
        return bits_of(saturated<T>(f(wide_of<T>{number<T>(a)}, wide_of<T>{number<T>(b)})));
      });
    return elementwise<2>(d, [f](std::uint64_t a, std::uint64_t b) { return bits_of(static_cast<T>(f(a, b))); });
  });
}

operation add(decoder& d) {
  if (d.has_real_type()) return real_add(d);
  return sums(d, [](auto a, auto b) { return a + b; });
}

operation sub(decoder& d) {
  if (d.has_real_type()) return real_sub(d);
  return sums(d, [](auto a, auto b) { return a - b; });
}

enum class part { low, high, wide };

part take_part(decoder& d) { return static_cast<part>(d.take_one_of({"lo", "hi", "wide"})); }

template <class T>
std::uint64_t product(std::uint64_t a, std::uint64_t b, part which) {
  wide_of<T> const p = wide_of<T>{number<T>(a)} * wide_of<T>{number<T>(b)};
  switch (which) {
    case part::low:
      return bits_of(wrapped<T>(p));
    case part::high:
      return bits_of(static_cast<T>(p >> (8 * sizeof(T))));
    case part::wide:
      return static_cast<std::uint64_t>(p);
  }
  return 0;
}

operation mul(decoder& d) {
  if (d.has_real_type()) return real_mul(d);
  part const which = take_part(d);
  scalar const t = d.take_type();
  if (which == part::wide && t.bits > 32) d.refuse("a product wider than a register");
  return with_integer(d, t, [&]<class T>() {
    if (which == part::low)
      return elementwise<2>(d, [](std::uint64_t a, std::uint64_t b) { return bits_of(static_cast<T>(a * b)); });
    return elementwise<2>(d, [which](std::uint64_t a, std::uint64_t b) { return product<T>(a, b, which); });
  });
}

operation mad(decoder& d) {
  if (d.has_real_type()) return real_fma(d);
  bool const saturates = d.take("sat");
  part const which = take_part(d);
  scalar const t = d.take_type();
  if (which == part::wide && t.bits > 32) d.refuse("a product wider than a register");
  if (saturates && !(which == part::high && t.is_signed() && t.bits == 32)) d.refuse("saturation is for mad.hi.s32");
  return with_integer(d, t, [&]<class T>() {
    return elementwise<3>(d, [which, saturates](std::uint64_t a, std::uint64_t b, std::uint64_t c) {
      std::uint64_t const p = product<T>(a, b, which);
      if (which == part::wide) return p + c;
      if (saturates) return bits_of(saturated<T>(wide_of<T>{number<T>(p)} + wide_of<T>{number<T>(c)}));
      return bits_of(static_cast<T>(p + c));
    });
  });
}

/// Division and remainder: by zero the ISA leaves the result open, so it is complained of.
template <class F>
operation quotients(decoder& d, F f) {
  scalar const t = d.take_type();
  if (t.bits == 8) d.refuse("no type that is known");
  return with_integer(d, t, [&]<class T>() {
    return plain([to = d.out(0), from = d.in(1), by = d.in(2), f](warp& w, lane_mask lanes) {
      lane_values sa, sb;
      std::uint64_t const* const a = from.read(w, lanes, sa);
      std::uint64_t const* const b = by.read(w, lanes, sb);
      std::uint64_t* const y = to.write(w, lanes);
      for_each_lane(lanes, [&](int l) {
        T const x = number<T>(a[l]), divisor = number<T>(b[l]);
        if (divisor == 0) w.complain("division by zero");
        y[l] = (divisor == 0 ? ~std::uint64_t{0} : bits_of(static_cast<T>(f(wide_of<T>{x}, wide_of<T>{divisor})))) & to.mask();
      });
    });
  });
}

operation div(decoder& d) {
  if (d.has_real_type()) return real_div(d);
  return quotients(d, [](auto a, auto b) { return a / b; });
}

operation rem(decoder& d) {
  return quotients(d, [](auto a, auto b) { return a % b; });
}

operation neg(decoder& d) {
  if (d.has_real_type()) return real_neg(d);
  return with_integer(d, d.take_type(), [&]<class T>() {
    return elementwise<1>(d, [](std::uint64_t a) { return bits_of(static_cast<T>(0 - a)); });
  });
}

operation abs(decoder& d) {
  if (d.has_real_type()) return real_abs(d);
  return with_integer(d, d.take_type(), [&]<class T>() {
    return elementwise<1>(d, [](std::uint64_t a) { return bits_of(static_cast<T>(number<T>(a) < T{0} ? 0 - a : a)); });
  });
}

template <class F>
operation choices(decoder& d, F f) {
  scalar const t = d.take_type();
  if (t.count == 2) return packed_pairs(d, t, f);
  return with_integer(d, t, [&]<class T>() {
    return elementwise<2>(d, [f](std::uint64_t a, std::uint64_t b) { return bits_of(f(number<T>(a), number<T>(b))); });
  });
}

operation min(decoder& d) {
  if (d.has_real_type()) return real_min(d);
  return choices(d, [](auto a, auto b) { return a < b ? a : b; });
}

operation max(decoder& d) {
  if (d.has_real_type()) return real_max(d);
  return choices(d, [](auto a, auto b) { return a > b ? a : b; });
}

operation sad(decoder& d) {
  return with_integer(d, d.take_type(), [&]<class T>() {
    return elementwise<3>(d, [](std::uint64_t a, std::uint64_t b, std::uint64_t c) {
      return bits_of(static_cast<T>(c + (number<T>(a) < number<T>(b) ? b - a : a - b)));
    });
  });
}

operation mul24(decoder& d) {
  if (d.take_one_of({"lo", "hi"}) != 0) d.refuse("the upper half");
  bool const is_signed = d.take_type().is_signed();
  return elementwise<2>(d, [is_signed](std::uint64_t a, std::uint64_t b) {
    if (is_signed) return static_cast<std::uint64_t>(sign_extended(a, 24) * sign_extended(b, 24)) & ones(32);
    return ((a & ones(24)) * (b & ones(24))) & ones(32);
  });
}

/// The dot product of four bytes, added to a third operand.
operation dp4a(decoder& d) {
  bool const a_signed = d.take_type().is_signed(), b_signed = d.take_type().is_signed();
  return elementwise<3>(d, [a_signed, b_signed](std::uint64_t a, std::uint64_t b, std::uint64_t c) {
    std::uint64_t sum = c;
    for (int shift = 0; shift < 32; shift += 8) {
      std::uint64_t const x = a >> shift & 255, y = b >> shift & 255;
      sum += (a_signed ? static_cast<std::uint64_t>(sign_extended(x, 8)) : x) *
             (b_signed ? static_cast<std::uint64_t>(sign_extended(y, 8)) : y);
    }
    return sum & ones(32);
  });
}

}  // namespace

void add_integer_opcodes(opcode_table& table) {
  table.insert({{"add", add},
                {"sub", sub},
                {"mul", mul},
                {"mad", mad},
                {"div", div},
                {"rem", rem},
                {"neg", neg},
                {"abs", abs},
                {"min", min},
                {"max", max},
                {"sad", sad},
                {"mul24", mul24},
                {"dp4a", dp4a}});
}

}  // namespace ptx
