// What a model does with a weight, as its name and the tensors beside it tell: multiply, look up, route, normalize.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/extents.hpp>
#include <halfstep/plan/rule.hpp>
#include <halfstep/recipe/artifact.hpp>
#include <halfstep/recipe/comfyui_version.hpp>
#include <halfstep/safetensors/header.hpp>

namespace halfstep {

/// What a model does with a 2-D weight.
enum class weight_role : std::uint8_t {
  multiplied,  ///< by a linear layer, as far as the name tells
  table,       ///< looked up row by row: an embedding, positions, a bias by distance
  router,      ///< chooses experts
  norm
};

/// Returns what a weight of that role looks like, as the end of a reason; empty for one that is multiplied.
constexpr std::string_view role_in_words(weight_role role) {
  switch (role) {
    case weight_role::table:
      return "a table that is looked up";
    case weight_role::router:
      return "a router of experts";
    case weight_role::norm:
      return "a norm";
    default:
      return {};
  }
}

/// Returns how loaders use a weight of that role.
constexpr weight_use use_of(weight_role role) {
  return role == weight_role::table ? weight_use::looked_up : weight_use::multiplied;
}

namespace detail {

/// Returns the words of a part of a name: what lies between dashes and underscores.
inline std::vector<std::string_view> words_of(std::string_view part) {
  std::vector<std::string_view> words;
  for_each_piece(part, "_-", [&](std::string_view word) { words.push_back(word); });
  return words;
}

template <class Test>
bool any_word(std::vector<std::string_view> const& words, Test test) {
  return std::ranges::any_of(words, test);
}

/// Whether a word of a module's own name says that it multiplies, whatever the other words say.
constexpr bool is_word_of_product(std::string_view word) {
  for (std::string_view const begin : {"proj", "linear", "lin", "dense", "conv", "mlp", "fc"})
    if (word == begin || (word.starts_with(begin) && (begin.size() > 3 || is_number(word.substr(begin.size()))))) return true;
  return false;
}

/// Whether a word of a module's own name says that its rows are looked up.
constexpr bool is_word_of_table(std::string_view word) {
  if (word.find("embed") != std::string_view::npos) return word.find("embedder") == std::string_view::npos;
  if (word.starts_with("position")) return true;
  for (std::string_view const known :
       {"emb", "embs", "pos", "posemb", "wte", "wpe", "token", "tokens", "table", "tables", "lut", "codebook", "codebooks"})
    if (word == known) return true;
  return false;
}

constexpr bool is_word_of_norm(std::string_view word) {
  bool const numbered = word.starts_with("ln") && (word.size() == 2 || is_number(word.substr(2)));
  return numbered || word.find("norm") != std::string_view::npos;
}

}  // namespace detail

/// Whether a tensor is a bank of experts: one tensor of three sides or more that holds the weights of all of them.
inline bool is_expert_bank(safetensors::tensor const& t) {
  if (t.shape.size() < 3) return false;
  std::string const lower = detail::lower_case(t.name);
  if (lower.find("expert") != std::string::npos) return true;
  bool found = false;
  detail::for_each_piece(lower, "._-", [&](std::string_view word) { found = found || word == "moe"; });
  return found;
}

/// What the weights of one file are for.
///
/// A module's own name decides, the last part of the name that is not a number: an embedding has no bias, and no word such as
/// `proj` or `linear`; a norm has a side under 256; a router is called so, or is the gate beside experts. What lies inside an
/// adapter's pair is multiplied.
class weight_roles {
 public:
  weight_roles() = default;

  /// Precondition: `file` outlives the object.
  explicit weight_roles(safetensors::header const& file) : file_(&file) {
    for (auto const& t : file.tensors()) {
      auto const expert = std::string_view(t.name).find("xpert");  // Experts, shared_expert
      if (expert == std::string_view::npos) continue;
      auto const dot = t.name.rfind('.', expert);
      mixtures_.insert(dot == std::string::npos ? std::string_view() : std::string_view(t.name).substr(0, dot));
    }
  }

  /// Returns what the 2-D weight `name` of shape `e` is for; multiplied for a name that does not end in `.weight`.
  weight_role of(std::string_view name, extents2 e) const {
    auto const layer = layer_of(name);
    if (layer.empty()) return weight_role::multiplied;
    std::string const lower = detail::lower_case(layer);
    if (lower.find("lora") != std::string::npos) return weight_role::multiplied;
    std::vector<std::string_view> parts;
    detail::for_each_piece(lower, ".", [&](std::string_view part) { parts.push_back(part); });
    if (routes(layer, parts)) return weight_role::router;
    bool const listed = parts.size() > 1 && detail::is_number(parts.back());
    auto const own = std::ranges::find_if_not(parts.rbegin(), parts.rend(), detail::is_number);
    if (own == parts.rend()) return weight_role::multiplied;
    auto const words = detail::words_of(*own);
    if (detail::any_word(words, detail::is_word_of_product)) return weight_role::multiplied;
    if (!listed && std::min(e.rows, e.columns) < 256 && detail::any_word(words, detail::is_word_of_norm))
      return weight_role::norm;
    if (has_bias(layer)) return weight_role::multiplied;
    bool const is_shared = *own == "shared" && std::ranges::none_of(parts, detail::is_number);  // T5's
    bool const is_bias = words.back() == "bias";
    bool const in_embeddings =
        std::next(own) != parts.rend() && (*std::next(own) == "embeddings" || *std::next(own) == "embedding");
    return is_shared || is_bias || in_embeddings || detail::any_word(words, detail::is_word_of_table) ? weight_role::table
                                                                                                      : weight_role::multiplied;
  }

 private:
  /// Whether a part of the name is that of a router: called so, a gate of experts, or a gate beside experts.
  bool routes(std::string_view layer, std::vector<std::string_view> const& parts) const {
    std::size_t begin = 0;  // of the part, in the layer's name
    for (std::size_t i = 0; i < parts.size(); begin += parts[i++].size() + 1) {
      auto const words = detail::words_of(parts[i]);
      auto const has = [&](std::string_view word) { return std::ranges::find(words, word) != words.end(); };
      if (has("router") || has("routers")) return true;
      if (!has("gate") && !has("gating")) continue;
      if (has("expert") || has("experts") || has("moe")) return !has("up") && !has("proj");
      if (words.size() > 1) continue;
      auto const parent = layer.substr(0, begin == 0 ? 0 : begin - 1);
      if (mixtures_.contains(parent) || (i > 0 && parts[i - 1].find("moe") != std::string_view::npos)) return true;
    }
    return false;
  }

  bool has_bias(std::string_view layer) const { return file_ != nullptr && file_->find(std::string(layer) + ".bias") != nullptr; }

  safetensors::header const* file_ = nullptr;
  std::set<std::string_view> mixtures_;  ///< modules that hold experts
};

}  // namespace halfstep
