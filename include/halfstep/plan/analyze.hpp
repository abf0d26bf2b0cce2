// A plan in words: what a dry run shows.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/dtype.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/plan/name_pattern.hpp>
#include <halfstep/plan/planned.hpp>
#include <halfstep/plan/rule.hpp>
#include <halfstep/recipe/comfy_quant.hpp>
#include <halfstep/recipe/marker.hpp>
#include <halfstep/recipe/recipe.hpp>

namespace halfstep {

/// What a dry run knows beside the plan.
struct run_estimate {
  std::uint64_t bytes_in_flight = 0;               ///< host bytes that the run will hold at once; 0: not told
  std::uint64_t bytes_per_second = 1'000'000'000;  ///< assumed speed of the storage, reading and writing together
};

namespace detail {

struct analyze_row {
  std::uint64_t count = 0;
  std::uint64_t bytes_before = 0;
  std::uint64_t bytes_after = 0;
};

using analyze_key = std::array<std::string, 5>;  // pattern, type and shape, decision, format, reason

inline std::string table_text(std::map<analyze_key, analyze_row> const& rows) {
  std::vector<std::array<std::string, 6>> cells{{"count", "name", "stored as", "decision", "format", "reason"}};
  for (auto const& [key, row] : rows) cells.push_back({std::to_string(row.count), key[0], key[1], key[2], key[3], key[4]});
  std::array<std::size_t, 6> width{};
  for (auto const& line : cells)
    for (std::size_t i = 0; i < line.size(); ++i) width[i] = std::max(width[i], line[i].size());
  std::string text;
  for (auto const& line : cells) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      std::string const pad(width[i] - line[i].size(), ' ');
      text += (i == 0 ? pad + line[i] : line[i] + (i + 1 == line.size() ? "" : pad)) + (i + 1 == line.size() ? "\n" : "  ");
    }
  }
  return text;
}

inline std::uint64_t bytes_written(planned_tensor const& t) {
  std::uint64_t bytes = 0;
  for (artifact const& a : t.outputs) bytes += safetensors::tensor_bytes(a.spec.type, a.spec.shape).value_or(0);
  return bytes;
}

inline std::string_view word_for(action what) {
  switch (what) {
    case action::quantize:
      return "quantize";
    case action::correct:
      return "correct";
    case action::keep:
      return "keep";
    default:
      return "remove";
  }
}

}  // namespace detail

/// Returns the plan as a table, one row for each pattern of layers, and what it comes to.
///
/// The output's size is exact; memory is what the run holds at once; time is what moving the bytes takes at the assumed speed;
/// what solvers take beside it is not told.
/// Ends in a newline.
inline std::string analyze(plan const& p, run_estimate const& run = {}) {
  std::map<detail::analyze_key, detail::analyze_row> rows;
  std::map<action, detail::analyze_row> totals;
  std::uint64_t largest = 0;
  std::size_t solved = 0;
  for (planned_tensor const& t : p.tensors) {
    auto const bytes = detail::bytes_written(t);
    auto& row = rows[{name_pattern(t.input.name), std::string(name_of(t.input.type)) + " " + shape_text(t.input.shape),
                      std::string(detail::word_for(t.what)), t.what == action::quantize ? loader_words(t.how, p.markers) : "-",
                      t.reason}];
    for (auto* sum : {&row, &totals[t.what]}) {
      ++sum->count;
      sum->bytes_before += t.input.bytes();
      sum->bytes_after += bytes;
    }
    largest = std::max(largest, t.input.bytes());
    solved += t.what == action::quantize && t.how.solver != no_solver ? 1 : 0;
  }
  std::string text = p.rules + "\n\n" + detail::table_text(rows) + "\n";
  for (action const what : {action::quantize, action::correct, action::keep, action::remove}) {
    auto const& sum = totals[what];
    if (sum.count == 0) continue;
    text += std::string(detail::word_for(what)) + ": " + std::to_string(sum.count) +
            (sum.count == 1 ? " tensor, " : " tensors, ") + size_in_words(sum.bytes_before);
    text += what == action::quantize ? " -> " + size_in_words(sum.bytes_after) + "\n" : "\n";
  }
  text += "output: " + std::to_string(p.output_bytes) + " bytes (" + size_in_words(p.output_bytes) + ")" +
          (p.shards.empty() ? "" : " in " + std::to_string(p.shards.size()) + " shards and their index") + ", from " +
          size_in_words(p.input_data_bytes) + " of tensors\n";
  text += "memory: ";
  if (run.bytes_in_flight != 0) text += "about " + size_in_words(run.bytes_in_flight) + " in flight (`piece_bytes`); ";
  text += "the largest tensor has " + size_in_words(largest) + "\n";
  auto const moved = p.input_data_bytes + p.output_bytes;
  text += "time: about " + std::to_string(moved / run.bytes_per_second + 1) + " s where the storage reads and writes " +
          size_in_words(run.bytes_per_second) + " a second in all" +
          (solved == 0 ? "" : ", and more for what a solver does to " + layers_in_words(solved)) + "\n";
  text += "the output " + load_sentence(p.needs, p.since) + "\n";
  for (auto const& warning : p.warnings) text += "warning: " + warning + "\n";
  for (auto const& note : p.notes) text += "note: " + note + "\n";
  return text;
}

}  // namespace halfstep
