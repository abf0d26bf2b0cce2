// HunyuanVideo: the names of diffusers and of the original repository, and those of ComfyUI's files.
#pragma once

#include <halfstep/lora/names/name_pair.hpp>

namespace halfstep {

/// Source: ComfyUI's comfy/lora.py and diffusers' scripts/convert_hunyuan_video_to_diffusers.py. ComfyUI's own names are those of
/// FLUX, so what diffusers calls their layers is in `flux_names`.
inline constexpr name_pair hunyuan_video_names[] = {
    {"double_blocks.{}.img_attn_qkv", "double_blocks.{}.img_attn.qkv"},
    {"double_blocks.{}.txt_attn_qkv", "double_blocks.{}.txt_attn.qkv"},
    {"double_blocks.{}.img_attn_proj", "double_blocks.{}.img_attn.proj"},
    {"double_blocks.{}.txt_attn_proj", "double_blocks.{}.txt_attn.proj"},
    {"double_blocks.{}.img_mod.linear", "double_blocks.{}.img_mod.lin"},
    {"double_blocks.{}.txt_mod.linear", "double_blocks.{}.txt_mod.lin"},
    {"double_blocks.{}.img_mlp.fc1", "double_blocks.{}.img_mlp.0"},
    {"double_blocks.{}.img_mlp.fc2", "double_blocks.{}.img_mlp.2"},
    {"double_blocks.{}.txt_mlp.fc1", "double_blocks.{}.txt_mlp.0"},
    {"double_blocks.{}.txt_mlp.fc2", "double_blocks.{}.txt_mlp.2"},
    {"single_blocks.{}.modulation.linear", "single_blocks.{}.modulation.lin"},
    {"transformer_blocks.{}.attn.to_q", "double_blocks.{}.img_attn_qkv", row_slice::query},
    {"transformer_blocks.{}.attn.to_k", "double_blocks.{}.img_attn_qkv", row_slice::key},
    {"transformer_blocks.{}.attn.to_v", "double_blocks.{}.img_attn_qkv", row_slice::value},
    {"transformer_blocks.{}.attn.add_q_proj", "double_blocks.{}.txt_attn_qkv", row_slice::query},
    {"transformer_blocks.{}.attn.add_k_proj", "double_blocks.{}.txt_attn_qkv", row_slice::key},
    {"transformer_blocks.{}.attn.add_v_proj", "double_blocks.{}.txt_attn_qkv", row_slice::value},
    {"transformer_blocks.{}.attn.to_out.0", "double_blocks.{}.img_attn_proj"},
    {"transformer_blocks.{}.attn.to_add_out", "double_blocks.{}.txt_attn_proj"},
    {"transformer_blocks.{}.norm1.linear", "double_blocks.{}.img_mod.linear"},
    {"transformer_blocks.{}.norm1_context.linear", "double_blocks.{}.txt_mod.linear"},
    {"transformer_blocks.{}.ff.net.0.proj", "double_blocks.{}.img_mlp.fc1"},
    {"transformer_blocks.{}.ff.net.2", "double_blocks.{}.img_mlp.fc2"},
    {"transformer_blocks.{}.ff_context.net.0.proj", "double_blocks.{}.txt_mlp.fc1"},
    {"transformer_blocks.{}.ff_context.net.2", "double_blocks.{}.txt_mlp.fc2"},
    {"single_transformer_blocks.{}.norm.linear", "single_blocks.{}.modulation.linear"}};

}  // namespace halfstep
