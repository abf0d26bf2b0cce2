// ld, st, prefetch, fences, and the questions about address spaces.
#include <array>
#include <cstring>
#include <vector>

#include "elementwise.hpp"
#include "memory_access.hpp"

namespace ptx {

namespace {

std::size_t take_vector(decoder& d) { return d.take("v2") ? 2 : d.take("v4") ? 4 : d.take("v8") ? 8 : 1; }

std::uint64_t loaded(unsigned char const* p, int bytes) {
  std::uint64_t v = 0;
  std::memcpy(&v, p, static_cast<std::size_t>(bytes));
  return v;
}

operation ld(decoder& d) {
  space const where = take_space(d);
  access const how = take_order(d) ? access::atomic_load : access::load;
  take_cache_hints(d);
  std::size_t const count = take_vector(d);
  scalar const t = d.take_type();
  auto const to = d.vector_out(0);
  address const from = d.at(1);
  if (to.size() != count) d.refuse("a vector of another length");
  int const bytes = t.width() / 8;
  return plain([=](warp& w, lane_mask lanes) {
    lane_values addresses;
    from.read(w, lanes, addresses);
    std::array<lane_values, 8> values;
    int const all = bytes * static_cast<int>(count);
    for_each_lane(lanes, [&](int l) {
      auto const lane = static_cast<std::size_t>(l);
      unsigned char const* const p = w.owner().access_memory(w, l, where, addresses[lane], all, how);
      for (std::size_t n = 0; n < count; ++n) {
        std::uint64_t const v = loaded(p + n * static_cast<std::size_t>(bytes), bytes);
        values[n][lane] = t.is_signed() ? static_cast<std::uint64_t>(sign_extended(v, t.bits)) : v;
      }
    });
    for (std::size_t n = 0; n < count; ++n) {
      std::uint64_t* const y = to[n].write(w, lanes);
      for_each_lane(lanes, [&](int l) { y[l] = values[n][static_cast<std::size_t>(l)] & to[n].mask(); });
    }
    count_request(w, lanes, where, addresses, all, how);
  });
}

operation st(decoder& d) {
  space const where = take_space(d);
  access const how = take_order(d) ? access::atomic_store : access::store;
  take_cache_hints(d);
  std::size_t const count = take_vector(d);
  int const bytes = d.take_type().width() / 8;
  address const to = d.at(0);
  auto const from = d.vector_in(1);
  if (from.size() != count) d.refuse("a vector of another length");
  return plain([=](warp& w, lane_mask lanes) {
    lane_values addresses;
    to.read(w, lanes, addresses);
    std::array<lane_values, 8> scratch;
    std::array<std::uint64_t const*, 8> values{};
    for (std::size_t n = 0; n < count; ++n) values[n] = from[n].read(w, lanes, scratch[n]);
    int const all = bytes * static_cast<int>(count);
    for_each_lane(lanes, [&](int l) {
      unsigned char* const p = w.owner().access_memory(w, l, where, addresses[static_cast<std::size_t>(l)], all, how);
      for (std::size_t n = 0; n < count; ++n)
        std::memcpy(p + n * static_cast<std::size_t>(bytes), &values[n][l], static_cast<std::size_t>(bytes));
    });
    count_request(w, lanes, where, addresses, all, how);
  });
}

operation nothing() {
  return plain([](warp&, lane_mask) {});
}

/// Memory is in order here already: every access is seen by all at once.
operation fence(decoder& d) {
  for (char const* const modifier : {"sc", "acq_rel", "cta", "cluster", "gpu", "sys", "gl", "proxy", "async", "async::generic",
                                     "alias", "global", "shared::cta", "shared::cluster", "mbarrier_init", "release", "acquire"})
    d.take(modifier);
  return nothing();
}

operation prefetch(decoder& d) {
  static_cast<void>(take_space(d));
  static_cast<void>(d.take_one_of({"L1", "L2", "L2::evict_last", "L2::evict_normal"}));
  static_cast<void>(d.at(0));
  return nothing();
}

operation isspacep(decoder& d) {
  space const asked = take_space(d);
  if (asked == space::generic) d.refuse("no space that is known");
  return elementwise<1>(d, [asked](std::uint64_t a) { return std::uint64_t{resolve(a).where == asked}; });
}

}  // namespace

void add_memory_opcodes(opcode_table& table) {
  table.insert({{"ld", ld}, {"st", st}, {"fence", fence}, {"membar", fence}, {"prefetch", prefetch}, {"isspacep", isspacep}});
}

}  // namespace ptx
