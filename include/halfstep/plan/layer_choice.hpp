// Who decides about a tensor: flags in their order of precedence, then the rules of its model.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/dtype.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/plan/layer_config.hpp>
#include <halfstep/plan/layer_pattern.hpp>
#include <halfstep/plan/model_rules.hpp>
#include <halfstep/plan/options.hpp>
#include <halfstep/plan/pattern_specificity.hpp>
#include <halfstep/plan/presets.hpp>
#include <halfstep/plan/rule.hpp>
#include <halfstep/plan/weight_role.hpp>
#include <halfstep/recipe/artifact.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/safetensors/header.hpp>

namespace halfstep {

/// Whether a rule chose a layer, or the user by a pattern.
enum class naming : std::uint8_t { rule, flag };

/// What is to become of a tensor, before it is known whether the recipe can store it.
struct layer_choice {
  action what = action::keep;
  std::string reason = {};
  recipe how = {};  ///< with action::quantize; the numbers of its bases are where they start
  naming by = naming::rule;
  size_rule sizes = size_rule::storable;
  int block_size = 128;  ///< what size_rule::heuristic counts in, where the format has no blocks
};

namespace detail {

/// Why a tensor cannot become codes whatever flags and rules say; empty where it can.
inline std::string unfit(safetensors::tensor const& t, plan_options const& options) {
  if (t.shape.size() != 2) return is_expert_bank(t) ? "an expert bank, not a 2-D weight" : "not a 2-D weight";
  if (layer_of(t.name).empty()) return "its name does not end in .weight";
  if (t.shape[0] == 0 || t.shape[1] == 0) return "holds no elements";
  if (t.type != dtype::f64 && t.type != dtype::f32 && t.type != dtype::f16 && t.type != dtype::bf16)
    return std::string(name_of(t.type)) + " is no floating type that is quantized";
  if (options.nonfinite.contains(t.name)) return "holds NaN or Inf";
  return {};
}

}  // namespace detail

/// Chooses for one tensor after the other. The first of the options that speaks wins: `layers`, `custom`, `include`, `exclude`,
/// the rules. What `exclude` or a family keeps takes the fallback recipe, if there is one.
class layer_chooser {
 public:
  /// Precondition: `options` outlive the chooser. Throws usage_error for a pattern that is no expression.
  layer_chooser(plan_options const& options, model_rules rules) : options_(options), rules_(std::move(rules)) {
    if (options.layers) {
      for (auto const& entry : options.layers->entries)
        entries_.push_back({{layer_pattern("`layers`", entry.layers, options.layers->scope)}, entry.fate});
      std::ranges::stable_sort(entries_, std::greater<>(),
                               [](configured_layers const& entry) { return specificity_of(entry.pattern.expression.text()); });
    }
    for (auto const& custom : options.custom) custom_.push_back({layer_pattern("`custom`", custom.layers)});
    for (auto const& text : options.include) include_.push_back({layer_pattern("`include`", text)});
    for (auto const& text : options.exclude) exclude_.push_back({layer_pattern("`exclude`", text)});
  }

  model_rules const& rules() const { return rules_; }

  /// Returns what becomes of `t`.
  layer_choice choose(safetensors::tensor const& t) {
    std::string why_unfit = detail::unfit(t, options_);
    fitness const fit = why_unfit.empty() ? fitness::fit : fitness::unfit;
    layer_choice choice = spoken_for(t, fit);
    if (choice.what == action::remove || why_unfit.empty()) return choice;
    return {.what = action::keep, .reason = std::move(why_unfit), .by = choice.what == action::keep ? choice.by : naming::rule};
  }

  /// Returns whether a flag keeps the tensor `name`.
  bool keeps(std::string_view name) const {
    for (auto const& entry : entries_)
      if (entry.pattern.expression.matches(name)) return entry.fate.what == action::keep;
    auto const named = [&](std::vector<counted_pattern> const& patterns) {
      return std::any_of(patterns.begin(), patterns.end(), [&](auto const& p) { return p.expression.matches(name); });
    };
    return named(exclude_) && !named(include_) && !named(custom_);
  }

  /// Returns the patterns that name layers to quantize and spoke for none, as messages show them.
  std::vector<std::string> idle_choices() const {
    std::vector<std::string> idle;
    for (auto const& entry : entries_)
      if (entry.pattern.uses == 0) idle.push_back(entry.pattern.expression.source());
    for (auto const* patterns : {&custom_, &include_})
      for (auto const& p : *patterns)
        if (p.uses == 0) idle.push_back(p.expression.source());
    return idle;
  }

