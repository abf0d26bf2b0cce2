// A digest of a plan: the same for the same output.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include <halfstep/core/digest.hpp>
#include <halfstep/plan/planned.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/report/quality_number.hpp>
#include <halfstep/safetensors/header.hpp>

namespace halfstep {

namespace detail {

/// Returns all that a recipe says, where `to_string` says what a person wants to know.
inline std::string recipe_fact(recipe const& r) {
  auto const& [format, bases, rounding, matmul, scales, solver] = r;
  std::string text = to_string(format) + ' ' + rounding + ' ' + scales + ' ' + solver;
  text += ' ' + std::to_string(static_cast<int>(matmul));
  for (auto const& choice : bases) text += ' ' + std::string(choice.row.name) + ' ' + json_number(choice.number);
  return text;
}

}  // namespace detail

/// Returns a digest of what becomes of every tensor and where it lies.
inline std::uint64_t plan_digest(plan const& p) {
  std::string text = safetensors::serialize(p.output);
  for (auto const& shard : p.shards) text += '\n' + safetensors::serialize(shard);
  for (planned_tensor const& t : p.tensors) {
    text += '\n' + t.input.name + ' ' + std::to_string(static_cast<int>(t.what));
    if (t.what != action::quantize) continue;
    text += ' ' + detail::recipe_fact(t.how) + ' ' + std::to_string(t.added.bias ? 1 + static_cast<int>(*t.added.bias) : 0) +
            ' ' + std::to_string(static_cast<int>(t.added.input_scale));
    if (!t.coded) continue;
    text += ' ' + t.coded->scales + ' ' + std::to_string(t.coded->group.rows) + ' ' + std::to_string(t.coded->group.columns);
    if (!t.coded->format.name.empty()) text += ' ' + to_string(t.coded->format);
    for (auto const& choice : t.coded->bases) text += ' ' + choice.words();
  }
  return digest(std::as_bytes(std::span(text)));
}

}  // namespace halfstep
