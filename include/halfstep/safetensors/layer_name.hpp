// The names that other programs give to a model's layers.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace halfstep {

/// How a layer's name separates its parts.
enum class name_form : std::uint8_t {
  dotted,      ///< "blocks.0.attn.q"
  underscored  ///< "blocks_0_attn_q", from LoRA files that have underscores for dots
};

/// A layer's name without what the programs that wrote it put before it.
struct bare_name {
  std::string text;
  name_form form;
  int text_encoder = 0;  ///< which one the name said, from 1 on; 0: it spoke of none
};

/// What programs put before the name of a layer.
struct name_prefix {
  std::string_view text;
  name_form form;        ///< of what follows
  int text_encoder = 0;  ///< which text encoder it speaks of, from 1 on
};

/// The prefixes that are no part of a layer's name: wrappers of modules (PyTorch, PEFT), the part of a pipeline (diffusers,
/// ComfyUI), and those of LoRA programs that have underscores for dots (kohya, OneTrainer, LyCORIS). A longer one comes first.
inline constexpr std::array<name_prefix, 22> name_prefixes{{{"model.diffusion_model.", name_form::dotted},
                                                            {"diffusion_model.", name_form::dotted},
                                                            {"base_model.model.", name_form::dotted},
                                                            {"module.", name_form::dotted},
                                                            {"transformer.", name_form::dotted},
                                                            {"unet.", name_form::dotted},
                                                            {"net.", name_form::dotted},
                                                            {"text_encoder.", name_form::dotted, 1},
                                                            {"text_encoder_2.", name_form::dotted, 2},
                                                            {"text_encoder_3.", name_form::dotted, 3},
                                                            {"lora_unet__", name_form::underscored},
                                                            {"lora_unet_", name_form::underscored},
                                                            {"lora_prior_unet_", name_form::underscored},
                                                            {"lora_transformer_", name_form::underscored},
                                                            {"lora_net_", name_form::underscored},
                                                            {"lycoris_", name_form::underscored},
                                                            {"lora_te_", name_form::underscored, 1},
                                                            {"lora_te1_", name_form::underscored, 1},
                                                            {"lora_te2_", name_form::underscored, 2},
                                                            {"lora_te3_", name_form::underscored, 3},
                                                            {"lora_prior_te_", name_form::underscored, 1},
                                                            {"lora_text_encoder_", name_form::underscored, 1}}};

/// The modules that PyTorch puts around others, wherever in a name they stand: compiled, checkpointed and sharded ones.
inline constexpr std::array<std::string_view, 3> wrapping_modules{"_orig_mod", "_checkpoint_wrapped_module",
                                                                  "_fsdp_wrapped_module"};

namespace detail {

/// Returns `name` without the parts that are `wrapping_modules`.
inline std::string without_wrappers(std::string_view name) {
  std::string text(name);
  for (auto const module : wrapping_modules) {
    std::string const part = std::string(module) + ".";
    for (auto at = text.find(part); at != text.npos; at = text.find(part, at))
      if (at == 0 || text[at - 1] == '.')
        text.erase(at, part.size());
      else
        ++at;
  }
  return text;
}

}  // namespace detail

/// Returns `name` without `wrapping_modules` and without the `name_prefixes` that it begins with then, however many stand in a
/// row; never an empty name.
inline bare_name without_prefix(std::string_view full) {
  bare_name bare{detail::without_wrappers(full), name_form::dotted};
  std::string_view name = bare.text;
  while (bare.form == name_form::dotted) {
    auto const prefix = std::find_if(name_prefixes.begin(), name_prefixes.end(), [&](name_prefix const& p) {
      return name.size() > p.text.size() && name.starts_with(p.text);
    });
    if (prefix == name_prefixes.end()) break;
    name.remove_prefix(prefix->text.size());
    bare.form = prefix->form;
    if (prefix->text_encoder != 0) bare.text_encoder = prefix->text_encoder;
  }
  bare.text.erase(0, bare.text.size() - name.size());
  return bare;
}

/// Returns `name` with underscores for dots.
inline std::string underscored(std::string name) {
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

}  // namespace halfstep
