// A layer at work: its weight, codes and scales in memory, its inputs, and what one step leaves to the next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/calibration/layer_inputs.hpp>
#include <halfstep/calibration/statistics.hpp>
#include <halfstep/convert/job.hpp>
#include <halfstep/convert/layer_memory.hpp>
#include <halfstep/convert/refinement.hpp>
#include <halfstep/convert/settings.hpp>
#include <halfstep/convert/shared_hessian.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/any_host.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/row_tiles.hpp>
#include <halfstep/objective/hessian.hpp>
#include <halfstep/recipe/format_table.hpp>
#include <halfstep/recipe/stage_table.hpp>

namespace halfstep {

/// Rows of a layer, all or some that share no group with the others: their weights in the basis of the codes, and the places of
/// codes and groups.
struct layer_rows {
  quantize_job* job = nullptr;
  erased_rows weight{};
  dtype type = dtype::f32;  ///< of the weights
  std::byte* codes = nullptr;
  std::byte* groups = nullptr;
  observer const* watcher = nullptr;

  source_kernels const& kernels() const { return job->codec().kernels(type); }

  /// Returns `rows` of the rows from `first` on.
  layer_rows part(index_t first, index_t rows) const {
    index_t const columns = weight.extents.columns;
    auto const* const data = static_cast<std::byte const*>(weight.data) + first * columns * bytes_of(type);
    auto* const mine = groups + job->group_offset(first);
    auto* const their_codes = codes + first * columns * bytes_of(job->codec().format.codes);
    return {job, {data, {rows, columns}, weight.first_row + first}, type, their_codes, mine, watcher};
  }

  static index_t bytes_of(dtype type) { return static_cast<index_t>(bits_of(type) / 8); }
};

/// Calls `f(first row, rows)` for tiles of a job's rows that share no group, or that are measured together.
template <host_executor Executor, class F>
void for_each_tile(Executor const& ex, quantize_job const& job, extents2 e, observer const* watcher, F const& f) {
  row_tiles const tiles(e, std::lcm(job.group_rows(), residual_tile_rows));
  ex.for_each(tiles.count(), [&](index_t i) {
    if (watcher != nullptr) require_going(*watcher);
    f(tiles.first(i), tiles.rows(i));
  });
}

/// The same, with the parts of `rows`.
template <host_executor Executor, class F>
void for_each_part(Executor const& ex, layer_rows const& rows, F const& f) {
  for_each_tile(ex, *rows.job, rows.weight.extents, rows.watcher,
                [&](index_t first, index_t count) { f(rows.part(first, count)); });
}

/// A layer that is held in memory as a whole.
struct layer {
  quantize_job& job;
  refinement const& how;
  layer_memory& memory;
  shared_hessian& moments;                     ///< of its inputs, as far as `inputs` knows them
  layer_rows rows = {};                        ///< all of it
  std::optional<layer_inputs> inputs = {};     ///< what files say of its inputs, where they do
  std::optional<input_statistics> known = {};  ///< their figures, in the part of the basis that keeps rows apart
  host_buffer<float> decoded = {};             ///< what its codes stand for, where outputs or a mixing basis want it
  std::vector<double> shift = {};              ///< what the bias gets for what rounding does to the mean
  bool is_fed_back = false;                    ///< the codes keep measured second moments, and the mean with them
  layer const* whole = nullptr;                ///< of a trial without rows that are held out: the layer with all of them

  recipe const& wanted() const { return job.tensor().how; }
  std::string_view grid() const { return wanted().format.grid; }

  /// Returns the weight in the basis of the codes.
  host_view<float const> weight() const { return {memory.weight.data(), job.extents()}; }

  extents2 groups() const { return job.codec().format.groups(job.extents()); }

  layer_matrices matrices() const {
    return {weight(), memory.codes.data(), {memory.scales.data(), groups()}, job.codec().format.lie(job.extents())};
  }

  /// Returns the mean input where the bias takes what rounding does to it, so that errors count about it; else nothing.
  std::span<float const> center() const {
    if (!job.tensor().added.bias || !known) return {};
    return known->channel_mean;
  }

  /// Returns the Hessian of the inputs, about the center; null where no file has one.
  hessian const* second_moments(any_host const& ex) const {
    if (!inputs) return nullptr;
    if (whole == nullptr) return moments.moments(ex, *inputs, job.basis(), center());
    shared_hessian::whole const all{*whole->inputs, whole->moments, whole->center()};
    return moments.moments(ex, *inputs, job.basis(), center(), &all);
  }

  /// Adds a few words to how codes and scales were found.
  void add_method(std::string const& text) const {
    auto& method = job.found().method;
    method += (method.empty() ? "" : ", ") + text;
  }
};

}  // namespace halfstep
