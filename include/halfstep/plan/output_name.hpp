// The name of the output where the user gives none.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/layout/geometry/per_row.hpp>
#include <halfstep/lora/options.hpp>
#include <halfstep/plan/output_choice.hpp>
#include <halfstep/plan/planned.hpp>
#include <halfstep/plan/rule.hpp>
#include <halfstep/recipe/basis_row.hpp>
#include <halfstep/recipe/file_trait.hpp>
#include <halfstep/recipe/format.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/rounding/nearest.hpp>

namespace halfstep {

/// What a name is made of, beside the recipe.
struct name_facts {
  recipe_choice chosen = recipe_choice::flags;
  marker_style markers = marker_style::comfyui;
  known_of_inputs known = known_of_inputs::nothing;
  std::vector<std::string> moment_solvers = {};  ///< names of those that round to nearest where nothing is known of the inputs
  std::vector<lora_request> merged = {};         ///< adapters in the weights, each with all that multiplies it
  alpha_source alphas = alpha_source::agreed;
};

namespace detail {

/// Returns the path or name of a model without what only tells that it is one.
inline std::string model_stem(std::string_view input) {
  while (input.size() > 1 && input.ends_with('/')) input.remove_suffix(1);
  if (auto const variant = input.rfind(".safetensors.index."); input.ends_with(".json") && variant != std::string_view::npos)
    input = input.substr(0, variant);
  for (std::string_view const ending : {".index.json", ".safetensors"})
    if (input.size() > ending.size() && input.ends_with(ending)) input.remove_suffix(ending.size());
  return std::string(input);
}

/// Returns what shares a scale: block128, axis, tensor; empty where nothing is scaled.
inline std::string scaling_word(format const& f) {
  return (f.geometry == per_row::name ? "axis" : std::string(f.geometry)) + (f.side != 0 ? std::to_string(f.side) : "");
}

/// Returns a format with its scaling, such as "int8_block128" or "fp16".
inline std::string scheme_words(format const& f) {
  return std::string(f.files.words) + (f.has_scales() ? "_" + scaling_word(f) : "");
}

/// Returns what weights go through, such as "_convrot256"; a basis called like the solver is told with that.
inline std::string basis_words(recipe const& r) {
  std::string text;
  for (auto const& choice : r.bases) {
    if (choice.row.name == r.solver) continue;
    std::array<char, 32> number{};
    auto const end = std::to_chars(number.data(), number.data() + number.size(), choice.number).ptr;
    text += "_" + std::string(choice.row.name) + (choice.number == 0.0 ? "" : std::string(number.data(), end));
  }
  return text;
}

/// Returns how scales and codes are found, such as "_simple", "_gptq" or "_mse_calibrated"; empty for what suits the format.
inline std::string method_words(recipe const& r, name_facts const& facts) {
  if (!r.format.has_scales()) return r.rounding == nearest::name ? "" : "_" + r.rounding;
  bool const is_solved = r.solver != no_solver && r.solver != suitable;
  bool const takes_moments = std::ranges::find(facts.moment_solvers, r.solver) != facts.moment_solvers.end();
  std::string text;
  if (is_solved) text += "_" + r.solver + (find_basis(r.bases, r.solver) != nullptr ? "_transformed" : "");
  if (is_solved) text += (takes_moments && facts.known == known_of_inputs::nothing ? "_nearest" : "");
  bool const by_default = r.scales == suitable || (r.scales == absmax_scales && r.format.files.words == "fp8");
  if (!by_default) text += "_" + (is_solved || r.scales != absmax_scales ? r.scales : std::string("simple"));
  if (facts.known == known_of_inputs::statistics && !(is_solved && takes_moments)) text += "_calibrated";
  if (facts.known == known_of_inputs::directions && takes_moments) text += "_lora_directions";
  if (r.rounding != nearest::name) text += "_" + r.rounding;
  return text + (r.matmul == matmul_precision::full ? "_full_precision" : "");
}

/// Returns what tells one adapter from others: its file's name, or the folder's where trainers call every file so.
inline std::string adapter_stem(std::string_view path) {
  constexpr std::size_t longest = 64;
  auto const last_of = [](std::string_view p) { return p.substr(p.rfind('/') + 1); };
  auto const slash = path.rfind('/');
  std::string stem = model_stem(last_of(path));
  constexpr std::array<std::string_view, 3> usual{"adapter_model", "pytorch_lora_weights", "lora"};
  if (slash != std::string_view::npos && slash > 0 && std::ranges::find(usual, stem) != usual.end())
    if (auto const folder = last_of(path.substr(0, slash)); folder != "." && folder != ".." && !folder.empty()) stem = folder;
  if (stem.size() <= longest) return stem;
  std::size_t end = longest;
  while (end > 0 && (static_cast<unsigned char>(stem[end]) & 0xc0) == 0x80) --end;  // whole characters of UTF-8
  return stem.substr(0, end);
}

/// Returns the adapters that are merged, in order, such as "_lora_style+detail@0.45"; at most three by name.
inline std::string adapter_words(name_facts const& facts) {
  if (facts.merged.empty()) return {};
  constexpr std::size_t most = 3;
  std::string text = "_lora";
  for (std::size_t i = 0; i < std::min(most, facts.merged.size()); ++i) {
    auto const& [path, factor] = facts.merged[i];
    text += (i == 0 ? "_" : "+") + adapter_stem(path);
    std::array<char, 32> number{};
    auto const end = std::to_chars(number.data(), number.data() + number.size(), factor, std::chars_format::general, 6).ptr;
    if (factor != 1.0) text += "@" + std::string(number.data(), end);
  }
  if (facts.merged.size() > most) text += "+" + std::to_string(facts.merged.size() - most) + "more";
  constexpr std::array<std::string_view, 5> alphas{"", "_alpha_tensors", "_alpha_header", "_alpha_config", "_alpha_rank"};
  return text + std::string(alphas[static_cast<std::size_t>(facts.alphas)]);
}

/// Returns the formats of other layers, each once, such as "+fp16"; at most three.
inline std::string other_schemes(plan const& p, format const& target) {
  std::vector<std::string> others;
  for (auto const& t : p.tensors) {
    if (t.what != action::quantize || t.how.format == target) continue;
    auto words = scheme_words(t.how.format);
    if (std::ranges::find(others, words) == others.end()) others.push_back(std::move(words));
  }
  std::string text;
  for (std::size_t i = 0; i < others.size(); ++i) text += i < 3 ? "+" + others[i] : i == 3 ? "+more" : "";
  return text;
}

/// Returns the name that the reference system gives a file, without its stem, where it writes such a file; else nothing: codes in
/// blocks with their markers, rounded simply or by its default optimizer, and nothing beside, nor merged.
inline std::string reference_words(recipe const& r, name_facts const& facts) {
  bool const is_plain = r.bases.empty() && r.rounding == nearest::name && r.matmul == matmul_precision::native;
  bool const is_told = facts.known != known_of_inputs::nothing || !facts.merged.empty();
  if (!is_plain || r.format.side == 0 || facts.markers == marker_style::none || is_told) return {};
  bool const is_fp8 = r.format.files.words == "fp8";
  bool const simple = r.solver == no_solver && r.scales == absmax_scales;
  bool const learned = r.solver == "original" && r.scales == (is_fp8 ? absmax_scales : suitable);
  if (!simple && !learned) return {};
  return (simple ? "simple_" : "learned_") + std::string(r.format.files.words) + "_bs" + std::to_string(r.format.side);
}

/// Returns the name of the standard recipe with what was changed of it.
inline std::string standard_words(recipe const& r, name_facts const& facts) {
  bool const is_rotated = r.bases.size() == 1 && basis_words(r) == "_convrot256";
  bool const is_standard = r.format.files.words == "int8" && r.format.geometry == per_row::name && is_rotated;
  return "comfyui_" + (is_standard ? std::string(r.format.files.words) : scheme_words(r.format) + basis_words(r)) +
         method_words(r, facts);
}

}  // namespace detail

/// Returns where the output goes: beside `input`, named after it and after what is done to its weights.
///
/// `<stem>_comfyui_int8.safetensors` for the standard recipe; `<stem>_simple_int8_bs128` and the like where the reference system
/// would have written such a file; else format, scaling, bases, solver or search, other formats, adapters, and markers that are
/// not those of stock ComfyUI, as in `<stem>_int8_axis_convrot256_gptq+fp16_lora_style@0.8_fork`. Different recipes have
/// different names; adapters of one name in several folders are not told apart.
inline std::string default_output_name(std::string_view input, plan const& p, recipe const& target, name_facts const& facts) {
  auto const others = detail::other_schemes(p, target.format);
  auto words = others.empty() ? detail::reference_words(target, facts) : std::string();
  if (facts.chosen == recipe_choice::standard) {
    words = detail::standard_words(target, facts) + others;
  } else if (words.empty()) {
    words = detail::scheme_words(target.format) + detail::basis_words(target) + detail::method_words(target, facts) + others;
  }
  words += detail::adapter_words(facts);
  auto const& form = target.format.files;
  if (facts.markers == marker_style::none && target.format.has_scales()) words += "_unmarked";
  if (facts.markers == marker_style::fork && form.fork.format != form.stock.format) words += "_fork";
  return detail::model_stem(input) + "_" + words + ".safetensors";
}

}  // namespace halfstep
