// The layer rules of the model families that are known by name.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace halfstep {

/// Substrings of tensor names.
using name_parts = std::span<std::string_view const>;

/// Where a family's rules come from.
enum class family_origin : std::uint8_t {
  reference,  ///< the reference system, which has a flag for it
  extra       ///< known from the models themselves
};

/// The last of the blocks that are numbered behind a part of their names.
struct last_blocks {
  std::string_view stem;  ///< such as ".layers."
  int count = 1;
};

/// The rules of one model family.
struct model_family {
  std::string_view name;
  std::string_view category;  ///< text, diffusion, video or image
  family_origin origin;
  name_parts keep;                     ///< a tensor whose name holds one of these stays as it is
  name_parts remove;                   ///< a tensor whose name holds one of these is left out; stronger than `keep`
  std::span<name_parts const> detect;  ///< alternatives: all parts of one must occur among the names; empty: by flag only
  std::span<last_blocks const> keep_last = {};  ///< stay as they are too, however many blocks there are
};

namespace detail {

// clang-format off
inline constexpr std::string_view t5xxl_keep[] = {
    "norm", "bias", "embed_tokens", "lm_head", "shared", "patch_embedding", "audio_model.patch_embedding", "ref_conv",
    "control_adapter", "motion_encoder.enc.net_app", "face_encoder.conv", "pose_patch_embedding", "motion_encoder.enc.fc",
    "img_emb.proj", "k_norm", "q_norm", "motion_encoder.dec", "head.modulation", "casual_audio_encoder", "cond_encoder",
    "frame_packer", "norm_k", "norm_q", "tekken_model", "multi_modal_projector", "patch_conv", "ln_pre", "input_layernorm",
    "attention_norm", "post_attention_layernorm"};
inline constexpr std::string_view t5xxl_remove[] = {"decoder", "lm_head"};
inline constexpr std::string_view t5xxl_sign_0[] = {"encoder.block.0.layer.0.SelfAttention.q.weight", "shared.weight"};
inline constexpr name_parts t5xxl_detect[] = {t5xxl_sign_0};

inline constexpr std::string_view mistral_keep[] = {
    "norm", "bias", "embed_tokens", "lm_head", "shared", "patch_embedding", "audio_model.patch_embedding", "ref_conv",
    "control_adapter", "motion_encoder.enc.net_app", "face_encoder.conv", "pose_patch_embedding", "motion_encoder.enc.fc",
    "img_emb.proj", "k_norm", "q_norm", "motion_encoder.dec", "head.modulation", "casual_audio_encoder", "cond_encoder",
    "frame_packer", "norm_k", "norm_q", "tekken_model", "multi_modal_projector", "patch_conv", "ln_pre", "input_layernorm",
    "attention_norm", "post_attention_layernorm"};
inline constexpr std::string_view mistral_sign_0[] = {"model.layers.0.self_attn.q_proj.weight", "tekken_model"};
inline constexpr name_parts mistral_detect[] = {mistral_sign_0};

inline constexpr std::string_view visual_keep[] = {"mlp.down_proj", "mlp.up_proj", "mlp.gate_proj"};

inline constexpr std::string_view flux2_keep[] = {
    "stream_modulation", "guidance_in", "time_in", "final_layer", "img_in", "txt_in"};
inline constexpr std::string_view flux2_sign_0[] = {"double_stream_modulation_img.lin.weight", "double_blocks.0."};
inline constexpr name_parts flux2_detect[] = {flux2_sign_0};

inline constexpr std::string_view distillation_large_keep[] = {"distilled_guidance_layer", "final_layer", "img_in", "txt_in"};
inline constexpr std::string_view distillation_large_sign_0[] = {"distilled_guidance_layer.", "double_blocks.0."};
inline constexpr name_parts distillation_large_detect[] = {distillation_large_sign_0};

inline constexpr std::string_view distillation_small_keep[] = {"distilled_guidance_layer"};

inline constexpr std::string_view nerf_large_keep[] = {
    "distilled_guidance_layer", "nerf_blocks", "nerf_image_embedder", "txt_in"};
inline constexpr std::string_view nerf_large_sign_0[] = {"nerf_blocks.", "distilled_guidance_layer."};
inline constexpr name_parts nerf_large_detect[] = {nerf_large_sign_0};

inline constexpr std::string_view nerf_small_keep[] = {"distilled_guidance_layer", "nerf_blocks", "nerf_image_embedder"};

inline constexpr std::string_view radiance_keep[] = {"img_in_patch", "nerf_final_layer_conv", "__x0__"};

inline constexpr std::string_view wan_keep[] = {
    "norm", "bias", "embed_tokens", "lm_head", "shared", "patch_embedding", "audio_model.patch_embedding", "ref_conv",
    "control_adapter", "motion_encoder.enc.net_app", "face_encoder.conv", "pose_patch_embedding", "motion_encoder.enc.fc",
    "img_emb.proj", "k_norm", "q_norm", "motion_encoder.dec", "head.modulation", "casual_audio_encoder", "cond_encoder",
    "frame_packer", "norm_k", "norm_q", "tekken_model", "multi_modal_projector", "patch_conv", "ln_pre", "input_layernorm",
    "attention_norm", "post_attention_layernorm", "text_embedding", "time_embedding", "audio_model.text_embedding",
    "casual_audio_encoder", "frame_packer", "trainable_cond_mask", "cond_encoder", "audio_model.time_embedding",
    "time_projection", "video_model.time_projection", "head.head", "face_encoder.out_proj", "face_adapter", "audio_injector"};
inline constexpr std::string_view wan_sign_0[] = {"head.modulation", "blocks.0.self_attn."};
inline constexpr name_parts wan_detect[] = {wan_sign_0};

inline constexpr std::string_view hunyuan_keep[] = {
    "layernorm", "img_attn_k_norm", "img_attn_q_norm", "txt_attn_k_norm", "txt_attn_q_norm", "norm1", "norm2", "vision_in.proj.0",
    "vision_in.proj.4", "img_in.proj", "cond_type_embedding"};
inline constexpr std::string_view hunyuan_sign_0[] = {"txt_in.individual_token_refiner.blocks.0.norm1.weight"};
inline constexpr name_parts hunyuan_detect[] = {hunyuan_sign_0};

inline constexpr std::string_view qwen_keep[] = {
    "norm_added_k", "norm_added_q", "norm_k", "norm_q", "txt_norm", "time_text_embed", "img_in", "norm_out", "proj_out",
    "transformer_blocks.0.img_mod.1", "txt_in"};
inline constexpr std::string_view qwen_sign_0[] = {"txt_norm.weight", "transformer_blocks.0.img_mod.1.weight"};
inline constexpr name_parts qwen_detect[] = {qwen_sign_0};

inline constexpr std::string_view zimage_keep[] = {
    "cap_embedder.0", "cap_pad_token", "attention_norm1", "attention_norm2", "ffn_norm1", "ffn_norm2", "k_norm", "q_norm",
    "x_pad_token", "norm", "bias", "x_embedder", "clip_text_pooled_proj", "final_layer", "cap_embedder.1", "adaLN_modulation",
    "t_embedder", "time_text_embed", "pos_embed", "proj_out"};
inline constexpr std::string_view zimage_sign_0[] = {
    "cap_embedder.1.weight", "noise_refiner.0.attention.k_norm.weight", "cap_pad_token"};
inline constexpr name_parts zimage_detect[] = {zimage_sign_0};

inline constexpr std::string_view zimage_refiner_keep[] = {
    "cap_embedder.0", "cap_pad_token", "attention_norm1", "attention_norm2", "ffn_norm1", "ffn_norm2", "k_norm", "q_norm",
    "x_pad_token", "norm", "bias", "context_refiner", "noise_refiner"};

inline constexpr std::string_view lora_keep[] = {"alpha", "scale"};
inline constexpr std::string_view lora_sign_0[] = {".lora_A.weight"};
inline constexpr std::string_view lora_sign_1[] = {".lora_up.weight"};
inline constexpr name_parts lora_detect[] = {lora_sign_0, lora_sign_1};

inline constexpr std::string_view gemma4_keep[] = {
    "audio", "per_layer_input_gate", "per_layer_projection", "vision", "multi_modal_projector"};
inline constexpr std::string_view gemma4_sign_0[] = {"per_layer_input_gate", "self_attn.q_proj.weight"};
inline constexpr name_parts gemma4_detect[] = {gemma4_sign_0};

inline constexpr std::string_view qwen35_keep[] = {
    ".layers.0.", "lm_head", "embed_tokens", "in_proj_a", "in_proj_b", "visual.pos_embed", "visual.patch_embed",
    "merger", "mtp.fc", "visual.blocks.0."};
inline constexpr std::string_view qwen35_sign_0[] = {"linear_attn.in_proj_a.", "linear_attn.in_proj_b."};
inline constexpr name_parts qwen35_detect[] = {qwen35_sign_0};
inline constexpr last_blocks qwen35_last[] = {{".layers."}};

inline constexpr std::string_view generic_text_keep[] = {"embed_tokens", "lm_head", "norm", "router", "mlp.gate."};
inline constexpr std::string_view generic_text_sign_0[] = {"layers.0.self_attn.q_proj.weight", "layers.0.mlp.down_proj.weight"};
inline constexpr name_parts generic_text_detect[] = {generic_text_sign_0};

inline constexpr std::string_view anima_keep[] = {
    "net.blocks.0.", "net.blocks.1.adaln_modulation", "final_layer", "llm_adapter", "t_embedder", "x_embedder"};
inline constexpr std::string_view anima_sign_0[] = {"llm_adapter.blocks.0.cross_attn.q_proj.weight"};
inline constexpr name_parts anima_detect[] = {anima_sign_0};

inline constexpr std::string_view lens_keep[] = {
    "time_text_embed", "img_in", "norm_out", "proj_out", "img_mod.1", "txt_mod.1", "txt_in"};
inline constexpr std::string_view lens_sign_0[] = {
    "transformer_blocks.0.attn.norm_added_q.weight", "transformer_blocks.0.img_mlp.w1.weight"};
inline constexpr name_parts lens_detect[] = {lens_sign_0};

inline constexpr std::string_view krea2_keep[] = {"firs", "las", "tml", "txtfusion", "last.modulatio", "tpro"};
inline constexpr std::string_view krea2_sign_0[] = {"txtfusion.projector.weight"};
inline constexpr name_parts krea2_detect[] = {krea2_sign_0};

inline constexpr std::string_view ideogram4_keep[] = {
    "embed_image_indicator", "t_embedding", "llm_cond_proj", "adaln_proj", "final_layer", "input_proj"};
inline constexpr std::string_view ideogram4_sign_0[] = {"embed_image_indicator.weight"};
inline constexpr name_parts ideogram4_detect[] = {ideogram4_sign_0};

inline constexpr std::string_view boogu_keep[] = {
    "image_index_embedding", "ref_image_patch_embedder", "time_caption_embed", "x_embedder", "norm_out.linear_1",
    "norm_out.linear_2"};
inline constexpr std::string_view boogu_sign_0[] = {"double_stream_layers.0.img_instruct_attn.processor.img_to_q.weight"};
inline constexpr name_parts boogu_detect[] = {boogu_sign_0};

inline constexpr std::string_view ltxv2_keep[] = {
    "scale_shift_table", "text_embedding_projection", "audio_vae", "audio_embeddings_connector", "adaln_single",
    "audio_adaln_single", "audio_patchify_proj", "audio_proj_out", "audio_prompt_adaln_single", "av_ca_a2v_gate_adaln_single",
    "av_ca_audio_scale_shift_adaln_single", "av_ca_v2a_gate_adaln_single", "av_ca_video_scale_shift_adaln_single",
    "patchify_proj", "proj_out", "prompt_adaln_single", "transformer_blocks.0.", "transformer_blocks.1.",
    "video_embeddings_connector", "vae.decoder", "vae.encoder", "vocoder", "to_gate_logits"};
inline constexpr std::string_view ltxv2_sign_0[] = {
    "audio_adaln_single.linear.weight", "adaln_single.emb.timestep_embedder.linear_1.bias"};
inline constexpr name_parts ltxv2_detect[] = {ltxv2_sign_0};
inline constexpr last_blocks ltxv2_last[] = {{"transformer_blocks.", 2}};

inline constexpr std::string_view flux1_keep[] = {"img_in", "txt_in", "time_in", "vector_in", "guidance_in", "final_layer"};
inline constexpr std::string_view flux1_sign_0[] = {"double_blocks.0.img_attn.norm.key_norm.", "img_in.weight"};
inline constexpr name_parts flux1_detect[] = {flux1_sign_0};

inline constexpr std::string_view sdxl_keep[] = {
    "time_embed", "label_emb", "input_blocks.0.", "out.2", "proj_in", "proj_out", "emb_layers"};
inline constexpr std::string_view sdxl_sign_0[] = {"input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight", "middle_block.1."};
inline constexpr name_parts sdxl_detect[] = {sdxl_sign_0};

}  // namespace detail

