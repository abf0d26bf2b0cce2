// Whether a file is a LoRA and no model, which no loader takes quantized.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/plan/action.hpp>
#include <halfstep/plan/options.hpp>
#include <halfstep/plan/planned.hpp>
#include <halfstep/recipe/file_trait.hpp>
#include <halfstep/safetensors/header.hpp>

namespace halfstep {

namespace detail {

/// Returns whether a tensor's name says that it is a part of an adapter, in any program's spelling.
inline bool is_adapter_part(std::string_view name) {
  constexpr std::array<std::string_view, 19> marks{".lora_A",     ".lora_B",     ".lora_down",
                                                   ".lora_up",    ".lora_mid",   ".lora_magnitude",
                                                   ".lora.down.", ".lora.up.",   ".lora_linear_layer.",
                                                   "_lora.",      "_lora1.",     "_lora2.",
                                                   ".hada_",      ".lokr_",      ".oft_",
                                                   ".glora_",     ".dora_scale", ".lora_embedding_",
                                                   ".ia3_"};
  constexpr std::array<std::string_view, 6> endings{".alpha", ".diff", ".diff_b", ".diff_m", ".w_norm", ".b_norm"};
  return std::any_of(marks.begin(), marks.end(), [&](auto mark) { return name.find(mark) != std::string_view::npos; }) ||
         std::any_of(endings.begin(), endings.end(), [&](auto ending) { return name.ends_with(ending); });
}

}  // namespace detail

/// Returns a tensor by which a file shows that it is a LoRA: most of its tensors are parts of adapters. Null for a model.
inline safetensors::tensor const* sign_of_lora(safetensors::header const& input) {
  auto const& all = input.tensors();
  auto const is_part = [](safetensors::tensor const& t) { return detail::is_adapter_part(t.name); };
  auto const parts = static_cast<std::size_t>(std::count_if(all.begin(), all.end(), is_part));
  return 2 * parts > all.size() ? &*std::find_if(all.begin(), all.end(), is_part) : nullptr;
}

/// Returns whether the rules for LoRA files were asked for.
inline bool asks_for_lora(plan_options const& options) {
  return options.rules == rule_source::named &&
         std::find(options.families.begin(), options.families.end(), "lora") != options.families.end();
}

/// Throws usage_error for a LoRA that would be quantized unasked, and for markers where it is asked for: ComfyUI takes the codes
/// of a LoRA for its weights, with markers and without.
inline void require_lora_as_asked(safetensors::header const& input, plan_options const& options, plan const& made) {
  bool const has_codes = std::any_of(made.tensors.begin(), made.tensors.end(), [](planned_tensor const& t) {
    return t.what == action::quantize && t.how.format.has_scales();
  });
  if (!has_codes && !options.target.format.has_scales()) return;
  auto const* const sign = sign_of_lora(input);
  if (sign == nullptr) return;
  if (!asks_for_lora(options))
    throw usage_error(stated("input.lora",
                             "the input is a LoRA, as {'tensor} shows: no version of ComfyUI loads it quantized, all take its "
                             "codes for weights; merge it into its model with `loras`, store it as `format fp16`, or quantize it "
                             "for another program with `families lora`",
                             {{"tensor", sign->name}}));
  if (options.markers != marker_style::none)
    throw usage_error(stated("input.marked_lora",
                             "markers of ComfyUI in a LoRA are read by no version of it, and its codes are taken for weights; "
                             "leave them out with `markers none`"));
}

}  // namespace halfstep
