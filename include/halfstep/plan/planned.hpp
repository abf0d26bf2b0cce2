// A plan: what becomes of every tensor of a file, and the header of the file to be written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <halfstep/core/dtype.hpp>
#include <halfstep/plan/action.hpp>
#include <halfstep/recipe/artifact.hpp>
#include <halfstep/recipe/comfy_quant.hpp>
#include <halfstep/recipe/comfyui_version.hpp>
#include <halfstep/recipe/file_trait.hpp>
#include <halfstep/recipe/format.hpp>
#include <halfstep/recipe/marker.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/recipe/stored_layer.hpp>
#include <halfstep/safetensors/header.hpp>

namespace halfstep {

/// One input tensor and its fate.
struct planned_tensor {
  safetensors::tensor input;
  action what = action::keep;
  recipe how;                     ///< with action::quantize; its bases are those this layer takes
  std::string reason;             ///< why, in a few words
  std::vector<artifact> outputs;  ///< what is written: codes first; for a kept tensor its own name, type and shape; none of a
                                  ///< bias that is corrected: its layer's weight has it
  layer_additions added = {};     ///< with action::quantize
  std::optional<code_source> coded = {};  ///< with action::quantize, of a weight that is quantized already
};

/// Returns the type that the rows of a weight are read as: FP32 where they are decoded.
inline dtype type_of_rows(planned_tensor const& t) { return t.coded ? dtype::f32 : t.input.type; }

/// The whole of a conversion, before any tensor byte is read.
struct plan {
  std::vector<planned_tensor> tensors;  ///< in the order of the input's bytes
  std::string rules;                    ///< which rules were applied and how they were chosen, as a sentence
  std::vector<std::string> families;    ///< names of the families whose rules were applied; empty for the general rule
  std::vector<std::string> warnings;    ///< one sentence each
  std::vector<std::string> notes;       ///< one sentence each: what is as documented, and good to know
  std::vector<format> formats;          ///< that are known by name
  marker_style markers = marker_style::comfyui;
  lone_scale scalars = lone_scale::scalar;
  quant_metadata saved = quant_metadata::omit;
  loader needs = loader::any;                                 ///< the most particular program that any layer needs
  comfyui_version since = {};                                 ///< the first of stock ComfyUI that loads all layers that are its
  safetensors::metadata_list metadata;                        ///< the input's pairs, and those that the options add
  std::vector<std::pair<std::string, std::string>> declared;  ///< layers that stay quantized as they were, and the objects
                                                              ///< that the header's metadata has of them
  safetensors::header output;                                 ///< names, shapes, offsets and metadata of the file to be written
  std::vector<safetensors::header> shards = {};               ///< of the files to be written, where they are several
  std::uint64_t input_data_bytes = 0;                         ///< bytes of all input tensors
  std::uint64_t output_bytes = 0;  ///< size of the output file, exact; of shards together, without their index
};

}  // namespace halfstep
