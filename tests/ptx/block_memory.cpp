// How a block reaches memory, and what is checked on the way.
#include <algorithm>
#include <cstring>

#include "block.hpp"
#include "error.hpp"

namespace ptx {

namespace {

constexpr char const* not_there = "an address outside of every allocation";
constexpr char const* not_in_shared = "an address outside of shared memory";
constexpr char const* misaligned = "a misaligned address";

}  // namespace

unsigned char* block::access_memory(warp& w, int lane, space where, std::uint64_t address, int bytes, access how) {
  if (where == space::generic) {
    place const p = resolve(address);
    where = p.where;
    address = p.address;
  }
  if (address % static_cast<std::uint64_t>(bytes) != 0)
    w.stop(misaligned, "thread " + std::to_string(w.thread(lane)) + ", " + std::to_string(address % 256) + " mod 256, " +
                           std::to_string(bytes) + " bytes");
  switch (where) {
    case space::shared:
      return access_shared(w, lane, address, bytes, how);
    case space::local:
      return access_local(w, lane, address, bytes, how);
    case space::parameter:
      return access_parameter(w, address, bytes, how);
    default:
      return access_global(w, lane, address, bytes, how);
  }
}

void block::remember(warp& w, int lane, shadow& s, std::size_t at, int bytes, access how, char const* name) {
  bool const reads_too = how == access::atomic_store || !writes(how);
  for (std::size_t i = at; i < at + static_cast<std::size_t>(bytes); ++i) {
    if (reads_too && !s.is_initialized[i])
      w.complain(name[0] == 's' ? "uninitialized shared memory is read" : "uninitialized global memory is read");
    auto const race = races_.touch(s.history[i], w.thread(lane), how);
    if (writes(how)) s.is_initialized[i] = 1;
    if (!race) continue;
    w.complain(name[0] == 's' ? "race in shared memory" : "race in global memory",
               "thread " + std::to_string(w.thread(lane)) + (writes(how) ? " writes" : " reads") + " what thread " +
                   std::to_string(race->other.thread()) + " of block " + std::to_string(races_.in_launch(race->other.block())) +
                   (race->was_written ? " wrote" : " reads") + ", byte " + std::to_string(i));
  }
}

allocation* block::find_allocation(std::uint64_t address, std::size_t bytes) {
  for (allocation* const a : recent_)
    if (a && a->holds(address, bytes)) return a;
  allocation* const found = of_.memory.find(address, bytes);
  if (found) recent_[oldest_++ % recent_.size()] = found;
  return found;
}

unsigned char* block::access_global(warp& w, int lane, std::uint64_t address, int bytes, access how) {
  auto const n = static_cast<std::size_t>(bytes);
  allocation* const a = find_allocation(address, n);
  if (!a) w.stop(not_there, "thread " + std::to_string(w.thread(lane)));
  remember(w, lane, a->history, address - a->begin(), bytes, how, "global");
  return reinterpret_cast<unsigned char*>(address);
}

unsigned char* block::access_shared(warp& w, int lane, std::uint64_t address, int bytes, access how) {
  if (address > shared_.size() || static_cast<std::size_t>(bytes) > shared_.size() - address)
    w.stop(not_in_shared, "thread " + std::to_string(w.thread(lane)));
  remember(w, lane, shared_shadow_, address, bytes, how, "shared");
  return shared_.data() + address;
}

void block::forget_shared(std::uint64_t address, int bytes) {
  std::fill_n(shared_.begin() + static_cast<std::ptrdiff_t>(address), bytes, static_cast<unsigned char>(0xcd));
  std::fill_n(shared_shadow_.is_initialized.begin() + static_cast<std::ptrdiff_t>(address), bytes, static_cast<unsigned char>(0));
}

unsigned char* block::access_local(warp& w, int lane, std::uint64_t address, int bytes, access how) {
  auto const size = static_cast<std::size_t>(of_.program.text.local_bytes);
  if (address > size || static_cast<std::size_t>(bytes) > size - address) w.stop("an address outside of local memory");
  std::size_t const at = static_cast<std::size_t>(w.thread(lane)) * size + address;
  auto const first = local_written_.begin() + static_cast<std::ptrdiff_t>(at);
  if (writes(how))
    std::fill_n(first, bytes, static_cast<unsigned char>(1));
  else if (std::find(first, first + bytes, static_cast<unsigned char>(0)) != first + bytes)
    w.complain("uninitialized local memory is read");
  return local_.data() + at;
}

unsigned char* block::access_parameter(warp& w, std::uint64_t address, int bytes, access how) {
  if (writes(how)) w.stop("a parameter is written");
  if (address > of_.parameters.size() || static_cast<std::size_t>(bytes) > of_.parameters.size() - address)
    w.stop("an address outside of the parameters");
  return const_cast<unsigned char*>(of_.parameters.data() + address);
}

}  // namespace ptx
