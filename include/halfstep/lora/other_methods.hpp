// Methods of training whose tensors are known by their names and not merged.
#pragma once

#include <string_view>

#include <halfstep/safetensors/header.hpp>

namespace halfstep {

/// A part of a tensor's name, and what it tells.
struct method_mark {
  std::string_view text;
  std::string_view means;
};

/// The marks of PEFT, LyCORIS and ComfyUI. What stands before one is the layer's name.
inline constexpr method_mark method_marks[] = {{".oft_", "OFT turns the weight and is not merged"},
                                               {".boft_", "BOFT turns the weight and is not merged"},
                                               {".rescale", "OFT turns the weight and is not merged"},
                                               {".hra_", "HRA reflects the weight and is not merged"},
                                               {".a1.weight", "GLoRA is not merged"},
                                               {".a2.weight", "GLoRA is not merged"},
                                               {".b1.weight", "GLoRA is not merged"},
                                               {".b2.weight", "GLoRA is not merged"},
                                               {".ia3_", "IA3 is not merged"},
                                               {".on_input", "IA3 is not merged"},
                                               {".vera_", "VeRA is not merged"},
                                               {".randlora_", "RandLoRA is not merged"},
                                               {".fourierft_", "FourierFT is not merged"},
                                               {".waveft_", "WaveFT is not merged"},
                                               {".bone_", "Bone is not merged"},
                                               {".miss_", "MiSS is not merged"},
                                               {".shira_", "SHiRA is not merged"},
                                               {".c3a_", "C3A is not merged"},
                                               {".road_", "RoAd is not merged"},
                                               {".lora_E", "AdaLoRA is not merged"},
                                               {".ranknum", "AdaLoRA is not merged"},
                                               {".lora_embedding_", "a LoRA of an embedding is not merged"},
                                               {".wd_for_diff", "DoRA of a difference is not merged"},
                                               {".reshape_weight", "a control LoRA widens its layer and is not merged"},
                                               {".set_weight", "a weight in place of the model's, not a change of it"},
                                               {".modules_to_save.", "a weight in place of the model's, not a change of it"},
                                               {".base_layer.", "a weight of the model, not a change of it"}};

/// Returns the mark in a tensor's name, or null.
inline method_mark const* find_method(std::string_view tensor) {
  for (auto const& mark : method_marks)
    if (tensor.find(mark.text) != std::string_view::npos) return &mark;
  return nullptr;
}

/// Returns why a tensor of no known part is not merged. LyCORIS calls the blocks of OFT and BOFT alike; those of BOFT have
/// stages.
inline std::string_view why_not_merged(safetensors::tensor const& t) {
  if (t.name.ends_with(".oft_blocks") && t.shape.size() == 4) return "BOFT turns the weight and is not merged";
  auto const* const mark = find_method(t.name);
  return mark == nullptr ? "no part that is known" : mark->means;
}

}  // namespace halfstep
