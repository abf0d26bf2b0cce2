// The work on one piece of a tensor: read, rotate, quantize, measure, write.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <type_traits>

#include <halfstep/convert/job.hpp>
#include <halfstep/convert/source_rows.hpp>
#include <halfstep/convert/weight_rows.hpp>
#include <halfstep/convert/workspace.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/magnitude.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/group_range.hpp>
#include <halfstep/lora/delta.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/safetensors/writer.hpp>

namespace halfstep {

/// A piece of a quantized tensor in memory, tile by tile: whole rows that stay in cache through every step.
class piece_worker {
 public:
  /// Works on `rows` rows of `job` from `first_row` on, which `read_rows` read into `input`.
  piece_worker(quantize_job const& job, workspace& memory, std::span<std::byte const> input, index_t first_row, index_t rows)
      : job_(job), memory_(memory), input_(input), delta_(job.delta()), first_row_(first_row), rows_(rows) {
    extents2 const e = job.extents();
    index_t const granule = std::lcm(job.group_rows(), residual_tile_rows);
    tile_rows_ = std::max(granule, (index_t{1} << 16) / std::max<index_t>(e.columns, 1) / granule * granule);
  }

  /// Calls `f(first, stored, rows)` for every tile: its first row within the piece, its rows in the file, and its rows as the
  /// codec reads them, merged with adapters where there are any, smoothed and rotated where the recipe says so.
  template <class F>
  void for_each_tile(F const& f) const {
    for (index_t first = 0; first < rows_; first += tile_rows_) with_rows(first, std::min(tile_rows_, rows_ - first), f);
  }

  /// Returns the kernels for what `for_each_tile` hands out.
  source_kernels const& kernels() const { return job_.codec().kernels(type_of_rows()); }

  /// Raises the job's spanning ranges to those of this piece. Throws value_error at NaN or infinity.
  void range(quantize_job& job) const {
    index_t const count = job_.codec().format.groups(job_.extents()).count();
    for_each_tile([&](index_t, erased_rows stored, erased_rows rows) {
      auto const ranges = memory_.ranges(count);
      kernels().range(rows, ranges.data());
      require_finite(ranges, stored);
      job.raise(ranges.data());
    });
  }

  /// Stores codes, groups unless one row of groups spans the tensor (then `groups` holds them already), and what each
  /// `residual_tile_rows` rows lost.
  void encode(std::span<std::byte> groups, std::span<std::byte> codes, std::span<residual_statistics> error) const {
    for_each_tile([&](index_t first, erased_rows stored, erased_rows rows) {
      std::byte* const mine = groups.data() + group_offset(first);
      if (!job_.scales()) {
        require_finite({}, stored);
      } else if (!job_.spans()) {
        auto const ranges = memory_.ranges(job_.codec().format.groups(rows.extents).count());
        kernels().range(rows, ranges.data());
        require_finite(ranges, stored);
        job_.codec().fit(ranges.data(), static_cast<index_t>(ranges.size()), mine);
      }
      std::byte* const q = codes.data() + first * code_row_bytes();
      kernels().encode(rows, mine, job_.key(), q);
      kernels().measure(rows, mine, q, error.data() + first / residual_tile_rows);
    });
  }

  /// Stores what each `residual_tile_rows` rows lose by stored `codes` and `groups`.
  void measure(std::span<std::byte const> groups, std::span<std::byte const> codes, std::span<residual_statistics> error) const {
    for_each_tile([&](index_t first, erased_rows, erased_rows rows) {
      kernels().measure(rows, groups.data() + group_offset(first), codes.data() + first * code_row_bytes(),
                        error.data() + first / residual_tile_rows);
    });
  }

  /// Returns how far the weights of the first rows are from their codes, in steps; nothing for layouts without scales.
  ///
  /// A sample that costs next to nothing: the first rows that are measured together.
  error_bins histogram(std::span<std::byte const> groups, std::span<std::byte const> codes) const {
    if (!job_.scales()) return {};
    extents2 const e{std::min(rows_, std::lcm(job_.group_rows(), residual_tile_rows)), job_.extents().columns};
    error_bins bins{};
    host_buffer<float> const exact(e.count()), decoded(e.count());
    with_rows(0, e.rows, [&](index_t, erased_rows, erased_rows rows) {
      with_source_type(type_of_rows(), [&]<class Source>(std::type_identity<Source>) {
        widen(serial{}, host_view<Source const>(static_cast<Source const*>(rows.data), e), exact.view(e));
      });
      job_.codec().decode(codes.data(), groups.data(), e, decoded.data());
      bins = job_.codec().histogram(exact.data(), decoded.data(), groups.data(), e);
    });
    return bins;
  }

  /// Returns the bytes of one row of codes.
  index_t code_row_bytes() const { return static_cast<index_t>(bits_of(job_.codec().format.codes) / 8) * job_.extents().columns; }

