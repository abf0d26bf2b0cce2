// What one place says of the scales of an adapter's pairs, and for which pairs it speaks.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/lora/training_scale.hpp>

namespace halfstep {

/// Returns whether `key` of an alpha_pattern or a rank_pattern is for the layer `name`. Throws format_error for a key that is
/// no expression.
using name_matcher = std::function<bool(std::string const& key, std::string_view name)>;

/// The name of a layer, and the number that holds for it in place of the general one.
using scale_pattern = std::vector<std::pair<std::string, double>>;

/// Who wrote a statement, which decides for what it stands.
enum class statement_kind : std::uint8_t {
  configuration,  ///< what programs load the adapter by: PEFT's configuration
  summary         ///< a record of the training, beside `.alpha` tensors that programs load it by
};

/// What one place says of the scales of pairs.
struct scale_statement {
  scale_place place = scale_place::header;
  std::string from = {};  ///< in words
  statement_kind kind = statement_kind::configuration;
  std::string component = {};  ///< of a pipeline that it is for, such as "transformer"; empty: of all
  std::optional<double> alpha = std::nullopt;
  std::optional<double> rank = std::nullopt;
  scale_pattern alphas = {};  ///< the first that fits holds
  scale_pattern ranks = {};
  rank_scaling scaling = rank_scaling::by_rank;
};

namespace detail {

/// Returns `name`, and what is left of it without the prefixes of PEFT and of pipelines, as names of layers in the model.
inline std::vector<std::string_view> names_in_model(std::string_view name) {
  constexpr std::array<std::string_view, 8> prefixes{"base_model.model.",      "_orig_mod.",       "module.",
                                                     "model.diffusion_model.", "diffusion_model.", "unet.",
                                                     "transformer_2.",         "transformer."};
  std::vector<std::string_view> all{name};
  for (auto const prefix : prefixes)
    if (all.back().starts_with(prefix)) all.push_back(all.back().substr(prefix.size()));
  for (std::string_view const encoder : {"text_encoder.", "text_encoder_2.", "text_encoder_3."})
    if (all.back().starts_with(encoder)) all.push_back(all.back().substr(encoder.size()));
  return all;
}

/// Returns whether `key` is an expression beyond a name with `^` before and `$` behind it; a dot stands for itself.
inline bool is_expression(std::string_view key) {
  if (key.starts_with('^')) key.remove_prefix(1);
  if (key.ends_with('$')) key.remove_suffix(1);
  return key.find_first_of("*+?[](){}|\\^$") != std::string_view::npos;
}

/// Returns whether `key` is for the layer `name` by PEFT's rule: it matches the end of the name, behind a dot or all of it.
inline bool is_for(std::string const& key, std::string_view name, name_matcher const& expressions) {
  auto const names = names_in_model(name);
  if (is_expression(key)) {
    if (!expressions)
      throw format_error(
          stated("lora.expression", "the key {'key} is an expression, and only names are read here", {{"key", key}}));
    for (auto const each : names)
      if (expressions(key, each)) return true;
    return false;
  }
  std::string_view text = key;
  if (text.ends_with('$')) text.remove_suffix(1);
  bool const anchored = text.starts_with('^');
  if (anchored) text.remove_prefix(1);
  for (auto const each : names) {
    if (each == text) return true;
    if (!anchored && each.size() > text.size() && each.ends_with(text) && each[each.size() - text.size() - 1] == '.') return true;
  }
  return false;
}

/// Returns the first number of `pattern` that is for `name`, else `general`.
inline std::optional<double> number_for(std::string_view name, scale_pattern const& pattern, std::optional<double> general,
                                        name_matcher const& expressions) {
  for (auto const& [key, value] : pattern)
    if (is_for(key, name, expressions)) return value;
  return general;
}

/// Returns whether `name` belongs to a text encoder by its prefix.
inline bool is_of_text_encoder(std::string_view name) {
  for (std::string_view const prefix : {"text_encoder", "lora_te", "te1_", "te2_", "te1.", "te2.", "cond_stage_model."})
    if (name.starts_with(prefix)) return true;
  return false;
}

/// Returns whether `name` carries the prefix of a pipeline's component.
inline bool is_of_component(std::string_view name, std::string_view component) {
  for (auto const each : {name, name.starts_with("base_model.model.") ? name.substr(17) : name}) {
    if (each.starts_with(component) && each.substr(component.size()).starts_with('.')) return true;
    std::string const underscored = "lora_" + std::string(component) + "_";
    if (each.starts_with(underscored)) return true;
  }
  return false;
}

}  // namespace detail

/// Returns the statements of `all` that speak of the pair `name`, in their order: those for every component; beside them those
/// for the component that the name begins with or, where it begins with none, for all that are no text encoder's.
inline std::vector<scale_statement const*> statements_for(std::string_view name, std::vector<scale_statement> const& all) {
  auto const by_prefix = [&](scale_statement const& s) {
    return !s.component.empty() && detail::is_of_component(name, s.component);
  };
  bool const carries_one = std::any_of(all.begin(), all.end(), by_prefix);
  bool const is_encoder = detail::is_of_text_encoder(name);
  std::vector<scale_statement const*> found;
  for (auto const& s : all) {
    bool const by_default = !carries_one && !is_encoder && !s.component.starts_with("text_encoder");
    if (s.component.empty() || by_prefix(s) || by_default) found.push_back(&s);
  }
  return found;
}

}  // namespace halfstep
