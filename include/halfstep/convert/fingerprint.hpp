// What decides the bytes of an output, as an interrupted run and the one that goes on with it compare it.
#pragma once

#include <charconv>
#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>

#include <halfstep/convert/quality_number.hpp>
#include <halfstep/core/digest.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/version.hpp>
#include <halfstep/plan/plan.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/recipe/solve_options.hpp>
#include <halfstep/safetensors/file_identity.hpp>
#include <halfstep/safetensors/header.hpp>

namespace halfstep {

/// Names and their values, in words.
using fact_list = std::vector<std::pair<std::string, std::string>>;

/// Everything that the bytes of an output follow from.
struct fingerprint {
  fact_list inputs;  ///< files: sizes, times, headers
  fact_list chosen;  ///< what was done with them: numbers, the version, and a digest of the plan
  fact_list asked;   ///< how a user said it; tells which flag changed where `chosen` did, and decides nothing

  /// Returns what differs in `now`, a few words for each; empty where nothing does, however it was asked for.
  std::vector<std::string> differences(fingerprint const& now) const;
};

namespace detail {

/// Returns "name was a and is b" for all pairs that differ.
inline std::vector<std::string> changed_facts(fact_list const& before, fact_list const& now) {
  std::vector<std::string> all;
  auto const find = [](fact_list const& list, std::string const& name) -> std::string const* {
    for (auto const& [n, value] : list)
      if (n == name) return &value;
    return nullptr;
  };
  for (auto const& [name, value] : before) {
    auto const* const other = find(now, name);
    if (other == nullptr)
      all.push_back(name + (value.empty() ? "" : " " + value) + " is gone");
    else if (*other != value)
      all.push_back(name + " was " + value + " and is " + *other);
  }
  for (auto const& [name, value] : now)
    if (find(before, name) == nullptr) all.push_back(name + (value.empty() ? "" : " " + value) + " is new");
  return all;
}

inline std::string hexadecimal(std::uint64_t x) {
  char digits[16];
  return {digits, std::to_chars(digits, digits + sizeof(digits), x, 16).ptr};
}

inline std::uint64_t digest_of(std::string_view text) { return digest(std::as_bytes(std::span(text))); }

/// Returns all that a recipe says, where `to_string` says what a person wants to know.
inline std::string recipe_fact(recipe const& r) {
  auto const& [format, block_size, rotation_group, rounding, matmul, scales, solver, basis, smoothing] = r;
  std::string text(name_of(format));
  for (auto const number : {block_size, rotation_group, static_cast<int>(rounding), static_cast<int>(matmul),
                            static_cast<int>(scales), static_cast<int>(solver), static_cast<int>(basis)})
    text += ' ' + std::to_string(number);
  return smoothing ? text + ' ' + json_number(*smoothing) : text;
}

/// Returns a digest of what becomes of every tensor and where it lies.
inline std::string plan_fact(plan const& p) {
  std::string text = safetensors::serialize(p.output);
  for (auto const& shard : p.shards) text += '\n' + safetensors::serialize(shard);
  for (planned_tensor const& t : p.tensors) {
    text += '\n' + t.input.name + ' ' + std::to_string(static_cast<int>(t.what));
    if (t.what != action::quantize) continue;
    text += ' ' + recipe_fact(t.how) + ' ' + std::to_string(t.added.bias ? 1 + static_cast<int>(*t.added.bias) : 0) + ' ' +
            std::to_string(static_cast<int>(t.added.input_scale));
    if (t.coded)
      text += ' ' + t.coded->scales + ' ' + std::to_string(t.coded->group.rows) + ' ' + std::to_string(t.coded->group.columns) +
              ' ' + std::to_string(t.coded->rotation_group);
  }
  return hexadecimal(digest_of(text));
}

/// Adds every number that solvers read, under the name that the command line has for it.
inline void add_solver_facts(solve_options const& options, fact_list& to) {
  auto const& [budget, top_p, min_k, max_k, svd, iterations, rate, schedule, gamma, patience, factor, rate_min, cooldown,
               threshold, mode, shape_influence, reset, stop_loss, stop_rate, stop_stall, feedback, quip_seed] = options;
  auto const& [damping, order] = feedback;
  auto const add = [&](char const* name, auto value) { to.emplace_back(name, json_number(static_cast<double>(value))); };
  add("--sqnr-budget", budget);
  add("--top_p", top_p);
  add("--min_k", min_k);
  add("--max_k", max_k);
  add("--full_matrix", static_cast<int>(svd));
  add("--num_iter", iterations);
  add("--lr", rate.value_or(-1.0));
  add("--lr_schedule", static_cast<int>(schedule));
  add("--lr_gamma", gamma);
  add("--lr_patience", patience);
  add("--lr_factor", factor);
  add("--lr_min", rate_min);
  add("--lr_cooldown", cooldown);
  add("--lr_threshold", threshold);
  add("--lr-threshold-mode", static_cast<int>(mode));
  add("--lr-shape-influence", shape_influence);
  add("--lr_adaptive_mode", static_cast<int>(reset));
  add("--early-stop-loss", stop_loss);
  add("--early-stop-lr", stop_rate);
  add("--early-stop-stall", stop_stall);
  add("the damping of second moments", damping);
  add("--gptq-actorder", static_cast<int>(order));
  to.emplace_back("--quip-seed", std::to_string(quip_seed));
}

}  // namespace detail

/// Returns what tells a file from every other without reading it, in words.
inline std::string file_fact(safetensors::file_identity const& file) {
  auto const second = std::int64_t{1'000'000'000};
  auto const rest = std::to_string(second + file.modified_ns % second).substr(1);
  return std::to_string(file.size) + " bytes, written at " + std::to_string(file.modified_ns / second) + '.' + rest;
}

/// Returns what `p` and `options` decide of an output. The seed counts where something is random, `options` where a solver works.
inline fact_list chosen_facts(plan const& p, std::uint64_t seed, solve_options const& options) {
  fact_list all{{"the version", std::string(version)}, {"the plan", detail::plan_fact(p)}};
  bool solved = false, random = false;
  for (planned_tensor const& t : p.tensors) {
    if (t.what != action::quantize) continue;
    solved = solved || t.how.solver != solver_kind::none || t.how.basis != storage_basis::plain;
    random = random || t.how.rounding == rounding_kind::stochastic || t.how.solver != solver_kind::none;
  }
  if (random) all.emplace_back("the seed", std::to_string(seed));
  if (solved) detail::add_solver_facts(options, all);
  return all;
}

inline std::vector<std::string> fingerprint::differences(fingerprint const& now) const {
  auto all = detail::changed_facts(inputs, now.inputs);
  auto const choices = detail::changed_facts(chosen, now.chosen);
  if (choices.empty()) return all;
  auto flags = detail::changed_facts(asked, now.asked);
  if (flags.empty()) flags = choices;
  all.insert(all.end(), flags.begin(), flags.end());
  return all;
}

/// Returns the fingerprint as a record of a journal.
inline std::string serialize(fingerprint const& f) {
  auto const list = [](fact_list const& facts) {
    boost::json::array all;
    for (auto const& [name, value] : facts) all.push_back(boost::json::array{name, value});
    return all;
  };
  return boost::json::serialize(
      boost::json::object{{"inputs", list(f.inputs)}, {"chosen", list(f.chosen)}, {"asked", list(f.asked)}});
}

/// Returns the fingerprint in a record; nothing where it is another record.
inline std::optional<fingerprint> parse_fingerprint(std::string_view record) {
  try {
    auto const all = boost::json::parse({record.data(), record.size()}).as_object();
    auto const list = [&](char const* name) {
      fact_list facts;
      for (auto const& pair : all.at(name).as_array())
        facts.emplace_back(boost::json::value_to<std::string>(pair.as_array().at(0)),
                           boost::json::value_to<std::string>(pair.as_array().at(1)));
      return facts;
    };
    return fingerprint{list("inputs"), list("chosen"), list("asked")};
  } catch (std::exception const&) {
    return std::nullopt;
  }
}

}  // namespace halfstep
