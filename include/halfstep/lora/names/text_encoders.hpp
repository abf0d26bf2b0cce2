// Text encoders inside a checkpoint: where their layers stand, and OpenCLIP's names for them.
#pragma once

#include <string_view>

#include <halfstep/lora/names/name_pair.hpp>

namespace halfstep {

/// What stands before the layers of a text encoder in a checkpoint that holds several models.
struct encoder_place {
  std::string_view prefix;
  int number;  ///< of the encoder, as adapters count: lora_te1_, lora_te2_, lora_te3_
};

/// Source: ComfyUI's comfy/supported_models.py and comfy/lora.py (model_lora_keys_clip).
inline constexpr encoder_place encoder_places[] = {{"cond_stage_model.transformer.", 1},
                                                   {"cond_stage_model.model.", 1},
                                                   {"conditioner.embedders.0.transformer.", 1},
                                                   {"conditioner.embedders.1.model.", 2},
                                                   {"text_encoders.clip_l.transformer.", 1},
                                                   {"text_encoders.clip_g.transformer.", 2},
                                                   {"text_encoders.t5xxl.transformer.", 3},
                                                   {"clip_l.transformer.", 1},
                                                   {"clip_g.transformer.", 2},
                                                   {"t5xxl.transformer.", 3}};

/// Source: diffusers' loaders/single_file_utils.py (convert_open_clip_checkpoint).
inline constexpr name_pair open_clip_names[] = {
    {"text_model.encoder.layers.{}.self_attn.q_proj", "transformer.resblocks.{}.attn.in_proj_weight", row_slice::query},
    {"text_model.encoder.layers.{}.self_attn.k_proj", "transformer.resblocks.{}.attn.in_proj_weight", row_slice::key},
    {"text_model.encoder.layers.{}.self_attn.v_proj", "transformer.resblocks.{}.attn.in_proj_weight", row_slice::value},
    {"text_model.encoder.layers.{}.self_attn.out_proj", "transformer.resblocks.{}.attn.out_proj"},
    {"text_model.encoder.layers.{}.mlp.fc1", "transformer.resblocks.{}.mlp.c_fc"},
    {"text_model.encoder.layers.{}.mlp.fc2", "transformer.resblocks.{}.mlp.c_proj"},
    {"text_model.encoder.layers.{}.layer_norm1", "transformer.resblocks.{}.ln_1"},
    {"text_model.encoder.layers.{}.layer_norm2", "transformer.resblocks.{}.ln_2"},
    {"text_model.final_layer_norm", "ln_final"}};

}  // namespace halfstep
