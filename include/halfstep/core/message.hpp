// What is to be said, for programs to tell apart and to say in their own words.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <halfstep/core/text.hpp>

namespace halfstep {

/// A sentence with what it is made of.
struct message {
  std::string id;    ///< stable, such as "layers.already_quantized": what it is about, a dot, what is the matter
  std::string text;  ///< one line, whole: what, where, why, and what to do about it; options of the library in backticks
  std::vector<std::pair<std::string, std::string>> facts = {};  ///< what it tells beside, by name

  /// Returns the fact `name`; empty where it has none.
  std::string_view fact(std::string_view name) const {
    for (auto const& [n, value] : facts)
      if (n == name) return value;
    return {};
  }
};

/// A fact on its way into a message: a text, or a number as std::to_string writes it.
struct message_fact {
  std::string_view name;
  std::string value;

  message_fact(std::string_view called, std::string_view text) : name(called), value(text) {}
  template <class Number>
  requires std::is_arithmetic_v<Number> message_fact(std::string_view called, Number number)
      : name(called), value(std::to_string(number)) {}
};

namespace detail {

/// Returns `pattern` with every `{name}` of a fact as its value, and every `{'name}` as its value in quotes.
inline std::string filled(std::string_view pattern, message const& with) {
  std::string out;
  while (!pattern.empty()) {
    auto const open = pattern.find('{');
    auto const close = open == std::string_view::npos ? open : pattern.find('}', open);
    if (close == std::string_view::npos) return out.append(pattern);
    out.append(pattern.substr(0, open));
    auto name = pattern.substr(open + 1, close - open - 1);
    bool const is_quoted = name.starts_with('\'');
    if (is_quoted) name.remove_prefix(1);
    auto const* found = static_cast<std::string const*>(nullptr);
    for (auto const& [n, value] : with.facts)
      if (n == name) found = &value;
    if (found != nullptr) out += is_quoted ? quoted(*found) : *found;
    auto const passed = found != nullptr ? close + 1 : open + 1;
    if (found == nullptr) out += '{';
    pattern.remove_prefix(passed);
  }
  return out;
}

}  // namespace detail

/// Returns the message `id` that tells `facts`, in the words of `pattern`: `{name}` there is the fact of that name, `{'name}` the
/// same in quotes, as `quoted` makes them. Braces around anything else stay.
inline message stated(std::string_view id, std::string_view pattern, std::initializer_list<message_fact> facts = {}) {
  message said{std::string(id), {}, {}};
  for (auto const& f : facts) said.facts.emplace_back(f.name, f.value);
  said.text = detail::filled(pattern, said);
  return said;
}

/// Returns `part` as the part `{why}` of a longer sentence, which tells `facts` beside those of the part. It keeps its id.
inline message within(message part, std::string_view pattern, std::initializer_list<message_fact> facts = {}) {
  message whole{std::move(part.id), {}, {}};
  for (auto const& f : facts) whole.facts.emplace_back(f.name, f.value);
  whole.facts.emplace_back("why", std::move(part.text));
  whole.text = detail::filled(pattern, whole);
  for (auto& [name, value] : part.facts)
    if (whole.fact(name).empty()) whole.facts.emplace_back(std::move(name), std::move(value));
  return whole;
}

}  // namespace halfstep
