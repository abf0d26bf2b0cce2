// What a conversion has to say for itself, as text and as JSON.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/convert/layer_quality.hpp>
#include <halfstep/core/version.hpp>
#include <halfstep/plan/plan.hpp>
#include <halfstep/safetensors/text.hpp>

namespace halfstep {

/// A finished conversion.
struct run_report {
  std::string settings;  ///< one sentence: recipe, rounding, scales
  std::string input;
  std::string output;
  std::vector<layer_quality> layers;
  std::vector<std::string> warnings;
  std::map<std::string, index_t> formats;  ///< how many layers of each recipe, and of kept and removed tensors
  std::uint64_t input_bytes = 0;
  std::uint64_t output_bytes = 0;
  double seconds = 0.0;
};

/// Figures over all layers.
struct quality_summary {
  double mean = 0.0;                        ///< dB, over layers that are not exact
  double median = 0.0;                      ///< dB
  std::vector<layer_quality const*> worst;  ///< at most eight, the worst first
  std::vector<layer_quality const*> below;  ///< below the threshold, the worst first
};

namespace detail {

inline std::string formatted(double value, std::chars_format format, int decimals) {
  char text[400];
  return {text, std::to_chars(text, text + sizeof text, value, format, decimals).ptr};
}

inline std::string fixed(double value, int decimals) {
  if (std::isinf(value)) return value > 0 ? "exact" : "-inf";
  return formatted(value, std::chars_format::fixed, decimals);
}

/// The shortest text that reads back as the same double; null for what JSON cannot say.
inline std::string json_number(double value) {
  if (!std::isfinite(value)) return "null";
  char text[40];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

inline std::string json_text(std::string_view text) {
  std::string out;
  safetensors::append_json_string(out, text);
  return out;
}

inline std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

inline std::string right(std::string const& text, std::size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

}  // namespace detail

/// Returns the mean, the median and the worst of `layers`; layers below `threshold` dB are listed.
inline quality_summary summarize(std::vector<layer_quality> const& layers, double threshold) {
  quality_summary s;
  std::vector<layer_quality const*> order;
  for (auto const& layer : layers) order.push_back(&layer);
  std::stable_sort(order.begin(), order.end(), [](auto const* a, auto const* b) { return a->sqnr() < b->sqnr(); });
  std::size_t finite = 0;
  for (auto const* layer : order) {
    if (std::isinf(layer->sqnr())) continue;
    s.mean += layer->sqnr();
    ++finite;
  }
  if (finite > 0) s.mean /= static_cast<double>(finite);
  if (!order.empty()) {
    auto const middle = order.size() / 2;
    s.median = order.size() % 2 == 1 ? order[middle]->sqnr() : 0.5 * (order[middle - 1]->sqnr() + order[middle]->sqnr());
  }
  for (auto const* layer : order) {
    if (s.worst.size() < 8) s.worst.push_back(layer);
    if (layer->sqnr() < threshold) s.below.push_back(layer);
  }
  return s;
}

/// Returns the table of all layers and its summary, for reading.
inline std::string quality_text(run_report const& report, double threshold) {
  using detail::fixed;
  using detail::padded;
  using detail::right;
  std::size_t widest = 5;
  for (auto const& layer : report.layers) widest = std::max(widest, layer.layer.size());
  std::string text = "Quality, from the bytes of the file. " + report.settings + "\n";
  text += padded("layer", widest) + "         shape   SQNR dB        MSE  max error   gain error  clipped  scales\n";
  auto const scientific = [](double value) { return detail::formatted(value, std::chars_format::scientific, 3); };
  for (auto const& layer : report.layers) {
    text += padded(layer.layer, widest) +
            right(std::to_string(layer.shape.rows) + "x" + std::to_string(layer.shape.columns), 14) +
            right(fixed(layer.sqnr(), 2), 10) + right(scientific(layer.mse()), 11) +
            right(scientific(static_cast<double>(layer.error.max_error)), 11) + right(scientific(layer.gain_error()), 13) +
            right(std::to_string(layer.error.clipped), 9) + "  " + scientific(static_cast<double>(layer.scale_min)) + " .. " +
            scientific(static_cast<double>(layer.scale_max)) + "  " + to_string(layer.how) + "\n";
  }
  auto const s = summarize(report.layers, threshold);
  text += "mean " + fixed(s.mean, 2) + " dB, median " + fixed(s.median, 2) + " dB over " + std::to_string(report.layers.size()) +
          " layers; " + std::to_string(s.below.size()) + " below " + fixed(threshold, 2) + " dB\n";
  for (auto const* layer : s.below) text += "  below: " + layer->layer + " " + fixed(layer->sqnr(), 2) + " dB\n";
  return text;
}

/// Returns the same as one JSON object; infinite values are null.
inline std::string quality_json(run_report const& report, double threshold) {
  using detail::json_number;
  using detail::json_text;
  auto const s = summarize(report.layers, threshold);
  std::string text =
      "{\"version\": " + json_text(version) + ", \"settings\": " + json_text(report.settings) +
      ", \"input\": " + json_text(report.input) + ", \"output\": " + json_text(report.output) +
      ",\n \"summary\": {\"layers\": " + std::to_string(report.layers.size()) + ", \"mean_sqnr_db\": " + json_number(s.mean) +
      ", \"median_sqnr_db\": " + json_number(s.median) + ", \"threshold_db\": " + json_number(threshold) +
      ", \"below_threshold\": " + std::to_string(s.below.size()) + ", \"input_bytes\": " + std::to_string(report.input_bytes) +
      ", \"output_bytes\": " + std::to_string(report.output_bytes) + ", \"seconds\": " + json_number(report.seconds) +
      ", \"worst\": [";
  for (std::size_t i = 0; i < s.worst.size(); ++i) text += (i == 0 ? "" : ", ") + json_text(s.worst[i]->layer);
  text += "]},\n \"warnings\": [";
  for (std::size_t i = 0; i < report.warnings.size(); ++i) text += (i == 0 ? "" : ", ") + json_text(report.warnings[i]);
  text += "],\n \"layers\": [";
  for (std::size_t i = 0; i < report.layers.size(); ++i) {
    auto const& layer = report.layers[i];
    text += (i == 0 ? "\n" : ",\n");
    text += "  {\"name\": " + json_text(layer.layer) + ", \"format\": " + json_text(name_of(layer.how.format)) +
            ", \"recipe\": " + json_text(to_string(layer.how)) + ", \"shape\": [" + std::to_string(layer.shape.rows) + ", " +
            std::to_string(layer.shape.columns) + "], \"sqnr_db\": " + json_number(layer.sqnr()) +
            ", \"mse\": " + json_number(layer.mse()) +
            ", \"max_error\": " + json_number(static_cast<double>(layer.error.max_error)) +
            ", \"gain_error\": " + json_number(layer.gain_error()) + ", \"clipped\": " + std::to_string(layer.error.clipped) +
            ", \"scale_min\": " + json_number(static_cast<double>(layer.scale_min)) +
            ", \"scale_max\": " + json_number(static_cast<double>(layer.scale_max)) +
            ", \"rotation\": " + std::to_string(layer.how.rotation_group) + ", \"seconds\": " + json_number(layer.seconds) + "}";
  }
  return text + "]}\n";
}

/// Returns what a user reads after a run: layers per format, sizes, time, the worst layers, where the file is.
inline std::string summary_text(run_report const& report, double threshold) {
  using detail::fixed;
  std::string text;
  for (auto const& [format, count] : report.formats) text += "  " + std::to_string(count) + " " + format + "\n";
  double const mebi = 1024.0 * 1024.0;
  double const ratio =
      report.input_bytes > 0 ? 100.0 * static_cast<double>(report.output_bytes) / static_cast<double>(report.input_bytes) : 0.0;
  text += "  " + fixed(static_cast<double>(report.input_bytes) / mebi, 1) + " MiB -> " +
          fixed(static_cast<double>(report.output_bytes) / mebi, 1) + " MiB (" + fixed(ratio, 1) + " %), " +
          fixed(report.seconds, 2) + " s, " +
          fixed(static_cast<double>(report.input_bytes) / 1e6 / std::max(report.seconds, 1e-9), 0) + " MB/s\n";
  auto const s = summarize(report.layers, threshold);
  if (!report.layers.empty()) {
    text += "  SQNR of the weights: median " + fixed(s.median, 2) + " dB, mean " + fixed(s.mean, 2) + " dB; worst:\n";
    for (auto const* layer : s.worst) text += "    " + detail::right(fixed(layer->sqnr(), 2), 8) + " dB  " + layer->layer + "\n";
    if (!s.below.empty()) text += "  " + std::to_string(s.below.size()) + " layers are below " + fixed(threshold, 2) + " dB\n";
  }
  return text;
}

}  // namespace halfstep
