// What the lanes of a warp do together: shfl, vote, match, redux, activemask, bar.warp.sync and elect.
#include <algorithm>
#include <bit>
#include <functional>

#include "block.hpp"
#include "decoder.hpp"

namespace ptx {

namespace {

/// Calls f(lanes) for each group of lanes that give the same mask.
template <class F>
void for_each_group(std::uint64_t const* masks, lane_mask lanes, F&& f) {
  while (lanes != 0) {
    std::uint64_t const mask = masks[std::countr_zero(lanes)];
    lane_mask group = 0;
    for_each_lane(lanes, [&](int l) { group |= masks[l] == mask ? lane_mask{1} << l : 0; });
    f(group);
    lanes &= ~group;
  }
}

/// An operation with the operands d, a, membermask: f(group, values) stores what each lane of the group gets.
template <class F>
operation by_group(decoder& d, F f) {
  source const members = d.in(2);
  return warp_wide(members, [to = d.out(0), second = d.second_out(0), from = d.in(1), members, f](warp& w, lane_mask lanes) {
    lane_values sa, sm, result{}, also{};
    std::uint64_t const* const a = from.read(w, lanes, sa);
    std::uint64_t const* const masks = members.read(w, lanes, sm);
    for_each_group(masks, lanes, [&](lane_mask group) { f(group, a, result, also); });
    std::uint64_t* const y = to.write(w, lanes);
    for_each_lane(lanes, [&](int l) { y[l] = result[static_cast<std::size_t>(l)] & to.mask(); });
    if (!second) return;
    std::uint64_t* const p = second->write(w, lanes);
    for_each_lane(lanes, [&](int l) { p[l] = also[static_cast<std::size_t>(l)] & 1; });
  });
}

void expect_sync(decoder& d) {
  if (!d.take("sync")) d.refuse("expected .sync");
}

operation vote(decoder& d) {
  expect_sync(d);
  std::size_t const kind = d.take_one_of({"all", "any", "uni", "ballot"});
  if (d.take_type() != *scalar_named(kind == 3 ? "b32" : "pred")) d.refuse("no type that is known");
  return by_group(d, [kind](lane_mask group, std::uint64_t const* a, lane_values& result, lane_values&) {
    lane_mask holds = 0;
    for_each_lane(group, [&](int l) { holds |= static_cast<lane_mask>(a[l] & 1) << l; });
    std::uint64_t const of_kind[] = {holds == group, holds != 0, holds == group || holds == 0, holds};
    for_each_lane(group, [&](int l) { result[static_cast<std::size_t>(l)] = of_kind[kind]; });
  });
}

operation match(decoder& d) {
  bool const is_any = d.take_one_of({"any", "all"}) == 0;
  expect_sync(d);
  int const bits = d.take_type().bits;
  return by_group(d, [is_any, bits](lane_mask group, std::uint64_t const* a, lane_values& result, lane_values& also) {
    for_each_lane(group, [&](int l) {
      lane_mask same = 0;
      for_each_lane(group, [&](int other) { same |= ((a[l] ^ a[other]) & ones(bits)) == 0 ? lane_mask{1} << other : 0; });
      bool const all = same == group;
      result[static_cast<std::size_t>(l)] = is_any || all ? same : 0;
      also[static_cast<std::size_t>(l)] = all;
    });
  });
}

operation redux(decoder& d) {
  expect_sync(d);
  std::size_t const kind = d.take_one_of({"add", "min", "max", "and", "or", "xor"});
  scalar const t = d.take_type();
  if (t.bits != 32 || t.is_real()) d.refuse("no type that is known");
  bool const is_signed = t.is_signed();
  auto const combine = [kind, is_signed](std::uint64_t a, std::uint64_t b) -> std::uint64_t {
    bool const is_less = is_signed ? sign_extended(a, 32) < sign_extended(b, 32) : a < b;
    switch (kind) {
      case 0:
        return (a + b) & ones(32);
      case 1:
        return is_less ? a : b;
      case 2:
        return is_less ? b : a;
      case 3:
        return a & b;
      case 4:
        return a | b;
      default:
        return a ^ b;
    }
  };
  return by_group(d, [combine](lane_mask group, std::uint64_t const* a, lane_values& result, lane_values&) {
    int const first = std::countr_zero(group);
    std::uint64_t all = a[first] & ones(32);
    for_each_lane(group & (group - 1), [&](int l) { all = combine(all, a[l] & ones(32)); });
    for_each_lane(group, [&](int l) { result[static_cast<std::size_t>(l)] = all; });
  });
}

/// shfl.sync.mode.b32 d|p, a, b, c, membermask
operation shfl(decoder& d) {
  expect_sync(d);
  std::size_t const mode = d.take_one_of({"up", "down", "bfly", "idx"});
  if (d.take_type().width() != 32) d.refuse("no type that is known");
  source const members = d.in(4);
  return warp_wide(members, [to = d.out(0), second = d.second_out(0), from = d.in(1), by = d.in(2), clamp = d.in(3), members,
                             mode](warp& w, lane_mask lanes) {
    lane_values sa, sb, sc, sm, result{}, inside{};
    std::uint64_t const* const a = from.read(w, lanes, sa);
    std::uint64_t const* const b = by.read(w, lanes, sb);
    std::uint64_t const* const c = clamp.read(w, lanes, sc);
    std::uint64_t const* const masks = members.read(w, lanes, sm);
    for_each_lane(lanes, [&](int l) {
      int const distance = static_cast<int>(b[l] & 31), limit = static_cast<int>(c[l] & 31),
                segment = static_cast<int>(c[l] >> 8 & 31);
      int const last = (l & segment) | (limit & ~segment), first = l & segment;
      int const wanted[] = {l - distance, l + distance, l ^ distance, first | (distance & ~segment)};
      int from_lane = wanted[mode];
      bool const is_inside = mode == 0 ? from_lane >= last : from_lane <= last;
      if (!is_inside) from_lane = l;
      if (!((lanes & static_cast<lane_mask>(masks[l])) >> from_lane & 1))
        w.complain("a shuffle reads a thread that does not take part");
      result[static_cast<std::size_t>(l)] = (lanes >> from_lane & 1) ? a[from_lane] & ones(32) : 0xcdcdcdcd;
      inside[static_cast<std::size_t>(l)] = is_inside;
    });
    std::uint64_t* const y = to.write(w, lanes);
    for_each_lane(lanes, [&](int l) { y[l] = result[static_cast<std::size_t>(l)]; });
    if (!second) return;
    std::uint64_t* const p = second->write(w, lanes);
    for_each_lane(lanes, [&](int l) { p[l] = inside[static_cast<std::size_t>(l)]; });
  });
}

operation activemask(decoder& d) {
  if (d.take_type().width() != 32) d.refuse("no type that is known");
  return plain([to = d.out(0)](warp& w, lane_mask lanes) {
    std::uint64_t* const y = to.write(w, lanes);
    for_each_lane(lanes, [&](int l) { y[l] = lanes; });
  });
}

/// elect.sync d|p, membermask: the lowest lane of the mask, as the hardware does it.
operation elect(decoder& d) {
  expect_sync(d);
  source const members = d.in(1);
  return warp_wide(members, [to = d.out(0), second = d.second_out(0), members](warp& w, lane_mask lanes) {
    lane_values sm, mask;
    std::uint64_t const* const masks = members.read(w, lanes, sm);
    for_each_lane(lanes, [&](int l) { mask[static_cast<std::size_t>(l)] = masks[l]; });
    std::uint64_t* const y = to.write(w, lanes);
    for_each_lane(lanes, [&](int l) {
      y[l] = static_cast<std::uint64_t>(std::countr_zero(static_cast<lane_mask>(mask[static_cast<std::size_t>(l)])));
    });
    if (!second) return;
    std::uint64_t* const p = second->write(w, lanes);
    for_each_lane(lanes, [&](int l) { p[l] = std::countr_zero(static_cast<lane_mask>(mask[static_cast<std::size_t>(l)])) == l; });
  });
}

}  // namespace

void add_warp_opcodes(opcode_table& table) {
  table.insert(
      {{"vote", vote}, {"match", match}, {"redux", redux}, {"shfl", shfl}, {"activemask", activemask}, {"elect", elect}});
}

}  // namespace ptx
