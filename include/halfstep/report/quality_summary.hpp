// What the figures of all layers come to.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <halfstep/core/extents.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/report/layer_quality.hpp>
#include <halfstep/report/quality_figures.hpp>
#include <halfstep/report/quality_number.hpp>

namespace halfstep {

/// Figures over all layers.
struct quality_summary {
  std::size_t measured = 0;                         ///< layers whose weights are more than one number: the others tell nothing
  std::vector<layer_quality const*> uniform;        ///< those others, in their order
  double mean = 0.0;                                ///< SQNR in dB, over measured layers that are not exact; infinite if all are
  double median = 0.0;                              ///< SQNR in dB, over measured layers
  std::vector<layer_quality const*> worst;          ///< at most eight, the lowest SQNR first
  std::vector<layer_quality const*> below;          ///< below the threshold, the lowest SQNR first
  std::optional<double> output_error;               ///< median in dB, of the layers where it is known
  std::optional<double> output_error_8bit;          ///< the same with activations in 8 bit
  std::vector<layer_quality const*> worst_outputs;  ///< at most eight whose output error is known, the largest first
  std::size_t solved = 0;                           ///< layers that a solver worked on
  double loss_gain = 0.0;                           ///< median in dB, of those
  double sqnr_cost = 0.0;                           ///< median in dB, of those
  index_t moved = 0;                                ///< codes that solvers changed
  index_t solved_weights = 0;                       ///< codes of the layers they worked on
  std::size_t requantized = 0;                      ///< layers that the input had as codes already
  std::array<index_t, 20> error_steps{};            ///< sum of the layers' histograms
};

namespace detail {

/// The median of `values`; 0 where there are none.
inline double median(std::vector<double> values) {
  if (values.empty()) return 0.0;
  std::sort(values.begin(), values.end());
  auto const middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : 0.5 * (values[middle - 1] + values[middle]);
}

inline std::optional<double> median_of(std::vector<layer_quality> const& layers, std::optional<double> layer_quality::*ratio) {
  std::vector<double> values;
  for (auto const& layer : layers)
    if (auto const value = decibel_of(layer.*ratio); value && !layer.only_value) values.push_back(*value);
  return values.empty() ? std::nullopt : std::optional(median(values));
}

/// The output error that a layer is ranked by; 0 for one of one number, where it may be none.
inline double leading_error(layer_quality const& layer) {
  if (layer.only_value) return 0.0;
  return layer.output_error ? *layer.output_error : layer.output_error_8bit.value_or(0.0);
}

inline void sum_solved(std::vector<layer_quality> const& layers, quality_summary& s) {
  std::vector<double> gains;
  std::vector<double> costs;
  for (auto const& layer : layers) {
    for (std::size_t i = 0; i < s.error_steps.size(); ++i) s.error_steps[i] += layer.error_steps[i];
    if (!layer.solved || layer.only_value) continue;
    gains.push_back(layer.solved->gain_db());
    costs.push_back(layer.solved->cost_db());
    s.moved += layer.solved->moved;
    s.solved_weights += layer.shape.count();
  }
  s.solved = gains.size();
  s.loss_gain = median(gains);
  s.sqnr_cost = median(costs);
}

}  // namespace detail

/// Returns means, medians and the worst of `layers`; layers with an SQNR below `threshold` dB are listed.
///
/// The result points into `layers`.
inline quality_summary summarize(std::vector<layer_quality> const& layers, double threshold) {
  quality_summary s;
  std::vector<layer_quality const*> order;
  for (auto const& layer : layers) order.push_back(&layer);
  std::stable_sort(order.begin(), order.end(), [](auto const* a, auto const* b) { return a->sqnr() < b->sqnr(); });
  std::size_t finite = 0;
  std::vector<double> ratios;
  for (auto const& layer : layers)
    if (layer.only_value) s.uniform.push_back(&layer);
  s.measured = layers.size() - s.uniform.size();
  for (auto const* layer : order) {
    if (layer->sqnr() < threshold) s.below.push_back(layer);
    if (layer->only_value) continue;
    ratios.push_back(layer->sqnr());
    if (s.worst.size() < 8) s.worst.push_back(layer);
    if (std::isinf(layer->sqnr())) continue;
    s.mean += layer->sqnr();
    ++finite;
  }
  if (finite > 0)
    s.mean /= static_cast<double>(finite);
  else if (s.measured > 0)
    s.mean = std::numeric_limits<double>::infinity();
  s.median = detail::median(ratios);
  s.output_error = detail::median_of(layers, &layer_quality::output_error);
  s.output_error_8bit = detail::median_of(layers, &layer_quality::output_error_8bit);
  std::stable_sort(order.begin(), order.end(),
                   [](auto const* a, auto const* b) { return detail::leading_error(*a) > detail::leading_error(*b); });
  for (auto const* layer : order)
    if (s.worst_outputs.size() < 8 && !layer->only_value && (layer->output_error || layer->output_error_8bit))
      s.worst_outputs.push_back(layer);
  detail::sum_solved(layers, s);
  for (auto const& layer : layers) s.requantized += layer.is_requantized ? 1 : 0;
  return s;
}

/// Returns the names of the layers of one number, as a sentence without its full stop.
inline std::string uniform_in_words(quality_summary const& s) {
  std::vector<std::string> names;
  for (auto const* layer : s.uniform)
    names.push_back(quoted(layer->layer) + " (" + detail::json_number(*layer->only_value) + ")");
  return layers_in_words(names.size()) + (names.size() == 1 ? " holds" : " hold") + " one number alone, and " +
         (names.size() == 1 ? "counts" : "count") + " in no mean: " + some_of(names);
}

}  // namespace halfstep
