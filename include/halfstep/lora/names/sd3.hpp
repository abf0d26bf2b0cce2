// Stable Diffusion 3 and 3.5: the names of diffusers for layers of the original model.
#pragma once

#include <halfstep/lora/names/name_pair.hpp>

namespace halfstep {

/// Source: ComfyUI's comfy/utils.py (mmdit_to_diffusers); the last block's context has shift and scale alone, and diffusers turns
/// them round (scripts/convert_sd3_to_diffusers.py).
inline constexpr name_pair sd3_names[] = {
    {"transformer_blocks.{}.attn.to_q", "joint_blocks.{}.x_block.attn.qkv", row_slice::query},
    {"transformer_blocks.{}.attn.to_k", "joint_blocks.{}.x_block.attn.qkv", row_slice::key},
    {"transformer_blocks.{}.attn.to_v", "joint_blocks.{}.x_block.attn.qkv", row_slice::value},
    {"transformer_blocks.{}.attn.add_q_proj", "joint_blocks.{}.context_block.attn.qkv", row_slice::query},
    {"transformer_blocks.{}.attn.add_k_proj", "joint_blocks.{}.context_block.attn.qkv", row_slice::key},
    {"transformer_blocks.{}.attn.add_v_proj", "joint_blocks.{}.context_block.attn.qkv", row_slice::value},
    {"transformer_blocks.{}.attn2.to_q", "joint_blocks.{}.x_block.attn2.qkv", row_slice::query},
    {"transformer_blocks.{}.attn2.to_k", "joint_blocks.{}.x_block.attn2.qkv", row_slice::key},
    {"transformer_blocks.{}.attn2.to_v", "joint_blocks.{}.x_block.attn2.qkv", row_slice::value},
    {"transformer_blocks.{}.attn.to_out.0", "joint_blocks.{}.x_block.attn.proj"},
    {"transformer_blocks.{}.attn2.to_out.0", "joint_blocks.{}.x_block.attn2.proj"},
    {"transformer_blocks.{}.attn.to_add_out", "joint_blocks.{}.context_block.attn.proj"},
    {"transformer_blocks.{}.norm1.linear", "joint_blocks.{}.x_block.adaLN_modulation.1"},
    {"transformer_blocks.{}.norm1_context.linear", "joint_blocks.{}.context_block.adaLN_modulation.1",
     row_slice::pair_of_halves_swapped},
    {"transformer_blocks.{}.ff.net.0.proj", "joint_blocks.{}.x_block.mlp.fc1"},
    {"transformer_blocks.{}.ff.net.2", "joint_blocks.{}.x_block.mlp.fc2"},
    {"transformer_blocks.{}.ff_context.net.0.proj", "joint_blocks.{}.context_block.mlp.fc1"},
    {"transformer_blocks.{}.ff_context.net.2", "joint_blocks.{}.context_block.mlp.fc2"},
    {"transformer_blocks.{}.attn.norm_q", "joint_blocks.{}.x_block.attn.ln_q"},
    {"transformer_blocks.{}.attn.norm_k", "joint_blocks.{}.x_block.attn.ln_k"},
    {"transformer_blocks.{}.attn2.norm_q", "joint_blocks.{}.x_block.attn2.ln_q"},
    {"transformer_blocks.{}.attn2.norm_k", "joint_blocks.{}.x_block.attn2.ln_k"},
    {"transformer_blocks.{}.attn.norm_added_q", "joint_blocks.{}.context_block.attn.ln_q"},
    {"transformer_blocks.{}.attn.norm_added_k", "joint_blocks.{}.context_block.attn.ln_k"},
    {"time_text_embed.timestep_embedder.linear_1", "t_embedder.mlp.0"},
    {"time_text_embed.timestep_embedder.linear_2", "t_embedder.mlp.2"},
    {"time_text_embed.text_embedder.linear_1", "y_embedder.mlp.0"},
    {"time_text_embed.text_embedder.linear_2", "y_embedder.mlp.2"},
    {"pos_embed.proj", "x_embedder.proj"},
    {"norm_out.linear", "final_layer.adaLN_modulation.1", row_slice::halves_swapped},
    {"proj_out", "final_layer.linear"}};

}  // namespace halfstep
