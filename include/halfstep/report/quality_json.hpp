// The quality report as JSON.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/text.hpp>
#include <halfstep/core/version.hpp>
#include <halfstep/recipe/rotation_group.hpp>
#include <halfstep/recipe/stored_layer.hpp>
#include <halfstep/report/quality_figures.hpp>
#include <halfstep/report/quality_number.hpp>
#include <halfstep/report/quality_summary.hpp>
#include <halfstep/report/report.hpp>

namespace halfstep {

namespace detail {

inline std::string json_text(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

inline std::string json_number(std::optional<double> const& value) { return value ? json_number(*value) : "null"; }

/// The elements of `all`, each as `text` gives it, in brackets.
template <class Range, class Text>
std::string json_array(Range const& all, Text text) {
  std::string out = "[";
  for (auto const& one : all) out += (out.size() == 1 ? "" : ", ") + text(one);
  return out + "]";
}

inline std::string json_names(std::vector<layer_quality const*> const& layers) {
  return json_array(layers, [](auto const* layer) { return json_text(layer->layer); });
}

/// A histogram; null where nothing was counted.
inline std::string json_counts(std::array<index_t, 20> const& counts) {
  if (std::none_of(counts.begin(), counts.end(), [](index_t count) { return count > 0; })) return "null";
  return json_array(counts, [](index_t count) { return std::to_string(count); });
}

inline std::string json_summary(run_report const& report, quality_summary const& s, double threshold) {
  return "{\"layers\": " + std::to_string(report.layers.size()) + ", \"median_output_error_db\": " + json_number(s.output_error) +
         ", \"median_output_error_8bit_db\": " + json_number(s.output_error_8bit) +
         ", \"mean_sqnr_db\": " + (s.measured > 0 ? json_number(s.mean) : "null") +
         ", \"median_sqnr_db\": " + (s.measured > 0 ? json_number(s.median) : "null") +
         ", \"threshold_db\": " + json_number(threshold) + ", \"below_threshold\": " + std::to_string(s.below.size()) +
         ", \"solved_layers\": " + std::to_string(s.solved) +
         ", \"median_loss_gain_db\": " + (s.solved > 0 ? json_number(s.loss_gain) : "null") +
         ", \"median_sqnr_cost_db\": " + (s.solved > 0 ? json_number(s.sqnr_cost) : "null") +
         ", \"moved_codes\": " + std::to_string(s.moved) + ", \"requantized_layers\": " + std::to_string(s.requantized) +
         ", \"error_steps\": " + json_counts(s.error_steps) + ", \"input_bytes\": " + std::to_string(report.input_bytes) +
         ", \"output_bytes\": " + std::to_string(report.output_bytes) + ", \"seconds\": " + json_number(report.seconds) +
         ", \"layers_of_one_value\": " + json_names(s.uniform) + ", \"worst\": " + json_names(s.worst) +
         ", \"worst_outputs\": " + json_names(s.worst_outputs) + "}";
}

inline std::string json_layer(layer_quality const& layer) {
  std::string text = "{\"name\": " + json_text(layer.layer) + ", \"format\": " + json_text(layer.how.format.name) +
                     ", \"recipe\": " + json_text(to_string(layer.how)) +
                     ", \"rotation\": " + std::to_string(rotation_group_of(layer.how.bases)) + ", \"shape\": [" +
                     std::to_string(layer.shape.rows) + ", " + std::to_string(layer.shape.columns) +
                     "], \"method\": " + json_text(layer.method) + ", \"bias\": " + json_text(name_of(layer.bias)) +
                     ", \"requantized\": " + (layer.is_requantized ? "true" : "false");
  for (auto const& figure : quality_figures) {
    auto const value = figure.of(layer);
    text += ", \"" + std::string(figure.key) + "\": " +
            (value && figure.style == number_style::count ? formatted(*value, std::chars_format::fixed, 0) : json_number(value));
  }
  return text + ", \"error_steps\": " + json_counts(layer.error_steps) + "}";
}

}  // namespace detail

/// Returns the report as one JSON object; what is not known or infinite is null.
///
/// `layers` holds an object for each layer with its name, shape, recipe and every figure of `quality_figures` under its key.
inline std::string quality_json(run_report const& report, double threshold) {
  using detail::json_array;
  using detail::json_text;
  auto const s = summarize(report.layers, threshold);
  std::string text = "{\"version\": " + json_text(version) + ", \"settings\": " + json_text(report.settings) +
                     ", \"input\": " + json_text(report.input) + ", \"output\": " + json_text(report.output) +
                     ", \"measured_on\": " + json_text(report.measured_on) +
                     ", \"measured_against\": " + json_text(s.requantized > 0 ? requantized_in_words(s.requantized) : "") +
                     ",\n \"settings_list\": " + json_array(report.settings_list, [](auto const& pair) {
                       return "[" + json_text(pair.first) + ", " + json_text(pair.second) + "]";
                     });
  text += ",\n \"summary\": " + detail::json_summary(report, s, threshold) +
          ",\n \"formats\": " + json_array(report.formats, [](auto const& pair) {
            return "[" + json_text(pair.first) + ", " + std::to_string(pair.second) + "]";
          });
  text += ",\n \"warnings\": " + json_array(report.warnings, json_text) + ",\n \"layers\": [";
  for (std::size_t i = 0; i < report.layers.size(); ++i)
    text += (i == 0 ? "\n  " : ",\n  ") + detail::json_layer(report.layers[i]);
  return text + "]}\n";
}

}  // namespace halfstep
