// What a user hears where almost nothing of a file is quantized: the share, and what stays instead.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <halfstep/core/dtype.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/plan/action.hpp>
#include <halfstep/plan/name_pattern.hpp>
#include <halfstep/plan/planned.hpp>
#include <halfstep/plan/weight_role.hpp>

namespace halfstep {

namespace detail {

/// Tensors that differ in the numbers of their blocks alone, and stay for the same reason.
struct staying_tensors {
  std::string name;  ///< in quotes; that of the only one, or their pattern
  std::size_t count = 0;
  std::uint64_t bytes = 0;
  std::string what;  ///< type, shape and reason
};

/// Returns the tensors of `p` that stay and are not among `chosen`, those that take most first.
inline std::vector<staying_tensors> staying(plan const& p, std::set<std::string, std::less<>> const& chosen) {
  std::map<std::pair<std::string, std::string>, staying_tensors> groups;
  for (planned_tensor const& t : p.tensors) {
    if (t.what != action::keep || chosen.contains(t.input.name)) continue;
    std::string what = std::string(name_of(t.input.type)) + " " + shape_text(t.input.shape) + ", " + t.reason;
    auto& group = groups[{name_pattern(t.input.name), what}];
    group.name = quoted(group.count == 0 ? t.input.name : name_pattern(t.input.name));
    group.what = std::move(what);
    ++group.count;
    group.bytes += t.input.bytes();
  }
  std::vector<staying_tensors> all;
  for (auto& [key, group] : groups) all.push_back(std::move(group));
  std::ranges::stable_sort(all, [](auto const& a, auto const& b) { return a.bytes > b.bytes; });
  return all;
}

}  // namespace detail

/// Returns a warning where less than a tenth of the bytes that no flag keeps is quantized, with the three kinds of tensors that
/// take most of the rest; empty where more is quantized. `chosen` are tensors that stay because a flag says so.
inline std::string small_share_warning(plan const& p, std::set<std::string, std::less<>> const& chosen) {
  auto const rest = detail::staying(p, chosen);
  if (rest.empty()) return {};
  std::uint64_t quantized = 0;
  for (planned_tensor const& t : p.tensors) quantized += t.what == action::quantize ? t.input.bytes() : 0;
  std::uint64_t all = quantized;
  for (auto const& group : rest) all += group.bytes;
  if (all == 0 || quantized >= all / 10) return {};
  std::string text = "no layer is quantized";
  if (quantized != 0) {
    auto const tenths = static_cast<std::uint64_t>(1000.0 * static_cast<double>(quantized) / static_cast<double>(all));
    text = "almost nothing is quantized, " + size_in_words(quantized) + " of " + size_in_words(all) + " (" +
           std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " %)";
  }
  text += "; what stays is mostly";
  for (std::size_t i = 0; i < std::min<std::size_t>(rest.size(), 3); ++i)
    text += (i == 0 ? " " : ", ") + (rest[i].count == 1 ? std::string() : std::to_string(rest[i].count) + " of ") + rest[i].name +
            " (" + rest[i].what + ": " + size_in_words(rest[i].bytes) + ")";
  return text;
}

/// Returns a note of the banks of experts in `p`, all of which stay; empty where there are none.
inline std::string expert_bank_note(plan const& p) {
  std::size_t banks = 0;
  std::uint64_t bytes = 0;
  std::vector<std::string> names;
  for (planned_tensor const& t : p.tensors) {
    if (t.what != action::keep || !is_expert_bank(t.input)) continue;
    ++banks;
    bytes += t.input.bytes();
    if (auto name = quoted(name_pattern(t.input.name)); std::ranges::find(names, name) == names.end())
      names.push_back(std::move(name));
  }
  if (banks == 0) return {};
  return std::to_string(banks) + (banks == 1 ? " bank of experts stays as it is, " : " banks of experts stay as they are, ") +
         size_in_words(bytes) + ": " + some_of(names);
}

}  // namespace halfstep
