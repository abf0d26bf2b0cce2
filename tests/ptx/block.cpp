#include "block.hpp"

#include <algorithm>
#include <bit>

#include "error.hpp"

namespace ptx {

namespace {

constexpr unsigned char never_written = 0xcd;
constexpr std::uint64_t most_turns = std::uint64_t{1} << 34;  // of a block: more means that it waits for what never comes

int warps_of(int threads) { return (threads + warp_size - 1) / warp_size; }

}  // namespace

block::block(launch& of, std::uint64_t index)
    : of_(of),
      index_(index),
      position_{static_cast<unsigned>(index % of.shape.grid[0]),
                static_cast<unsigned>(index / of.shape.grid[0] % of.shape.grid[1]),
                static_cast<unsigned>(index / of.shape.grid[0] / of.shape.grid[1])},
      threads_(static_cast<int>(of.shape.threads())),
      order_(warps_of(threads_)),
      races_(of.first_block, of.first_block + static_cast<std::uint32_t>(index), order_),
      shared_(static_cast<std::size_t>(of.program.text.shared_bytes) + of.shape.dynamic_shared, never_written),
      shared_shadow_(shared_.size()),
      local_(static_cast<std::size_t>(of.program.text.local_bytes) * static_cast<std::size_t>(threads_), never_written),
      local_written_(local_.size(), 0) {
  int const registers = static_cast<int>(of.program.text.register_bits.size()) + 1;  // one more for `_`
  for (int w = 0; w < warps_of(threads_); ++w) {
    int const lanes = std::min(threads_ - w * warp_size, warp_size);
    warps_.emplace_back(*this, w, static_cast<lane_mask>(ones(lanes)), registers);
  }
}

std::string block::where(warp const& w) const {
  return of_.program.text.name + ", block " + std::to_string(index_) + ", warp " + std::to_string(w.index()) +
         (w.running ? ", " + w.running->text : "");
}

void block::run() {
  std::vector<std::size_t> ready;
  std::uint64_t turns = 0;
  for (std::size_t next = 0;; ++next) {
    ready.clear();
    bool is_anyone_left = false;
    for (std::size_t i = 0; i < warps_.size(); ++i) {
      if (warps_[i].fragments.empty()) continue;
      is_anyone_left = true;
      if (choose(warps_[i])) ready.push_back(i);
    }
    if (!is_anyone_left) return;
    if (ready.empty()) {
      settle_stalled();
      continue;
    }
    warp& w = warps_[ready[of_.is_shuffled ? of_.random() % ready.size() : next % ready.size()]];
    std::uint64_t const turn = of_.is_shuffled ? 1 + of_.random() % 256 : 4096;
    for (std::uint64_t n = 0; n < turn; ++n) {
      auto const f = choose(w);
      if (!f) break;
      step(w, *f);
    }
    turns += turn;
    if (turns > most_turns) w.stop("a block does not come to an end");
  }
}

/// Returns a fragment that can go on: the one that is furthest behind, now and then another.
std::optional<std::size_t> block::choose(warp const& w) const {
  if (w.fragments.size() == 1) {
    fragment const& f = w.fragments.front();
    return f.barrier < 0 && !f.waits_for_lanes ? std::optional<std::size_t>(0) : std::nullopt;
  }
  std::optional<std::size_t> best;
  std::size_t count = 0;
  for (std::size_t i = 0; i < w.fragments.size(); ++i) {
    fragment const& f = w.fragments[i];
    if (f.barrier >= 0 || f.waits_for_lanes) continue;
    ++count;
    if (!best || f.at < w.fragments[*best].at) best = i;
  }
  if (count < 2 || !of_.is_shuffled || of_.random() % 4 != 0) return best;
  for (std::size_t skip = of_.random() % count, i = 0;; ++i) {
    if (w.fragments[i].barrier >= 0 || w.fragments[i].waits_for_lanes) continue;
    if (skip-- == 0) return i;
  }
}

lane_mask block::guarded(warp& w, instruction const& in, lane_mask lanes) const {
  if (in.guard < 0) return lanes;
  std::uint64_t const* const p = w.read(in.guard, lanes);
  lane_mask holds = 0;
  for_each_lane(lanes, [&](int l) { holds |= static_cast<lane_mask>(p[l] & 1) << l; });
  return in.guard_is_negated ? lanes & ~holds : holds;
}

void block::step(warp& w, std::size_t fragment_index) {
  fragment& f = w.fragments[fragment_index];
  launch& l = of_;
  if (f.at == static_cast<int>(l.program.operations.size()))
    throw unknown("a kernel that ends without ret: " + l.program.text.name);
  instruction const& in = l.program.text.code[static_cast<std::size_t>(f.at)];
  operation const& o = l.program.operations[static_cast<std::size_t>(f.at)];
  w.running = &in;
  lane_mask const lanes = guarded(w, in, f.lanes);
  if (o.kind == operation::flow::warp_wide && lanes != 0 && !is_complete(w, o, f, lanes)) {
    f.waits_for_lanes = true;
    return;
  }
  ++l.counts.warp_instructions;
  l.counts.thread_instructions += static_cast<std::uint64_t>(std::popcount(lanes));
  if (f.lanes != w.alive()) ++l.counts.divergent;
  switch (o.kind) {
    case operation::flow::next:
    case operation::flow::warp_wide:
      if (lanes != 0) o.run(w, lanes);
      w.move(fragment_index, f.at + 1);
      return;
    case operation::flow::branch:
      return branch(w, fragment_index, in.target, lanes);
    case operation::flow::leave:
      w.leave(lanes);
      f.lanes &= ~lanes;
      if (f.lanes != 0) return w.move(fragment_index, f.at + 1);
      w.fragments[fragment_index] = w.fragments.back();
      w.fragments.pop_back();
      for (fragment& other : w.fragments) other.waits_for_lanes = false;  // who has left is waited for no longer
      return;
    case operation::flow::barrier:
      return arrive(w, fragment_index, o, lanes);
  }
}

void block::branch(warp& w, std::size_t fragment_index, int target, lane_mask lanes) {
  fragment& f = w.fragments[fragment_index];
  int const next = f.at + 1;
  if (lanes == f.lanes) return w.move(fragment_index, target);
  if (lanes == 0) return w.move(fragment_index, next);
  f.lanes &= ~lanes;
  w.move(fragment_index, next);
  w.fragments.push_back({-1, lanes});
  w.move(w.fragments.size() - 1, target);
}

/// Whether all lanes of the instruction's mask are here; complains of masks that are wrong.
bool block::is_complete(warp& w, operation const& o, fragment const& f, lane_mask lanes) const {
  if (!o.members) return (w.alive() & ~lanes) == 0 || w.fragments.size() == 1;
  lane_values scratch;
  std::uint64_t const* const masks = o.members->read(w, lanes, scratch);
  auto const members = static_cast<lane_mask>(masks[std::countr_zero(lanes)]);
  bool is_same = true;
  for_each_lane(lanes, [&](int l) { is_same = is_same && static_cast<lane_mask>(masks[l]) == members; });
  lane_mask all = 0;  // lanes of several groups may stand here, each with its own mask
  for_each_lane(lanes, [&](int l) {
    auto const mask = static_cast<lane_mask>(masks[l]);
    if (!(mask >> l & 1)) w.complain("a thread is not in the mask of its own warp instruction");
    all |= mask;
  });
  if (!is_same)
    for_each_lane(lanes, [&](int l) {
      for_each_lane(static_cast<lane_mask>(masks[l]) & lanes, [&](int other) {
        if (masks[other] != masks[l]) w.complain("threads of one warp instruction give different masks");
      });
    });
  lane_mask const missing = all & w.alive() & ~lanes;
  if (missing & f.lanes) w.complain("a warp instruction names threads whose guard keeps them from it");
  return (missing & ~f.lanes) == 0;
}

void block::arrive(warp& w, std::size_t fragment_index, operation const& o, lane_mask lanes) {
  fragment& f = w.fragments[fragment_index];
  int const at = f.at;
  if (lanes == 0) return w.move(fragment_index, at + 1);
  int const lane = std::countr_zero(lanes);
  auto const id = static_cast<int>(o.barrier->id.read_lane(w, lane));
  if (id < 0 || id >= static_cast<int>(barriers_.size())) w.stop("a barrier beyond the 16 of a block");
  barrier_state& b = barriers_[static_cast<std::size_t>(id)];
  bool const is_for_all = !o.barrier->threads;
  int const expected = is_for_all ? threads_ : static_cast<int>(o.barrier->threads->read_lane(w, lane));
  if (b.expected == 0) {
    b.expected = expected;
    b.lanes.assign(warps_.size(), 0);
    b.is_for_all = is_for_all;
  } else if (b.expected != expected) {
    w.complain("threads give a barrier different counts");
  }
  if (b.place && *b.place != at) b.has_several_places = true;
  b.place = at;
  b.lanes[static_cast<std::size_t>(w.index())] |= lanes;
  b.arrived += is_for_all ? std::popcount(lanes) : std::popcount(w.existing() & (lanes == w.alive() ? all_lanes : lanes));
  if (lanes != f.lanes) {
    lane_mask const others = f.lanes & ~lanes;
    f.lanes = lanes;
    w.fragments.push_back({-1, others});
    w.move(w.fragments.size() - 1, at + 1);
  }
  // `move` may have put others to the fragment's place
  for (fragment& mine : w.fragments)
    if (mine.lanes == lanes && mine.at == at) {
      if (o.barrier->waits)
        mine.barrier = id;
      else
        w.move(static_cast<std::size_t>(&mine - w.fragments.data()), at + 1);
      break;
    }
  if (b.arrived >= b.expected) open(id);
}

void block::open(int id) {
  barrier_state& b = barriers_[static_cast<std::size_t>(id)];
  if (b.arrived > b.expected)
    of_.complaints_of_all.add("more threads at a barrier than it was told of", [&] { return of_.program.text.name; });
  if (b.is_for_all && b.has_several_places)
    of_.complaints_of_all.add("threads of a block wait at different barriers", [&] { return of_.program.text.name; });
  std::vector<lane_mask> alive;
  for (warp const& w : warps_) alive.push_back(w.alive());
  order_.join(b.lanes, alive);
  b = {};
  ++of_.counts.barriers;
  for (warp& w : warps_)
    for (std::size_t i = 0; i < w.fragments.size();) {
      if (w.fragments[i].barrier != id) {
        ++i;
        continue;
      }
      w.fragments[i].barrier = -1;
      w.move(i, w.fragments[i].at + 1);
      i = 0;
    }
}

/// Nobody can go on: says why, and opens what may be opened so that the rest is seen too. Throws fault where nothing may.
void block::settle_stalled() {
  for (warp& w : warps_)
    for (fragment& f : w.fragments)
      if (f.waits_for_lanes) {
        w.running = &of_.program.text.code[static_cast<std::size_t>(f.at)];
        w.stop("threads of a warp wait for each other at different places");
      }
  for (std::size_t id = 0; id < barriers_.size(); ++id) {
    barrier_state& b = barriers_[id];
    if (b.expected == 0 || !b.is_for_all) continue;
    bool has_all = true;
    for (warp const& w : warps_) has_all = has_all && (w.alive() & ~b.lanes[static_cast<std::size_t>(w.index())]) == 0;
    if (!has_all) continue;
    of_.complaints_of_all.add("threads left before a barrier that others wait at", [&] { return of_.program.text.name; });
    open(static_cast<int>(id));
    return;
  }
  warp& first = *std::find_if(warps_.begin(), warps_.end(), [](warp const& w) { return !w.fragments.empty(); });
  first.running = &of_.program.text.code[static_cast<std::size_t>(first.fragments.front().at)];
  first.stop("threads of a block wait at different barriers");
}

}  // namespace ptx