  /// Returns the expressions of the layer configuration where it has some and decides about no layer at all.
  std::vector<std::string> idle_config() const {
    std::vector<std::string> texts;
    for (auto const& entry : entries_)
      if (entry.pattern.uses == 0) texts.push_back(entry.pattern.expression.text());
    return defaults_ == 0 && texts.size() == entries_.size() ? texts : std::vector<std::string>{};
  }

  /// Returns the patterns that name tensors to keep and spoke for none.
  std::vector<std::string> idle_exclusions() const {
    std::vector<std::string> idle;
    for (auto const& p : exclude_)
      if (p.uses == 0) idle.push_back(p.expression.source());
    return idle;
  }

  /// Returns whether the fallback recipe was given to no layer.
  bool is_fallback_idle() const { return options_.fallback && fallbacks_ == 0; }

 private:
  struct counted_pattern {
    layer_pattern expression;
    std::size_t uses = 0;  ///< tensors it speaks for: weights that can become codes, and any tensor for exclusions
  };

  struct configured_layers {
    counted_pattern pattern;
    layer_fate fate;
  };

  static constexpr std::size_t nobody = static_cast<std::size_t>(-1);

  /// Returns the place of the first of `patterns` that finds `name`, and counts `use` for each that does.
  static std::size_t first_matching(std::vector<counted_pattern>& patterns, std::string_view name, std::size_t use) {
    std::size_t first = nobody;
    for (std::size_t i = 0; i < patterns.size(); ++i) {
      if (!patterns[i].expression.matches(name)) continue;
      patterns[i].uses += use;
      first = std::min(first, i);
    }
    return first;
  }

  layer_choice spoken_for(safetensors::tensor const& t, fitness const fit) {
    std::size_t const use = fit == fitness::fit ? 1 : 0;
    configured_layers const* configured = nullptr;
    for (auto& entry : entries_) {
      bool const decides = configured == nullptr;
      if ((!decides && entry.pattern.uses != 0) || !entry.pattern.expression.matches(t.name)) continue;
      entry.pattern.uses += entry.fate.what == action::keep ? 1 : use;
      if (decides) configured = &entry;
    }
    auto const custom = first_matching(custom_, t.name, use);
    auto const included = first_matching(include_, t.name, use);
    auto const excluded = first_matching(exclude_, t.name, 1);
    if (configured != nullptr)
      return {configured->fate.what, configured->pattern.expression.source(), configured->fate.how, naming::flag};
    if (custom != nobody)
      return {action::quantize, custom_[custom].expression.source(), options_.custom[custom].how,
              naming::flag,     options_.custom[custom].sizes,       options_.custom[custom].block_size};
    if (included != nobody) return {action::quantize, include_[included].expression.source(), options_.target, naming::flag};
    if (excluded != nobody) return kept_by_choice(exclude_[excluded].expression.source(), fit, naming::flag);
    ruling rule = rules_(t, fit);
    if (rule.what == action::quantize && options_.layers && options_.layers->otherwise) {
      defaults_ += use;
      return {options_.layers->otherwise->what,
              "`layers` '_default'",
              options_.layers->otherwise->how,
              options_.layers->otherwise->what == action::keep ? naming::flag : naming::rule,
              options_.sizes,
              options_.block_size};
    }
    if (rule.what == action::quantize)
      return {action::quantize, std::move(rule.reason), options_.target, naming::rule, options_.sizes, options_.block_size};
    if (rule.what == action::keep && rule.by == keeper::rule && !rules_.families.empty())
      return kept_by_choice(std::move(rule.reason), fit, naming::rule);
    return {rule.what, std::move(rule.reason)};
  }

  layer_choice kept_by_choice(std::string reason, fitness const fit, naming by) {
    if (!options_.fallback || fit == fitness::unfit) return {.what = action::keep, .reason = std::move(reason), .by = by};
    ++fallbacks_;
    return {action::quantize, "`fallback`: " + reason, *options_.fallback, naming::rule, options_.sizes, options_.block_size};
  }

  plan_options const& options_;
  model_rules rules_;
  std::vector<configured_layers> entries_;  ///< the most specific first
  std::vector<counted_pattern> custom_;
  std::vector<counted_pattern> include_;
  std::vector<counted_pattern> exclude_;
  std::size_t fallbacks_ = 0;
  std::size_t defaults_ = 0;
};

}  // namespace halfstep
