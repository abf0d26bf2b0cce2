// The names of an adapter's tensors: which layer each is for, and which part of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace halfstep {

/// What a tensor of an adapter is to its layer, whose weight is [M, N] or [M, N, kernel..].
enum class adapter_part : std::uint8_t {
  down,             ///< A [r, N, kernel..]
  up,               ///< B [M, r]
  middle,           ///< [r, r, kernel..], between A and B
  up_bias,          ///< [M], added behind B
  alpha,            ///< a number
  difference,       ///< of the weight
  bias_difference,  ///< of the bias
  magnitude,        ///< of the merged weight's rows, as PEFT has it
  dora_scale,       ///< the same as LyCORIS has it: of rows or of columns
  hada_w1_a,        ///< [M, r], or [r, M] with a core; the Hadamard product of two low-rank ones
  hada_w1_b,        ///< [r, N]
  hada_t1,          ///< the core [r, r, kernel..]
  hada_w2_a,
  hada_w2_b,
  hada_t2,
  lokr_w1,    ///< the left factor of a Kronecker product, or
  lokr_w1_a,  ///< that as a product of two
  lokr_w1_b,
  lokr_w2,  ///< the right factor, or
  lokr_w2_a,
  lokr_w2_b,
  lokr_t2  ///< with a core
};

/// How many parts there are.
inline constexpr std::size_t adapter_parts = static_cast<std::size_t>(adapter_part::lokr_t2) + 1;

/// A tensor's name, taken apart.
struct adapter_key {
  std::string layer;
  adapter_part part;
};

namespace detail {

/// The end of a tensor's name that tells its part.
struct adapter_ending {
  std::string_view text;
  adapter_part part;
  std::string_view rest = "";  ///< what the layer's name has in its place
};

/// The endings of PEFT and diffusers, of kohya and its kin, of diffusers' older files, of attention processors (XLabs numbers
/// those of its two streams), of differences, and of LyCORIS' methods.
inline constexpr adapter_ending adapter_endings[] = {{".lora_A.weight", adapter_part::down},
                                                     {".lora_B.weight", adapter_part::up},
                                                     {".lora_B.bias", adapter_part::up_bias},
                                                     {".lora_A", adapter_part::down},
                                                     {".lora_B", adapter_part::up},
                                                     {".lora_down.weight", adapter_part::down},
                                                     {".lora_up.weight", adapter_part::up},
                                                     {".lora_up.bias", adapter_part::up_bias},
                                                     {".lora_mid.weight", adapter_part::middle},
                                                     {".lora_down", adapter_part::down},
                                                     {".lora_up", adapter_part::up},
                                                     {".lora.down.weight", adapter_part::down},
                                                     {".lora.up.weight", adapter_part::up},
                                                     {".lora.alpha", adapter_part::alpha},
                                                     {".lora_linear_layer.down.weight", adapter_part::down},
                                                     {".lora_linear_layer.up.weight", adapter_part::up},
                                                     {".lora_linear_layer.alpha", adapter_part::alpha},
                                                     {"_lora.down.weight", adapter_part::down},
                                                     {"_lora.up.weight", adapter_part::up},
                                                     {"_lora.alpha", adapter_part::alpha},
                                                     {"_lora1.down.weight", adapter_part::down, "1"},
                                                     {"_lora1.up.weight", adapter_part::up, "1"},
                                                     {"_lora1.alpha", adapter_part::alpha, "1"},
                                                     {"_lora2.down.weight", adapter_part::down, "2"},
                                                     {"_lora2.up.weight", adapter_part::up, "2"},
                                                     {"_lora2.alpha", adapter_part::alpha, "2"},
                                                     {".alpha", adapter_part::alpha},
                                                     {".diff", adapter_part::difference},
                                                     {".diff_b", adapter_part::bias_difference},
                                                     {".diff_m", adapter_part::difference, ".modulation"},
                                                     {".w_norm", adapter_part::difference},
                                                     {".b_norm", adapter_part::bias_difference},
                                                     {".lora_magnitude_vector", adapter_part::magnitude},
                                                     {".dora_scale", adapter_part::dora_scale},
                                                     {".hada_w1_a", adapter_part::hada_w1_a},
                                                     {".hada_w1_b", adapter_part::hada_w1_b},
                                                     {".hada_t1", adapter_part::hada_t1},
                                                     {".hada_w2_a", adapter_part::hada_w2_a},
                                                     {".hada_w2_b", adapter_part::hada_w2_b},
                                                     {".hada_t2", adapter_part::hada_t2},
                                                     {".lokr_w1", adapter_part::lokr_w1},
                                                     {".lokr_w1_a", adapter_part::lokr_w1_a},
                                                     {".lokr_w1_b", adapter_part::lokr_w1_b},
                                                     {".lokr_w2", adapter_part::lokr_w2},
                                                     {".lokr_w2_a", adapter_part::lokr_w2_a},
                                                     {".lokr_w2_b", adapter_part::lokr_w2_b},
                                                     {".lokr_t2", adapter_part::lokr_t2}};

/// Returns `name` without the name of an adapter that PEFT puts behind its own: "X.lora_A.default.weight" is "X.lora_A.weight",
/// and "X.lora_magnitude_vector.default" is "X.lora_magnitude_vector".
inline std::string without_adapter_name(std::string_view name) {
  for (std::string_view const mark : {".lora_A.", ".lora_B."}) {
    auto const at = name.rfind(mark);
    if (at == name.npos) continue;
    std::string_view const behind = name.substr(at + mark.size());
    auto const dot = behind.find('.');
    if (dot == 0 || dot == behind.npos || dot != behind.rfind('.')) continue;
    return std::string(name.substr(0, at + mark.size())) + std::string(behind.substr(dot + 1));
  }
  constexpr std::string_view magnitude = ".lora_magnitude_vector";
  if (auto const at = name.rfind(magnitude); at != name.npos) return std::string(name.substr(0, at + magnitude.size()));
  return std::string(name);
}

/// Returns the layer of an attention processor's pair: "X.processor.to_q" is "X.to_q".
inline std::string without_processor(std::string layer) {
  constexpr std::string_view processor = ".processor.";
  if (auto const at = layer.rfind(processor); at != layer.npos) layer.replace(at, processor.size(), ".");
  return layer;
}

}  // namespace detail

/// Returns the layer and the part that a tensor's name speaks of; nothing for an ending that is not known.
inline std::optional<adapter_key> parse_adapter_key(std::string_view tensor) {
  std::string const name = detail::without_adapter_name(tensor);
  for (auto const& ending : detail::adapter_endings) {
    if (name.size() <= ending.text.size() || !name.ends_with(ending.text)) continue;
    std::string layer = name.substr(0, name.size() - ending.text.size());
    if (ending.text.front() == '_') layer = detail::without_processor(std::move(layer));
    return adapter_key{layer += ending.rest, ending.part};
  }
  return std::nullopt;
}

}  // namespace halfstep
