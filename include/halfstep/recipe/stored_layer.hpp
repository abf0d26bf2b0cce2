// A layer that a file holds quantized already: its tensors, and how its codes decode.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/extents.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/recipe/basis_row.hpp>
#include <halfstep/recipe/format.hpp>

namespace halfstep {

/// How the codes of a weight [M, N] decode: W = code * scale, or what the kernel of its format makes of both, then its bases are
/// undone.
struct code_source {
  std::string scales = {};               ///< the tensor that holds them, row by row; empty where the codes are the numbers
  extents2 group = {};                   ///< the rows and columns of neighbouring codes that share a scale; fewer at the edges
  std::vector<basis_choice> bases = {};  ///< what the weight went through, that are undone
  halfstep::format format = {};          ///< that decodes it; without a name where W = code * scale
};

/// A layer as it is in a file, before anybody decides what becomes of it.
struct stored_layer {
  std::string words;                         ///< what it is, such as "int8_blockwise 64" or "F8_E4M3 without a scale"
  std::string obstacle = {};                 ///< why it cannot be decoded, as the end of a sentence; empty where it can
  std::string doubt = {};                    ///< what nothing in the file says of it, as the end of a sentence
  std::vector<std::string> companions = {};  ///< the tensors that say nothing without its codes
  std::string marker = {};                   ///< the object in its marker, as JSON; empty without one
  std::string declared = {};                 ///< its object in the header's metadata, as JSON; empty without one
  code_source codes = {};                    ///< without an obstacle
};

/// What of a file is quantized already.
struct stored_model {
  std::map<std::string, stored_layer, std::less<>> layers = {};  ///< by name, without `.weight`
  std::vector<std::string> flags = {};                           ///< tensors that say that layers with `.scale_weight` are FP8
};

/// What the names of the tensors beside a layer's codes end in.
inline constexpr std::array<std::string_view, 12> companion_endings{
    ".comfy_quant",    ".weight_scale",  ".weight_scale_inv",  ".scale_weight",     ".input_scale", ".scale_input",
    ".smooth_factors", ".hadamard_quip", ".hadamard_size_out", ".hadamard_size_in", ".sign_row",    ".sign_col"};

/// What the names of scales end in; code times scale is the number under each of them. The last is that of DeepSeek and of
/// transformers' fine-grained FP8, whose blocks are 128 x 128 where nothing else is said.
inline constexpr std::array<std::string_view, 3> scale_endings{".weight_scale", ".scale_weight", ".weight_scale_inv"};

/// The name, after a prefix, of the tensor that says so of all layers whose names have that prefix too.
inline constexpr std::string_view scaled_fp8_flag = "scaled_fp8";

/// Returns whether `name` is that of such a tensor.
constexpr bool is_scaled_fp8_flag(std::string_view name) {
  if (!name.ends_with(scaled_fp8_flag)) return false;
  return name.size() == scaled_fp8_flag.size() || name[name.size() - scaled_fp8_flag.size() - 1] == '.';
}

/// Returns what the figures of `count` layers that were quantized already are to be compared with.
inline std::string requantized_in_words(std::size_t count) {
  return layers_in_words(count) +
         " decoded in FP32 and quantized again; what is reported of them is against what they decode to, not against the weights "
         "they once were";
}

}  // namespace halfstep
