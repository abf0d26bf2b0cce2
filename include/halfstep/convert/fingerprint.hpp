// What decides the bytes of an output, as an interrupted run and the one that goes on with it compare it.
#pragma once

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
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
#include <boost/json/parse_options.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>

#include <halfstep/convert/fact_list.hpp>
#include <halfstep/convert/file_fact.hpp>
#include <halfstep/core/digest.hpp>
#include <halfstep/core/version.hpp>
#include <halfstep/file/file_identity.hpp>
#include <halfstep/plan/plan.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/recipe/solve_options.hpp>
#include <halfstep/report/quality_number.hpp>
#include <halfstep/rounding/nearest.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep {

/// Everything that the bytes of an output follow from.
struct fingerprint {
  fact_list inputs;  ///< files: sizes, times, digests of headers and of samples
  fact_list chosen;  ///< what was done with them: numbers, the version, and a digest of the plan
  fact_list asked;   ///< how a user said it: tells which flag changed a plan, and decides nothing

  /// Returns the inputs that both have and that differ, a few words for each.
  std::vector<std::string> changed_inputs(fingerprint const& now) const;

  /// Returns what else differs in `now`, a few words for each; empty where nothing does, however it was asked for.
  std::vector<std::string> changed_choices(fingerprint const& now) const;
};

namespace detail {

inline std::string const* value_of(fact_list const& facts, std::string_view name) {
  for (auto const& [n, value] : facts)
    if (n == name) return &value;
  return nullptr;
}

/// Returns "name was a and is b" for all that both have and that differ.
inline std::vector<std::string> changed_facts(fact_list const& before, fact_list const& now) {
  std::vector<std::string> all;
  for (auto const& [name, value] : before)
    if (auto const* const other = value_of(now, name); other != nullptr && *other != value)
      all.push_back(name + " was " + value + " and is " + *other);
  return all;
}

/// Returns what one of both has alone.
inline std::vector<std::string> lone_facts(fact_list const& before, fact_list const& now) {
  std::vector<std::string> all;
  auto const described = [](auto const& fact) { return fact.first + (fact.second.empty() ? "" : " " + fact.second); };
  for (auto const& fact : before)
    if (value_of(now, fact.first) == nullptr) all.push_back(described(fact) + " is gone");
  for (auto const& fact : now)
    if (value_of(before, fact.first) == nullptr) all.push_back(described(fact) + " is new");
  return all;
}

/// Parses a record: flags and names may hold bytes that are not UTF-8. Throws what Boost.JSON throws.
inline boost::json::object parse_record(std::string_view record) {
  boost::json::parse_options options;
  options.allow_invalid_utf8 = true;
  return boost::json::parse({record.data(), record.size()}, {}, options).as_object();
}

inline std::string hexadecimal(std::uint64_t x) {
  char digits[16];
  return {digits, std::to_chars(digits, digits + sizeof(digits), x, 16).ptr};
}

inline std::uint64_t digest_of(std::string_view text) { return digest(std::as_bytes(std::span(text))); }

/// Returns all that a recipe says, where `to_string` says what a person wants to know.
inline std::string recipe_fact(recipe const& r) {
  auto const& [format, rotation_group, rounding, matmul, scales, solver, basis, smoothing] = r;
  std::string text = to_string(format) + ' ' + rounding + ' ' + scales + ' ' + solver;
  for (auto const number : {rotation_group, static_cast<int>(matmul), static_cast<int>(basis)})
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

/// Adds every number that solvers read, under the name that the command line has for it, in its canonical spelling.
inline void add_solver_facts(solve_options const& options, fact_list& to) {
  auto const& [budget, top_p, min_k, max_k, svd, iterations, rate, schedule, gamma, patience, factor, rate_min, cooldown,
               threshold, mode, shape_influence, reset, stop_loss, stop_rate, stop_stall, feedback, quip_seed] = options;
  auto const& [damping, order] = feedback;
  auto const add = [&](char const* name, auto value) { to.emplace_back(name, json_number(static_cast<double>(value))); };
  add("`sqnr_budget_db`", budget);
  add("`top_p`", top_p);
  add("`min_k`", min_k);
  add("`max_k`", max_k);
  add("`svd`", static_cast<int>(svd));
  add("`iterations`", iterations);
  add("`rate`", rate.value_or(-1.0));
  add("`schedule`", static_cast<int>(schedule));
  add("`rate_gamma`", gamma);
  add("`rate_patience`", patience);
  add("`rate_factor`", factor);
  add("`rate_min`", rate_min);
  add("`rate_cooldown`", cooldown);
  add("`rate_threshold`", threshold);
  add("`rate_threshold_mode`", static_cast<int>(mode));
  add("`rate_shape_influence`", shape_influence);
  add("`reset`", static_cast<int>(reset));
  add("`stop_loss`", stop_loss);
  add("`stop_rate`", stop_rate);
  add("`stop_stall`", stop_stall);
  add("the damping of second moments", damping);
  add("`order`", static_cast<int>(order));
  to.emplace_back("`quip_seed`", std::to_string(quip_seed));
}

}  // namespace detail

/// Returns a digest of a model's header and of the first bytes of some of its tensors: it tells two trainings of one model apart
/// whose files have the same size and time. Throws io_error.
inline std::string sample_fact(safetensors::reader const& model) {
  constexpr std::size_t most = 64;
  constexpr std::uint64_t sample_bytes = 4096;
  auto const tensors = model.head().tensors();
  std::uint64_t sum = detail::digest_of(safetensors::serialize(model.head()));
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < std::min(most, tensors.size()); ++i) {
    auto const& t = tensors[i * tensors.size() / std::min(most, tensors.size())];
    bytes.resize(static_cast<std::size_t>(std::min(sample_bytes, t.bytes())));
    model.read(t, 0, bytes);
    sum = (sum ^ digest(bytes)) * 0x9E3779B97F4A7C15u;
  }
  return detail::hexadecimal(sum);
}

