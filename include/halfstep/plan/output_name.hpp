// The name of the output where the user gives none.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include <halfstep/plan/output_choice.hpp>
#include <halfstep/plan/planned.hpp>
#include <halfstep/plan/rule.hpp>
#include <halfstep/recipe/recipe.hpp>

namespace halfstep {

/// Returns whether layers of `p` are stored in more than one format or block size; rotation does not count.
inline bool is_mixed(plan const& p) {
  planned_tensor const* first = nullptr;
  return std::any_of(p.tensors.begin(), p.tensors.end(), [&](planned_tensor const& t) {
    if (t.what != action::quantize) return false;
    if (first == nullptr) first = &t;
    return !(t.how.format == first->how.format);
  });
}

/// Returns where the output goes: beside `input`, named after it.
///
/// `<stem>_comfyui_int8.safetensors` for the standard recipe, else `<stem>_<simple or learned>_<int8, fp16 or
/// fp8><mixed>_bs<block>` as the reference system names it; `block` is the side of the blocks, or `block_size` where the
/// format has none.
inline std::string default_output_name(std::string_view input, plan const& p, recipe const& target, recipe_choice choice,
                                       code_search search, int block_size) {
  while (input.size() > 1 && input.ends_with('/')) input.remove_suffix(1);
  if (auto const variant = input.rfind(".safetensors.index."); input.ends_with(".json") && variant != std::string_view::npos)
    input = input.substr(0, variant);
  for (std::string_view const ending : {".index.json", ".safetensors"})
    if (input.size() > ending.size() && input.ends_with(ending)) input.remove_suffix(ending.size());
  std::string const stem(input);
  if (choice == recipe_choice::standard) return stem + "_comfyui_int8.safetensors";
  return stem + (search == code_search::simple ? "_simple_" : "_learned_") + std::string(target.format.files.words) +
         (is_mixed(p) ? "mixed" : "") + "_bs" + std::to_string(target.format.side != 0 ? target.format.side : block_size) +
         ".safetensors";
}

}  // namespace halfstep
