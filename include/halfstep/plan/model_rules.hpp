// Which rules hold for a file: those of its family, of families named by the user, or the general one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/plan/architecture.hpp>
#include <halfstep/plan/block_depth.hpp>
#include <halfstep/plan/options.hpp>
#include <halfstep/plan/presets.hpp>
#include <halfstep/plan/rule.hpp>
#include <halfstep/plan/weight_role.hpp>
#include <halfstep/safetensors/header.hpp>

namespace halfstep {

/// Whether a tensor can become codes at all.
enum class fitness : std::uint8_t { fit, unfit };

/// What the names of the diffusion model begin with in a file that holds text encoders and a VAE beside it.
inline constexpr std::string_view diffusion_model_prefix = "model.diffusion_model.";

/// Whether a file holds one model, or a diffusion model among others that are to stay as they are.
enum class file_extent : std::uint8_t { one_model, all_in_one };

/// The rules for one file.
struct model_rules {
  rule_source source = rule_source::detect;
  std::vector<model_family const*> families = {};  ///< none for the general rule, and without rules
  file_extent extent = file_extent::one_model;
  std::string sentence = {};            ///< which they are and how they were chosen
  std::set<std::string> prefixes = {};  ///< under which a family was recognised: it removes nothing elsewhere
  block_depth depth = {};
  weight_roles roles = {};

  /// Returns whether the tensor `name` belongs to the model that the rules are for.
  bool cover(std::string_view name) const {
    return source == rule_source::none || extent == file_extent::one_model || name.starts_with(diffusion_model_prefix);
  }

  /// Returns what the rules make of `t`; a reason for an unfit tensor is never shown.
  ///
  /// What is looked up, routes or normalizes stays under every family, and under the general rule.
  ruling operator()(safetensors::tensor const& t, fitness const fit) const {
    if (!cover(t.name)) return {action::keep, "outside the diffusion model", keeper::nature};
    if (source == rule_source::none) return {action::quantize, "every 2-D weight"};
    ruling rule = of_families(t.name);
    if (rule.what == action::remove || fit == fitness::unfit) return rule;
    extents2 const e{static_cast<index_t>(t.shape[0]), static_cast<index_t>(t.shape[1])};
    if (families.empty()) rule = general_rule(t.name, e);
    if (auto const words = role_in_words(roles.of(t.name, e)); !words.empty()) {
      if (rule.what == action::quantize) rule = {action::keep, "looks like " + std::string(words)};
      rule.by = keeper::nature;
    }
    return rule;
  }

 private:
  /// Returns what the rules of the families say of a name.
  ruling of_families(std::string_view name) const {
    ruling rule = family_rule(name, families);
    if (rule.what == action::remove && source == rule_source::detect) return removed_from(name, std::move(rule));
    if (rule.what != action::quantize) return rule;
    for (auto const* family : families)
      if (auto const part = depth.last_part_in(name, *family); !part.empty())
        return {action::keep, std::string(family->name) + " keeps the last blocks '" + std::string(part) + "'"};
    return rule;
  }

  /// Returns `rule`, which removes the tensor, where the tensor belongs to the model that was recognised; else it stays.
  ruling removed_from(std::string_view name, ruling rule) const {
    for (auto const* family : families)
      for (auto const& prefix : prefixes)
        for (auto const part : family->remove) {
          auto const root = prefix + std::string(part);
          if (name.starts_with(root) && (name.size() == root.size() || name[root.size()] == '.'))
            return {action::remove, std::string(family->name) + " removes '" + root + "'"};
        }
    return {action::keep, "no part of the model of which " + rule.reason, keeper::nature};
  }
};

/// Returns the names of the tensors that rules look at: those of the diffusion model where there is one among others.
inline std::vector<std::string_view> names_to_rule(safetensors::header const& input) {
  std::vector<std::string_view> all;
  std::vector<std::string_view> inside;
  for (auto const& t : input.tensors()) {
    all.emplace_back(t.name);
    if (t.name.starts_with(diffusion_model_prefix)) inside.emplace_back(t.name);
  }
  return inside.empty() ? all : inside;
}

/// Returns the rules that `options` and the names in `input` choose. Throws unknown_option for an unknown family.
inline model_rules rules_for(safetensors::header const& input, plan_options const& options) {
  model_rules rules{.source = options.rules, .roles = weight_roles(input)};
  auto const names = names_to_rule(input);
  if (names.size() != input.tensors().size()) rules.extent = file_extent::all_in_one;
  if (options.rules == rule_source::none) {
    rules.sentence = "no rules: every 2-D weight";
    if (rules.extent == file_extent::all_in_one) rules.sentence += ", those outside the diffusion model of this file too";
    return rules;
  }
  if (options.rules == rule_source::named) {
    for (auto const& name : options.families) {
      auto const* family = family_named(name);
      if (family == nullptr)
        throw unknown_option(stated("families.unknown", "`families`: unknown model family {'name}; known: {known}",
                                    {{"name", name}, {"known", known_families()}}));
      rules.families.push_back(family);
    }
    if (rules.families.empty())
      throw usage_error(stated("families.none", "no model family is named; known: {known}", {{"known", known_families()}}));
  } else {
    if (auto const* family = recognise(names)) {
      rules.families.push_back(family);
      if (!family->remove.empty()) rules.prefixes = prefixes_of(*family, names);
    }
  }
  rules.depth = block_depth(names, rules.families);
  rules.sentence = rules.families.empty() ? "no known model family: the general rule" : "rules of ";
  for (std::size_t i = 0; i < rules.families.size(); ++i)
    rules.sentence += (i == 0 ? "" : ", ") + std::string(rules.families[i]->name);
  if (!rules.families.empty())
    rules.sentence += options.rules == rule_source::named ? " (as asked)" : " (recognised from the tensor names)";
  if (std::ranges::any_of(rules.families, [](auto const* family) { return family->name == "lora"; }))
    rules.extent = file_extent::one_model;
  if (rules.extent == file_extent::all_in_one) rules.sentence += "; only the diffusion model of this all-in-one file changes";
  return rules;
}

}  // namespace halfstep
