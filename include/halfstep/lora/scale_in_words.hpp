// The scale of an adapter's pairs in words.
#pragma once

#include <array>
#include <charconv>
#include <string>

#include <halfstep/lora/training_scale.hpp>

namespace halfstep {

/// Returns a number with up to six digits, such as "16" or "0.0625".
inline std::string number_text(double x) {
  std::array<char, 32> text;
  auto const done = std::to_chars(text.data(), text.data() + text.size(), x, std::chars_format::general, 6);
  return {text.data(), done.ptr};
}

/// Returns what scales a pair and who says so, such as "alpha 64, rank 16, from the header's lora_adapter_metadata: factor 4".
inline std::string scale_in_words(training_scale const& s) {
  if (s.place == scale_place::nowhere) return "rank " + number_text(s.rank) + ", alpha taken to be the same: factor 1";
  return "alpha " + number_text(s.alpha) + ", rank " + number_text(s.rank) +
         (s.scaling == rank_scaling::by_root ? " (rank-stabilised)" : "") + ", from " + s.from + ": factor " +
         number_text(s.factor());
}

}  // namespace halfstep
