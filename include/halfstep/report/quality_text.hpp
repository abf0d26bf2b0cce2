// The quality report as text: the table of all layers, and what a user reads after a run.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/words.hpp>
#include <halfstep/recipe/stored_layer.hpp>
#include <halfstep/report/layer_quality.hpp>
#include <halfstep/report/quality_figures.hpp>
#include <halfstep/report/quality_number.hpp>
#include <halfstep/report/quality_summary.hpp>
#include <halfstep/report/report.hpp>

namespace halfstep {

namespace detail {

inline std::string right(std::string const& text, std::size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

inline std::string shape_in_words(extents2 shape) { return std::to_string(shape.rows) + "x" + std::to_string(shape.columns); }

/// A table's lines: the first column to the left, `figures` columns to the right, the rest to the left.
inline std::string table_of(std::vector<std::vector<std::string>> const& rows, std::size_t figures) {
  std::vector<std::size_t> width(rows.front().size());
  for (auto const& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
  std::string text;
  for (auto const& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      std::string const pad(width[i] - row[i].size(), ' ');
      bool const last = i + 1 == row.size();
      text += (0 < i && i <= figures ? pad + row[i] : row[i] + (last ? "" : pad)) + (last ? "\n" : "  ");
    }
  }
  return text;
}

/// Returns `count` things in words, where `many` begins with the word for several: "1 layer as fp16".
inline std::string counted(std::size_t count, std::string_view many) {
  auto const word = many.substr(0, many.find(' '));
  std::string_view const one = word == "layers" ? "layer" : word == "tensors" ? "tensor" : word == "biases" ? "bias" : word;
  return std::to_string(count) + " " + std::string(count == 1 ? one : word) + std::string(many.substr(word.size()));
}

/// How many rows of inputs layers have against their columns, as a line; empty where nothing is known of them.
inline std::string rows_in_words(std::vector<layer_quality> const& layers) {
  layer_quality const* least = nullptr;
  std::size_t known = 0;
  std::size_t few = 0;
  double shrunk = 0.0;
  auto const ratio = [](layer_quality const& q) {
    return static_cast<double>(q.input_rows) / static_cast<double>(std::max<index_t>(q.shape.columns, 1));
  };
  for (auto const& layer : layers) {
    if (layer.input_rows == 0) continue;
    ++known;
    few += layer.input_rows < layer.shape.columns ? 1 : 0;
    shrunk = std::max(shrunk, layer.shrinkage.value_or(0.0));
    if (least == nullptr || ratio(layer) < ratio(*least)) least = &layer;
  }
  if (least == nullptr) return {};
  std::string text = "calibration rows: at least " + std::to_string(least->input_rows) + " for " +
                     std::to_string(least->shape.columns) + " columns, in " + layers_in_words(known);
  if (few > 0) text += "; " + std::to_string(few) + (few == 1 ? " has" : " have") + " fewer rows than columns: capture more";
  if (shrunk > 0.0) text += "; Hessians of few rows shrunk towards their diagonals, by up to " + fixed(100.0 * shrunk, 0) + " %";
  return text + "\n";
}

/// What is known of outputs and solvers and of what all is measured against, a line each.
inline std::string findings(run_report const& report, quality_summary const& s) {
  std::string text;
  if (s.output_error) text += "output error: median " + readable(*s.output_error, number_style::error_db) + " dB";
  if (s.output_error_8bit)
    text += (s.output_error ? ", with 8-bit activations " : "output error with 8-bit activations: median ") +
            readable(*s.output_error_8bit, number_style::error_db) + " dB";
  if (!text.empty()) text += (report.measured_on.empty() ? "" : ", on " + report.measured_on) + "\n";
  text += rows_in_words(report.layers);
  if (s.solved > 0)
    text += "solved " + layers_in_words(s.solved) + ": objective lower by " + fixed(s.loss_gain, 2) + " dB, SQNR by " +
            fixed(s.sqnr_cost, 3) + " dB (medians), " + grouped(static_cast<double>(s.moved)) + " codes moved\n";
  if (s.requantized > 0) text += requantized_in_words(s.requantized) + "\n";
  if (!s.uniform.empty()) text += uniform_in_words(s) + "\n";
  return text;
}

}  // namespace detail

/// Returns the table of all layers and its summary, for reading.
inline std::string quality_text(run_report const& report, double threshold) {
  using detail::fixed;
  auto const s = summarize(report.layers, threshold);
  auto const figures = known_figures(report.layers);
  std::string text = "Quality, from the bytes of the file." + (report.settings.empty() ? "" : " " + report.settings) + "\n" +
                     detail::findings(report, s);
  std::vector<std::vector<std::string>> rows{{"layer", "shape"}};
  for (auto const* figure : figures) rows.front().emplace_back(figure->title);
  rows.front().insert(rows.front().end(), {"format", "bias", "method"});
  for (auto const& layer : report.layers) {
    auto& row = rows.emplace_back(std::vector<std::string>{layer.layer, detail::shape_in_words(layer.shape)});
    for (auto const* figure : figures) {
      auto const value = figure->of(layer);
      row.push_back(value ? readable(*value, figure->style) : "-");
    }
    row.insert(row.end(), {to_string(layer.how), std::string(name_of(layer.bias)), method_of(layer)});
  }
  text += detail::table_of(rows, figures.size() + 1);
  if (s.measured > 0)
    text += "mean " + fixed(s.mean, 2) + " dB, median " + fixed(s.median, 2) + " dB over " + layers_in_words(s.measured) + "; ";
  text += std::to_string(s.below.size()) + " below " + fixed(threshold, 2) + " dB\n";
  for (auto const* layer : s.below) text += "  below: " + layer->layer + " " + fixed(layer->sqnr(), 2) + " dB\n";
  return text;
}

/// Whether a summary repeats what `quality_text` says of the layers.
enum class summary_extent : std::uint8_t { all, without_quality };

/// Returns what a user reads after a run: layers per format, sizes, time, the worst layers.
inline std::string summary_text(run_report const& report, double threshold, summary_extent extent = summary_extent::all) {
  using detail::fixed;
  using detail::right;
  std::string text;
  for (auto const& [format, count] : report.formats) text += "  " + detail::counted(count, format) + "\n";
  for (auto const& adapter : report.merged) text += "  merged " + adapter + "\n";
  double const mebi = 1024.0 * 1024.0;
  double const ratio =
      report.input_bytes > 0 ? 100.0 * static_cast<double>(report.output_bytes) / static_cast<double>(report.input_bytes) : 0.0;
  text += "  " + fixed(static_cast<double>(report.input_bytes) / mebi, 1) + " MiB -> " +
          fixed(static_cast<double>(report.output_bytes) / mebi, 1) + " MiB (" + fixed(ratio, 1) + " %), " +
          fixed(report.seconds, 2) + " s, " +
          fixed(static_cast<double>(report.input_bytes) / 1e6 / std::max(report.seconds, 1e-9), 0) + " MB/s\n";
  if (extent == summary_extent::without_quality) return text;
  auto const s = summarize(report.layers, threshold);
  std::string const found = detail::findings(report, s);
  for (std::size_t at = 0; at < found.size(); at = found.find('\n', at) + 1)
    text += "  " + found.substr(at, found.find('\n', at) + 1 - at);
  for (auto const* layer : s.worst_outputs)
    text += "    " + right(readable(20.0 * std::log10(detail::leading_error(*layer)), number_style::error_db), 8) + " dB  " +
            layer->layer + "\n";
  if (s.measured > 0) {
    text += "  SQNR of the weights: median " + fixed(s.median, 2) + " dB, mean " + fixed(s.mean, 2) + " dB; worst:\n";
    for (auto const* layer : s.worst) text += "    " + right(fixed(layer->sqnr(), 2), 8) + " dB  " + layer->layer + "\n";
  }
  if (!s.below.empty())
    text += "  " + layers_in_words(s.below.size()) + (s.below.size() == 1 ? " is" : " are") + " below " + fixed(threshold, 2) +
            " dB\n";
  return text;
}

}  // namespace halfstep
