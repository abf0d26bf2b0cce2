// How layer configurations are read from JSON. For one unit of a program.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/plan/layer_config.hpp>
#include <halfstep/plan/parse_layer_config.hpp>
#include <halfstep/plan/rule.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/safetensors/json.hpp>

namespace halfstep {

namespace detail {

/// Lets every JSON pass: what `read_json` itself refuses is all that is asked of it.
struct any_json {
  void begin_object() {}
  void end_object() {}
  void begin_array() {}
  void end_array() {}
  bool keeps_keys() const { return false; }
  void key(std::string_view) {}
  void string(std::string_view) {}
  void number(std::string_view) {}
  void boolean() {}
  void null() {}
};

/// The word for layers that stay as they are, beside the names of formats.
inline constexpr std::string_view keep_word = "keep";

inline constexpr std::array<std::string_view, 8> entry_keys{
    "format", "block_size", "scaling_mode", "simple", "skip", "full_precision_matrix_mult", "convrot", "convrot_groupsize"};

/// One entry on its way from JSON to a recipe.
class entry_reader {
 public:
  entry_reader(std::string_view pattern, boost::json::value const& value, entry_bases const& bases)
      : pattern_(pattern), bases_(bases) {
    if (!value.is_object()) fail("is no object such as {\"format\": \"fp16\"}");
    fields_ = &value.get_object();
    for (auto const& field : *fields_)
      if (std::ranges::find(entry_keys, std::string_view(field.key())) == entry_keys.end())
        fail("has the unknown key " + quoted(std::string_view(field.key())) + "; known: " + listed(entry_keys));
  }

  layer_fate read() const {
    auto const word = text("format");
    auto const format = word ? format_of(*word) : std::nullopt;
    if (flag("skip").value_or(false)) return {action::keep, {}};
    if (word && !format) {
      for (auto const key : entry_keys)
        if (key != "format" && key != "skip" && fields_->contains(key))
          fail("keeps its layers, so it can have no " + std::string(key));
      return {action::keep, {}};
    }
    recipe how = scaled(format);
    if (auto const simple = flag("simple")) {
      if (how.format == scheme::fp16 && *simple) fail("is simple, but FP16 has no scales to search");
      if (how.format != scheme::fp16) {
        recipe const& searched = facts_of(how.format).grid == grid_kind::e4m3 ? bases_.fp8_searched : bases_.searched;
        how.scales = *simple ? scale_choice::absmax : searched.scales;
        how.solver = *simple ? solver_kind::none : searched.solver;
      }
    }
    if (auto const full = flag("full_precision_matrix_mult")) {
      if (how.format == scheme::fp16 && *full) fail("asks for full_precision_matrix_mult, but FP16 has no marker to say so");
      how.matmul = *full ? matmul_precision::full : matmul_precision::native;
    }
    rotate(how);
    return {action::quantize, how};
  }

 private:
  [[noreturn]] void fail(std::string const& why) const { throw usage_error("its entry " + quoted(pattern_) + " " + why); }

  template <class Words>
  static std::string listed(Words const& words) {
    std::string text;
    for (auto const& word : words) text += (text.empty() ? "" : ", ") + std::string(word);
    return text;
  }

  std::optional<std::string_view> text(std::string_view key) const {
    auto const* value = fields_->if_contains(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) fail("has a " + std::string(key) + " that is no text");
    return std::string_view(value->get_string());
  }

  std::optional<bool> flag(std::string_view key) const {
    auto const* value = fields_->if_contains(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_bool()) fail("has a " + std::string(key) + " that is neither true nor false");
    return value->get_bool();
  }

  std::optional<std::int64_t> number(std::string_view key) const {
    auto const* value = fields_->if_contains(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_int64()) fail("has a " + std::string(key) + " that is no whole number");
    return value->get_int64();
  }

  std::optional<scheme> format_of(std::string_view word) const {
    if (word == keep_word) return std::nullopt;
    auto const found = std::ranges::find(scheme_table, word, &scheme_facts::name);
    if (found != scheme_table.end()) return found->format;
    std::array<std::string_view, scheme_table.size() + 1> known{};
    std::ranges::transform(scheme_table, known.begin(), &scheme_facts::name);
    known.back() = keep_word;
    fail("has the unknown format " + quoted(word) + "; known: " + listed(known));
  }

  /// Returns the format of `words`, such as "int8", whose scales `shared` names.
  scheme scheme_with(std::string_view words, scaling shared) const {
    for (auto const& row : scheme_table)
      if (row.words == words && row.scales == shared) return row.format;
    fail("has scaling_mode axis, which " + std::string(words) + " has not");
  }

