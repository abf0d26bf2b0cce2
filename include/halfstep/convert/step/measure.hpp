// The steps that find out what rounding cost: errors of codes, of the mean, of outputs.
#pragma once

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <span>
#include <type_traits>
#include <vector>

#include <halfstep/calibration/input_rows.hpp>
#include <halfstep/convert/layer.hpp>
#include <halfstep/convert/output_error.hpp>
#include <halfstep/convert/step/code_rows.hpp>
#include <halfstep/convert/workspace.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/any_host.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/error_histogram.hpp>
#include <halfstep/kernel/residual_statistics.hpp>
#include <halfstep/kernel/widen.hpp>

namespace halfstep::step {

/// Stores what each `residual_tile_rows` of the rows lose by their codes.
template <host_executor Executor>
void measure(Executor const& ex, layer_rows const& rows, std::span<residual_statistics> to) {
  for_each_part(ex, rows, [&](layer_rows const& part) {
    index_t const first = part.weight.first_row - rows.weight.first_row;
    part.kernels().measure(part.weight, part.groups, part.codes, to.data() + first / residual_tile_rows);
  });
}

/// Returns how far the weights of a few rows are from their codes, in steps; nothing for layouts without scales.
inline error_bins steps_off(layer_rows const& rows, workspace& memory) {
  if (!rows.job->scales()) return {};
  extents2 const e = rows.weight.extents;
  auto const both = memory.decoded(2 * e.count());
  float* const exact = both.data();
  float* const decoded = exact + e.count();
  with_source_type(rows.type, [&]<class Source>(std::type_identity<Source>) {
    widen(serial{}, host_view<Source const>(static_cast<Source const*>(rows.weight.data), e), host_view<float>(exact, e));
  });
  rows.job->codec().decode(rows.codes, rows.groups, e, decoded);
  return rows.job->codec().histogram(exact, decoded, rows.groups, e);
}

/// Counts how far all weights of a layer are from their codes.
template <host_executor Executor>
void count_steps(Executor const& ex, layer& l, workspace_pool& pool) {
  std::mutex guard;
  for_each_part(ex, l.rows, [&](layer_rows const& part) {
    auto const bins = steps_off(part, *pool.take());
    std::scoped_lock const lock(guard);
    for (std::size_t i = 0; i < bins.size(); ++i) l.job.found().error_steps[i] += bins[i];
  });
}

/// Decodes a layer; of a basis that mixes rows weight and decoded weight come back into the basis of rows.
template <host_executor Executor>
void decode_whole(Executor const& ex, layer& l) {
  extents2 const e = l.job.extents();
  l.decoded = host_buffer<float>(e.count());
  for_each_part(ex, l.rows, [&](layer_rows const& part) {
    auto* const to = l.decoded.data() + part.weight.first_row * e.columns;
    l.job.codec().decode(part.codes, part.groups, part.weight.extents, to);
  });
  basis const beyond = l.job.basis().beyond_rows();
  if (beyond.is_plain()) return;
  beyond.invert_whole(ex, l.decoded.data(), l.job.weight_extents());
  beyond.invert_whole(ex, l.memory.weight.data(), l.job.weight_extents());
}

/// Decodes a layer whose outputs are still to be measured, or whose codes cannot be measured where they lie.
inline void decode(any_host const& ex, layer& l) {
  auto const& rows = rows_of(l);
  bool const is_measured = l.job.found().output_error || !l.inputs || !l.inputs->held_out(l.job.basis());
  if (!rows.is_measured_decoded() && is_measured) return;
  decode_whole(ex, l);
  rows.note_decoded(ex, l);
}

/// Finds what the bias gets for what rounding takes from the mean of the outputs.
inline void correct(any_host const& ex, layer& l) {
  if (!l.job.tensor().added.bias || !l.known || l.known->channel_mean.empty()) return;
  l.shift = rows_of(l).mean_shift(ex, l);
  l.job.found().bias = bias_state::corrected;
}

/// Notes what the outputs of a decoded layer lose on `inputs`, in the basis of rows.
inline void note_output_error(any_host const& ex, layer& l, input_rows const& inputs) {
  extents2 const e = l.job.weight_extents();
  std::vector<float> const shift(l.shift.begin(), l.shift.end());
  auto const errors = output_error(ex, {l.memory.weight.data(), e}, {l.decoded.data(), e}, shift, inputs);
  if (!errors) return;
  l.job.found().output_error = errors->weights;
  if (l.wanted().format.codes == dtype::i8 &&
      rows_of(l).meets_rounded_inputs())  // loaders run others in FP8, or in another basis
    l.job.found().output_error_8bit = errors->activations;
}

/// Measures what the outputs lose on rows that are held out, where no trial has.
inline void compare_outputs(any_host const& ex, layer& l) {
  if (l.job.found().output_error || !l.inputs) return;
  if (auto const rows = l.inputs->held_out(l.job.basis())) note_output_error(ex, l, *rows);
}

}  // namespace halfstep::step
