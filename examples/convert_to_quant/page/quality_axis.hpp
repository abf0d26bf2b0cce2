// The ends and the marks of a plot's axis.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <halfstep/report/quality_number.hpp>

namespace convert_to_quant::page {

using namespace halfstep;

/// How values are spread along an axis.
enum class axis_scale : std::uint8_t { linear, logarithmic };

/// An axis from `low` to `high` with marks at round numbers. Logarithmic ones hold decimal logarithms.
struct quality_axis {
  axis_scale scale = axis_scale::linear;
  double low = 0.0;
  double high = 1.0;
  std::vector<double> ticks;
  int decimals = 0;  ///< that tell the marks of a linear axis apart

  /// Returns where `value` lies: 0 at the low end, 1 at the high end.
  double place(double value) const {
    double const x = scale == axis_scale::logarithmic ? std::log10(value) : value;
    return std::clamp((x - low) / (high - low), 0.0, 1.0);
  }

  /// Returns what is written at a mark.
  std::string label(double tick) const {
    if (scale == axis_scale::logarithmic) return detail::formatted(std::pow(10.0, tick), std::chars_format::general, 6);
    return detail::formatted(tick == 0.0 ? 0.0 : tick, std::chars_format::fixed, decimals);
  }
};

/// Returns an axis that holds `low` to `high`, both finite, with some four to eight marks.
///
/// A logarithmic axis takes positive ends, and has marks at 1, 2 and 5 times powers of ten, or at powers of ten alone.
inline quality_axis make_axis(double low, double high, axis_scale scale) {
  quality_axis axis{.scale = scale, .low = low, .high = high, .ticks = {}};
  if (scale == axis_scale::logarithmic) {
    axis.low = std::log10(low);
    axis.high = std::log10(high);
    double const room = std::max(0.05 * (axis.high - axis.low), 0.1);
    axis.low -= room;
    axis.high += room;
    bool const dense = axis.high - axis.low < 2.5;
    int const every = dense ? 1 : static_cast<int>(std::max(1.0, std::ceil((axis.high - axis.low) / 8.0)));
    for (int decade = static_cast<int>(std::floor(axis.low)); decade <= axis.high; decade += every)
      for (double const factor : {1.0, 2.0, 5.0}) {
        double const tick = decade + std::log10(factor);
        if (axis.low <= tick && tick <= axis.high && (dense || factor == 1.0)) axis.ticks.push_back(tick);
      }
    return axis;
  }
  bool const is_flat = high - low <= std::max(std::fabs(low) * 1e-9, 1e-12);  // no marks lie between numbers so near
  double const span = is_flat ? std::max(std::fabs(low) * 0.1, 1e-6) : high - low;
  double const power = std::pow(10.0, std::floor(std::log10(span / 5.0)));
  double const rough = span / 5.0 / power;
  double const step = power * (rough < 1.5 ? 1.0 : rough < 3.5 ? 2.0 : rough < 7.5 ? 5.0 : 10.0);
  double first = std::floor(low / step);
  double last = std::ceil(high / step);
  if (first == last) {
    first -= 1.0;
    last += 1.0;
  }
  axis.low = first * step;
  axis.high = last * step;
  axis.decimals = static_cast<int>(std::clamp(-std::floor(std::log10(step) + 1e-9), 0.0, 9.0));
  for (int i = 0; i <= static_cast<int>(last - first); ++i) axis.ticks.push_back((first + i) * step);
  return axis;
}

}  // namespace convert_to_quant::page
