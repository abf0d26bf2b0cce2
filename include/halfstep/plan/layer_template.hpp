// The layer configuration that reproduces a plan.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/plan/name_pattern.hpp>
#include <halfstep/plan/pattern_scope.hpp>
#include <halfstep/plan/planned.hpp>
#include <halfstep/plan/presets.hpp>
#include <halfstep/plan/rule.hpp>
#include <halfstep/recipe/artifact.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/recipe/rotation_group.hpp>
#include <halfstep/rounding/nearest.hpp>
#include <halfstep/transform/smoothing.hpp>
#include <halfstep/transform/two_sided_hadamard.hpp>

namespace halfstep {

namespace detail {

/// Whether an entry says how a loader is to multiply: where layers differ in that, all do.
enum class matmul_mention : std::uint8_t { where_full, always };

/// Returns the entry of a layer configuration that stores a layer as `r`, whatever the run's format and scaling are.
inline std::string entry_text(recipe const& r, matmul_mention mention) {
  std::string text = "{\"format\": \"" + std::string(r.format.name) + "\"";
  if (!r.format.has_scales()) return text + "}";
  if (r.format.side != 0) text += ", \"block_size\": " + std::to_string(r.format.side);
  auto const of_bases = marker_of(r.bases);
  for (auto const& [key, value] : of_bases) text += ", \"" + key + "\": " + value;
  if (of_bases.empty() && can_rotate(r.format)) text += ", \"convrot\": false";
  if (r.scales == absmax_scales && r.solver == no_solver) text += ", \"simple\": true";
  if (r.matmul == matmul_precision::full)
    text += ", \"full_precision_matrix_mult\": true";
  else if (mention == matmul_mention::always)
    text += ", \"full_precision_matrix_mult\": false";
  return text + "}";
}

/// Gathers what a plan does with its layers, and writes as few entries as say it.
class template_writer {
 public:
  explicit template_writer(plan const& p) : plan_(p) {
    for (std::string_view const name : p.families) families_.push_back(family_named(name));
    if (any([](recipe const& r) { return r.matmul == matmul_precision::full; })) mention_ = matmul_mention::always;
    for (planned_tensor const& t : p.tensors) add(t);
  }

  std::string text() const {
    std::string out = "{\n  \"_about\": ";
    append_json_string(out, plan_.rules + "; give this file to `layers`" + companions());
    out += ",\n  \"_default\": {\"format\": \"keep\"}";
    for (std::string const& pattern : order_) {
      group const& layers = groups_.at(pattern);
      std::string const common = layers.size() > 1 ? commonest(layers) : std::string();
      if (!common.empty()) append(out, pattern, common);
      for (auto const& [name, entry] : layers)
        if (entry != common && entry != removed) append(out, name_expression(name), entry.empty() ? kept : entry);
    }
    return out + "\n}\n";
  }

 private:
  using group = std::vector<std::pair<std::string, std::string>>;  // layer and entry; empty: kept without saying so

  static constexpr std::string_view kept = "{\"format\": \"keep\"}";
  static constexpr std::string_view removed = "removed";

  template <class Holds>
  bool any(Holds holds) const {
    return std::ranges::any_of(plan_.tensors, [&](auto const& t) { return t.what == action::quantize && holds(t.how); });
  }

  void add(planned_tensor const& t) {
    std::string_view const layer = layer_of(t.input.name).empty() ? std::string_view(t.input.name) : layer_of(t.input.name);
    bool const is_weight = layer.size() != t.input.name.size();
    std::string entry;
    if (t.what == action::quantize)
      entry = entry_text(t.how, mention_);
    else if (t.what == action::remove)
      entry = removed;
    else if (!families_.empty() && family_rule(t.input.name, families_).what == action::remove)
      entry = kept;
    if (!is_weight && entry.empty()) return;
    auto const pattern = block_expression(layer);
    auto [found, is_new] = groups_.try_emplace(pattern);
    if (is_new) order_.push_back(pattern);
    auto const same = std::ranges::find(found->second, layer, &group::value_type::first);
    if (same == found->second.end())
      found->second.emplace_back(layer, std::move(entry));
    else if (is_weight)
      same->second = std::move(entry);
  }

  /// Returns the entry that most of `layers` share; empty where it is better not to write one for all.
  static std::string commonest(group const& layers) {
    std::map<std::string_view, std::size_t> counts;
    for (auto const& [name, entry] : layers) {
      if (entry == removed) return {};
      ++counts[entry];
    }
    auto const fewer = [](auto const& a, auto const& b) { return a.second < b.second; };
    return std::string(std::ranges::max_element(counts, fewer)->first);
  }

  static void append(std::string& out, std::string const& pattern, std::string_view entry) {
    if (pattern.size() > max_pattern_bytes)
      throw usage_error(
          stated("pattern.long_name", "the layer {'layer} has a name that is too long for an expression", {{"layer", pattern}}));
    out += ",\n  ";
    append_json_string(out, pattern);
    out += ": " + std::string(entry);
  }

  /// Returns the flags that belong beside the file, because no entry can say what they do.
  std::string companions() const {
    std::string flags;
    if (plan_.markers != marker_style::none) flags += " `markers`";
    if (std::ranges::any_of(plan_.tensors, [](auto const& t) { return t.coded.has_value(); })) flags += " `requantize`";
    if (plan_.markers == marker_style::fork) flags += " `markers fork`";
    auto const has = [&](std::string_view name) {
      return any([&](recipe const& r) { return find_basis(r.bases, name) != nullptr; });
    };
    if (has(two_sided_hadamard::name)) flags += " `solver quip` `incoherent`";
    if (has(smoothing::name)) flags += " `smoothing`";
    if (auto const rounding = other_rounding(); !rounding.empty()) flags += " `rounding " + rounding + "`";
    return flags.empty() ? std::string() : ", beside" + flags;
  }

  /// Returns the rounding of the first layer that is not rounded to nearest; empty where all are.
  std::string other_rounding() const {
    for (planned_tensor const& t : plan_.tensors)
      if (t.what == action::quantize && t.how.rounding != nearest::name) return t.how.rounding;
    return {};
  }

  plan const& plan_;
  matmul_mention mention_ = matmul_mention::where_full;
  std::vector<model_family const*> families_;
  std::map<std::string, group> groups_;
  std::vector<std::string> order_;
};

}  // namespace detail

/// Returns a layer configuration, as JSON, under which the same file is planned as in `p`: every layer has the same fate, name,
/// type and shape.
///
/// Layers that differ in their block's number alone share an entry, and those that differ from most of them have one of their
/// own. What no entry can say must be said again by flags, and the first remark in the file names them: markers, QuIP's storage,
/// smoothing, rounding, solvers, and the families where these were named. Throws usage_error for a name that is too long.
inline std::string layer_template(plan const& p) { return detail::template_writer(p).text(); }

}  // namespace halfstep
