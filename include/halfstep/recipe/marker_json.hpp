// Markers as JSON: as loaders and other tools write them, and with changes.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <halfstep/core/text.hpp>
#include <halfstep/recipe/marker_edit.hpp>

namespace halfstep {

namespace detail {

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

/// Returns the object `marker` with the keys removed and the pairs set; keys keep their order, new ones come last. Throws
/// what Boost.JSON throws for a value that is no JSON.
inline boost::json::object edited(boost::json::object const& marker, marker_edit const& edit) {
  boost::json::object out;
  for (auto const& pair : marker) {
    if (std::find(edit.remove.begin(), edit.remove.end(), std::string_view(pair.key())) != edit.remove.end()) continue;
    out.emplace(pair.key(), pair.value());
  }
  for (auto const& [key, value] : edit.set) out.insert_or_assign(key, boost::json::parse(value));
  return out;
}

/// Returns the text of a marker, or of a part of the header's metadata: JSON as loaders and other tools write it.
inline std::string marker_json(boost::json::object const& marker) { return detail::spaced_json(marker); }

}  // namespace halfstep
