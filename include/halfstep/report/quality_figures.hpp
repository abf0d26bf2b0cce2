// The figures of a layer's quality: what they are called, what they mean, and which end of them is bad.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/report/layer_quality.hpp>
#include <halfstep/report/quality_number.hpp>
#include <halfstep/rounding/nearest.hpp>
#include <halfstep/rounding/stochastic.hpp>

namespace halfstep {

/// Which end of a figure is the bad one: what is shown first when a reader asks for it.
enum class bad_end : std::uint8_t { small, large };

/// One figure of a layer.
struct quality_figure {
  std::string_view key;      ///< in JSON, and in the page's `#sort=`
  std::string_view title;    ///< of a column, with the unit
  std::string_view meaning;  ///< a sentence without its full stop
  number_style style;
  bad_end bad;
  std::optional<double> (*of)(layer_quality const&);  ///< nothing where it is not known
};

namespace detail {

inline std::optional<double> decibel_of(std::optional<double> const& ratio) {
  return ratio ? std::optional(20.0 * std::log10(*ratio)) : std::nullopt;
}

template <class Member>
std::optional<double> solved(layer_quality const& layer, Member member) {
  return layer.solved ? std::optional(static_cast<double>(std::invoke(member, *layer.solved))) : std::nullopt;
}

}  // namespace detail

/// Returns how many of a layer's weights have a known place in `error_steps`.
inline index_t counted_errors(layer_quality const& layer) {
  return std::accumulate(layer.error_steps.begin(), layer.error_steps.end(), index_t{0});
}

/// The figures in the order in which they are shown: errors of outputs lead, since they are what counts.
inline constexpr std::array<quality_figure, 19> quality_figures{{
    {"output_error_db", "output error dB",
     "20 log10 of |X E^T| / |X W^T| for held-out inputs X and the error E of the weights W, corrected biases counted in",
     number_style::error_db, bad_end::large, [](layer_quality const& q) { return detail::decibel_of(q.output_error); }},
    {"output_error_8bit_db", "8-bit output error dB", "the same with activations in 8 bit, as ComfyUI runs them",
     number_style::error_db, bad_end::large, [](layer_quality const& q) { return detail::decibel_of(q.output_error_8bit); }},
    {"input_rows", "input rows", "measured rows of inputs behind the layer's second moments: fewer than its columns are few",
     number_style::count, bad_end::small,
     [](layer_quality const& q) { return q.input_rows > 0 ? std::optional(static_cast<double>(q.input_rows)) : std::nullopt; }},
    {"shrinkage", "shrinkage", "how far few rows' second moments were drawn towards their diagonal", number_style::share,
     bad_end::large, [](layer_quality const& q) { return q.shrinkage; }},
    {"sqnr_db", "SQNR dB", "10 log10 of |W|^2 / |E|^2", number_style::signal_db, bad_end::small,
     [](layer_quality const& q) { return std::optional(q.sqnr()); }},
    {"loss_before", "loss before", "the solver's objective for round to nearest", number_style::scientific, bad_end::large,
     [](layer_quality const& q) { return detail::solved(q, &solve_report::loss_before); }},
    {"loss_after", "loss after", "the solver's objective for the codes that were stored", number_style::scientific,
     bad_end::large, [](layer_quality const& q) { return detail::solved(q, &solve_report::loss_after); }},
    {"loss_gain_db", "loss gain dB", "20 log10 of loss before / loss after", number_style::signal_db, bad_end::small,
     [](layer_quality const& q) { return detail::solved(q, &solve_report::gain_db); }},
    {"sqnr_cost_db", "SQNR cost dB", "how far the solver lowered the SQNR", number_style::cost_db, bad_end::large,
     [](layer_quality const& q) { return detail::solved(q, &solve_report::cost_db); }},
    {"moved_codes", "moved codes", "codes that are not round to nearest", number_style::count, bad_end::large,
     [](layer_quality const& q) { return detail::solved(q, &solve_report::moved); }},
    {"iterations", "iterations", "iterations of the solver, or its sweeps", number_style::count, bad_end::large,
     [](layer_quality const& q) { return detail::solved(q, &solve_report::iterations); }},
    {"over_half_step", "over half a step", "weights more than half a step off", number_style::share, bad_end::large,
     [](layer_quality const& q) -> std::optional<double> {
       auto const all = counted_errors(q);
       if (all == 0) return std::nullopt;
       return static_cast<double>(std::accumulate(q.error_steps.begin() + 10, q.error_steps.end(), index_t{0})) /
              static_cast<double>(all);
     }},
    {"max_error", "max error", "the largest |E| of a weight", number_style::scientific, bad_end::large,
     [](layer_quality const& q) { return std::optional(static_cast<double>(q.error.max_error)); }},
    {"mse", "MSE", "the mean of E^2", number_style::scientific, bad_end::large,
     [](layer_quality const& q) { return std::optional(q.mse()); }},
    {"gain_error", "gain error", "<W, E> / |W|^2: how much smaller the stored weights are", number_style::scientific,
     bad_end::large, [](layer_quality const& q) { return std::optional(q.gain_error()); }},
    {"clipped", "clipped", "weights more than half a step beyond the last code", number_style::count, bad_end::large,
     [](layer_quality const& q) { return std::optional(static_cast<double>(q.error.clipped)); }},
    {"scale_min", "scale min", "the smallest scale", number_style::scientific, bad_end::small,
     [](layer_quality const& q) { return std::optional(static_cast<double>(q.scale_min)); }},
    {"scale_max", "scale max", "the largest scale", number_style::scientific, bad_end::large,
     [](layer_quality const& q) { return std::optional(static_cast<double>(q.scale_max)); }},
    {"seconds", "seconds", "the time of one thread", number_style::seconds, bad_end::large,
     [](layer_quality const& q) { return std::optional(q.seconds); }},
}};

/// Returns the figure called `key`. Precondition: there is one.
constexpr quality_figure const& figure_named(std::string_view key) {
  return *std::find_if(quality_figures.begin(), quality_figures.end(), [&](auto const& figure) { return figure.key == key; });
}

/// Returns the figures that are known of at least one of `layers`, in their order.
inline std::vector<quality_figure const*> known_figures(std::vector<layer_quality> const& layers) {
  std::vector<quality_figure const*> known;
  for (auto const& figure : quality_figures)
    for (auto const& layer : layers)
      if (figure.of(layer)) {
        known.push_back(&figure);
        break;
      }
  return known;
}

/// Returns what happened to a layer's bias in one word.
constexpr std::string_view name_of(bias_state bias) {
  switch (bias) {
    case bias_state::none:
      return "none";
    case bias_state::kept:
      return "kept";
    case bias_state::corrected:
      return "corrected";
  }
  return "unknown";
}

/// Returns how a layer's codes were found: the method, or how they were rounded.
inline std::string method_of(layer_quality const& layer) {
  if (!layer.method.empty()) return layer.method;
  if (layer.how.rounding == nearest::name) return "round to nearest";
  return layer.how.rounding == stochastic::name ? "rounded stochastically" : "rounded by " + layer.how.rounding;
}

}  // namespace halfstep