/// Returns what `p` and `options` decide of an output. The seed counts where something may be random, `options` where a solver
/// works: all of them, since which solver reads what is not known here.
inline fact_list chosen_facts(plan const& p, std::uint64_t seed, solve_options const& options) {
  fact_list all{{"the version", std::string(version)}, {std::string(plan_name), detail::plan_fact(p)}};
  bool solved = false, random = false;
  for (planned_tensor const& t : p.tensors) {
    if (t.what != action::quantize) continue;
    solved = solved || t.how.solver != no_solver || t.how.basis != storage_basis::plain;
    random = random || t.how.rounding != nearest::name || t.how.solver != no_solver;
  }
  if (random) all.emplace_back(seed_name, std::to_string(seed));
  if (solved) detail::add_solver_facts(options, all);
  return all;
}

inline std::vector<std::string> fingerprint::changed_inputs(fingerprint const& now) const {
  return detail::changed_facts(inputs, now.inputs);
}

inline std::vector<std::string> fingerprint::changed_choices(fingerprint const& now) const {
  auto all = detail::changed_facts(chosen, now.chosen);
  auto const add = [&](std::vector<std::string> const& more) { all.insert(all.end(), more.begin(), more.end()); };
  auto const files = detail::lone_facts(inputs, now.inputs);
  auto const is_plan = [](std::string const& text) { return text.starts_with(plan_name); };
  bool const planned_otherwise = std::ranges::any_of(all, is_plan);
  if (!planned_otherwise) add(detail::lone_facts(chosen, now.chosen));  // else they follow from the plan
  if (!planned_otherwise && files.empty()) return all;
  auto flags = detail::changed_facts(asked, now.asked);
  for (auto const& flag : detail::lone_facts(asked, now.asked)) flags.push_back(flag);
  if (flags.empty()) flags = files;
  if (!flags.empty()) std::erase_if(all, is_plan);
  add(flags);
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
    auto const all = detail::parse_record(record);
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
