// The strength of each, by its factors, and where alpha and rank were told.
#include "adapters.hpp"

#include <algorithm>
#include <array>

#include <halfstep/core/text.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/lora/scale_in_words.hpp>
#include <halfstep/report/quality_number.hpp>

namespace convert_to_quant {

namespace {

using halfstep::detail::trimmed;

std::string ordinal(std::size_t place) {
  constexpr std::array<std::string_view, 5> words{"first", "second", "third", "fourth", "fifth"};
  if (place < words.size()) return std::string(words[place]);
  std::size_t const number = place + 1;
  std::size_t const last = number % 100 / 10 == 1 ? 0 : number % 10;
  return std::to_string(number) + (last == 1 ? "st" : last == 2 ? "nd" : last == 3 ? "rd" : "th");
}

}  // namespace

std::string described(halfstep::matched_adapter const& adapter, std::size_t place) {
  std::string text = halfstep::quoted(adapter.path) + " with strength " + trimmed(adapter.strength, 6);
  if (adapter.scale != 1.0) text += " x " + trimmed(adapter.scale, 6) + " of --merge-lora-scale";
  if (adapter.dampening != 1.0)
    text += " x " + trimmed(adapter.dampening, 6) + " for the " + ordinal(place) + " of several: --no-merge-lora-dampen gives " +
            trimmed(adapter.strength * adapter.scale, 6) + ";";
  text += " into " + halfstep::layers_in_words(adapter.layers);
  constexpr std::size_t most = 4;
  for (std::size_t i = 0; i < std::min(adapter.scales.size(), most); ++i) {
    auto const& use = adapter.scales[i];
    text += "; " + halfstep::scale_in_words(use.scale);
    if (adapter.scales.size() > 1) text += " (" + std::to_string(use.pairs) + (use.pairs == 1 ? " pair)" : " pairs)");
  }
  if (adapter.scales.size() > most) text += "; and " + std::to_string(adapter.scales.size() - most) + " other scales";
  return text;
}

std::string order_note(std::span<halfstep::matched_adapter const> adapters) {
  if (std::ranges::all_of(adapters, [](auto const& adapter) { return adapter.dampening == 1.0; })) return {};
  return "the order of the LoRAs matters: each is merged by 0.9 of the share of the one before it, the first whole; "
         "--no-merge-lora-dampen merges all alike in any order";
}

}  // namespace convert_to_quant
