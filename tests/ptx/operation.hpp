// Instructions as the machine runs them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "bits.hpp"
#include "program.hpp"

namespace ptx {

class warp;

/// Values that an instruction reads, one a lane: a register, a constant, a special register.
class source {
 public:
  enum class special {
    tid_x,
    tid_y,
    tid_z,
    ntid_x,
    ntid_y,
    ntid_z,
    ctaid_x,
    ctaid_y,
    ctaid_z,
    nctaid_x,
    nctaid_y,
    nctaid_z,
    laneid,
    warpid,
    nwarpid,
    lanemask_eq,
    lanemask_lt,
    lanemask_le,
    lanemask_gt,
    lanemask_ge,
    clock,
    smid,
    dynamic_smem_size,
    total_smem_size
  };

  static source of_register(int reg, bool is_negated) { return source(reg, nullptr, special::tid_x, is_negated); }
  static source of_constant(std::uint64_t value) {
    lane_values all;
    all.fill(value);
    return source(-1, std::make_shared<lane_values const>(all), special::tid_x, false);
  }
  static source of_special(special s) { return source(-1, nullptr, s, false); }

  /// Returns 32 values, of which those of `lanes` count; `scratch` may hold them. A register that some of these lanes have not
  /// written is complained of.
  std::uint64_t const* read(warp& w, lane_mask lanes, lane_values& scratch) const;

  /// Returns the value of one lane.
  std::uint64_t read_lane(warp& w, int lane) const {
    lane_values scratch;
    return read(w, lane_mask{1} << lane, scratch)[lane];
  }

  /// Returns the value of a constant; nothing for anything else.
  std::optional<std::uint64_t> constant() const {
    return constant_ ? std::optional<std::uint64_t>(constant_->front()) : std::nullopt;
  }

 private:
  source(int reg, std::shared_ptr<lane_values const> constant, special s, bool is_negated)
      : reg_(reg), constant_(std::move(constant)), special_(s), is_negated_(is_negated) {}

  int reg_;
  std::shared_ptr<lane_values const> constant_;
  special special_;
  bool is_negated_;
};

/// A register that an instruction writes; `_` is one that nobody reads.
class destination {
 public:
  destination(int reg, int bits) : reg_(reg), mask_(ones(bits)) {}

  /// Returns where the values of `lanes` go, which count as written from now on.
  std::uint64_t* write(warp& w, lane_mask lanes) const;

  /// Returns the bits that the register has.
  std::uint64_t mask() const { return mask_; }

 private:
  int reg_;
  std::uint64_t mask_;
};

/// An address: a register and a constant, or a constant alone.
class address {
 public:
  address(std::optional<source> base, std::uint64_t offset) : base_(std::move(base)), offset_(offset) {}

  /// Stores the addresses of `lanes` in `to`.
  void read(warp& w, lane_mask lanes, lane_values& to) const {
    lane_values scratch;
    std::uint64_t const* const base = base_ ? base_->read(w, lanes, scratch) : nullptr;
    for_each_lane(lanes, [&](int l) { to[static_cast<std::size_t>(l)] = offset_ + (base ? base[l] : 0); });
  }

 private:
  std::optional<source> base_;
  std::uint64_t offset_;
};

/// Barrier instructions of a block.
struct barrier_use {
  source id;
  std::optional<source> threads;  ///< how many are to arrive; nothing: all of the block
  bool waits = true;              ///< false: `arrive`
};

/// An instruction, decoded.
struct operation {
  enum class flow { next, branch, leave, warp_wide, barrier };

  flow kind = flow::next;
  std::function<void(warp&, lane_mask)> run;  ///< for the lanes whose guard holds; none for branches, exits and barriers
  std::optional<source> members;              ///< warp_wide: the mask of lanes that take part; nothing: all
  std::optional<barrier_use> barrier;
};

/// Returns an operation that has no say in where its lanes go next.
template <class F>
operation plain(F&& run) {
  operation o;
  o.run = std::forward<F>(run);
  return o;
}

/// Returns an operation that the lanes of `members` run together.
template <class F>
operation warp_wide(std::optional<source> members, F&& run) {
  operation o = plain(std::forward<F>(run));
  o.kind = operation::flow::warp_wide;
  o.members = std::move(members);
  return o;
}

}  // namespace ptx
