// Layer configurations from JSON.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include <halfstep/plan/layer_config.hpp>
#include <halfstep/plan/pattern_scope.hpp>
#include <halfstep/recipe/format.hpp>
#include <halfstep/recipe/recipe.hpp>

namespace halfstep {

/// What the entries of a layer configuration start from: they change what they name, and leave the rest.
struct entry_bases {
  std::span<format const> formats = {};  ///< that entries can name
  recipe run = {};                       ///< the recipe of the run
  recipe codes = {};                     ///< of its INT8 layers: the same where the run stores INT8
  recipe searched = {};                  ///< `codes` as they are where an entry says that it is not simple
  recipe fp8 = {};                       ///< of its FP8 layers
  recipe fp8_searched = {};              ///< `fp8` where an entry says that it is not simple
  int block_size = 128;                  ///< of blocks where an entry does not say it
};

/// The longest layer configuration that is read, in bytes.
inline constexpr std::size_t max_layer_config_bytes = 1u << 20;

/// Returns the configuration that `text`, the content of the file `origin`, spells:
/// {"expression": {"format": "int8_axiswise", "convrot": true}, ..., "_default": {"format": "keep"}}.
///
/// Keys of an entry: format (the name of one of those in `bases`, or keep), block_size, scaling_mode, simple, skip,
/// full_precision_matrix_mult, convrot, convrot_groupsize. What an entry does not say it takes from `bases`. Names that begin
/// with `_` are no expressions; of these only `_default` means something. Throws usage_error, naming file, entry and key, for
/// anything else, for text that is no JSON, a name that occurs twice, and more than `max_layer_config_bytes`.
layer_config parse_layer_config(std::string_view text, std::string_view origin, entry_bases const& bases,
                                pattern_scope scope = pattern_scope::part_of_layer);

}  // namespace halfstep
