// cp.async, its groups and their waits. The copy happens when it is waited for; until then its target holds nothing.
#include <algorithm>
#include <cstring>

#include "memory_access.hpp"

namespace ptx {

namespace {

/// Does what a group of a lane has put off.
void complete(warp& w, int lane, std::vector<async_copy> const& group) {
  instruction const* const waiting = w.running;
  for (async_copy const& c : group) {
    w.running = c.by;
    unsigned char bytes[16] = {};
    if (c.given > 0) {
      int done = 0;  // by powers of two, so that each piece is aligned to itself
      for (int piece = 16; piece > 0; piece /= 2)
        for (; c.given - done >= piece; done += piece) {
          std::uint64_t const from = c.from + static_cast<std::uint64_t>(done);
          std::memcpy(bytes + done, w.owner().access_memory(w, lane, space::global, from, piece, access::load),
                      static_cast<std::size_t>(piece));
        }
    }
    unsigned char* const to = w.owner().access_memory(w, lane, space::shared, c.to, c.bytes, access::store);
    std::memcpy(to, bytes, static_cast<std::size_t>(c.bytes));
  }
  w.running = waiting;
}

operation commit_group() {
  return plain([](warp& w, lane_mask lanes) {
    for_each_lane(lanes, [&](int l) {
      async_copies& c = w.copies(l);
      c.groups.push_back(std::move(c.open));
      c.open.clear();
    });
  });
}

/// Waits until at most `left` groups are open; .wait_all takes what is not committed too.
operation wait_group(std::size_t left, bool all) {
  return plain([=](warp& w, lane_mask lanes) {
    for_each_lane(lanes, [&](int l) {
      async_copies& c = w.copies(l);
      while (c.groups.size() > left) {
        complete(w, l, c.groups.front());
        c.groups.erase(c.groups.begin());
      }
      if (!all) return;
      complete(w, l, c.open);
      c.open.clear();
    });
  });
}

/// cp.async.ca|cg.shared.global [to], [from], bytes{, given}
operation copy(decoder& d) {
  bool const is_cached = d.take_one_of({"ca", "cg"}) == 0;
  static_cast<void>(d.take_one_of({"shared", "shared::cta"}));
  static_cast<void>(d.take_one_of({"global"}));
  for (char const* const hint : {"L2::64B", "L2::128B", "L2::256B"}) d.take(hint);
  address const to = d.at(0), from = d.at(1);
  int const bytes = static_cast<int>(d.in(2).constant().value_or(0));
  if (bytes != 16 && !(is_cached && (bytes == 4 || bytes == 8))) d.refuse("a size that cp.async does not have");
  std::optional<source> const given = d.operands() > 3 ? std::optional<source>(d.in(3)) : std::nullopt;
  instruction const* const by = &d.instruction_text();
  return plain([=](warp& w, lane_mask lanes) {
    lane_values targets, origins, scratch;
    to.read(w, lanes, targets);
    from.read(w, lanes, origins);
    std::uint64_t const* const counts = given ? given->read(w, lanes, scratch) : nullptr;
    lane_mask reading = 0;
    for_each_lane(lanes, [&](int l) {
      auto const lane = static_cast<std::size_t>(l);
      async_copy const c{targets[lane] & ones(32), origins[lane], bytes, counts ? static_cast<int>(counts[l]) : bytes, by};
      if (c.from % static_cast<std::uint64_t>(bytes) != 0) w.stop("a misaligned address");
      if (c.given > bytes) w.complain("cp.async reads more than it copies");
      static_cast<void>(w.owner().access_memory(w, l, space::shared, c.to, bytes, access::store));
      w.owner().forget_shared(c.to, bytes);
      w.copies(l).open.push_back(c);
      if (c.given > 0) reading |= lane_mask{1} << l;
    });
    if (reading != 0) count_request(w, reading, space::global, origins, bytes, access::load);
  });
}

operation cp(decoder& d) {
  if (!d.take("async") || d.next() == "bulk") d.refuse("a copy that is not known");
  if (d.take("commit_group")) return commit_group();
  if (d.take("wait_all")) return wait_group(0, true);
  if (d.take("wait_group")) {
    auto const left = d.in(0).constant();
    if (!left) d.refuse("a count that is no constant");
    return wait_group(*left, false);
  }
  return copy(d);
}

}  // namespace

void add_async_copy_opcodes(opcode_table& table) { table.insert({{"cp", cp}}); }

}  // namespace ptx