  /// Returns the bytes of groups that belong to the piece.
  index_t group_bytes() const {
    return job_.codec().format.groups({rows_, job_.extents().columns}).count() *
           static_cast<index_t>(job_.codec().format.scale_bytes);
  }

 private:
  bool is_smoothed() const { return job_.smooth_factors().has_value(); }

  /// Whether the codec reads the rows as they are in the file.
  bool as_stored() const {
    return job_.tensor().how.rotation_group == 0 && delta_ == nullptr && !is_smoothed() && format_row::reads(job_.row_type());
  }

  dtype type_of_rows() const { return as_stored() ? job_.row_type() : dtype::f32; }

  /// Calls `f(first, stored, rows)` for `count` rows of the piece.
  template <class F>
  void with_rows(index_t first, index_t count, F const& f) const {
    extents2 const e{count, job_.extents().columns};
    auto const row_bytes = static_cast<index_t>(bits_of(job_.row_type()) / 8) * e.columns;
    erased_rows const stored{input_.data() + first * row_bytes, e, first_row_ + first};
    if (as_stored()) return f(first, stored, stored);
    host_view<float> const wide{memory_.rows(e.count()).data(), e, stored.first_row};
    int const group = job_.tensor().how.rotation_group;
    detail::prepare_rows(job_.row_type(), stored, delta_.get(), is_smoothed() ? 0 : group, wide);
    if (is_smoothed()) detail::smooth_rows(job_.smoothing(), group, wide);
    f(first, stored, erased_rows{wide.data(), e, wide.first_row()});
  }

  index_t group_offset(index_t first) const {
    if (first == 0 || job_.spans() || !job_.scales()) return 0;
    return job_.codec().format.groups({first, job_.extents().columns}).count() *
           static_cast<index_t>(job_.codec().format.scale_bytes);
  }

  /// Throws value_error where `ranges` of a tile, or without groups the tile itself, hold NaN or infinity.
  void require_finite(std::span<value_range const> ranges, erased_rows stored) const {
    if (!ranges.empty()) {
      if (std::all_of(ranges.begin(), ranges.end(), [](value_range r) { return is_finite(r.amax); })) return;
      detail::refuse_prepared(job_.input(), job_.row_type(), stored, delta_.get());
    }
    value_range whole{};
    with_source_type(job_.row_type(), [&]<class Source>(std::type_identity<Source>) {
      whole = matrix_range(serial{}, host_view<Source const>{static_cast<Source const*>(stored.data), stored.extents});
    });
    if (!is_finite(whole.amax)) detail::refuse_nonfinite(job_.input(), job_.row_type(), stored);
  }

  quantize_job const& job_;
  workspace& memory_;
  std::span<std::byte const> input_;
  std::shared_ptr<weight_delta const> delta_;
  index_t first_row_;
  index_t rows_;
  index_t tile_rows_ = 1;
};

/// Reads the ranges of one piece into `job`, for layouts whose groups span the rows.
inline void range_piece(quantize_job& job, index_t piece, safetensors::reader const& input, workspace& memory) {
  auto const bytes = read_rows(input, job.tensor(), job.first_row(piece), job.rows(piece), memory);
  piece_worker(job, memory, bytes, job.first_row(piece), job.rows(piece)).range(job);
}

/// Converts one piece: its codes and scales go to their places in the output, what they cost into the job.
///
/// Throws value_error at NaN or infinity, naming tensor and element.
inline void convert_piece(quantize_job& job, index_t piece, safetensors::reader const& input, safetensors::writer& output,
                          workspace& memory) {
  auto const start = std::chrono::steady_clock::now();
  index_t const first = job.first_row(piece);
  index_t const rows = job.rows(piece);
  auto const bytes = read_rows(input, job.tensor(), first, rows, memory);

  piece_worker const worker(job, memory, bytes, first, rows);
  auto const groups = memory.groups(worker.group_bytes());
  auto const codes = memory.codes(rows * worker.code_row_bytes());
  if (job.spans()) {
    auto const ranges = job.wait_for_ranges();
    job.codec().fit(ranges.data(), static_cast<index_t>(ranges.size()), groups.data());
  }
  worker.encode(groups, codes, std::span(job.error()).subspan(static_cast<std::size_t>(first / residual_tile_rows)));

  if (piece == 0) job.found().error_steps = worker.histogram(groups, codes);

  output.write(job.codes(), static_cast<std::uint64_t>(first * worker.code_row_bytes()), codes);
  auto& result = job.result(piece);
  if (job.scales()) {
    if (!job.spans() || piece == 0) output.write(*job.scales(), job.group_offset(first), groups);
    auto const* const scale = reinterpret_cast<float const*>(groups.data());
    auto const [low, high] = std::minmax_element(scale, scale + groups.size() / sizeof(float));
    result.scale_min = *low;
    result.scale_max = *high;
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace halfstep
