// What a device would not have told: races, reads of nothing, wrong masks.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace ptx {

/// Counts complaints by kind and keeps the first of each.
class complaints {
 public:
  struct entry {
    std::uint64_t count = 0;
    std::string first;  ///< kernel, instruction, threads
  };

  /// Adds one; `detail` is called where it is the first of its kind.
  template <class Detail>
  void add(std::string const& kind, Detail&& detail) {
    entry& e = by_kind_[kind];
    if (e.count++ == 0) e.first = detail();
  }

  bool empty() const { return by_kind_.empty(); }
  std::map<std::string, entry> const& by_kind() const { return by_kind_; }
  bool has(std::string const& kind) const { return by_kind_.count(kind) != 0; }
  void clear() { by_kind_.clear(); }

  /// Returns one line a kind: how often, and the first of them.
  std::string text() const {
    std::string lines;
    for (auto const& [kind, e] : by_kind_) lines += kind + ", " + std::to_string(e.count) + " times, first: " + e.first + "\n";
    return lines;
  }

 private:
  std::map<std::string, entry> by_kind_;
};

}  // namespace ptx
