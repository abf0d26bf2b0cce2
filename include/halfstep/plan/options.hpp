// What the user asked for, as far as names and shapes decide it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <halfstep/calibration/known_inputs.hpp>
#include <halfstep/plan/layer_config.hpp>
#include <halfstep/recipe/artifact.hpp>
#include <halfstep/recipe/comfy_quant.hpp>
#include <halfstep/recipe/format.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/recipe/stored_layer.hpp>
#include <halfstep/safetensors/header.hpp>

namespace halfstep {

/// Where the rules for a model come from.
enum class rule_source : std::uint8_t {
  detect,  ///< the family recognised from the tensor names, else the general rule
  none,    ///< no rules: every 2-D weight
  named    ///< the families named by the user, their rules united
};

/// Whether what looks like a mistake stops the run.
enum class strictness : std::uint8_t { warn, refuse };

/// Which layers are too small or too uneven; the second is the reference system's rule.
enum class size_rule : std::uint8_t {
  storable,  ///< whatever the layout can store
  heuristic  ///< and nothing smaller than, or not divisible by, the block size
};

/// A recipe for the layers that an expression finds.
struct custom_recipe {
  std::string layers;  ///< a Perl expression
  recipe how = {};     ///< the numbers of its bases are where they start
  size_rule sizes = size_rule::storable;
  int block_size = 128;  ///< what size_rule::heuristic counts in, where the format has no blocks
};

/// Whether layers that are quantized already may be decoded and quantized again.
enum class requantization : std::uint8_t { refuse, allow };

/// What `make_plan` is told.
struct plan_options {
  recipe target = {};                ///< for every layer that is quantized; the numbers of its bases are where they start
  std::vector<format> formats = {};  ///< that are known by name where layers are stored in them already
  std::vector<std::string> moment_solvers = {};  ///< names of those that work from second moments: who reads what a LoRA tells
  marker_style markers = marker_style::comfyui;
  lone_scale scalars = lone_scale::scalar;
  rule_source rules = rule_source::detect;
  std::vector<std::string> families = {};             ///< with rule_source::named
  std::vector<std::string> exclude = {};              ///< Perl expressions; what one finds in a name stays as it is
  std::vector<std::string> include = {};              ///< Perl expressions; what one finds in a name is quantized
  std::optional<layer_config> layers = std::nullopt;  ///< what it says of a layer counts before all else
  std::vector<custom_recipe> custom = {};  ///< layers with recipes of their own; the first whose expression finds a name counts
  std::optional<recipe> fallback = std::nullopt;  ///< for the layers that `exclude` or a family keeps
  size_rule sizes = size_rule::storable;
  int block_size = 128;  ///< what size_rule::heuristic counts in, where the format has no blocks
  strictness strict = strictness::warn;
  quant_metadata metadata = quant_metadata::omit;
  std::map<std::string, known_inputs, std::less<>> inputs = {};    ///< by layer
  activation_scales static_activations = activation_scales::omit;  ///< store them where `inputs` knows the range
  std::set<std::string, std::less<>> nonfinite = {};    ///< tensors with NaN or Inf, found beforehand, that stay as they are
  std::set<std::string, std::less<>> overflowing = {};  ///< tensors that FP16 does not reach, found beforehand: none becomes FP16
  std::optional<stored_model> stored = std::nullopt;    ///< what is quantized already; without it, anything that is is refused
  requantization requantize = requantization::refuse;
  safetensors::metadata_list added_metadata =
      {};                             ///< pairs to write beside those of the input; they replace pairs with the same key
  std::uint64_t max_shard_bytes = 0;  ///< the largest file of the output, which has as many as that takes; 0: one, of any size
};

}  // namespace halfstep
