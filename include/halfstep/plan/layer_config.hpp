// A layer configuration: recipes for layers by expressions over their names, as a JSON file spells them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <halfstep/plan/action.hpp>
#include <halfstep/plan/pattern_scope.hpp>
#include <halfstep/recipe/recipe.hpp>

namespace halfstep {

/// What a layer configuration says of some layers.
struct layer_fate {
  action what = action::keep;  ///< keep or quantize
  recipe how = {};             ///< with action::quantize; the numbers of its bases are where they start
};

/// An entry of a layer configuration.
struct layer_entry {
  std::string layers;  ///< a Perl expression, over the name without `.weight`
  layer_fate fate = {};
};

/// A layer configuration. Where several expressions match, the most specific counts, and the first of those that are equally so.
struct layer_config {
  std::vector<layer_entry> entries = {};
  std::optional<layer_fate> otherwise = std::nullopt;  ///< `_default`: for layers that no flag names and a rule would quantize
  pattern_scope scope = pattern_scope::part_of_layer;
};

}  // namespace halfstep
