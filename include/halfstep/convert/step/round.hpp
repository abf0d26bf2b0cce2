// The steps from weights to scales and codes: range, fit, search, encode.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <halfstep/calibration/input_rows.hpp>
#include <halfstep/calibration/shrinkage.hpp>
#include <halfstep/convert/layer.hpp>
#include <halfstep/convert/step/code_rows.hpp>
#include <halfstep/exec/any_host.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/column_energy.hpp>
#include <halfstep/layout/concept.hpp>
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

/// How much is known of the inputs that columns count by.
enum class column_knowledge : std::uint8_t {
  none,  ///< nothing, or so little that other scales would change the error by chance
  few,   ///< enough to weigh columns, and not to clip for it
  full
};

/// Returns how much is known where `column_squares` has a value or none.
inline column_knowledge knowledge_of(layer const& l, std::optional<std::vector<float>> const& column_squares) {
  index_t const rows = column_squares ? l.known->samples : 0;
  index_t const columns = l.job.weight_extents().columns;
  if (!column_squares) return column_knowledge::none;
  if (rows > 0 && (rows < input_rows::least_split || say_nothing(rows, columns))) return column_knowledge::none;
  return rows > 0 && are_few(rows, columns) ? column_knowledge::few : column_knowledge::full;
}

}  // namespace detail

/// Searches better scales than those of the largest magnitudes, where the recipe says so. With inputs of few rows "auto" is the
/// search that it is without data, of rows that say nothing in every way: scales that clip pay where it is known what they clip.
inline void search(any_host const& ex, layer& l) {
  auto const squares = rows_of(l).column_squares(ex, l);
  bool const chooses = l.wanted().scales == suitable;
  auto const knowledge = detail::knowledge_of(l, squares);
  auto const by =
      squares && !(chooses && knowledge != detail::column_knowledge::full) ? column_weight::inputs : column_weight::energy;
  auto const* const row = l.how.stages.scale_search(l.wanted().scales, l.grid(), by);
  if (row == nullptr) return;
  bool const by_inputs = row->by == column_weight::inputs || (chooses && knowledge == detail::column_knowledge::few);
  std::vector<float> const weights = by_inputs && squares ? *squares
                                     : by_inputs ? std::vector<float>(static_cast<std::size_t>(l.job.extents().columns), 1.0f)
                                                 : column_energy(ex, l.weight());
  row->search(ex, l.matrices(), weights);
  l.add_method(std::string(by_inputs && squares ? row->words_by_inputs : row->words));
}

/// Stores the codes that the rounding of the recipe chooses.
template <host_executor Executor>
void encode(Executor const& ex, layer_rows const& rows) {
  for_each_part(ex, rows,
                [](layer_rows const& part) { part.kernels().encode(part.weight, part.groups, part.job->key(), part.codes); });
}

}  // namespace halfstep::step
