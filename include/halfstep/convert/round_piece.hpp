// A layer that is only rounded, piece by piece: the steps of one piece, in tiles that stay in cache from the first to the last.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <numeric>
#include <span>

#include <halfstep/convert/job.hpp>
#include <halfstep/convert/layer.hpp>
#include <halfstep/convert/step/load.hpp>
#include <halfstep/convert/step/measure.hpp>
#include <halfstep/convert/step/overflow.hpp>
#include <halfstep/convert/step/round.hpp>
#include <halfstep/convert/step/store.hpp>
#include <halfstep/convert/weight_rows.hpp>
#include <halfstep/convert/workspace.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/safetensors/writer.hpp>
#include <halfstep/tensor/quantizer.hpp>

namespace halfstep {

/// Rows of a layer as they lie in the file, read into a workspace, with room for their codes and groups.
class piece_rows {
 public:
  /// Reads `rows` rows of `job` from `first` on.
  piece_rows(quantize_job& job, index_t first, index_t rows, safetensors::reader const& input, workspace& memory)
      : job_(&job), memory_(&memory), delta_(job.delta()), stored_{nullptr, {rows, job.extents().columns}, first} {
    stored_.data = read_rows(input, job.tensor(), first, rows, memory).data();
    job.see(stored_.data, stored_.extents.count());
    auto const& codec = job.codec();
    all_ = {.job = &job, .weight = stored_, .type = job.row_type()};
    all_.codes = memory.codes(stored_.extents.count() * layer_rows::bytes_of(codec.format.codes)).data();
    all_.groups = memory.groups(static_cast<index_t>(group_bytes())).data();
  }

  /// Returns all of it, with the weights as they are in the file.
  layer_rows const& all() const { return all_; }

  /// Returns the bytes of the groups of the piece.
  std::size_t group_bytes() const {
    return static_cast<std::size_t>(job_->codec().format.groups(stored_.extents).count()) * job_->codec().format.scale_bytes;
  }

  /// Calls `f(rows)` for every tile, with its weights as a quantizer reads them. Throws value_error at NaN or infinity, naming
  /// tensor and element.
  template <class F>
  void for_each_tile(F const& f) const {
    index_t const granule = std::lcm(job_->group_rows(), residual_tile_rows);
    index_t const height =
        std::max(granule, (index_t{1} << 16) / std::max<index_t>(stored_.extents.columns, 1) / granule * granule);
    for (index_t row = 0; row < stored_.extents.rows; row += height)
      with_rows(row, std::min(height, stored_.extents.rows - row), f);
  }

  /// The same for the first rows that are measured together.
  template <class F>
  void for_first_rows(F const& f) const {
    with_rows(0, std::min(stored_.extents.rows, std::lcm(job_->group_rows(), residual_tile_rows)), f);
  }

 private:
  template <class F>
  void with_rows(index_t row, index_t count, F const& f) const {
    layer_rows tile = all_.part(row, count);
    erased_rows const stored = tile.weight;
    extents2 const e = stored.extents;
    if (!step::reads_as_stored(*job_, delta_.get())) {
      tile.type = dtype::f32;
      tile.weight.data = memory_->rows(e.count()).data();
      step::prepare(*job_, stored, delta_.get(), {memory_->rows(e.count()).data(), e, stored.first_row});
    }
    try {
      f(tile);
    } catch (not_finite const&) {
      step::refuse_prepared(*job_, stored, delta_.get());
    }
  }

  quantize_job* job_;
  workspace* memory_;
  std::shared_ptr<weight_delta const> delta_;
  erased_rows stored_;
  layer_rows all_;
};

/// Reads the ranges of one piece into `job`, for layouts whose groups span the rows. Throws value_error at NaN or infinity.
inline void range_piece(quantize_job& job, index_t piece, safetensors::reader const& input, workspace& memory) {
  piece_rows const rows(job, job.first_row(piece), job.rows(piece), input, memory);
  rows.for_each_tile([](layer_rows const& tile) { step::range(serial{}, tile); });
}

/// Converts one piece: its codes and scales go to their places in the output, what they cost into the job.
///
/// Throws value_error at NaN or infinity, and at a weight that FP16 does not reach, naming tensor and element.
inline void round_piece(quantize_job& job, index_t piece, safetensors::reader const& input, safetensors::writer& output,
                        workspace& memory) {
  auto const start = std::chrono::steady_clock::now();
  piece_rows const rows(job, job.first_row(piece), job.rows(piece), input, memory);
  if (job.spans()) job.wait_for_ranges();
  rows.for_each_tile([&](layer_rows const& tile) {
    step::fit(serial{}, tile);
    step::encode(serial{}, tile);
    step::measure(serial{}, tile, job.error_of(tile.weight.first_row));
    step::settle_overflow(serial{}, tile, job.error_of(tile.weight.first_row));
  });
  if (piece == 0)  // a sample that costs next to nothing
    rows.for_first_rows([&](layer_rows const& few) { job.found().error_steps = step::steps_off(few, memory); });
  auto result = step::store(rows.all(), piece == 0 ? step::spanning_groups::write : step::spanning_groups::skip, output);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  job.result(piece) = result;
}

}  // namespace halfstep