/// Every known family.
inline constexpr model_family model_families[] = {
    {"t5xxl", "text", family_origin::reference, detail::t5xxl_keep, detail::t5xxl_remove, detail::t5xxl_detect},
    {"mistral", "text", family_origin::reference, detail::mistral_keep, {}, detail::mistral_detect},
    {"visual", "text", family_origin::reference, detail::visual_keep, {}, {}},
    {"flux2", "diffusion", family_origin::reference, detail::flux2_keep, {}, detail::flux2_detect},
    {"distillation_large", "diffusion", family_origin::reference, detail::distillation_large_keep, {},
     detail::distillation_large_detect},
    {"distillation_small", "diffusion", family_origin::reference, detail::distillation_small_keep, {}, {}},
    {"nerf_large", "diffusion", family_origin::reference, detail::nerf_large_keep, {}, detail::nerf_large_detect},
    {"nerf_small", "diffusion", family_origin::reference, detail::nerf_small_keep, {}, {}},
    {"radiance", "diffusion", family_origin::reference, detail::radiance_keep, {}, {}},
    {"wan", "video", family_origin::reference, detail::wan_keep, {}, detail::wan_detect},
    {"hunyuan", "video", family_origin::reference, detail::hunyuan_keep, {}, detail::hunyuan_detect},
    {"qwen", "image", family_origin::reference, detail::qwen_keep, {}, detail::qwen_detect},
    {"zimage", "image", family_origin::reference, detail::zimage_keep, {}, detail::zimage_detect},
    {"zimage_refiner", "image", family_origin::reference, detail::zimage_refiner_keep, {}, {}},
    {"lora", "diffusion", family_origin::reference, detail::lora_keep, {}, detail::lora_detect},
    {"gemma4", "text", family_origin::extra, detail::gemma4_keep, {}, detail::gemma4_detect},
    {"qwen35", "text", family_origin::extra, detail::qwen35_keep, {}, detail::qwen35_detect, detail::qwen35_last},
    {"generic_text", "text", family_origin::extra, detail::generic_text_keep, {}, detail::generic_text_detect},
    {"anima", "diffusion", family_origin::extra, detail::anima_keep, {}, detail::anima_detect},
    {"lens", "diffusion", family_origin::extra, detail::lens_keep, {}, detail::lens_detect},
    {"krea2", "diffusion", family_origin::extra, detail::krea2_keep, {}, detail::krea2_detect},
    {"ideogram4", "diffusion", family_origin::extra, detail::ideogram4_keep, {}, detail::ideogram4_detect},
    {"boogu", "image", family_origin::extra, detail::boogu_keep, {}, detail::boogu_detect},
    {"ltxv2", "video", family_origin::extra, detail::ltxv2_keep, {}, detail::ltxv2_detect, detail::ltxv2_last},
    {"flux1", "diffusion", family_origin::extra, detail::flux1_keep, {}, detail::flux1_detect},
    {"sdxl", "diffusion", family_origin::extra, detail::sdxl_keep, {}, detail::sdxl_detect}};
// clang-format on

/// The families in the order in which they are tried on a file; the first whose signs are all there is taken.
inline constexpr std::string_view detection_order[] = {
    "lora",   "flux2",  "nerf_large",  "distillation_large", "flux1", "hunyuan", "wan",  "lens",  "qwen",
    "zimage", "anima",  "krea2",       "ideogram4",          "boogu", "ltxv2",   "sdxl", "t5xxl", "mistral",
    "gemma4", "qwen35", "generic_text"};

/// Returns the family called `name`, or null.
constexpr model_family const* family_named(std::string_view name) {
  for (model_family const& family : model_families)
    if (family.name == name) return &family;
  return nullptr;
}

}  // namespace halfstep
