// Sampled inputs of a layer, left in their file and read in pieces.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/hadamard.hpp>
#include <halfstep/kernel/widen.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep {

/// Where statistics come from.
enum class statistics_source : std::uint8_t {
  captured,  ///< from a run of the model
  synthetic  ///< from random numbers: they say nothing about means, ranges and directions
};

/// Rows [n, N] of a layer's inputs in a file, as FP32 in the basis of the stored weight.
class input_rows {
 public:
  /// Reads from `rows`, a tensor [n, N] in F32, F16 or BF16 of `file`. Columns are divided by `smoothing` [N] where that is not
  /// empty, then groups of `rotation_group` columns are rotated, 0: none.
  input_rows(std::shared_ptr<safetensors::reader const> file, safetensors::tensor const& rows, statistics_source from,
             int rotation_group, std::span<float const> smoothing = {})
      : file_(std::move(file)),
        rows_(&rows),
        from_(from),
        rotation_group_(rotation_group),
        smoothing_(smoothing.begin(), smoothing.end()) {}

  extents2 extents() const { return {static_cast<index_t>(rows_->shape[0]), static_cast<index_t>(rows_->shape[1])}; }
  statistics_source source() const { return from_; }
  std::string const& name() const { return rows_->name; }

  /// Stores the rows from `first` on, as many as `into` has. Throws shape_error beyond the last row and io_error.
  template <host_executor Executor>
  void read(Executor const& ex, index_t first, host_view<float> into) const {
    require_extents({1, into.columns()}, {1, extents().columns}, "halfstep: the columns of input rows");
    with_source_type(rows_->type, [&]<class Source>(std::type_identity<Source>) {
      host_buffer<Source> stored(into.extents().count());
      auto const offset = static_cast<std::uint64_t>(first) * rows_->shape[1] * sizeof(Source);
      file_->read(*rows_, offset, std::as_writable_bytes(std::span(stored.data(), static_cast<std::size_t>(stored.size()))));
      host_view<Source const> const from = stored.view(into.extents());
      if (rotation_group_ != 0 && smoothing_.empty()) return hadamard_regular(ex, from, into, rotation_group_);
      widen(ex, from, into);
      if (smoothing_.empty()) return;
      ex.for_each(into.rows(), [&](index_t row) {
        for (index_t j = 0; j < into.columns(); ++j) into(row, j) /= smoothing_[static_cast<std::size_t>(j)];
      });
      if (rotation_group_ != 0) hadamard_regular(ex, host_view<float const>(into), into, rotation_group_);
    });
  }

 private:
  std::shared_ptr<safetensors::reader const> file_;
  safetensors::tensor const* rows_;
  statistics_source from_;
  int rotation_group_;
  std::vector<float> smoothing_;
};

}  // namespace halfstep
