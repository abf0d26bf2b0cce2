// The tables of a quality report's page.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/report/quality_figures.hpp>
#include <halfstep/report/quality_number.hpp>
#include <halfstep/report/report.hpp>

#include "page/quality_markup.hpp"

namespace convert_to_quant::page {

using namespace halfstep;

namespace parts {

/// A cell with a figure: its value for sorting, and as it is read; a dash where it is not known.
inline std::string figure_cell(quality_figure const& figure, layer_quality const& layer) {
  auto const value = figure.of(layer);
  if (!value) return "<td>\u2013</td>";
  return "<td data-value=\"" + attribute_number(*value, 9) + "\">" + readable(*value, figure.style) + "</td>";
}

/// A title whose unit stays with its last word.
inline std::string column_title(std::string_view title) {
  return title.ends_with(" dB") ? escaped(title.substr(0, title.size() - 3)) + "\u00a0dB" : escaped(title);
}

inline std::string word_cell(std::string_view text) {
  return "<td class=\"word\" data-value=\"" + escaped(text) + "\">" + escaped(text) + "</td>";
}

inline std::string header_cell(std::string_view kind, std::string_view key, std::string_view title, std::string_view meaning,
                               bad_end bad) {
  std::string out = "<th scope=\"col\"";
  if (!kind.empty()) out += " class=\"" + std::string(kind) + "\"";
  return out + " data-key=\"" + std::string(key) + "\" data-bad=\"" + (bad == bad_end::small ? "small" : "large") +
         "\"><button type=\"button\" title=\"" + escaped(meaning) + "\">" + column_title(title) + "</button></th>\n";
}

/// A link to a layer's row.
inline std::string layer_link(run_report const& report, layer_quality const* layer) {
  auto const place = static_cast<std::size_t>(layer - report.layers.data()) + 1;
  return "<a href=\"#layer-" + std::to_string(place) + "\">" + breakable(layer->layer) + "</a>";
}

}  // namespace parts

/// Returns the table of all layers, in the order of the file; each cell carries in `data-value` what it is sorted by.
inline std::string layer_table(run_report const& report, double threshold) {
  auto const figures = known_figures(report.layers);
  std::string out = "<table id=\"layers\"><thead><tr>\n";
  out += parts::header_cell("name", "name", "layer", "the weight's name without .weight", bad_end::small);
  for (auto const* figure : figures) out += parts::header_cell("", figure->key, figure->title, figure->meaning, figure->bad);
  out += parts::header_cell("word", "format", "format", "how the weight is stored", bad_end::small);
  out += parts::header_cell("word", "method", "method", "how codes and scales were found", bad_end::small);
  out += parts::header_cell("word", "bias", "bias", "what happened to the layer's bias", bad_end::small);
  out += parts::header_cell("", "weights", "shape", "rows x columns; sorts by how many weights", bad_end::large);
  out += parts::header_cell("", "place", "#", "place in the file", bad_end::small);
  out += "</tr></thead><tbody>\n";
  for (std::size_t i = 0; i < report.layers.size(); ++i) {
    auto const& layer = report.layers[i];
    std::string const place = std::to_string(i + 1);
    out += "<tr id=\"layer-" + place + "\"><td class=\"name\" data-value=\"" + escaped(layer.layer) + "\">" +
           parts::breakable(layer.layer) + "</td>";
    for (auto const* figure : figures) {
      auto cell = parts::figure_cell(*figure, layer);
      if (figure->key == "sqnr_db" && layer.sqnr() < threshold) cell.insert(3, " class=\"bad\"");
      out += cell;
    }
    out += parts::word_cell(to_string(layer.how)) + parts::word_cell(method_of(layer)) + parts::word_cell(name_of(layer.bias)) +
           "<td data-value=\"" + std::to_string(layer.shape.count()) + "\">" + std::to_string(layer.shape.rows) + " \u00d7 " +
           std::to_string(layer.shape.columns) + "</td><td data-value=\"" + place + "\">" + place + "</td></tr>\n";
  }
  return out + "</tbody></table>\n";
}

/// Returns a short table of `layers`, which belong to `report`, with some figures.
inline std::string short_table(run_report const& report, std::vector<layer_quality const*> const& layers,
                               std::vector<quality_figure const*> const& figures, double threshold) {
  std::string out = "<table><thead><tr><th scope=\"col\" class=\"name\">layer</th>";
  for (auto const* figure : figures)
    out += "<th scope=\"col\" title=\"" + escaped(figure->meaning) + "\">" + parts::column_title(figure->title) + "</th>";
  out += "</tr></thead><tbody>\n";
  for (auto const* layer : layers) {
    out += "<tr><td class=\"name\">" + parts::layer_link(report, layer) + "</td>";
    for (auto const* figure : figures) {
      auto cell = parts::figure_cell(*figure, *layer);
      if (figure->key == "sqnr_db" && layer->sqnr() < threshold) cell.insert(3, " class=\"bad\"");
      out += cell;
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table>\n";
}

}  // namespace convert_to_quant::page
