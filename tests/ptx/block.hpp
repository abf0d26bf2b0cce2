// A block in execution: its warps, its barriers, its shared memory.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "clocks.hpp"
#include "generic_address.hpp"
#include "launch.hpp"
#include "shadow.hpp"
#include "warp.hpp"

namespace ptx {

/// Runs the warps of one block in any order that barriers allow, a few instructions at a time.
class block {
 public:
  block(launch& of, std::uint64_t index);
  block(block const&) = delete;
  block& operator=(block const&) = delete;

  /// Runs until no thread is left. Throws fault.
  void run();

  launch& of() const { return of_; }
  std::array<unsigned, 3> const& position() const { return position_; }
  int threads() const { return threads_; }
  clocks& order() { return order_; }

  /// Returns `bytes` at an address after all checks: alignment to `bytes`, bounds, initialization, races. Throws fault.
  /// The result is valid until the next call.
  unsigned char* access_memory(warp& w, int lane, space where, std::uint64_t address, int bytes, access how);

  /// Bytes of shared memory hold nothing any more: a copy to them is on its way.
  void forget_shared(std::uint64_t address, int bytes);

  /// Returns the part of a complaint that says where.
  std::string where(warp const& w) const;

 private:
  /// A barrier of the block, `bar` or `barrier`, between two openings.
  struct barrier_state {
    int expected = 0;  ///< threads; 0: nobody is there
    int arrived = 0;
    bool is_for_all = false;
    std::optional<int> place;  ///< the instruction that the first waits at
    bool has_several_places = false;
    std::vector<lane_mask> lanes;  ///< of each warp, that arrived
  };

  void step(warp& w, std::size_t fragment_index);
  std::optional<std::size_t> choose(warp const& w) const;
  lane_mask guarded(warp& w, instruction const& in, lane_mask lanes) const;
  bool is_complete(warp& w, operation const& o, fragment const& f, lane_mask lanes) const;
  void arrive(warp& w, std::size_t fragment_index, operation const& o, lane_mask lanes);
  void open(int id);
  void settle_stalled();
  void branch(warp& w, std::size_t fragment_index, int target, lane_mask lanes);

  allocation* find_allocation(std::uint64_t address, std::size_t bytes);
  unsigned char* access_global(warp& w, int lane, std::uint64_t address, int bytes, access how);
  unsigned char* access_shared(warp& w, int lane, std::uint64_t address, int bytes, access how);
  unsigned char* access_local(warp& w, int lane, std::uint64_t address, int bytes, access how);
  unsigned char* access_parameter(warp& w, std::uint64_t address, int bytes, access how);
  void remember(warp& w, int lane, shadow& s, std::size_t at, int bytes, access how, char const* name);

  launch& of_;
  std::uint64_t index_;
  std::array<unsigned, 3> position_;
  int threads_;
  clocks order_;
  race_check races_;
  std::vector<unsigned char> shared_;
  shadow shared_shadow_;
  std::vector<unsigned char> local_;
  std::vector<unsigned char> local_written_;
  std::array<barrier_state, 16> barriers_;
  std::vector<warp> warps_;
  std::array<allocation*, 4> recent_{};  ///< those that were found last
  std::size_t oldest_ = 0;
};

}  // namespace ptx
