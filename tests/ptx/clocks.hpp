// Which access happened before which: vector clocks of the threads of a block.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "bits.hpp"

namespace ptx {

/// Knows, for any two threads of a block, up to which moment the later one has heard of the earlier one's accesses.
///
/// Each warp has a clock that advances where its lanes meet others: at a barrier, at `bar.warp.sync`. Lanes of a warp hear of
/// each other one by one, warps of a block as wholes: who arrives at a barrier speaks for all lanes of its warp.
class clocks {
 public:
  explicit clocks(int warps) : warps_(static_cast<std::size_t>(warps)) {
    for (warp_clock& w : warps_) w.heard_of_warps.assign(warps_.size(), 0);
  }

  /// Returns the moment in which a warp now is.
  std::uint32_t now(int warp) const { return warps_[static_cast<std::size_t>(warp)].now; }

  /// Returns how many meetings of several warps there were.
  std::uint32_t meetings() const { return meetings_; }

  /// Returns the last meeting of warps that `warp` took part in, counted from 1; 0: none.
  std::uint32_t last_meeting(int warp) const { return warps_[static_cast<std::size_t>(warp)].last_meeting; }

  /// Whether what `earlier` did at its moment `then` is known to have happened before what `later` does now. Threads of the
  /// block.
  bool is_ordered(int earlier, std::uint32_t then, int later) const {
    if (earlier == later) return true;
    warp_clock const& w = warps_[static_cast<std::size_t>(later / warp_size)];
    if (earlier / warp_size != later / warp_size) return w.heard_of_warps[static_cast<std::size_t>(earlier / warp_size)] > then;
    if (w.heard_by_all > then) return true;
    return !w.heard.empty() &&
           w.heard[static_cast<std::size_t>(later % warp_size)][static_cast<std::size_t>(earlier % warp_size)] > then;
  }

  /// Whether what any lane of the warp of `later` did at `then` happened before what `later` does now.
  bool is_ordered_after_warp(std::uint32_t then, int later) const {
    warp_clock const& w = warps_[static_cast<std::size_t>(later / warp_size)];
    if (w.heard_by_all > then) return true;
    if (w.heard.empty()) return false;
    auto const& lane = w.heard[static_cast<std::size_t>(later % warp_size)];
    return *std::min_element(lane.begin(), lane.end()) > then;
  }

  /// `lanes` of a warp, of which `alive` are left, meet.
  void join_lanes(int warp, lane_mask lanes, lane_mask alive) {
    warp_clock& w = warps_[static_cast<std::size_t>(warp)];
    ++w.now;
    if ((alive & ~lanes) == 0) {
      w.heard_by_all = w.now;
      return;
    }
    if (w.heard.empty()) w.heard.resize(warp_size);
    std::array<std::uint32_t, warp_size> together{};
    for_each_lane(lanes, [&](int l) {
      for (std::size_t other = 0; other < warp_size; ++other)
        together[other] = std::max(together[other], w.heard[static_cast<std::size_t>(l)][other]);
    });
    for_each_lane(lanes, [&](int l) { together[static_cast<std::size_t>(l)] = w.now; });
    for_each_lane(lanes, [&](int l) { w.heard[static_cast<std::size_t>(l)] = together; });
  }

  /// Warps meet: `lanes` of each (none: it does not take part), of which `alive` are left.
  void join(std::vector<lane_mask> const& lanes, std::vector<lane_mask> const& alive) {
    ++meetings_;
    std::vector<std::uint32_t> together(warps_.size(), 0);
    for (std::size_t i = 0; i < warps_.size(); ++i) {
      if (lanes[i] == 0) continue;
      join_lanes(static_cast<int>(i), lanes[i], alive[i]);
      for (std::size_t other = 0; other < warps_.size(); ++other)
        together[other] = std::max(together[other], warps_[i].heard_of_warps[other]);
    }
    for (std::size_t i = 0; i < warps_.size(); ++i)
      if (lanes[i] != 0) together[i] = warps_[i].now;
    for (std::size_t i = 0; i < warps_.size(); ++i) {
      if (lanes[i] == 0) continue;
      warps_[i].heard_of_warps = together;
      warps_[i].last_meeting = meetings_;
    }
  }

 private:
  struct warp_clock {
    std::uint32_t now = 1;
    std::uint32_t heard_by_all = 0;  ///< every lane has heard every other up to here
    std::uint32_t last_meeting = 0;
    std::vector<std::array<std::uint32_t, warp_size>> heard;  ///< [lane][other lane], made where not all lanes met
    std::vector<std::uint32_t> heard_of_warps;
  };

  std::vector<warp_clock> warps_;
  std::uint32_t meetings_ = 0;
};

}  // namespace ptx
