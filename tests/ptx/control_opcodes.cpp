// bra, ret, exit, trap, barriers, and waiting.
#include "block.hpp"
#include "decoder.hpp"

namespace ptx {

namespace {

operation bra(decoder& d) {
  d.take("uni");
  d.skip_operand(0);  // the parser has found the label
  operation o;
  o.kind = operation::flow::branch;
  return o;
}

operation ret(decoder& d) {
  d.take("uni");
  operation o;
  o.kind = operation::flow::leave;
  return o;
}

operation trap(decoder&) {
  return plain([](warp& w, lane_mask) { w.stop("a trap"); });
}

operation nanosleep(decoder& d) {
  static_cast<void>(d.take_type());
  static_cast<void>(d.in(0));
  return plain([](warp&, lane_mask) {});
}

/// bar.sync a{, b}; bar.arrive a, b; barrier{.cta}.sync{.aligned} a{, b}; bar.warp.sync mask
operation bar(decoder& d) {
  if (d.take("warp")) {
    if (!d.take("sync")) d.refuse("expected .sync");
    source const members = d.in(0);
    return warp_wide(members, [members](warp& w, lane_mask lanes) {
      lane_values scratch;
      std::uint64_t const* const masks = members.read(w, lanes, scratch);
      for (lane_mask rest = lanes; rest != 0;) {
        auto const group = static_cast<lane_mask>(masks[std::countr_zero(rest)]) & rest;
        if (group == 0) break;
        w.owner().order().join_lanes(w.index(), group, w.alive());
        rest &= ~group;
      }
    });
  }
  d.take("cta");
  d.take("aligned");
  bool const waits = d.take_one_of({"sync", "arrive"}) == 0;
  if (!waits && d.operands() != 2) d.refuse("an arrival without a count");
  operation o;
  o.kind = operation::flow::barrier;
  o.barrier = barrier_use{d.in(0), d.operands() > 1 ? std::optional<source>(d.in(1)) : std::nullopt, waits};
  return o;
}

}  // namespace

void add_control_opcodes(opcode_table& table) {
  table.insert(
      {{"bra", bra}, {"ret", ret}, {"exit", ret}, {"trap", trap}, {"nanosleep", nanosleep}, {"bar", bar}, {"barrier", bar}});
}

}  // namespace ptx
