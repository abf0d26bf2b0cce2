// Better scales than those of the largest magnitudes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/layout/group_geometry.hpp>
#include <halfstep/solver/grid_loss.hpp>

namespace halfstep {

/// How the scale of a group is chosen.
enum class scale_criterion : std::uint8_t {
  absmax,   ///< the largest magnitude lies on the last code
  bounded,  ///< the least weighted error of those that put no weight more than half a step off
  mse       ///< the least weighted error, even where that clips
};

/// Returns the name that the command line has for a criterion.
constexpr std::string_view name_of(scale_criterion criterion) {
  switch (criterion) {
    case scale_criterion::absmax:
      return "absmax";
    case scale_criterion::bounded:
      return "bounded";
    case scale_criterion::mse:
      return "mse";
  }
  return "unknown";
}

/// Searches, for every group, the scale with the least J(s) = sum w_j (W_ij - s q_ij)^2, q rounded to nearest and clipped.
///
/// `bounded` tries s = a amax / last, `last` the grid's last number, with a = 1 + 0.0005 m, m = -7 .. 100: the largest weight
/// clips by less than half a step, so no weight is ever more than s (0.5 + 2e-5) off. `mse` walks a down from 1 in steps of 0.01
/// until J exceeds three times the best (30 trials or more, 0.35 at the least), refits s to the codes found at most five times
/// while J falls, and ends with a fine pass around the best. Ties go to the first scale tried. FP32 with FP64 sums in a fixed
/// order: the same scales on every executor and instruction set.
template <class Grid>
class scale_search {
 public:
  explicit scale_search(scale_criterion criterion) : criterion_(criterion) {}

  /// Replaces `scales`, which come in fitted to the largest magnitudes.
  ///
  /// weight [M, N]; column_weights [N], the w_j, not negative; only their ratios count, and all zero counts as all equal. Groups
  /// whose scale was not fitted to their largest magnitude, because it is below the layout's floor, keep it. Throws shape_error.
  template <host_executor Executor>
  void operator()(Executor const& ex, host_view<float const> weight, group_geometry const& geometry,
                  std::span<float const> column_weights, host_view<float> scales) const {
    require_extents(geometry.extents, weight.extents(), "halfstep: the geometry given to scale_search");
    require_extents(scales.extents(), geometry.groups(), "halfstep: the scales given to scale_search");
    if (static_cast<index_t>(column_weights.size()) != weight.columns())
      throw shape_error(stated("shape.weights", "halfstep: scale_search got {weights} column weights for {columns} columns",
                               {{"weights", column_weights.size()}, {"columns", weight.columns()}}));
    if (criterion_ == scale_criterion::absmax) return;
    std::vector<float> const weights = normalized(column_weights);
    index_t const groups = geometry.groups().count();
    auto const search = [&](auto const& inner, index_t group) {
      grid_loss<Grid> const loss(weight, geometry, weights, group);
      float& scale = scales.data()[group];
      if (scale < 0x1p-90f || loss.largest() < 0.9f * Grid::last * scale) return;
      scale = criterion_ == scale_criterion::bounded ? bounded(inner, loss, scale) : least(inner, loss, scale);
    };
    constexpr index_t few = 16;  // with fewer groups the threads share each of them
    if (groups < few)
      for (index_t group = 0; group < groups; ++group) search(ex, group);
    else
      ex.for_each(groups, [&](index_t group) { search(serial{}, group); });
  }

 private:
  static std::vector<float> normalized(std::span<float const> weights) {
    double sum = 0.0;
    for (float const w : weights) sum += static_cast<double>(w);
    double const mean = sum / static_cast<double>(std::max<std::size_t>(weights.size(), 1));
    std::vector<float> all(weights.size(), 1.0f);
    if (mean > 0.0)
      for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<float>(static_cast<double>(weights[i]) / mean);
    return all;
  }

  struct candidate {
    float scale;
    double loss;
  };

  /// Returns the best of `scales` or of `best`.
  template <class Executor>
  static candidate better(Executor const& ex, grid_loss<Grid> const& loss, grid_end end, std::span<float const> scales,
                          candidate best) {
    std::vector<double> losses(scales.size());
    loss(ex, end, scales, losses);
    for (std::size_t i = 0; i < scales.size(); ++i)
      if (losses[i] < best.loss) best = {scales[i], losses[i]};
    return best;
  }

  static constexpr double none = 1e300;

  static float scaled(float scale, double factor) { return static_cast<float>(static_cast<double>(scale) * factor); }

  template <class Executor>
  static float bounded(Executor const& ex, grid_loss<Grid> const& loss, float scale) {
    std::vector<float> trials;
    for (int m = -7; m <= 100; ++m) trials.push_back(scaled(scale, 1.0 + 0.0005 * m));
    return better(ex, loss, grid_end::reaches, trials, {scale, none}).scale;
  }

  template <class Executor>
  static float least(Executor const& ex, grid_loss<Grid> const& loss, float scale) {
    candidate best{scale, none};
    constexpr int batch = 8;
    for (int first = 0; first <= 65; first += batch) {
      std::vector<float> trials;
      for (int i = first; i < std::min(first + batch, 66); ++i) trials.push_back(scaled(scale, 1.0 - 0.01 * i));
      std::vector<double> losses(trials.size());
      loss(ex, grid_end::clips, trials, losses);
      bool far = false;
      for (std::size_t i = 0; i < trials.size() && !far; ++i) {
        far = first + static_cast<int>(i) >= 30 && losses[i] > 3.0 * best.loss;
        if (losses[i] < best.loss) best = {trials[i], losses[i]};
      }
      if (far) break;
    }
    for (int i = 0; i < 5; ++i) {
      float const refitted = loss.refit(ex, best.scale);
      candidate const next = better(ex, loss, grid_end::clips, std::span(&refitted, 1), best);
      if (next.scale == best.scale) break;
      best = next;
    }
    std::vector<float> fine;
    for (int i = -10; i <= 10; ++i) fine.push_back(scaled(best.scale, 1.0 + 0.001 * i));
    return better(ex, loss, grid_end::clips, fine, best).scale;
  }

  scale_criterion criterion_;
};

}  // namespace halfstep
