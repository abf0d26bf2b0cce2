// The quality report as one page of HTML that needs nothing beside itself.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/version.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/recipe/stored_layer.hpp>
#include <halfstep/report/quality_figures.hpp>
#include <halfstep/report/quality_number.hpp>
#include <halfstep/report/quality_summary.hpp>
#include <halfstep/report/report.hpp>

#include "page/quality_markup.hpp"
#include "page/quality_plot.hpp"
#include "page/quality_style.hpp"
#include "page/quality_table.hpp"

namespace convert_to_quant::page {

using namespace halfstep;

namespace parts {

inline std::string fact(std::string_view name, std::string const& value, std::string const& more) {
  return "<div><dt>" + escaped(name) + "</dt><dd>" + value + (more.empty() ? "" : " <small>" + escaped(more) + "</small>") +
         "</dd></div>\n";
}

inline std::string of_layers(std::size_t count, std::size_t all) {
  return std::to_string(count) + " of " + std::to_string(all) + (all == 1 ? " layer" : " layers");
}

/// What the run came to, in a line of figures: outputs lead where they are known.
inline std::string facts(run_report const& report, quality_summary const& s, double threshold) {
  std::string out = "<dl class=\"facts\">\n";
  if (s.output_error) out += fact("Output error, median", readable(*s.output_error, number_style::error_db) + " dB", "");
  if (s.output_error_8bit)
    out += fact("with 8-bit activations", readable(*s.output_error_8bit, number_style::error_db) + " dB", "");
  if (s.measured > 0)
    out += fact("SQNR of the weights, median", detail::fixed(s.median, 2) + " dB", "mean " + detail::fixed(s.mean, 2));
  std::string const below = std::to_string(s.below.size()) + " <small>of " + std::to_string(report.layers.size()) + "</small>";
  out += fact("Layers below " + detail::trimmed(threshold, 2) + " dB",
              s.below.empty() ? below : "<span class=\"bad\">" + below + "</span>", "");
  if (s.solved > 0) {
    double const share = static_cast<double>(s.moved) / static_cast<double>(std::max<index_t>(s.solved_weights, 1));
    out +=
        fact("Objective of " + std::to_string(s.solved) + " solved layers", "lower by " + detail::fixed(s.loss_gain, 2) + " dB",
             "SQNR by " + detail::fixed(s.sqnr_cost, 3) + " dB, " + readable(share, number_style::share) + " of codes moved");
  }
  double const ratio =
      static_cast<double>(report.output_bytes) / static_cast<double>(std::max<std::uint64_t>(report.input_bytes, 1));
  out += fact("Size", size_in_words(report.output_bytes),
              "of " + size_in_words(report.input_bytes) + ", " + detail::fixed(100.0 * ratio, 1) + " %");
  out += fact("Time", detail::fixed(report.seconds, 2) + " s", "");
  return out + "</dl>\n";
}

/// The figures that the first look shows: errors of outputs where they are known, and the SQNR.
inline std::vector<quality_figure const*> leading_figures(run_report const& report) {
  auto figures = known_figures(report.layers);
  std::erase_if(figures, [](auto const* figure) { return figure > &figure_named("sqnr_db"); });
  return figures;
}

/// Those below the threshold, in a list of their own; a remark where the worst layers are those already.
inline std::string failures(run_report const& report, quality_summary const& s, double threshold) {
  constexpr std::size_t most = 50;
  std::string const said =
      of_layers(s.below.size(), report.layers.size()) + " below " + detail::trimmed(threshold, 2) + " dB SQNR";
  if (s.worst_outputs.empty() && s.below.size() <= s.worst.size()) return "<p id=\"below\" class=\"bad\">" + said + "</p>\n";
  auto shown = s.below;
  shown.resize(std::min(most, shown.size()));
  std::string out = "<div id=\"below\" class=\"list\" tabindex=\"0\"><h2 class=\"bad\">" + said + "</h2>\n";
  if (s.below.size() > most)
    out +=
        "<p class=\"soft\">The lowest " + std::to_string(most) + "; <a href=\"#sort=sqnr_db\">all in the table below</a></p>\n";
  out += short_table(report, shown, {&figure_named("sqnr_db")}, threshold);
  return out + "</div>\n";
}

/// The worst layers, and those below the threshold, at the very top.
inline std::string first_look(run_report const& report, quality_summary const& s, double threshold) {
  if (report.layers.empty()) return "<p>No layer was quantized.</p>\n";
  bool const outputs = !s.worst_outputs.empty();
  std::string const failed = s.below.empty() ? std::string() : failures(report, s, threshold);
  bool const remark = failed.starts_with("<p");
  return "<section class=\"first" + std::string(s.below.empty() || remark ? "" : " two") +
         "\">\n<div id=\"worst\"><h2>Worst layers by " + (outputs ? "output error" : "SQNR") + "</h2>\n" +
         (remark ? failed : "") + short_table(report, outputs ? s.worst_outputs : s.worst, leading_figures(report), threshold) +
         "</div>\n" + (remark ? "" : failed) + "</section>\n";
}

/// The SQNR, with a series for each recipe.
inline layer_plot recipe_plot(run_report const& report, std::string title) {
  layer_plot plot{.title = std::move(title), .series = {}, .marks = {}, .layers = report.layers.size()};
  for (std::size_t i = 0; i < report.layers.size(); ++i) {
    auto const& layer = report.layers[i];
    auto const name = to_string(layer.how);
    auto found = std::find_if(plot.series.begin(), plot.series.end(), [&](auto const& s) { return s.name == name; });
    if (found == plot.series.end()) found = plot.series.insert(found, {.name = name, .color = plot.series.size()});
    plot.marks.push_back(
        {i, static_cast<std::size_t>(found - plot.series.begin()), layer.sqnr(),
         layer.layer + ": " + detail::fixed(layer.sqnr(), 2) + (std::isfinite(layer.sqnr()) ? " dB, " : ", ") + name});
  }
  return plot;
}

/// Two figures that belong together, as far as they are known.
inline layer_plot pair_plot(run_report const& report, std::string title, std::string_view hollow, std::string_view solid) {
  layer_plot plot{.title = std::move(title), .series = {}, .marks = {}, .layers = report.layers.size()};
  std::vector<quality_figure const*> figures;
  for (auto const* figure : known_figures(report.layers)) {
    if (figure->key != hollow && figure->key != solid) continue;
    figures.push_back(figure);
    plot.series.push_back(
        {std::string(figure->title), 0, figure->key == hollow ? plot_series::form::hollow : plot_series::form::solid});
  }
  for (std::size_t i = 0; i < report.layers.size(); ++i)
    for (std::size_t k = 0; k < figures.size(); ++k)
      if (auto const value = figures[k]->of(report.layers[i]))
        plot.marks.push_back(
            {i, k, *value, report.layers[i].layer + ": " + plot.series[k].name + " " + readable(*value, figures[k]->style)});
  return plot;
}

inline std::string plots(run_report const& report, quality_summary const& s, double threshold) {
  if (report.layers.empty()) return {};
  std::string out = "<section class=\"plots\">\n";
  if (!s.worst_outputs.empty()) {
    auto plot = pair_plot(report, "Output error of each layer, dB", "output_error_8bit_db", "output_error_db");
    plot.above = "inf";
    plot.below = "exact";
    out += "<div class=\"wide\">" + to_svg(plot) + "</div>\n";
  }
  auto plot = recipe_plot(report, "SQNR of each layer, dB");
  plot.line = threshold;
  plot.line_name = "threshold " + detail::trimmed(threshold, 2) + " dB";
  out += "<div class=\"wide\">" + to_svg(plot) + "</div>\n";
  if (s.solved > 0) {
    auto losses = pair_plot(report, "Loss of each solved layer", "loss_before", "loss_after");
    losses.scale = axis_scale::logarithmic;
    out += "<div>" + to_svg(losses) + "</div>\n";
  }
  if (std::any_of(s.error_steps.begin(), s.error_steps.end(), [](index_t count) { return count > 0; }))
    out += "<div>" + error_histogram(s.error_steps) + "</div>\n";
  return out + "</section>\n";
}

inline std::string row(std::string_view name, std::string_view value) {
  return "<dt>" + escaped(name) + "</dt><dd>" + escaped(value) + "</dd>\n";
}

/// What was asked for, and what was done with how many tensors.
inline std::string settings_section(run_report const& report) {
  std::string out = "<section><h2>Run</h2>\n<dl class=\"run\">\n" + row("input", report.input) + row("output", report.output);
  for (auto const& [name, value] : report.settings_list) out += row(name, value);
  for (auto const& [name, count] : report.formats) out += row(name, std::to_string(count));
  if (!report.measured_on.empty()) out += row("output errors measured on", report.measured_on);
  out += row("bytes read", detail::grouped(static_cast<double>(report.input_bytes))) +
         row("bytes written", detail::grouped(static_cast<double>(report.output_bytes)));
  return out + row("halfstep", version) + "</dl></section>\n";
}

inline std::string meanings(run_report const& report) {
  std::string out = "<section><h2>Columns</h2>\n<dl class=\"run\">\n";
  for (auto const* figure : known_figures(report.layers)) out += row(figure->title, figure->meaning);
  return out +
         "</dl>\n<p class=\"soft\">All figures are of the bytes in the file; W is the weight, E its error. "
         "Rotated layers are measured in the rotated basis, where lengths are the same.</p></section>\n";
}

inline std::string last_part(std::string_view path) {
  auto const slash = path.find_last_of('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

}  // namespace parts

/// Returns the report as a page of HTML: worst layers and failures of `threshold` dB first, plots, a table that can be sorted.
///
/// Style and script stand in the page, which loads nothing. Names are shown as they are, whatever they hold.
inline std::string quality_html(run_report const& report, double threshold) {
  auto const s = summarize(report.layers, threshold);
  std::string const name = escaped(parts::last_part(report.output));
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>Quality of " +
      name + "</title>\n<style>" + std::string(quality_style) + "</style></head>\n<body>\n<header><h1>Quality of " + name +
      "</h1>\n<p class=\"soft\">" + escaped(report.settings) + "</p></header>\n<main>\n";
  page += parts::facts(report, s, threshold);
  if (s.requantized > 0) page += "<p class=\"soft\">" + escaped(requantized_in_words(s.requantized)) + "</p>\n";
  if (!s.uniform.empty()) page += "<p class=\"soft\">" + escaped(uniform_in_words(s)) + "</p>\n";
  page += parts::first_look(report, s, threshold);
  if (!report.warnings.empty()) page += "<section class=\"warnings\">\n";
  for (auto const& warning : report.warnings) page += "<p><b class=\"bad\">Warning:</b> " + escaped(warning) + "</p>\n";
  if (!report.warnings.empty()) page += "</section>\n";
  page += parts::plots(report, s, threshold);
  page +=
      "<section><div class=\"head\"><h2>All layers</h2>\n"
      "<label id=\"filter\" class=\"soft\" hidden>name holds <input type=\"search\"></label>\n"
      "<span id=\"shown\" class=\"soft\" aria-live=\"polite\"></span></div>\n"
      "<div class=\"scroll\" role=\"region\" aria-label=\"All layers\" tabindex=\"0\">\n" +
      layer_table(report, threshold) + "</div></section>\n";
  page += parts::settings_section(report) + parts::meanings(report);
  return page + "</main>\n<script>" + std::string(quality_script) + "</script>\n</body></html>\n";
}

}  // namespace convert_to_quant::page
