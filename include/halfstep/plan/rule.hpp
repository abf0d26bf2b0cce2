// What a tensor's name says about it: the rules of a family, and the general rule for models of no known family.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <halfstep/core/extents.hpp>
#include <halfstep/plan/action.hpp>
#include <halfstep/plan/presets.hpp>

namespace halfstep {

/// Whether a tensor that stays may be stored in another way all the same.
enum class keeper : std::uint8_t {
  rule,   ///< a rule of its family keeps it, and the fallback recipe may have it
  nature  ///< it is nothing to quantize unless a flag names it
};

/// A decision and its reason in a few words.
struct ruling {
  action what;
  std::string reason;
  keeper by = keeper::rule;  ///< with action::keep
};

/// Returns the first of `parts` that occurs in `name`; empty where none does.
constexpr std::string_view part_in(std::string_view name, name_parts parts) {
  for (std::string_view const part : parts)
    if (name.find(part) != std::string_view::npos) return part;
  return {};
}

/// Returns what the united rules of `families` make of the tensor `name`: `remove` wins over `keep`.
///
/// Plain substrings of the whole name, as the reference system matches them. What no rule names is quantized.
inline ruling family_rule(std::string_view name, std::span<model_family const* const> families) {
  auto const spoken = [&](model_family const& family, std::string_view verb, std::string_view part) {
    return std::string(family.name) + " " + std::string(verb) + " '" + std::string(part) + "'";
  };
  for (model_family const* family : families)
    if (auto const part = part_in(name, family->remove); !part.empty()) return {action::remove, spoken(*family, "removes", part)};
  for (model_family const* family : families)
    if (auto const part = part_in(name, family->keep); !part.empty()) return {action::keep, spoken(*family, "keeps", part)};
  return {action::quantize, "no rule keeps it"};
}

namespace detail {

/// Calls `f` for each piece of `text` between the characters of `separators`.
template <class F>
constexpr void for_each_piece(std::string_view text, std::string_view separators, F f) {
  for (std::size_t begin = 0; begin <= text.size();) {
    std::size_t const end = std::min(text.find_first_of(separators, begin), text.size());
    f(text.substr(begin, end - begin));
    begin = end + 1;
  }
}

constexpr bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

inline std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

/// Returns what the word `word` of a name says its layer is, where that is something to leave alone.
constexpr std::string_view kind_of_word(std::string_view word) {
  if (word.find("norm") != std::string_view::npos || word == "ln" || word == "ln1" || word == "ln2") return "a norm";
  if (word.find("embed") != std::string_view::npos || word == "wte" || word == "wpe") return "an embedding";
  if (word == "pos" || word.starts_with("position")) return "a position embedding";
  if (word == "time" || word.starts_with("timestep")) return "a time embedder";
  if (word == "guidance") return "a guidance embedder";
  if (word == "router") return "a router";
  if (word == "head" || word == "heads" || word == "classifier") return "a head";
  if (word == "final") return "a final layer";
  return {};
}

}  // namespace detail

/// Returns what to do with the 2-D weight `name` of shape `e` in a model of no known family.
///
/// Quantized: inside an indexed block (a part of the name between dots is a number), min(M, N) >= 256, and no word of its name
/// says that it is a norm, an embedding, a position, time or guidance embedder, a router (also a part called just `gate`), a
/// head or a final layer. Words are what lies between dots, dashes and underscores, whatever their case.
inline ruling general_rule(std::string_view name, extents2 e) {
  std::string const lower = detail::lower_case(name);
  bool indexed = false;
  std::string_view kind;
  detail::for_each_piece(lower, ".", [&](std::string_view part) {
    indexed = indexed || detail::is_number(part);
    if (part == "gate" && kind.empty()) kind = "a router";
    detail::for_each_piece(part, "_-", [&](std::string_view word) {
      if (kind.empty()) kind = detail::kind_of_word(word);
    });
  });
  if (!kind.empty()) return {action::keep, "looks like " + std::string(kind)};
  if (!indexed) return {action::keep, "outside the indexed blocks"};
  if (std::min(e.rows, e.columns) < 256) return {action::keep, "a side under 256 gains nothing"};
  return {action::quantize, "a linear layer inside an indexed block"};
}

}  // namespace halfstep
