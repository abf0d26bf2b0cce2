#include "warp.hpp"

#include "block.hpp"
#include "error.hpp"
#include "operation.hpp"

namespace ptx {

warp::warp(block& owner, int index, lane_mask existing, int registers)
    : owner_(owner),
      index_(index),
      existing_(existing),
      alive_(existing),
      values_(new std::uint64_t[static_cast<std::size_t>(registers) * warp_size]),
      written_(static_cast<std::size_t>(registers), 0) {
  fragments.push_back({0, existing});
}

void warp::complain(char const* kind, std::string const& more) const {
  owner_.of().complaints_of_all.add(kind, [&] { return owner_.where(*this) + (more.empty() ? "" : ": " + more); });
}

void warp::stop(char const* kind, std::string const& more) const {
  complain(kind, more);
  throw fault(kind);
}

void warp::complain_of_register(int reg) const {
  complain("a register is read before it is written", owner_.of().program.text.register_names[static_cast<std::size_t>(reg)]);
}

async_copies& warp::copies(int lane) {
  if (!copies_) copies_ = std::make_unique<std::array<async_copies, warp_size>>();
  return (*copies_)[static_cast<std::size_t>(lane)];
}

void warp::move(std::size_t fragment_index, int to) {
  fragment& f = fragments[fragment_index];
  f.at = to;
  f.waits_for_lanes = false;
  if (fragments.size() == 1) return;
  for (std::size_t i = 0; i < fragments.size(); ++i) {
    fragment& other = fragments[i];
    if (i == fragment_index || other.at != to || other.barrier >= 0) continue;
    other.lanes |= f.lanes;
    other.waits_for_lanes = false;
    fragments[fragment_index] = fragments.back();
    fragments.pop_back();
    return;
  }
}

namespace {

std::uint64_t special_value(warp const& w, source::special s, int lane) {
  using special = source::special;
  block const& b = w.owner();
  launch_shape const& shape = b.of().shape;
  auto const thread = static_cast<unsigned>(w.thread(lane));
  std::uint64_t const bit = std::uint64_t{1} << lane;
  switch (s) {
    case special::tid_x:
      return thread % shape.block[0];
    case special::tid_y:
      return thread / shape.block[0] % shape.block[1];
    case special::tid_z:
      return thread / shape.block[0] / shape.block[1];
    case special::ntid_x:
      return shape.block[0];
    case special::ntid_y:
      return shape.block[1];
    case special::ntid_z:
      return shape.block[2];
    case special::ctaid_x:
      return b.position()[0];
    case special::ctaid_y:
      return b.position()[1];
    case special::ctaid_z:
      return b.position()[2];
    case special::nctaid_x:
      return shape.grid[0];
    case special::nctaid_y:
      return shape.grid[1];
    case special::nctaid_z:
      return shape.grid[2];
    case special::laneid:
      return static_cast<std::uint64_t>(lane);
    case special::warpid:
      return static_cast<std::uint64_t>(w.index());
    case special::nwarpid:
      return static_cast<std::uint64_t>((b.threads() + warp_size - 1) / warp_size);
    case special::lanemask_eq:
      return bit;
    case special::lanemask_lt:
      return bit - 1;
    case special::lanemask_le:
      return (bit << 1) - 1;
    case special::lanemask_gt:
      return ~((bit << 1) - 1) & ones(32);
    case special::lanemask_ge:
      return ~(bit - 1) & ones(32);
    case special::clock:
      return b.of().counts.warp_instructions;
    case special::smid:
      return 0;
    case special::dynamic_smem_size:
      return shape.dynamic_shared;
    case special::total_smem_size:
      return shape.dynamic_shared + static_cast<std::uint64_t>(b.of().program.text.shared_bytes);
  }
  return 0;
}

}  // namespace

std::uint64_t const* source::read(warp& w, lane_mask lanes, lane_values& scratch) const {
  if (constant_) return constant_->data();
  if (reg_ >= 0) {
    std::uint64_t const* const v = w.read(reg_, lanes);
    if (!is_negated_) return v;
    for_each_lane(lanes, [&](int l) { scratch[static_cast<std::size_t>(l)] = ~v[l] & 1; });
    return scratch.data();
  }
  for_each_lane(lanes, [&](int l) { scratch[static_cast<std::size_t>(l)] = special_value(w, special_, l); });
  return scratch.data();
}

std::uint64_t* destination::write(warp& w, lane_mask lanes) const { return w.write(reg_, lanes); }

}  // namespace ptx
