// The tensors of a few blocks of two real models.
#pragma once

#include <string>
#include <vector>

#include <halfstep/core/dtype.hpp>
#include <halfstep/safetensors/header.hpp>

/// Returns the tensors of FLUX.1-dev in BF16 with `blocks` of its 38 single blocks, and the image attention of one double block.
inline std::vector<halfstep::safetensors::tensor_spec> flux1_shapes(int blocks) {
  using enum halfstep::dtype;
  std::vector<halfstep::safetensors::tensor_spec> all{
      {"img_in.weight", bf16, {3072, 64}},
      {"img_in.bias", bf16, {3072}},
      {"txt_in.weight", bf16, {3072, 4096}},
      {"txt_in.bias", bf16, {3072}},
      {"time_in.in_layer.weight", bf16, {3072, 256}},
      {"time_in.in_layer.bias", bf16, {3072}},
      {"final_layer.linear.weight", bf16, {64, 3072}},
      {"final_layer.linear.bias", bf16, {64}},
      {"double_blocks.0.img_attn.qkv.weight", bf16, {9216, 3072}},
      {"double_blocks.0.img_attn.qkv.bias", bf16, {9216}},
      {"double_blocks.0.img_attn.proj.weight", bf16, {3072, 3072}},
      {"double_blocks.0.img_attn.proj.bias", bf16, {3072}},
      {"double_blocks.0.img_attn.norm.query_norm.scale", bf16, {128}},
      {"double_blocks.0.img_attn.norm.key_norm.scale", bf16, {128}},
  };
  for (int i = 0; i < blocks; ++i) {
    std::string const block = "single_blocks." + std::to_string(i) + '.';
    all.push_back({block + "linear1.weight", bf16, {21504, 3072}});
    all.push_back({block + "linear1.bias", bf16, {21504}});
    all.push_back({block + "linear2.weight", bf16, {3072, 15360}});
    all.push_back({block + "linear2.bias", bf16, {3072}});
    all.push_back({block + "modulation.lin.weight", bf16, {9216, 3072}});
    all.push_back({block + "modulation.lin.bias", bf16, {9216}});
    all.push_back({block + "norm.query_norm.scale", bf16, {128}});
    all.push_back({block + "norm.key_norm.scale", bf16, {128}});
  }
  return all;
}

/// Returns the tensors of the T5-XXL encoder in BF16 with `blocks` of its 24 blocks and a short vocabulary.
inline std::vector<halfstep::safetensors::tensor_spec> t5xxl_shapes(int blocks) {
  using enum halfstep::dtype;
  std::vector<halfstep::safetensors::tensor_spec> all{
      {"shared.weight", bf16, {1024, 4096}},
      {"encoder.final_layer_norm.weight", bf16, {4096}},
      {"encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", bf16, {32, 64}},
  };
  for (int i = 0; i < blocks; ++i) {
    std::string const block = "encoder.block." + std::to_string(i) + ".layer.";
    for (char const* const name : {"q", "k", "v", "o"})
      all.push_back({block + "0.SelfAttention." + name + ".weight", bf16, {4096, 4096}});
    all.push_back({block + "0.layer_norm.weight", bf16, {4096}});
    all.push_back({block + "1.DenseReluDense.wi_0.weight", bf16, {10240, 4096}});
    all.push_back({block + "1.DenseReluDense.wi_1.weight", bf16, {10240, 4096}});
    all.push_back({block + "1.DenseReluDense.wo.weight", bf16, {4096, 10240}});
    all.push_back({block + "1.layer_norm.weight", bf16, {4096}});
  }
  return all;
}
