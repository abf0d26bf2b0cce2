// What is said of an adapter that a model cannot use.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>

namespace halfstep {

/// A key of an adapter that matches nothing.
struct unmatched_key {
  std::string layer;    ///< that it speaks of, in the adapter's words
  std::string tensor;   ///< as the file has it
  std::string why;      ///< in parentheses; empty where no layer has the name
  std::string nearest;  ///< layer of the model; empty where that is not known

  /// Returns it with its reason, or with the nearest layer.
  std::string described() const {
    if (!why.empty()) return quoted(tensor) + " (" + why + ")";
    return quoted(tensor) + (nearest.empty() ? "" : " (nearest: " + quoted(nearest) + ")");
  }
};

/// Throws format_error for an adapter of `tensors` tensors where there are none.
inline void require_tensors(std::string const& path, std::size_t tensors) {
  if (tensors == 0)
    throw format_error(
        stated("lora.empty",
               "LoRA {'path} holds no tensor: nothing of it can be merged or read; get the whole file again from its source",
               {{"path", path}}));
}

/// Throws format_error for an adapter of `tensors` tensors none of which the model takes: two of `keys`, of different layers
/// where there are such, beside the layers that are nearest to them. Precondition: one key at least.
[[noreturn]] inline void fail_unmatched(std::string const& path, std::size_t tensors, std::vector<unmatched_key> const& keys) {
  auto const* const first = &keys.front();
  auto const* second = keys.size() > 1 ? &keys[1] : nullptr;
  for (auto const& key : keys)
    if (key.layer != first->layer) {
      second = &key;
      break;
    }
  std::string text = "LoRA " + quoted(path) + ": nothing of it is used, for none of its " + std::to_string(tensors) +
                     " tensors is for a layer of the model: ";
  std::string nearest;
  for (auto const* key : {first, second}) {
    if (key == nullptr) continue;
    text += (key == first ? "" : ", ") + quoted(key->tensor) + (key->why.empty() ? "" : " (" + key->why + ")");
    std::string const layer = quoted(key->nearest);
    if (!key->nearest.empty() && nearest.find(layer) == std::string::npos) nearest += (nearest.empty() ? "" : ", ") + layer;
  }
  if (!nearest.empty())
    text += (nearest.find(',') == std::string::npos ? "; the nearest layer of the model is "
                                                    : "; the nearest layers of the model are ") +
            nearest;
  throw format_error(
      stated("lora.no_match", "{found}; give a LoRA that was trained for this model",
             {{"found", text}, {"path", path}, {"tensors", tensors}, {"tensor", first->tensor}, {"nearest", first->nearest}}));
}

/// Returns the sentence for keys that match nothing in files of which something is used. At most 16 are listed.
inline std::string unmatched_in_words(std::vector<unmatched_key> const& keys) {
  constexpr std::size_t most = 16;
  std::string text =
      std::to_string(keys.size()) + (keys.size() == 1 ? " LoRA key matches" : " LoRA keys match") + " nothing in the model: ";
  for (std::size_t i = 0; i < keys.size() && i < most; ++i) text += (i == 0 ? "" : "; ") + keys[i].described();
  if (keys.size() > most) text += "; and " + std::to_string(keys.size() - most) + " more";
  return text;
}

}  // namespace halfstep
