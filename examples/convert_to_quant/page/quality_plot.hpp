// Plots of a quality report as SVG inside a page. Across in percent and down in pixels, so that they fit any width.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/extents.hpp>
#include <halfstep/report/quality_number.hpp>

#include "page/quality_axis.hpp"
#include "page/quality_markup.hpp"

namespace convert_to_quant::page {

using namespace halfstep;

/// One kind of marks of a plot.
struct plot_series {
  std::string name;
  std::size_t color = 0;  ///< number of its colour and shape; they repeat after six
  enum class form : std::uint8_t { solid, hollow } how = form::solid;
};

/// One value of one layer.
struct plot_mark {
  std::size_t layer = 0;  ///< from 0, in the order of the file
  std::size_t series = 0;
  double value = 0.0;
  std::string text;  ///< shown where the pointer rests
};

/// Values of layers, side by side in the order of the file.
struct layer_plot {
  std::string title;  ///< what is drawn, with its unit
  axis_scale scale = axis_scale::linear;
  std::vector<plot_series> series;
  std::vector<plot_mark> marks;  ///< where a layer has two, a line joins them unless there are many layers
  std::size_t layers = 0;
  std::optional<double> line = std::nullopt;  ///< drawn across
  std::string line_name = {};
  std::string above = "exact";  ///< what an infinite value means
  std::string below = "-inf";   ///< what a value of minus infinity means
};

namespace parts {

inline constexpr double plot_height = 200.0;
inline constexpr double plot_room = 34.0;  ///< below, for the marks of the axis and its name

inline std::string coordinate(double value) { return detail::trimmed(value, 2); }

inline std::string percent(double share) { return coordinate(100.0 * share) + "%"; }

inline std::string mark_class(plot_series const& s) {
  return "m c" + std::to_string(s.color % 6) + (s.how == plot_series::form::hollow ? " hollow" : "");
}

/// A mark at x, y: circles, squares and diamonds, so that colours are not all that tells series apart.
inline std::string mark_at(plot_series const& s, std::string const& x, std::string const& y, std::string const& more,
                           std::string const& inside) {
  std::size_t const shape = s.color % 3;
  std::string const kind = mark_class(s) + (shape == 2 ? " diamond" : shape == 1 ? " square" : "");
  if (shape == 0) return "<circle class=\"" + kind + "\" cx=\"" + x + "\" cy=\"" + y + "\"" + more + ">" + inside + "</circle>\n";
  return "<rect class=\"" + kind + "\" x=\"" + x + "\" y=\"" + y + "\"" + more + ">" + inside + "</rect>\n";
}

inline std::string line_across(double y, std::string_view kind) {
  return "<line class=\"" + std::string(kind) + "\" x1=\"0\" x2=\"100%\" y1=\"" + coordinate(y) + "\" y2=\"" + coordinate(y) +
         "\"/>\n";
}

inline std::string legend(layer_plot const& plot) {
  std::string out = "<ul class=\"legend\">";
  for (auto const& s : plot.series)
    out += "<li><svg width=\"12\" height=\"12\" aria-hidden=\"true\">" + mark_at(s, "6", "6", "", "") + "</svg>" +
           escaped(s.name) + "</li>";
  if (plot.line)
    out += "<li><svg width=\"22\" height=\"12\" aria-hidden=\"true\">" + line_across(6.0, "limit") + "</svg>" +
           escaped(plot.line_name) + "</li>";
  return out + "</ul>\n";
}

inline std::string text_at(std::string const& x, double y, std::string_view anchor, std::string const& text) {
  return "<text x=\"" + x + "\" y=\"" + coordinate(y) + "\" class=\"" + std::string(anchor) + "\">" + text + "</text>\n";
}

inline std::string begin_svg(std::string const& title) {
  return "<div class=\"plot\"><svg role=\"img\" aria-label=\"" + escaped(title) + "\" width=\"100%\" height=\"" +
         coordinate(plot_height + plot_room) + "\">\n";
}

/// The marks of the vertical axis.
inline std::string grid(quality_axis const& axis, double top, double bottom) {
  std::string out;
  for (double const tick : axis.ticks) {
    double const y = bottom + (top - bottom) * (tick - axis.low) / (axis.high - axis.low);
    out += line_across(y, "grid") + text_at("-8", y + 4.0, "end", axis.label(tick));
  }
  return out;
}

/// The numbers of layers under the plot, the first being 1.
inline std::string layer_ticks(std::size_t layers) {
  std::string out;
  auto const count = static_cast<double>(layers);
  auto const axis = make_axis(1.0, std::max(count, 2.0), axis_scale::linear);
  for (double tick : axis.ticks) {
    tick = tick < 1.0 ? 1.0 : tick;
    if (tick > count || tick != std::floor(tick)) continue;
    auto const x = percent((tick - 0.5) / count);
    out += "<line class=\"tick\" x1=\"" + x + "\" x2=\"" + x + "\" y1=\"" + coordinate(plot_height) + "\" y2=\"" +
           coordinate(plot_height + 4.0) + "\"/>\n" +
           text_at(x, plot_height + 16.0, "middle", detail::formatted(tick, std::chars_format::fixed, 0));
  }
  return out + text_at("100%", plot_height + 31.0, "end", "layer, in the order of the file");
}

/// The axis for the finite values of a plot and its line.
inline quality_axis value_axis(layer_plot const& plot) {
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  auto const hold = [&](double value) {
    if (!std::isfinite(value) || (plot.scale == axis_scale::logarithmic && value <= 0.0)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  };
  for (auto const& mark : plot.marks) hold(mark.value);
  if (plot.line) hold(*plot.line);
  return low <= high ? make_axis(low, high, plot.scale) : make_axis(1.0, 2.0, plot.scale);
}

}  // namespace parts

/// Returns a figure that shows `plot`: a legend where there is more than one series, axes, and a mark for each value.
///
/// Infinite values stand at the edge. Each mark says in `data-layer` which row of the table, from 1, it belongs to.
inline std::string to_svg(layer_plot const& plot) {
  using parts::percent;
  auto const axis = parts::value_axis(plot);
  auto const has = [&](double edge) {
    return std::any_of(plot.marks.begin(), plot.marks.end(), [&](auto const& mark) { return mark.value == edge; });
  };
  double const infinity = std::numeric_limits<double>::infinity();
  double const top = has(infinity) ? 24.0 : 6.0;
  double const bottom = parts::plot_height - (has(-infinity) ? 24.0 : 0.0);
  auto const height_of = [&](double value) {
    if (std::isinf(value)) return value > 0 ? 6.0 : parts::plot_height - 6.0;
    return bottom + (top - bottom) * axis.place(value);
  };
  std::string out = "<figure><figcaption><b>" + escaped(plot.title) + "</b>" + parts::legend(plot) + "</figcaption>\n" +
                    parts::begin_svg(plot.title) + parts::grid(axis, top, bottom);
  if (has(infinity)) out += parts::text_at("-8", height_of(infinity) + 4.0, "end", escaped(plot.above));
  if (has(-infinity)) out += parts::text_at("-8", height_of(-infinity) + 4.0, "end", escaped(plot.below));
  out += parts::line_across(parts::plot_height, "axis") + parts::layer_ticks(plot.layers);
  if (plot.line && std::isfinite(*plot.line)) out += parts::line_across(height_of(*plot.line), "limit");
  bool const many = plot.layers > 300;
  out += many ? "<g class=\"many\">\n" : "<g>\n";
  for (std::size_t i = 0; i < plot.marks.size(); ++i) {
    auto const& mark = plot.marks[i];
    auto const x = percent((static_cast<double>(mark.layer) + 0.5) / static_cast<double>(std::max<std::size_t>(plot.layers, 1)));
    if (!many && i > 0 && plot.marks[i - 1].layer == mark.layer)
      out += "<line class=\"stem\" x1=\"" + x + "\" x2=\"" + x + "\" y1=\"" +
             parts::coordinate(height_of(plot.marks[i - 1].value)) + "\" y2=\"" + parts::coordinate(height_of(mark.value)) +
             "\"/>\n";
    out += parts::mark_at(plot.series[mark.series], x, parts::coordinate(height_of(mark.value)),
                          " data-layer=\"" + std::to_string(mark.layer + 1) + "\"", "<title>" + escaped(mark.text) + "</title>");
  }
  return out + "</g>\n</svg></div></figure>\n";
}

/// Returns a figure with the share of weights for each range of |error| in steps; half a step is marked.
inline std::string error_histogram(std::array<index_t, 20> const& counts) {
  auto const all = static_cast<double>(std::max<index_t>(std::accumulate(counts.begin(), counts.end(), index_t{0}), 1));
  auto const largest = static_cast<double>(*std::max_element(counts.begin(), counts.end()));
  auto const axis = make_axis(0.0, 100.0 * largest / all, axis_scale::linear);
  double const top = 6.0;
  double const bottom = parts::plot_height;
  std::string const title = "Errors of the weights, share of all in %";
  std::string out = "<figure><figcaption><b>" + title + "</b></figcaption>\n" + parts::begin_svg(title) +
                    parts::grid(axis, top, bottom) + "<g class=\"bars\">\n";
  for (std::size_t i = 0; i < counts.size(); ++i) {
    double const share = static_cast<double>(counts[i]) / all;
    double const height = (bottom - top) * axis.place(100.0 * share);
    auto const edge = [](std::size_t bin) {
      return detail::formatted(0.05 * static_cast<double>(bin), std::chars_format::fixed, 2);
    };
    std::string const range =
        i + 1 == counts.size() ? edge(i) + " of a step and beyond" : edge(i) + " to " + edge(i + 1) + " of a step";
    out += "<rect x=\"" + std::to_string(5 * i) + "%\" width=\"5%\" y=\"" + parts::coordinate(bottom - height) + "\" height=\"" +
           parts::coordinate(height) + "\"><title>" + range + ": " + readable(share, number_style::share) + "</title></rect>\n";
  }
  out += "</g>\n" + parts::line_across(bottom, "axis");
  for (auto const& [x, label] : {std::pair("0%", "0"), {"25%", "0.25"}, {"50%", "0.5"}, {"75%", "0.75"}, {"100%", "1"}})
    out += parts::text_at(x, bottom + 16.0, "middle", label);
  out += parts::text_at("100%", bottom + 31.0, "end", "|error| in steps; the last bar holds all beyond");
  out += "<line class=\"limit\" x1=\"50%\" x2=\"50%\" y1=\"0\" y2=\"" + parts::coordinate(bottom) + "\"/>\n" +
         parts::text_at("50%", 12.0, "start limit", "\u00a0half a step");
  return out + "</svg></div></figure>\n";
}

}  // namespace convert_to_quant::page
