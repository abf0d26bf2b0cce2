// Python's spelling is turned into JSON's, which Boost.JSON reads.
#include "pairs.hpp"

#include <algorithm>
#include <cctype>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>

namespace convert_to_quant {

namespace {

/// Returns `text` with the quotes and words of Python in the spelling of JSON.
std::string json_spelling(std::string_view text) {
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

}  // namespace

std::vector<std::pair<std::string, std::string>> parse_pairs(std::string_view text) {
  std::string json = json_spelling(text);
  auto const begin = std::find_if(json.begin(), json.end(), [](unsigned char c) { return std::isspace(c) == 0; });
  if (begin == json.end() || *begin != '{') json = "{" + json + "}";
  boost::system::error_code why;
  auto const value = boost::json::parse(json, why);
  if (why || !value.is_object() || value.get_object().empty())
    throw halfstep::usage_error("--add-keys got " + halfstep::quoted(text) +
                                ", which is no list of pairs such as \"'per_row': true, 'group_size': 64\"" +
                                (why ? ": " + why.message() : ""));
  std::vector<std::pair<std::string, std::string>> all;
  for (auto const& pair : value.get_object()) all.emplace_back(pair.key(), boost::json::serialize(pair.value()));
  return all;
}

}  // namespace convert_to_quant
