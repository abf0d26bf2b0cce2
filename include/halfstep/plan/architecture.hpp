// Which model family a file belongs to, from its tensor names.
#pragma once

#include <algorithm>
#include <cstddef>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include <halfstep/plan/presets.hpp>

namespace halfstep {

/// Returns whether all signs of one of the family's alternatives occur among `names`, whatever prefix these carry.
inline bool shows_signs_of(model_family const& family, std::span<std::string_view const> names) {
  return std::any_of(family.detect.begin(), family.detect.end(), [&](name_parts signs) {
    return std::all_of(signs.begin(), signs.end(), [&](std::string_view sign) {
      return std::any_of(names.begin(), names.end(),
                         [&](std::string_view name) { return name.find(sign) != std::string_view::npos; });
    });
  });
}

/// Returns the first family, in the order of `detection_order`, whose signs `names` show; null for a model of no known family.
inline model_family const* recognise(std::span<std::string_view const> names) {
  for (std::string_view const candidate : detection_order)
    if (auto const* family = family_named(candidate); shows_signs_of(*family, names)) return family;
  return nullptr;
}

/// Returns the prefixes under which `names` show all signs of one of the family's alternatives, such as "text_encoders.t5xxl.":
/// what a sign stands behind, where it begins a part of the name.
inline std::set<std::string> prefixes_of(model_family const& family, std::span<std::string_view const> names) {
  std::set<std::string> all;
  for (name_parts const signs : family.detect) {
    std::set<std::string> common;
    for (std::size_t i = 0; i < signs.size(); ++i) {
      std::set<std::string> found;
      for (std::string_view const name : names)
        if (auto const at = name.find(signs[i]); at != std::string_view::npos && (at == 0 || name[at - 1] == '.'))
          found.emplace(name.substr(0, at));
      if (i == 0) common = found;
      std::erase_if(common, [&](std::string const& prefix) { return !found.contains(prefix); });
    }
    all.merge(common);
  }
  return all;
}

/// Returns the names of all families, as messages list them.
inline std::string known_families() {
  std::string text;
  for (model_family const& family : model_families) text += (text.empty() ? "" : ", ") + std::string(family.name);
  return text;
}

}  // namespace halfstep