  std::optional<scheme> scheme_of_mode(std::string_view words) const {
    auto const mode = text("scaling_mode");
    if (!mode) return std::nullopt;
    if (*mode == "block") return scheme_with(words, scaling::block);
    if (*mode == "axis" || *mode == "row") return scheme_with(words, scaling::row);
    if (*mode == "tensor") return scheme_with(words, scaling::tensor);
    fail("has the unknown scaling_mode " + quoted(*mode) + "; known: block, axis, tensor");
  }

  /// Returns the recipe with its format and block size, which alone means block scaling.
  recipe scaled(std::optional<scheme> const& format) const {
    scheme const spoken_of = format && has_scales(*format) ? *format : bases_.run.format;
    auto const words = facts_of(has_scales(spoken_of) ? spoken_of : bases_.codes.format).words;
    auto const mode = scheme_of_mode(words);
    auto const side = number("block_size");
    if (format && mode && *format != *mode)
      fail("names the format " + std::string(name_of(*format)) + " and a scaling_mode that it does not have");
    auto const wanted = format ? format : mode ? mode : side ? std::optional(scheme_with(words, scaling::block)) : std::nullopt;
    recipe how = !wanted || !has_scales(*wanted)             ? bases_.run
                 : facts_of(*wanted).grid == grid_kind::e4m3 ? bases_.fp8
                                                             : bases_.codes;
    if (wanted == scheme::fp16 && how.format != scheme::fp16)
      how = {.format = scheme::fp16, .block_size = how.block_size, .rounding = how.rounding};
    if (wanted) how.format = *wanted;
    if (how.format != scheme::int8_axis) how.rotation_group = 0;
    if (!side) return how;
    if (!has_blocks(how.format)) fail("has a block_size, but " + std::string(name_of(how.format)) + " has no blocks");
    constexpr std::array<std::int64_t, 5> sides{16, 32, 64, 128, 256};
    if (std::ranges::find(sides, *side) == sides.end())
      fail("has the block_size " + std::to_string(*side) + "; it takes a power of two from 16 to 256");
    how.block_size = static_cast<int>(*side);
    return how;
  }

  void rotate(recipe& how) const {
    auto const rotates = flag("convrot");
    auto const group = number("convrot_groupsize");
    if (rotates == true && how.format != scheme::int8_axis) fail("has convrot, which needs int8_axiswise");
    if (rotates == false) how.rotation_group = 0;
    if (rotates == true && how.rotation_group == 0) how.rotation_group = 256;
    if (!group) return;
    if (how.rotation_group == 0) fail("has a convrot_groupsize, but no convrot");
    if (*group != 16 && *group != 64 && *group != 256)
      fail("has the convrot_groupsize " + std::to_string(*group) + "; it takes 16, 64 or 256");
    how.rotation_group = static_cast<int>(*group);
  }

  std::string_view pattern_;
  entry_bases const& bases_;
  boost::json::object const* fields_ = nullptr;
};

inline boost::json::value strict_json(std::string_view text) {
  try {
    safetensors::allowance memory(64 * text.size() + 4096);
    any_json events;
    safetensors::read_json(text, memory, events);
  } catch (format_error const& e) {
    throw usage_error(e.what());
  }
  return boost::json::parse(text);
}

}  // namespace detail

layer_config parse_layer_config(std::string_view text, std::string_view origin, entry_bases const& bases, pattern_scope scope) {
  try {
    if (text.size() > max_layer_config_bytes)
      throw usage_error("its " + std::to_string(text.size()) + " bytes are more than " + std::to_string(max_layer_config_bytes));
    auto const json = detail::strict_json(text);
    if (!json.is_object()) throw usage_error("it is no object of expressions and what is to be done with their layers");
    layer_config config{.scope = scope};
    for (auto const& field : json.get_object()) {
      std::string_view const key = field.key();
      if (key == "_default")
        config.otherwise = detail::entry_reader(key, field.value(), bases).read();
      else if (!key.starts_with('_'))
        config.entries.push_back({std::string(key), detail::entry_reader(key, field.value(), bases).read()});
    }
    if (config.entries.empty() && !config.otherwise) throw usage_error("it has no entry");
    return config;
  } catch (usage_error const& e) {
    throw usage_error("`layers` " + quoted(origin) + ": " + e.what());
  }
}

}  // namespace halfstep
