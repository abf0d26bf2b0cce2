// setp, set, selp, slct and testp.
#include <array>
#include <cmath>
#include <string_view>

#include "elementwise.hpp"
#include "real_rules.hpp"
#include "warp.hpp"

namespace ptx {

namespace {

/// What may hold between two numbers, as bits.
enum : unsigned { less = 1, equal = 2, greater = 4, unordered = 8 };

struct comparison_name {
  std::string_view name;
  unsigned holds_for;
};

constexpr std::array<comparison_name, 18> comparison_names{{{"eq", equal},
                                                            {"ne", less | greater},
                                                            {"lt", less},
                                                            {"le", less | equal},
                                                            {"gt", greater},
                                                            {"ge", greater | equal},
                                                            {"lo", less},
                                                            {"ls", less | equal},
                                                            {"hi", greater},
                                                            {"hs", greater | equal},
                                                            {"equ", equal | unordered},
                                                            {"neu", less | greater | unordered},
                                                            {"ltu", less | unordered},
                                                            {"leu", less | equal | unordered},
                                                            {"gtu", greater | unordered},
                                                            {"geu", greater | equal | unordered},
                                                            {"num", less | equal | greater},
                                                            {"nan", unordered}}};

template <class T>
unsigned compared(T a, T b) {
  return a < b ? less : a > b ? greater : a == b ? equal : unordered;
}

/// Returns which relation holds between two registers.
using relation = unsigned (*)(std::uint64_t, std::uint64_t);

template <class T>
unsigned relation_of(std::uint64_t a, std::uint64_t b) {
  return compared(number_of<T>(a), number_of<T>(b));
}

template <int Bits, scalar::form Form>
unsigned relation_of_halves(std::uint64_t a, std::uint64_t b) {
  constexpr real_format f = format_of({scalar::kind::real, Bits, 1, Form});
  return compared(widened(static_cast<std::uint32_t>(a & 0xffff), f), widened(static_cast<std::uint32_t>(b & 0xffff), f));
}

unsigned relation_of_flushed(std::uint64_t a, std::uint64_t b) {
  return compared(flushed(number_of<float>(a)), flushed(number_of<float>(b)));
}

relation relation_for(decoder& d, scalar t, bool flushes) {
  if (t.count != 1) d.refuse("comparisons of packed numbers");
  if (t.is_real()) {
    if (t.bits == 16)
      return t.real_form == scalar::form::bf16 ? relation_of_halves<16, scalar::form::bf16>
                                               : relation_of_halves<16, scalar::form::ieee>;
    if (t.bits == 32) return flushes ? relation_of_flushed : relation_of<float>;
    return relation_of<double>;
  }
  if (flushes) d.refuse("flushing of integers");
  switch (t.bits) {
    case 16:
      return t.is_signed() ? relation_of<std::int16_t> : relation_of<std::uint16_t>;
    case 32:
      return t.is_signed() ? relation_of<std::int32_t> : relation_of<std::uint32_t>;
    case 64:
      return t.is_signed() ? relation_of<std::int64_t> : relation_of<std::uint64_t>;
    default:
      d.refuse("no type that is known");
  }
}

/// A comparison and, where it has one, the predicate that it is joined with.
struct comparison {
  unsigned holds_for;
  enum class join { none, both, either, one } joined;
  relation relate;

