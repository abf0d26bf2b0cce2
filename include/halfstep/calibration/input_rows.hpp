// Sampled inputs of a layer, left in their file and read in pieces.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/widen.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/transform/basis.hpp>

namespace halfstep {

/// Where statistics come from.
enum class statistics_source : std::uint8_t {
  captured,  ///< from a run of the model
  synthetic  ///< from random numbers: they say nothing about means, ranges and directions
};

/// Rows [n, N] of a layer's inputs in a file, as FP32 in a basis of rows.
class input_rows {
 public:
  /// Rows of more bytes stay in their file.
  static constexpr std::uint64_t most_held = std::uint64_t{256} << 20;

  /// Reads from `rows`, a tensor [n, N] in F32, F16 or BF16 of `file`, in the basis that the model's inputs come in.
  input_rows(std::shared_ptr<safetensors::reader const> file, safetensors::tensor const& rows, statistics_source from)
      : file_(std::move(file)), rows_(&rows), from_(from) {}

  extents2 extents() const { return {static_cast<index_t>(rows_->shape[0]), static_cast<index_t>(rows_->shape[1])}; }
  statistics_source source() const { return from_; }
  std::string const& name() const { return rows_->name; }

  /// Returns the same rows in the basis `in`; what is held is shared.
  input_rows in(basis in) const {
    input_rows other = *this;
    other.basis_ = std::move(in);
    return other;
  }

  /// Reads all rows into memory, in the type that they are stored in, unless there are more than `most_held` bytes of them: from
  /// then on, their file is not read again. Throws io_error.
  void hold() {
    if (held_ || rows_->bytes() > most_held) return;
    auto held = std::make_shared<host_buffer<std::byte>>(static_cast<index_t>(rows_->bytes()));
    file_->read(*rows_, 0, {held->data(), static_cast<std::size_t>(held->size())});
    held_ = std::move(held);
  }

  /// Stores the rows from `first` on, as many as `into` has. Throws shape_error beyond the last row and io_error.
  template <host_executor Executor>
  void read(Executor const& ex, index_t first, host_view<float> into) const {
    require_extents({1, into.columns()}, {1, extents().columns}, "halfstep: the columns of input rows");
    with_source_type(rows_->type, [&]<class Source>(std::type_identity<Source>) {
      auto const offset = static_cast<std::uint64_t>(first) * rows_->shape[1] * sizeof(Source);
      if (held_ && first + into.rows() <= extents().rows)
        return widen(ex, host_view<Source const>(reinterpret_cast<Source const*>(held_->data() + offset), into.extents()), into);
      host_buffer<Source> stored(into.extents().count());
      file_->read(*rows_, offset, std::as_writable_bytes(std::span(stored.data(), static_cast<std::size_t>(stored.size()))));
      widen(ex, host_view<Source const>(stored.view(into.extents())), into);
    });
    basis_.apply_to_input(ex, into);
  }

 private:
  std::shared_ptr<safetensors::reader const> file_;
  safetensors::tensor const* rows_;
  statistics_source from_;
  std::shared_ptr<host_buffer<std::byte> const> held_;
  basis basis_;
};

}  // namespace halfstep
