// Statistics of nothing: sums over no rows and maxima of zero, which count as unknown.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <halfstep/calibration/entries.hpp>
#include <halfstep/calibration/item_checks.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep::detail {

/// The largest magnitude of inputs of which nothing is known: a scale of theirs would be the floor of all scales, 1e-30.
inline constexpr float unseen_magnitude = 127.0f * 1e-30f;

/// Returns the number that some element of a statistic exceeds where it says anything; NaN and infinity exceed it.
constexpr float silence_of(statistic what) {
  switch (what) {
    case statistic::input:
    case statistic::channel_max:
      return unseen_magnitude;
    case statistic::input_scale:
      return 1e-30f;
    default:
      return 0.0f;
  }
}

/// Returns whether no element of `item` exceeds the silence of its kind. Reads up to the first that does, 64 KiB at a time.
///
/// Precondition: the item is sound, and no count.
inline bool is_silent(statistic what, calibration_item const& item) {
  float const most = silence_of(what);
  auto const speaks = [&](float x) { return !(std::fabs(x) <= most); };
  if (item.tensor == nullptr) return std::none_of(item.values.begin(), item.values.end(), speaks);
  bool silent = true;
  with_source_type(item.tensor->type, [&]<class Source>(std::type_identity<Source>) {
    constexpr std::uint64_t piece = 65536 / sizeof(Source);
    std::vector<Source> some;
    for (std::uint64_t first = 0; first < item.tensor->count() && silent; first += piece) {
      some.resize(static_cast<std::size_t>(std::min(piece, item.tensor->count() - first)));
      item.file->read(*item.tensor, first * sizeof(Source), std::as_writable_bytes(std::span(some)));
      silent = std::none_of(some.begin(), some.end(), [&](Source x) { return speaks(static_cast<float>(widen(x))); });
    }
  });
  return silent;
}

/// Returns whether an entry states that what it states is of no rows; its rows, if it has any, speak for themselves.
inline bool counts_nothing(calibration_entry const& e) {
  auto const& count = e.items[static_cast<std::size_t>(statistic::count)];
  return count && stored_count(*count) == 0;
}

/// Calls `f(item, why)` for each statistic of an entry that says nothing of a layer's inputs, and why in words with its name;
/// once with the count, where that is 0. Precondition: the items are sound.
template <class F>
void for_each_unseen(calibration_entry const& e, F const& f) {
  bool const of_nothing = counts_nothing(e);
  for (std::size_t i = 0; i < e.items.size(); ++i) {
    auto const what = static_cast<statistic>(i);
    if (!e.items[i]) continue;
    auto const& item = *e.items[i];
    if (what == statistic::count) {
      if (of_nothing) f(item, "`" + item.name + "` is 0");
    } else if (what == statistic::input && item.shape().front() == 0) {
      f(item, "`" + item.name + "` has no rows");
    } else if (of_nothing && what != statistic::input) {
      f(item, std::string());
    } else if (is_silent(what, item)) {
      f(item, "`" + item.name + "` is zero");
    }
  }
}

}  // namespace halfstep::detail
