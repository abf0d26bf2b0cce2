// Small helpers over text.
#pragma once

#include <cctype>
#include <string>
#include <string_view>
#include <vector>

namespace ptx {

inline std::string_view trimmed(std::string_view s) {
  while (!s.empty() && std::isspace(static_cast<unsigned char>(s.front()))) s.remove_prefix(1);
  while (!s.empty() && std::isspace(static_cast<unsigned char>(s.back()))) s.remove_suffix(1);
  return s;
}

/// Cuts at every `separator` that no bracket encloses; the parts are trimmed. Of empty text: no part.
inline std::vector<std::string_view> split_outside_brackets(std::string_view s, char separator) {
  std::vector<std::string_view> parts;
  if (trimmed(s).empty()) return parts;
  int depth = 0;
  std::size_t start = 0;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '{' || s[i] == '[' || s[i] == '(') ++depth;
    if (s[i] == '}' || s[i] == ']' || s[i] == ')') --depth;
    if (s[i] != separator || depth != 0) continue;
    parts.push_back(trimmed(s.substr(start, i - start)));
    start = i + 1;
  }
  parts.push_back(trimmed(s.substr(start)));
  return parts;
}

/// Cuts into words at blanks.
inline std::vector<std::string_view> words(std::string_view s) {
  std::vector<std::string_view> all;
  for (s = trimmed(s); !s.empty(); s = trimmed(s)) {
    std::size_t end = 0;
    while (end < s.size() && !std::isspace(static_cast<unsigned char>(s[end]))) ++end;
    all.push_back(s.substr(0, end));
    s.remove_prefix(end);
  }
  return all;
}

/// Returns the text with blanks in place of its comments, so that places stay what they were.
inline std::string without_comments(std::string text) {
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] == '"') {
      while (++i < text.size() && text[i] != '"') {
      }
    } else if (text[i] == '/' && text[i + 1] == '/') {
      for (; i < text.size() && text[i] != '\n'; ++i) text[i] = ' ';
    } else if (text[i] == '/' && text[i + 1] == '*') {
      for (; i < text.size() && text.compare(i, 2, "*/") != 0; ++i)
        if (text[i] != '\n') text[i] = ' ';
      if (i < text.size()) text[i] = text[i + 1] = ' ';
    }
  }
  return text;
}

}  // namespace ptx
