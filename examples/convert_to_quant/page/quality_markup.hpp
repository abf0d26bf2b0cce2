// Text and numbers inside a page of HTML.
#pragma once

#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>

#include <halfstep/core/text.hpp>
#include <halfstep/report/quality_number.hpp>

namespace convert_to_quant::page {

using namespace halfstep;

/// Returns `text` so that a page shows it as it is, in an element or a quoted attribute.
///
/// Control characters and bytes that are not UTF-8 become U+FFFD; tabs and line ends stay.
inline std::string escaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t length = 1;
    while (length < 4 && !is_utf8(text.substr(i, length))) ++length;
    auto const one = text.substr(i, length);
    bool const valid = is_utf8(one);
    if (one == "&")
      out += "&amp;";
    else if (one == "<")
      out += "&lt;";
    else if (one == ">")
      out += "&gt;";
    else if (one == "\"")
      out += "&quot;";
    else if (one == "'")
      out += "&#39;";
    else if (!valid || (has_control(one) && one != "\t" && one != "\n"))
      out += "\uFFFD";
    else
      out += one;
    i += valid ? length : 1;
  }
  return out;
}

namespace parts {

/// A name that may break after the marks between its parts.
inline std::string breakable(std::string_view name) {
  std::string out;
  for (std::size_t begin = 0; begin < name.size();) {
    std::size_t const end = std::min(name.find_first_of("._/", begin), name.size() - 1) + 1;
    out += escaped(name.substr(begin, end - begin));
    if (end < name.size()) out += "<wbr>";
    begin = end;
  }
  return out;
}

/// A number of a coordinate or of an attribute that is sorted by; "Infinity" as scripts read it.
inline std::string attribute_number(double value, int digits) {
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return detail::formatted(value, std::chars_format::general, digits);
}

}  // namespace parts

}  // namespace convert_to_quant::page
