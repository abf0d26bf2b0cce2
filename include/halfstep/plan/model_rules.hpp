// Which rules hold for a file: those of its family, of families named by the user, or the general one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/plan/architecture.hpp>
#include <halfstep/plan/options.hpp>
#include <halfstep/plan/presets.hpp>
#include <halfstep/plan/rule.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/text.hpp>

namespace halfstep {

/// Whether a tensor can become codes at all.
enum class fitness : std::uint8_t { fit, unfit };

/// The rules for one file.
struct model_rules {
  rule_source source = rule_source::detect;
  std::vector<model_family const*> families = {};  ///< none for the general rule, and without rules
  std::string sentence = {};                       ///< which they are and how they were chosen

  /// Returns what the rules make of `t`; a reason for an unfit tensor is never shown.
  ruling operator()(safetensors::tensor const& t, fitness const fit) const {
    if (!families.empty()) return family_rule(t.name, families);
    if (source == rule_source::none || fit == fitness::unfit) return {action::quantize, "every 2-D weight"};
    return general_rule(t.name, {static_cast<index_t>(t.shape[0]), static_cast<index_t>(t.shape[1])});
  }
};

/// Returns the rules that `options` and the names in `input` choose. Throws unknown_option for an unknown family.
inline model_rules rules_for(safetensors::header const& input, plan_options const& options) {
  model_rules rules{.source = options.rules};
  if (options.rules == rule_source::none) {
    rules.sentence = "no rules: every 2-D weight";
    return rules;
  }
  if (options.rules == rule_source::named) {
    for (auto const& name : options.families) {
      auto const* family = family_named(name);
      if (family == nullptr)
        throw unknown_option("--preset: unknown model family " + safetensors::quoted(name) + "; known: " + known_families());
      rules.families.push_back(family);
    }
    if (rules.families.empty()) throw usage_error("no model family is named; known: " + known_families());
  } else {
    std::vector<std::string_view> names;
    for (auto const& t : input.tensors()) names.emplace_back(t.name);
    if (auto const* family = recognise(names)) rules.families.push_back(family);
  }
  rules.sentence = rules.families.empty() ? "no known model family: the general rule" : "rules of ";
  for (std::size_t i = 0; i < rules.families.size(); ++i)
    rules.sentence += (i == 0 ? "" : ", ") + std::string(rules.families[i]->name);
  if (!rules.families.empty())
    rules.sentence += options.rules == rule_source::named ? " (as asked)" : " (recognised from the tensor names)";
  return rules;
}

}  // namespace halfstep