  bool value(std::uint64_t a, std::uint64_t b, bool c, bool negated) const {
    bool const holds = ((holds_for & relate(a, b)) != 0) != negated;
    switch (joined) {
      case join::both:
        return holds && c;
      case join::either:
        return holds || c;
      case join::one:
        return holds != c;
      case join::none:
        break;
    }
    return holds;
  }
};

comparison take_comparison(decoder& d) {
  comparison c{0, comparison::join::none, nullptr};
  for (auto const& [name, holds_for] : comparison_names)
    if (d.next() == name) c.holds_for = holds_for;
  std::string_view const name = d.next();
  if (c.holds_for == 0 || !d.take(name)) d.refuse("comparison ." + std::string(name));
  if (d.take("and"))
    c.joined = comparison::join::both;
  else if (d.take("or"))
    c.joined = comparison::join::either;
  else if (d.take("xor"))
    c.joined = comparison::join::one;
  return c;
}

/// p or p|q: whether the comparison holds, and whether its negation does, each joined with operand 3.
operation setp(decoder& d) {
  comparison c = take_comparison(d);
  bool const flushes = d.take("ftz");
  c.relate = relation_for(d, d.take_type(), flushes);
  destination const to = d.out(0);
  std::optional<destination> const negated = d.second_out(0);
  source const a = d.in(1), b = d.in(2);
  std::optional<source> const joined = c.joined != comparison::join::none ? std::optional<source>(d.in(3)) : std::nullopt;
  return plain([=](warp& w, lane_mask lanes) {
    lane_values sa, sb, sc;
    std::uint64_t const* const x = a.read(w, lanes, sa);
    std::uint64_t const* const y = b.read(w, lanes, sb);
    std::uint64_t const* const z = joined ? joined->read(w, lanes, sc) : nullptr;
    lane_values p, q;
    for_each_lane(lanes, [&](int l) {
      bool const other = z && (z[l] & 1);
      p[static_cast<std::size_t>(l)] = c.value(x[l], y[l], other, false);
      q[static_cast<std::size_t>(l)] = c.value(x[l], y[l], other, true);
    });
    std::uint64_t* const first = to.write(w, lanes);
    for_each_lane(lanes, [&](int l) { first[l] = p[static_cast<std::size_t>(l)]; });
    if (!negated) return;
    std::uint64_t* const second = negated->write(w, lanes);
    for_each_lane(lanes, [&](int l) { second[l] = q[static_cast<std::size_t>(l)]; });
  });
}

/// All ones or 1.0f where the comparison holds, zero elsewhere.
operation set(decoder& d) {
  comparison c = take_comparison(d);
  if (c.joined != comparison::join::none) d.refuse("a set that is joined with a predicate");
  bool const flushes = d.take("ftz");
  scalar const result = d.take_type(), t = d.take_type();
  if (result.bits != 32) d.refuse("no type that is known");
  c.relate = relation_for(d, t, flushes);
  std::uint64_t const yes = result.is_real() ? bits_of(1.0f) : ones(32);
  return elementwise<2>(d, [=](std::uint64_t a, std::uint64_t b) { return c.value(a, b, false, false) ? yes : 0; });
}

/// Operand 1 where the predicate holds, else operand 2; the other one is not read, and may never have been written.
operation selp(decoder& d) {
  int const width = d.take_type().width();
  return plain([to = d.out(0), yes = d.in(1), no = d.in(2), predicate = d.in(3), width](warp& w, lane_mask lanes) {
    lane_values sp, sa, sb;
    std::uint64_t const* const p = predicate.read(w, lanes, sp);
    lane_mask holds = 0;
    for_each_lane(lanes, [&](int l) { holds |= static_cast<lane_mask>(p[l] & 1) << l; });
    std::uint64_t const* const a = yes.read(w, holds, sa);
    std::uint64_t const* const b = no.read(w, lanes & ~holds, sb);
    std::uint64_t* const y = to.write(w, lanes);
    for_each_lane(lanes, [&](int l) { y[l] = (holds >> l & 1 ? a[l] : b[l]) & ones(width); });
  });
}

/// Operand 1 where operand 3 is at least zero, else operand 2.
operation slct(decoder& d) {
  bool const flushes = d.take("ftz");
  int const width = d.take_type().width();
  scalar const t = d.take_type();
  if (t.bits != 32 || (flushes && !t.is_real())) d.refuse("no type that is known");
  return elementwise<3>(d, [=](std::uint64_t a, std::uint64_t b, std::uint64_t c) {
    bool const at_least_zero = t.is_real() ? number_of<float>(c) >= 0.0f || (flushes && flushed(number_of<float>(c)) == 0.0f)
                                           : sign_extended(c, 32) >= 0;
    return (at_least_zero ? a : b) & ones(width);
  });
}

operation testp(decoder& d) {
  std::size_t const what = d.take_one_of({"finite", "infinite", "number", "notanumber", "normal", "subnormal"});
  scalar const t = d.take_type();
  if (!t.is_real() || t.bits == 16) d.refuse("no type that is known");
  return elementwise<1>(d, [=](std::uint64_t a) {
    int const c = t.bits == 32 ? std::fpclassify(number_of<float>(a)) : std::fpclassify(number_of<double>(a));
    bool const holds[] = {
        c != FP_INFINITE && c != FP_NAN, c == FP_INFINITE, c != FP_NAN, c == FP_NAN, c == FP_NORMAL, c == FP_SUBNORMAL};
    return std::uint64_t{holds[what]};
  });
}

}  // namespace

void add_comparison_opcodes(opcode_table& table) {
  table.insert({{"setp", setp}, {"set", set}, {"selp", selp}, {"slct", slct}, {"testp", testp}});
}

}  // namespace ptx
