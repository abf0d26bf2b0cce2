// atom and red.
#include <algorithm>
#include <cstring>
#include <functional>

#include "memory_access.hpp"
#include "real_rules.hpp"

namespace ptx {

namespace {

/// What memory becomes: of the old value and up to two operands.
using update = std::function<std::uint64_t(std::uint64_t, std::uint64_t, std::uint64_t)>;

enum class atomic_kind { add, min, max, inc, dec, exch, cas, bit_and, bit_or, bit_xor };

update add_of(decoder& d, scalar t) {
  if (!t.is_real()) return [](std::uint64_t old, std::uint64_t x, std::uint64_t) { return old + x; };
  if (t.bits == 64)
    return
        [](std::uint64_t old, std::uint64_t x, std::uint64_t) { return bits_of(number_of<double>(old) + number_of<double>(x)); };
  if (t.bits == 32)  // in global memory subnormal numbers are kept, in shared memory they are too on what we compile for
    return [](std::uint64_t old, std::uint64_t x, std::uint64_t) { return bits_of(number_of<float>(old) + number_of<float>(x)); };
  if (!d.take("noftz")) d.refuse("expected .noftz");
  return [t](std::uint64_t old, std::uint64_t x, std::uint64_t) {
    real_format const f = format_of(t);
    std::uint64_t sum = 0;
    for (int shift = 0; shift < t.width(); shift += 16) {
      double const a = widened(static_cast<std::uint32_t>(old >> shift & 0xffff), f),
                   b = widened(static_cast<std::uint32_t>(x >> shift & 0xffff), f);
      sum |= std::uint64_t{narrowed(a + b, f, rounding::nearest)} << shift;
    }
    return sum;
  };
}

update order_of(scalar t, bool larger) {
  return [t, larger](std::uint64_t old, std::uint64_t x, std::uint64_t) {
    bool const is_less =
        t.is_signed() ? sign_extended(x, t.bits) < sign_extended(old, t.bits) : (x & ones(t.bits)) < (old & ones(t.bits));
    return is_less != larger ? x : old;
  };
}

update update_of(decoder& d, atomic_kind kind, scalar t) {
  if (t.is_real() && kind != atomic_kind::add && kind != atomic_kind::exch) d.refuse("no atomic operation of reals");
  switch (kind) {
    case atomic_kind::add:
      return add_of(d, t);
    case atomic_kind::min:
      return order_of(t, false);
    case atomic_kind::max:
      return order_of(t, true);
    case atomic_kind::inc:
      return [](std::uint64_t old, std::uint64_t x, std::uint64_t) { return old >= (x & ones(32)) ? 0 : old + 1; };
    case atomic_kind::dec:
      return [](std::uint64_t old, std::uint64_t x, std::uint64_t) { return old == 0 || old > (x & ones(32)) ? x : old - 1; };
    case atomic_kind::exch:
      return [](std::uint64_t, std::uint64_t x, std::uint64_t) { return x; };
    case atomic_kind::cas:
      return
          [t](std::uint64_t old, std::uint64_t expected, std::uint64_t x) { return old == (expected & ones(t.bits)) ? x : old; };
    case atomic_kind::bit_and:
      return [](std::uint64_t old, std::uint64_t x, std::uint64_t) { return old & x; };
    case atomic_kind::bit_or:
      return [](std::uint64_t old, std::uint64_t x, std::uint64_t) { return old | x; };
    case atomic_kind::bit_xor:
      return [](std::uint64_t old, std::uint64_t x, std::uint64_t) { return old ^ x; };
  }
  d.refuse("no atomic operation that is known");
}

/// Lanes come one after the other, the lowest first.
operation atomic(decoder& d, bool returns_old) {
  space const where = take_space(d);
  static_cast<void>(take_order(d));
  auto const kind =
      static_cast<atomic_kind>(d.take_one_of({"add", "min", "max", "inc", "dec", "exch", "cas", "and", "or", "xor"}));
  scalar const t = d.take_type();
  if (t.width() < 16) d.refuse("no type that is known");
  update const change = update_of(d, kind, t);
  std::size_t const first = returns_old ? 1 : 0;
  std::optional<destination> const to = returns_old ? std::optional<destination>(d.out(0)) : std::nullopt;
  address const at = d.at(first);
  source const x = d.in(first + 1);
  std::optional<source> const z = kind == atomic_kind::cas ? std::optional<source>(d.in(first + 2)) : std::nullopt;
  int const bytes = t.width() / 8;
  return plain([=](warp& w, lane_mask lanes) {
    lane_values addresses, sx, sz, old;
    at.read(w, lanes, addresses);
    std::uint64_t const* const a = x.read(w, lanes, sx);
    std::uint64_t const* const b = z ? z->read(w, lanes, sz) : a;
    for_each_lane(lanes, [&](int l) {
      auto const lane = static_cast<std::size_t>(l);
      unsigned char* const p = w.owner().access_memory(w, l, where, addresses[lane], bytes, access::atomic_store);
      std::uint64_t before = 0;
      std::memcpy(&before, p, static_cast<std::size_t>(bytes));
      std::uint64_t const after = change(before, a[l], b[l]);
      std::memcpy(p, &after, static_cast<std::size_t>(bytes));
      old[lane] = before;
      ++w.owner().of().counts.atomics;
    });
    if (!to) return;
    std::uint64_t* const y = to->write(w, lanes);
    for_each_lane(lanes, [&](int l) { y[l] = old[static_cast<std::size_t>(l)] & to->mask(); });
  });
}

operation atom(decoder& d) { return atomic(d, true); }
operation red(decoder& d) { return atomic(d, false); }

}  // namespace

void add_atomic_opcodes(opcode_table& table) { table.insert({{"atom", atom}, {"red", red}}); }

}  // namespace ptx
