// Stable Diffusion 1, 2 and XL: the names of diffusers for layers of the original UNet.
#pragma once

#include <halfstep/lora/names/name_pair.hpp>

namespace halfstep {

/// Source: ComfyUI's comfy/utils.py (unet_to_diffusers), for two residual blocks a level, which all these models have.
inline constexpr name_pair unet_names[] = {{"conv_in", "input_blocks.0.0"},
                                           {"time_embedding.linear_1", "time_embed.0"},
                                           {"time_embedding.linear_2", "time_embed.2"},
                                           {"add_embedding.linear_1", "label_emb.0.0"},
                                           {"add_embedding.linear_2", "label_emb.0.2"},
                                           {"conv_norm_out", "out.0"},
                                           {"conv_out", "out.2"},
                                           {"down_blocks.0.downsamplers.0.conv", "input_blocks.3.0.op"},
                                           {"down_blocks.1.downsamplers.0.conv", "input_blocks.6.0.op"},
                                           {"down_blocks.2.downsamplers.0.conv", "input_blocks.9.0.op"},
                                           {"up_blocks.0.upsamplers.0.conv", "output_blocks.2.1.conv"},
                                           {"up_blocks.0.upsamplers.0.conv", "output_blocks.2.2.conv"},
                                           {"up_blocks.1.upsamplers.0.conv", "output_blocks.5.2.conv"},
                                           {"up_blocks.2.upsamplers.0.conv", "output_blocks.8.2.conv"}};

/// Residual blocks; each has the `unet_residual_parts`.
inline constexpr name_pair unet_residual_blocks[] = {
    {"down_blocks.0.resnets.0.", "input_blocks.1.0."},  {"down_blocks.0.resnets.1.", "input_blocks.2.0."},
    {"down_blocks.1.resnets.0.", "input_blocks.4.0."},  {"down_blocks.1.resnets.1.", "input_blocks.5.0."},
    {"down_blocks.2.resnets.0.", "input_blocks.7.0."},  {"down_blocks.2.resnets.1.", "input_blocks.8.0."},
    {"down_blocks.3.resnets.0.", "input_blocks.10.0."}, {"down_blocks.3.resnets.1.", "input_blocks.11.0."},
    {"mid_block.resnets.0.", "middle_block.0."},        {"mid_block.resnets.1.", "middle_block.2."},
    {"up_blocks.0.resnets.0.", "output_blocks.0.0."},   {"up_blocks.0.resnets.1.", "output_blocks.1.0."},
    {"up_blocks.0.resnets.2.", "output_blocks.2.0."},   {"up_blocks.1.resnets.0.", "output_blocks.3.0."},
    {"up_blocks.1.resnets.1.", "output_blocks.4.0."},   {"up_blocks.1.resnets.2.", "output_blocks.5.0."},
    {"up_blocks.2.resnets.0.", "output_blocks.6.0."},   {"up_blocks.2.resnets.1.", "output_blocks.7.0."},
    {"up_blocks.2.resnets.2.", "output_blocks.8.0."},   {"up_blocks.3.resnets.0.", "output_blocks.9.0."},
    {"up_blocks.3.resnets.1.", "output_blocks.10.0."},  {"up_blocks.3.resnets.2.", "output_blocks.11.0."}};

/// What a residual block holds.
inline constexpr name_pair unet_residual_parts[] = {{"norm1", "in_layers.0"},          {"conv1", "in_layers.2"},
                                                    {"time_emb_proj", "emb_layers.1"}, {"norm2", "out_layers.0"},
                                                    {"conv2", "out_layers.3"},         {"conv_shortcut", "skip_connection"}};

/// Transformers; each has the `unet_attention_parts`.
inline constexpr name_pair unet_attention_blocks[] = {
    {"down_blocks.0.attentions.0.", "input_blocks.1.1."}, {"down_blocks.0.attentions.1.", "input_blocks.2.1."},
    {"down_blocks.1.attentions.0.", "input_blocks.4.1."}, {"down_blocks.1.attentions.1.", "input_blocks.5.1."},
    {"down_blocks.2.attentions.0.", "input_blocks.7.1."}, {"down_blocks.2.attentions.1.", "input_blocks.8.1."},
    {"mid_block.attentions.0.", "middle_block.1."},       {"up_blocks.0.attentions.0.", "output_blocks.0.1."},
    {"up_blocks.0.attentions.1.", "output_blocks.1.1."},  {"up_blocks.0.attentions.2.", "output_blocks.2.1."},
    {"up_blocks.1.attentions.0.", "output_blocks.3.1."},  {"up_blocks.1.attentions.1.", "output_blocks.4.1."},
    {"up_blocks.1.attentions.2.", "output_blocks.5.1."},  {"up_blocks.2.attentions.0.", "output_blocks.6.1."},
    {"up_blocks.2.attentions.1.", "output_blocks.7.1."},  {"up_blocks.2.attentions.2.", "output_blocks.8.1."},
    {"up_blocks.3.attentions.0.", "output_blocks.9.1."},  {"up_blocks.3.attentions.1.", "output_blocks.10.1."},
    {"up_blocks.3.attentions.2.", "output_blocks.11.1."}};

/// What a transformer holds.
inline constexpr name_pair unet_attention_parts[] = {
    {"norm", "norm"},
    {"proj_in", "proj_in"},
    {"proj_out", "proj_out"},
    {"transformer_blocks.{}.norm1", "transformer_blocks.{}.norm1"},
    {"transformer_blocks.{}.norm2", "transformer_blocks.{}.norm2"},
    {"transformer_blocks.{}.norm3", "transformer_blocks.{}.norm3"},
    {"transformer_blocks.{}.attn1.to_q", "transformer_blocks.{}.attn1.to_q"},
    {"transformer_blocks.{}.attn1.to_k", "transformer_blocks.{}.attn1.to_k"},
    {"transformer_blocks.{}.attn1.to_v", "transformer_blocks.{}.attn1.to_v"},
    {"transformer_blocks.{}.attn1.to_out.0", "transformer_blocks.{}.attn1.to_out.0"},
    {"transformer_blocks.{}.attn1.to_out", "transformer_blocks.{}.attn1.to_out.0"},
    {"transformer_blocks.{}.attn2.to_q", "transformer_blocks.{}.attn2.to_q"},
    {"transformer_blocks.{}.attn2.to_k", "transformer_blocks.{}.attn2.to_k"},
    {"transformer_blocks.{}.attn2.to_v", "transformer_blocks.{}.attn2.to_v"},
    {"transformer_blocks.{}.attn2.to_out.0", "transformer_blocks.{}.attn2.to_out.0"},
    {"transformer_blocks.{}.attn2.to_out", "transformer_blocks.{}.attn2.to_out.0"},
    {"transformer_blocks.{}.ff.net.0.proj", "transformer_blocks.{}.ff.net.0.proj"},
    {"transformer_blocks.{}.ff.net.2", "transformer_blocks.{}.ff.net.2"}};

}  // namespace halfstep
