// Where a conversion's output goes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <halfstep/convert/options.hpp>
#include <halfstep/lora/options.hpp>
#include <halfstep/plan/output_name.hpp>
#include <halfstep/plan/planned.hpp>
#include <halfstep/safetensors/shard_name.hpp>

namespace halfstep {

/// Returns the adapters that are merged, each with all that multiplies what it adds.
inline std::vector<lora_request> weighted_adapters(conversion_options const& options) {
  auto all = options.loras;
  double damp = options.merging.scale;
  for (auto& one : all) {
    one.strength *= damp;
    if (options.merging.dampening == lora_dampening::by_order) damp *= 0.9;
  }
  return all;
}

/// Returns the path that the output was given, or that follows from `input`, the path of the file or index that is read: beside
/// it, or beside the folder that the options name and that holds it.
inline std::string asked_path(conversion_options const& options, std::string_view input, plan const& p) {
  if (!options.output.empty()) return options.output;
  std::string_view named = options.input;
  bool const is_inside =
      input.size() > named.size() && input.starts_with(named) && (named.ends_with('/') || input[named.size()] == '/');
  while (named.size() > 1 && named.ends_with('/')) named.remove_suffix(1);
  std::string_view const last = named.substr(named.rfind('/') + 1);
  bool const names_it = is_inside && last != "." && last != "..";
  auto const known = !options.calibration_data.empty()   ? known_of_inputs::statistics
                     : !options.calibration_lora.empty() ? known_of_inputs::directions
                                                         : known_of_inputs::nothing;
  return default_output_name(names_it ? named : input, p, options.layers.target,
                             {options.chosen, options.layers.markers, known, options.layers.moment_solvers,
                              weighted_adapters(options), options.merging.alpha});
}

/// Returns the path that will be published: `asked_path`, or the index of a model in shards.
inline std::string output_path(conversion_options const& options, std::string_view input, plan const& p) {
  auto path = asked_path(options, input, p);
  return p.shards.empty() ? path : safetensors::shard_index_path(path);
}

}  // namespace halfstep
