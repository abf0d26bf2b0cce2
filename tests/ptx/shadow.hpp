// Who touched a byte last: what finds races and reads of what nobody wrote.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "bits.hpp"
#include "clocks.hpp"

namespace ptx {

/// An access as it is remembered: block, thread, moment, and a remark, in 64 bits that grow from launch to launch.
class access_tag {
 public:
  enum remark : std::uint64_t { plain, of_a_warp, of_warps, of_blocks };  ///< of reads: by several lanes, warps, blocks
  static constexpr remark atomic = of_a_warp;                             ///< of writes

  access_tag() = default;
  access_tag(std::uint32_t block, int thread, std::uint32_t moment, remark r)
      : bits_(std::uint64_t{block} << 32 | static_cast<std::uint64_t>(thread) << 22 | std::uint64_t{moment & 0xfffff} << 2 | r) {}

  std::uint32_t block() const { return static_cast<std::uint32_t>(bits_ >> 32); }
  int thread() const { return static_cast<int>(bits_ >> 22 & 1023); }
  std::uint32_t moment() const { return static_cast<std::uint32_t>(bits_ >> 2 & 0xfffff); }
  remark what() const { return static_cast<remark>(bits_ & 3); }
  access_tag with(remark r) const {
    access_tag t = *this;
    t.bits_ = (t.bits_ & ~std::uint64_t{3}) | r;
    return t;
  }
  bool operator==(access_tag const&) const = default;

 private:
  std::uint64_t bits_ = 0;
};

/// The last write and the last reads of one byte.
struct byte_history {
  access_tag write;
  access_tag read;
};

/// What the machine remembers of a piece of memory.
struct shadow {
  explicit shadow(std::size_t bytes) : history(bytes), is_initialized(bytes, 0) {}
  std::vector<byte_history> history;
  std::vector<unsigned char> is_initialized;  ///< one a byte
};

/// What an instruction does to memory. Atomic accesses of one byte do not race with each other.
enum class access { load, store, atomic_load, atomic_store };

constexpr bool writes(access a) { return a == access::store || a == access::atomic_store; }
constexpr bool is_atomic(access a) { return a == access::atomic_load || a == access::atomic_store; }

/// Compares the accesses of one block with those of the launch so far.
///
/// Blocks are numbered through all launches, so that what another launch did lies below `first_block`. A read by several threads
/// is remembered as that of a warp, of several warps or of several blocks; for several warps a meeting of warps since then is
/// taken for order, so that a race which only some of them are in can go unnoticed, and none is made up.
class race_check {
 public:
  race_check(std::uint32_t first_block, std::uint32_t block, clocks const& order)
      : first_block_(first_block), block_(block), order_(order) {}

  /// The other party of a race.
  struct conflict {
    access_tag other;
    bool was_written;
  };

  /// Remembers an access; returns with whom it races, if it does.
  std::optional<conflict> touch(byte_history& h, int thread, access a) const {
    std::optional<conflict> found;
    if (h.write.block() >= first_block_ && races_with_write(h.write, thread, a)) found = {h.write, true};
    if (writes(a)) {
      if (h.read.block() >= first_block_ && races_with_reads(h.read, thread)) found = {h.read, false};
      h.write = access_tag(block_, thread, now(thread), is_atomic(a) ? access_tag::atomic : access_tag::plain);
    } else if (a == access::load) {
      h.read = merged(h.read, thread);
    }
    return found;
  }

  /// Returns the number of a block in its launch.
  std::uint32_t in_launch(std::uint32_t block) const { return block - first_block_; }

 private:
  std::uint32_t now(int thread) const { return order_.now(thread / warp_size); }

  bool races_with_write(access_tag write, int thread, access a) const {
    if (is_atomic(a) && write.what() == access_tag::atomic) return false;
    return write.block() != block_ || !order_.is_ordered(write.thread(), write.moment(), thread);
  }

  bool races_with_reads(access_tag read, int thread) const {
    if (read.block() != block_ || read.what() == access_tag::of_blocks) return true;
    int const warp = thread / warp_size;
    switch (read.what()) {
      case access_tag::plain:
        return !order_.is_ordered(read.thread(), read.moment(), thread);
      case access_tag::of_a_warp:
        return read.thread() / warp_size == warp ? !order_.is_ordered_after_warp(read.moment(), thread)
                                                 : !order_.is_ordered(read.thread(), read.moment(), thread);
      default:
        return order_.last_meeting(warp) <= read.moment();
    }
  }

  access_tag merged(access_tag before, int thread) const {
    access_tag const mine(block_, thread, now(thread), access_tag::plain);
    if (before.block() < first_block_ || before == mine) return mine;
    if (before.block() != block_ || before.what() == access_tag::of_blocks) return mine.with(access_tag::of_blocks);
    if (before.what() == access_tag::of_warps) {
      if (order_.last_meeting(thread / warp_size) > before.moment()) return mine;
      return before;
    }
    bool const is_ordered = before.what() == access_tag::of_a_warp && before.thread() / warp_size == thread / warp_size
                                ? order_.is_ordered_after_warp(before.moment(), thread)
                                : order_.is_ordered(before.thread(), before.moment(), thread);
    if (is_ordered) return mine;
    if (before.thread() / warp_size == thread / warp_size) return mine.with(access_tag::of_a_warp);
    return access_tag(block_, thread, order_.meetings(), access_tag::of_warps);
  }

  std::uint32_t first_block_;
  std::uint32_t block_;
  clocks const& order_;
};

}  // namespace ptx
