// The modifiers of loads, stores and atomic operations.
#pragma once

#include "block.hpp"
#include "decoder.hpp"
#include "generic_address.hpp"

namespace ptx {

/// Takes the state space; without one the address is generic.
inline space take_space(decoder& d) {
  for (auto const& [name, s] : {std::pair{"global", space::global},
                                {"shared", space::shared},
                                {"shared::cta", space::shared},
                                {"param", space::parameter},
                                {"param::entry", space::parameter},
                                {"local", space::local},
                                {"const", space::global}})
    if (d.take(name)) return s;
  return space::generic;
}

/// Takes what orders memory, .relaxed and the like, and the scope; returns whether there was any: such accesses do not race.
inline bool take_order(decoder& d) {
  bool is_strong = false;
  for (char const* const order : {"relaxed", "acquire", "release", "acq_rel", "volatile", "mmio"})
    is_strong = d.take(order) || is_strong;
  for (char const* const scope : {"cta", "cluster", "gpu", "sys"}) d.take(scope);
  d.take("weak");
  return is_strong;
}

/// Takes what concerns caches alone.
inline void take_cache_hints(decoder& d) {
  for (char const* const hint : {"ca", "cg", "cs", "cv", "lu", "wb", "wt", "nc", "L1::evict_normal", "L1::evict_unchanged",
                                 "L1::evict_first", "L1::evict_last", "L1::no_allocate", "L2::64B", "L2::128B", "L2::256B"})
    d.take(hint);
}

/// Counts a request of `lanes`, whose addresses are resolved here.
inline void count_request(warp& w, lane_mask lanes, space where, lane_values const& addresses, int bytes, access how) {
  std::array<lane_access, warp_size> requests;
  std::size_t n = 0;
  space resolved = where;
  for_each_lane(lanes, [&](int l) {
    std::uint64_t address = addresses[static_cast<std::size_t>(l)];
    if (where == space::generic) {
      place const p = resolve(address);
      resolved = p.where;
      address = p.address;
    }
    requests[n++] = {address, bytes};
  });
  counters& c = w.owner().of().counts;
  std::span<lane_access const> const all(requests.data(), n);
  if (resolved == space::shared)
    c.shared.add(all);
  else if (resolved == space::global)
    (writes(how) ? c.stores : c.loads).add(all);
}

}  // namespace ptx
