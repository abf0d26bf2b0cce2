// How layer configurations are read from JSON. For one unit of a program.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include <halfstep/core/dtype.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/plan/layer_config.hpp>
#include <halfstep/plan/parse_layer_config.hpp>
#include <halfstep/plan/rule.hpp>
#include <halfstep/recipe/bases.hpp>
#include <halfstep/recipe/format.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/recipe/rotation_group.hpp>
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
    if (!value.is_object()) fail(stated("layers.no_entry", "is no object such as {\"format\": \"fp16\"}"));
    fields_ = &value.get_object();
    for (auto const& field : *fields_)
      if (std::ranges::find(entry_keys, std::string_view(field.key())) == entry_keys.end())
        fail(stated("layers.unknown_key", "has the unknown key {'key}; known: {known}",
                    {{"key", std::string_view(field.key())}, {"known", listed(entry_keys)}}));
  }

  layer_fate read() const {
    auto const word = text("format");
    auto const* const named = word ? format_named(*word) : nullptr;
    if (flag("skip").value_or(false)) return {action::keep, {}};
    if (word && named == nullptr) {
      for (auto const key : entry_keys)
        if (key != "format" && key != "skip" && fields_->contains(key))
          fail(stated("layers.kept_with", "keeps its layers, so it can have no {key}", {{"key", key}}));
      return {action::keep, {}};
    }
    recipe how = scaled(named);
    if (auto const simple = flag("simple")) {
      if (!how.format.has_scales() && *simple)
        fail(stated("layers.no_scales", "is simple, but {format} has no scales to search", {{"format", title_of(how.format)}}));
      if (how.format.has_scales()) {
        recipe const& searched = is_fp8(how.format) ? bases_.fp8_searched : bases_.searched;
        how.scales = *simple ? std::string(absmax_scales) : searched.scales;
        how.solver = *simple ? std::string(no_solver) : searched.solver;
      }
    }
    if (auto const full = flag("full_precision_matrix_mult")) {
      if (!how.format.has_scales() && *full)
        fail(stated("layers.no_marker", "asks for full_precision_matrix_mult, but {format} has no marker to say so",
                    {{"format", title_of(how.format)}}));
      how.matmul = *full ? matmul_precision::full : matmul_precision::native;
    }
    rotate(how);
    return {action::quantize, how};
  }

 private:
  [[noreturn]] void fail(message why) const {
    throw usage_error(within(std::move(why), "its entry {'pattern} {why}", {{"pattern", pattern_}}));
  }

  template <class Words>
  static std::string listed(Words const& words) {
    std::string text;
    for (auto const& word : words) text += (text.empty() ? "" : ", ") + std::string(word);
    return text;
  }

  std::optional<std::string_view> text(std::string_view key) const {
    auto const* value = fields_->if_contains(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_string()) fail(stated("layers.no_text", "has a {key} that is no text", {{"key", key}}));
    return std::string_view(value->get_string());
  }

  std::optional<bool> flag(std::string_view key) const {
    auto const* value = fields_->if_contains(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_bool()) fail(stated("layers.no_truth", "has a {key} that is neither true nor false", {{"key", key}}));
    return value->get_bool();
  }

  std::optional<std::int64_t> number(std::string_view key) const {
    auto const* value = fields_->if_contains(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_int64()) fail(stated("layers.no_number", "has a {key} that is no whole number", {{"key", key}}));
    return value->get_int64();
  }

  /// Returns a format of that name, whatever its blocks; null for the word that keeps.
  format const* format_named(std::string_view word) const {
    if (word == keep_word) return nullptr;
    std::vector<std::string_view> known;
    for (format const& f : bases_.formats) {
      if (f.name == word) return &f;
      if (std::ranges::find(known, f.name) == known.end()) known.push_back(f.name);
    }
    known.push_back(keep_word);
    fail(stated("layers.unknown_format", "has the unknown format {'format}; known: {known}",
                {{"format", word}, {"known", listed(known)}}));
  }

  /// Returns a format of `words`, such as "int8", whose scales `geometry` shares.
  format const* format_with(std::string_view words, std::string_view geometry) const {
    for (format const& f : bases_.formats)
      if (f.files.words == words && f.geometry == geometry) return &f;
    fail(stated("layers.no_scaling_mode", "has scaling_mode {scaling_mode}, which {format} has not",
                {{"scaling_mode", geometry == "row" ? "axis" : geometry}, {"format", words}}));
  }

  format const* format_of_mode(std::string_view words) const {
    auto const mode = text("scaling_mode");
    if (!mode) return nullptr;
    if (*mode == "block") return format_with(words, "block");
    if (*mode == "axis" || *mode == "row") return format_with(words, "row");
    if (*mode == "tensor") return format_with(words, "tensor");
    fail(stated("layers.unknown_scaling_mode", "has the unknown scaling_mode {'scaling_mode}; known: block, axis, tensor",
                {{"scaling_mode", *mode}}));
  }

  /// Returns `f` with blocks of `side`; null where there is none such.
  format const* with_side(format const& f, std::int64_t side) const {
    for (format const& known : bases_.formats)
      if (known.name == f.name && known.side == side) return &known;
    return nullptr;
  }

  static std::string title_of(format const& f) { return f.codes == dtype::f16 ? "FP16" : std::string(f.name); }

  static bool is_fp8(format const& f) { return f.codes == dtype::f8_e4m3; }

  /// Returns the recipe with its format and block size, which alone means block scaling.
  recipe scaled(format const* named) const {
    format const& spoken_of = named != nullptr && named->has_scales() ? *named : bases_.run.format;
    auto const words = (spoken_of.has_scales() ? spoken_of : bases_.codes.format).files.words;
    auto const* const mode = format_of_mode(words);
    auto const side = number("block_size");
    if (named != nullptr && mode != nullptr && named->name != mode->name)
      fail(stated("layers.other_scaling_mode", "names the format {format} and a scaling_mode that it does not have",
                  {{"format", named->name}}));
    auto const* const wanted = named != nullptr ? named : mode != nullptr ? mode : side ? format_with(words, "block") : nullptr;
    recipe how = wanted == nullptr || !wanted->has_scales() ? bases_.run : is_fp8(*wanted) ? bases_.fp8 : bases_.codes;
    if (wanted != nullptr && !wanted->has_scales() && how.format.has_scales()) how = {.rounding = how.rounding};
    if (wanted != nullptr) how.format = *wanted;
    if (!can_rotate(how.format)) rotate_by(how.bases, 0);
    if (side && how.format.side == 0)
      fail(stated("layers.no_blocks", "has a block_size, but {format} has no blocks", {{"format", how.format.name}}));
    if (how.format.side == 0 || (wanted == nullptr && !side)) return how;
    auto const* const sized = with_side(how.format, side.value_or(bases_.block_size));
    if (sized == nullptr && side)
      fail(stated("layers.other_block_size", "has the block_size {side}; it takes {known}",
                  {{"side", *side}, {"known", sides_of(how.format)}}));
    if (sized != nullptr) how.format = *sized;
    return how;
  }

  /// Returns which sides the blocks of `f` can have.
  std::string sides_of(format const& f) const {
    std::vector<int> sides;
    for (format const& known : bases_.formats)
      if (known.name == f.name) sides.push_back(known.side);
    std::ranges::sort(sides);
    bool doubling = sides.size() > 2 && std::has_single_bit(static_cast<unsigned>(sides.front()));
    for (std::size_t i = 1; i < sides.size(); ++i) doubling = doubling && sides[i] == 2 * sides[i - 1];
    if (doubling) return "a power of two from " + std::to_string(sides.front()) + " to " + std::to_string(sides.back());
    std::string text;
    for (int const side : sides) text += (text.empty() ? "" : " or ") + std::to_string(side);
    return text;
  }

  void rotate(recipe& how) const {
    auto const rotates = flag("convrot");
    auto const group = number("convrot_groupsize");
    if (rotates == true && !can_rotate(how.format))
      fail(stated("layers.cannot_rotate", "has convrot, which needs int8_axiswise"));
    if (rotates == false) rotate_by(how.bases, 0);
    if (rotates == true && rotation_group_of(how.bases) == 0) rotate_by(how.bases, 256);
    if (!group) return;
    if (rotation_group_of(how.bases) == 0) fail(stated("layers.no_rotation", "has a convrot_groupsize, but no convrot"));
    if (*group != 16 && *group != 64 && *group != 256)
      fail(stated("layers.rotation_group", "has the convrot_groupsize {group}; it takes 16, 64 or 256", {{"group", *group}}));
    rotate_by(how.bases, static_cast<int>(*group));
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
    throw usage_error(e.said());
  }
  return boost::json::parse(text);
}

}  // namespace detail

layer_config parse_layer_config(std::string_view text, std::string_view origin, entry_bases const& bases, pattern_scope scope) {
  try {
    if (text.size() > max_layer_config_bytes)
      throw usage_error(stated("layers.too_long", "its {bytes} bytes are more than {limit}",
                               {{"bytes", text.size()}, {"limit", max_layer_config_bytes}}));
    auto const json = detail::strict_json(text);
    if (!json.is_object())
      throw usage_error(stated("layers.no_object", "it is no object of expressions and what is to be done with their layers"));
    layer_config config{.scope = scope};
    for (auto const& field : json.get_object()) {
      std::string_view const key = field.key();
      if (key == "_default")
        config.otherwise = detail::entry_reader(key, field.value(), bases).read();
      else if (!key.starts_with('_'))
        config.entries.push_back({std::string(key), detail::entry_reader(key, field.value(), bases).read()});
    }
    if (config.entries.empty() && !config.otherwise) throw usage_error(stated("layers.empty", "it has no entry"));
    return config;
  } catch (usage_error const& e) {
    throw usage_error(within(e.said(), "`layers` {'origin}: {why}", {{"origin", origin}}));
  }
}

}  // namespace halfstep
