// A warp: registers, and the lanes that stand at different instructions.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "async_copy.hpp"
#include "bits.hpp"
#include "program.hpp"

namespace ptx {

class block;

/// Lanes that stand at the same instruction.
struct fragment {
  int at;  ///< index of the instruction
  lane_mask lanes;
  bool waits_for_lanes = false;  ///< at an instruction of the warp that others have not reached
  int barrier = -1;              ///< of the block, that it waits at; -1: at none
};

/// 32 threads of a block. Fragments split where a branch divides them and join where they meet.
class warp {
 public:
  warp(block& owner, int index, lane_mask existing, int registers);

  block& owner() const { return owner_; }
  int index() const { return index_; }
  int thread(int lane) const { return index_ * warp_size + lane; }

  lane_mask alive() const { return alive_; }
  lane_mask existing() const { return existing_; }

  /// Returns the values of a register; complains where `lanes` have not all written it.
  std::uint64_t const* read(int reg, lane_mask lanes) {
    if (lanes & ~written_[static_cast<std::size_t>(reg)]) complain_of_register(reg);
    return values_.get() + static_cast<std::size_t>(reg) * warp_size;
  }
  std::uint64_t* write(int reg, lane_mask lanes) {
    written_[static_cast<std::size_t>(reg)] |= lanes;
    return values_.get() + static_cast<std::size_t>(reg) * warp_size;
  }

  /// Complains of the instruction that is running.
  void complain(char const* kind, std::string const& more = {}) const;
  /// Stops the launch: throws fault.
  [[noreturn]] void stop(char const* kind, std::string const& more = {}) const;

  async_copies& copies(int lane);

  std::vector<fragment> fragments;
  instruction const* running = nullptr;

  /// Moves a fragment on, and joins it with one that stands there already. Its index may then be another's.
  void move(std::size_t fragment_index, int to);
  /// Lanes leave the kernel.
  void leave(lane_mask lanes) { alive_ &= ~lanes; }

 private:
  void complain_of_register(int reg) const;

  block& owner_;
  int index_;
  lane_mask existing_;
  lane_mask alive_;
  std::unique_ptr<std::uint64_t[]> values_;  // [register][lane]; never set beforehand: written_ says what counts
  std::vector<lane_mask> written_;
  std::unique_ptr<std::array<async_copies, warp_size>> copies_;
};

}  // namespace ptx
