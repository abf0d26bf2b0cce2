// Changes to what a marker says: keys to remove, pairs to set.
#pragma once

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>

namespace halfstep {

/// What to change in a marker.
struct marker_edit {
  std::vector<std::string> remove = {};  ///< keys
  boost::json::object set = {};          ///< pairs, in place of those of the same keys
};

namespace detail {

/// Returns `text` with the quotes and words of Python in the spelling of JSON.
inline std::string json_spelling(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    char const c = text[i];
    if (c == '\'' || c == '"') {
      out += '"';
      for (++i; i < text.size() && text[i] != c; ++i) {
        if (text[i] == '\\' && i + 1 < text.size()) {
          if (text[++i] != '\'') out += '\\';
        } else if (text[i] == '"') {
          out += '\\';
        }
        out += text[i];
      }
      out += i++ < text.size() ? "\"" : "";  // one that is missing is for the parser to say
    } else if (std::isalpha(static_cast<unsigned char>(c)) != 0) {
      std::size_t const begin = i;
      while (i < text.size() && std::isalpha(static_cast<unsigned char>(text[i])) != 0) ++i;
      auto const word = text.substr(begin, i - begin);
      out += word == "True" ? "true" : word == "False" ? "false" : word == "None" ? "null" : std::string(word);
    } else {
      out += c;
      ++i;
    }
  }
  return out;
}

/// Returns JSON with a blank behind each comma and colon, as markers are written.
inline std::string spaced_json(boost::json::value const& value) {
  std::string out;
  if (value.is_object()) {
    for (auto const& pair : value.get_object()) {
      out += out.empty() ? "{" : ", ";
      append_json_string(out, std::string_view(pair.key()));
      out += ": " + spaced_json(pair.value());
    }
    return out.empty() ? "{}" : out + "}";
  }
  if (value.is_array()) {
    for (auto const& item : value.get_array()) out += (out.empty() ? "[" : ", ") + spaced_json(item);
    return out.empty() ? "[]" : out + "]";
  }
  return boost::json::serialize(value);
}

}  // namespace detail

/// Returns the pairs of `text`, such as `'per_row': true, "group_size": 64`: names and strings in single or double quotes, values
/// of JSON, or True, False and None. Braces around them may be there. Throws usage_error where it is anything else.
inline boost::json::object parse_pairs(std::string_view text) {
  std::string json = detail::json_spelling(text);
  auto const begin = std::find_if(json.begin(), json.end(), [](unsigned char c) { return std::isspace(c) == 0; });
  if (begin == json.end() || *begin != '{') json = "{" + json + "}";
  boost::system::error_code why;
  auto const value = boost::json::parse(json, why);
  if (why || !value.is_object() || value.get_object().empty())
    throw usage_error("--add-keys got " + quoted(text) +
                      ", which is no list of pairs such as \"'per_row': true, 'group_size': 64\"" +
                      (why ? ": " + why.message() : ""));
  return value.get_object();
}

/// Returns the object `marker` with the keys removed and the pairs set; keys keep their order, new ones come last.
inline boost::json::object edited(boost::json::object const& marker, marker_edit const& edit) {
  boost::json::object out;
  for (auto const& pair : marker) {
    if (std::find(edit.remove.begin(), edit.remove.end(), std::string_view(pair.key())) != edit.remove.end()) continue;
    auto const* const set = edit.set.if_contains(pair.key());
    out.emplace(pair.key(), set == nullptr ? pair.value() : *set);
  }
  for (auto const& pair : edit.set) out.emplace(pair.key(), pair.value());  // keeps what is there
  return out;
}

/// Returns the text of a marker, or of a part of the header's metadata: JSON as loaders and other tools write it.
inline std::string marker_json(boost::json::object const& marker) { return detail::spaced_json(marker); }

}  // namespace halfstep
