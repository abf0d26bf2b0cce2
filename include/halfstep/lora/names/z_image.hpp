// Z-Image and Lumina 2: the names of diffusers for layers of the original model.
#pragma once

#include <halfstep/lora/names/name_pair.hpp>

namespace halfstep {

/// Source: ComfyUI's comfy/utils.py (z_image_to_diffusers).
inline constexpr name_pair z_image_names[] = {
    {"layers.{}.attention.to_q", "layers.{}.attention.qkv", row_slice::query},
    {"layers.{}.attention.to_k", "layers.{}.attention.qkv", row_slice::key},
    {"layers.{}.attention.to_v", "layers.{}.attention.qkv", row_slice::value},
    {"layers.{}.attention.to_out.0", "layers.{}.attention.out"},
    {"layers.{}.attention.norm_q", "layers.{}.attention.q_norm"},
    {"layers.{}.attention.norm_k", "layers.{}.attention.k_norm"},
    {"noise_refiner.{}.attention.to_q", "noise_refiner.{}.attention.qkv", row_slice::query},
    {"noise_refiner.{}.attention.to_k", "noise_refiner.{}.attention.qkv", row_slice::key},
    {"noise_refiner.{}.attention.to_v", "noise_refiner.{}.attention.qkv", row_slice::value},
    {"noise_refiner.{}.attention.to_out.0", "noise_refiner.{}.attention.out"},
    {"noise_refiner.{}.attention.norm_q", "noise_refiner.{}.attention.q_norm"},
    {"noise_refiner.{}.attention.norm_k", "noise_refiner.{}.attention.k_norm"},
    {"context_refiner.{}.attention.to_q", "context_refiner.{}.attention.qkv", row_slice::query},
    {"context_refiner.{}.attention.to_k", "context_refiner.{}.attention.qkv", row_slice::key},
    {"context_refiner.{}.attention.to_v", "context_refiner.{}.attention.qkv", row_slice::value},
    {"context_refiner.{}.attention.to_out.0", "context_refiner.{}.attention.out"},
    {"context_refiner.{}.attention.norm_q", "context_refiner.{}.attention.q_norm"},
    {"context_refiner.{}.attention.norm_k", "context_refiner.{}.attention.k_norm"},
    {"all_x_embedder.2-1", "x_embedder"},
    {"all_final_layer.2-1.linear", "final_layer.linear"},
    {"all_final_layer.2-1.adaLN_modulation.1", "final_layer.adaLN_modulation.1"}};

}  // namespace halfstep
