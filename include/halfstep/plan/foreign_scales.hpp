// Scales that stand beside codes under a spelling that is not known here: whose they are.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include <halfstep/core/dtype.hpp>
#include <halfstep/plan/rule.hpp>
#include <halfstep/recipe/artifact.hpp>
#include <halfstep/recipe/stored_layer.hpp>
#include <halfstep/safetensors/header.hpp>

namespace halfstep {

namespace detail {

/// Whether a word of a name says that the tensor scales another.
constexpr bool is_word_of_scales(std::string_view word) {
  for (std::string_view const known : {"scale", "scaling", "quant", "absmax", "amax", "zero"})
    if (word.find(known) != std::string_view::npos) return true;
  return false;
}

/// Returns the words of `name` without those that only say what part of a layer it is: the same for "a.b.weight", "a.b_scale",
/// "a.b.weight_scale_inv" and "scale.a.b".
inline std::string words_of_layer(std::string_view name) {
  std::string words;
  for_each_piece(lower_case(name), "._-", [&](std::string_view word) {
    bool const is_part = word == "weight" || word == "weights" || word == "inv" || word == "inverse" || word == "factor" ||
                         word == "factors" || word == "point" || word == "points" || is_word_of_scales(word);
    if (!is_part) (words += word) += '.';
  });
  return words;
}

/// Whether `name` has a word of scales, and is no tensor whose meaning is known here.
inline bool may_scale_another(std::string_view name) {
  if (is_scaled_fp8_flag(name) || !layer_of(name).empty()) return false;
  for (auto const ending : companion_endings)
    if (name.ends_with(ending)) return false;
  bool found = false;
  for_each_piece(lower_case(name), "._-", [&](std::string_view word) { found = found || is_word_of_scales(word); });
  return found;
}

}  // namespace detail

/// Returns the layers of `file` whose FP8 weight has no scale of a name that is known here, and the tensor that speaks of the
/// same layer as scales do: such as "a.b_scale" of "a.b.weight".
inline std::map<std::string_view, std::string_view> foreign_scales(safetensors::header const& file) {
  std::map<std::string, std::string_view> speaking;
  for (auto const& t : file.tensors())
    if (detail::may_scale_another(t.name)) speaking.emplace(detail::words_of_layer(t.name), t.name);
  std::map<std::string_view, std::string_view> found;
  if (speaking.empty()) return found;
  for (auto const& t : file.tensors()) {
    auto const layer = layer_of(t.name);
    if (layer.empty() || (t.type != dtype::f8_e4m3 && t.type != dtype::f8_e5m2)) continue;
    std::string const name(layer);
    if (file.find(name + ".weight_scale") != nullptr || file.find(name + ".scale_weight") != nullptr) continue;
    if (auto const scale = speaking.find(detail::words_of_layer(layer)); scale != speaking.end())
      found.emplace(layer, scale->second);
  }
  return found;
}

}  // namespace halfstep
