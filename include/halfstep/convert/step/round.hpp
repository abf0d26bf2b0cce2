// The steps from weights to scales and codes: range, fit, search, encode.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <halfstep/convert/layer.hpp>
#include <halfstep/core/arithmetic.hpp>
#include <halfstep/exec/any_host.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/column_energy.hpp>
#include <halfstep/layout/concept.hpp>
#include <halfstep/objective/hessian.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/recipe/stage_table.hpp>

namespace halfstep::step {

/// Raises the ranges of groups that span the layer to those of `rows`. Throws not_finite.
template <host_executor Executor>
void range(Executor const& ex, layer_rows const& rows) {
  if (!rows.job->spans()) return;
  for_each_part(ex, rows, [](layer_rows const& part) {
    std::vector<value_range> ranges(static_cast<std::size_t>(part.job->codec().format.groups(part.job->extents()).count()));
    part.kernels().range(part.weight, ranges.data());
    part.job->raise(ranges.data());
  });
}

/// Fits every scale to its group's largest magnitude; groups that span the layer to the ranges of `job`. Throws not_finite.
template <host_executor Executor>
void fit(Executor const& ex, layer_rows const& rows) {
  if (rows.job->spans()) {
    auto const ranges = rows.job->ranges();
    return rows.job->codec().fit(ranges.data(), static_cast<index_t>(ranges.size()), rows.groups);
  }
  for_each_part(ex, rows, [](layer_rows const& part) { part.kernels().fit(part.weight, part.groups); });
}

namespace detail {

/// Gives columns that were never seen the mean of those that were: nothing says that their errors do not matter.
inline void weigh_unseen(std::vector<float>& squares) {
  double sum = 0.0;
  for (float const x : squares) sum += static_cast<double>(x);
  auto const seen = static_cast<std::ptrdiff_t>(squares.size()) - std::count(squares.begin(), squares.end(), 0.0f);
  if (seen != 0) std::replace(squares.begin(), squares.end(), 0.0f, static_cast<float>(sum / static_cast<double>(seen)));
}

/// Returns E[x_j^2] in the basis of the codes, or the variance of x_j where the bias takes what rounding does to the mean.
inline std::vector<float> input_weights(layer const& l, hessian const* turned) {
  if (turned != nullptr) return turned->diagonal();
  std::vector<float> weights = l.known->channel_sq;
  weigh_unseen(weights);
  auto const center = l.center();
  for (std::size_t j = 0; j < center.size(); ++j) weights[j] = std::max(weights[j] - settled(center[j] * center[j]), 0.0f);
  return weights;
}

}  // namespace detail

/// Searches better scales than those of the largest magnitudes, where the recipe says so.
inline void search(any_host const& ex, layer& l) {
  bool const mixes_rows = l.job.basis().mixes_rows();
  hessian const* const turned =
      mixes_rows && l.inputs ? l.memory.shared.moments(ex, *l.inputs, l.job.basis(), l.center()) : nullptr;
  bool const known = mixes_rows ? turned != nullptr : l.known && !l.known->channel_sq.empty();
  auto const* const row =
      l.how.stages.scale_search(l.wanted().scales, l.grid(), known ? column_weight::inputs : column_weight::energy);
  if (row == nullptr) return;
  bool const by_inputs = row->by == column_weight::inputs;
  std::vector<float> const weights = by_inputs && known ? detail::input_weights(l, turned)
                                     : by_inputs ? std::vector<float>(static_cast<std::size_t>(l.job.extents().columns), 1.0f)
                                                 : column_energy(ex, l.weight());
  row->search(ex, l.matrices(), weights);
  l.add_method(std::string(by_inputs && known ? row->words_by_inputs : row->words));
}

/// Stores the codes that the rounding of the recipe chooses.
template <host_executor Executor>
void encode(Executor const& ex, layer_rows const& rows) {
  for_each_part(ex, rows,
                [](layer_rows const& part) { part.kernels().encode(part.weight, part.groups, part.job->key(), part.codes); });
}

}  // namespace halfstep::step
