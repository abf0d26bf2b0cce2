// What the options mean in the library's terms.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/convert/options.hpp>
#include <halfstep/plan/options.hpp>
#include <halfstep/recipe/format.hpp>
#include <halfstep/recipe/recipe.hpp>

#include "options.hpp"

namespace convert_to_quant {

/// Returns the formats this program was built with.
std::vector<halfstep::format> const& known_formats();

/// Returns the recipe of the layers that no flag or rule treats otherwise.
halfstep::recipe target_of(options const& o);

/// Returns the recipe of --custom-layers.
halfstep::recipe custom_of(options const& o);

/// Returns the recipe of what --exclude-layers or a family keeps. Precondition: `o.fallback`.
halfstep::recipe fallback_of(options const& o);

/// Returns what the layer configuration in `text` means in this run. Throws usage_error for one that makes no sense.
halfstep::layer_config layer_config_of(options const& o, std::string_view text);

halfstep::plan_options plan_options_of(options const& o);

/// Returns what was chosen, as the summary's first line.
std::string described(options const& o, std::uint64_t seed);

/// Returns how many threads work.
int thread_count(options const& o);

/// Returns everything that a run is told; `seed` is the one that was given or drawn.
halfstep::conversion_options conversion_options_of(options const& o, std::uint64_t seed, int threads);

}  // namespace convert_to_quant
