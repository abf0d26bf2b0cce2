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
#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/widen.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/transform/basis.hpp>

namespace halfstep {

/// Where statistics come from.
enum class statistics_source : std::uint8_t {
  captured,  ///< from a run of the model
  synthetic  ///< from random numbers: they say nothing about means, ranges and directions
};

/// Which of a layer's rows: each is in one of the last two, or in all.
enum class row_part : std::uint8_t {
  all,
  fitted,   ///< what codes are found on while the others are held out
  held_out  ///< every tenth: what outputs are measured on
};

/// Rows [n, N] of a layer's inputs in a file, as FP32 in a basis of rows.
class input_rows {
 public:
  /// Of this many rows one is held out. Fewer than `least_split` are too few for that.
  static constexpr index_t held_out_of = 10;
  static constexpr index_t least_split = 20;

  /// Rows of more bytes stay in their file.
  static constexpr std::uint64_t most_held = std::uint64_t{256} << 20;

  /// Reads from `rows`, a tensor [n, N] in F32, F16 or BF16 of `file`, in the basis that the model's inputs come in.
  input_rows(std::shared_ptr<safetensors::reader const> file, safetensors::tensor const& rows, statistics_source from)
      : file_(std::move(file)), rows_(&rows), from_(from) {}

  extents2 extents() const {
    auto const all = static_cast<index_t>(rows_->shape[0]);
    index_t const held = all / held_out_of;
    index_t const count = part_ == row_part::all ? all : part_ == row_part::held_out ? held : all - held;
    return {count, static_cast<index_t>(rows_->shape[1])};
  }
  statistics_source source() const { return from_; }
  row_part part() const { return part_; }
  std::string const& name() const { return rows_->name; }

  /// Returns a part of all rows, of which this may be another; what is held is shared.
  input_rows only(row_part part) const {
    input_rows other = *this;
    other.part_ = part;
    return other;
  }

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
      if (part_ == row_part::all) return read_rows<Source>(ex, first, into);
      ex.for_each(into.rows(), [&](index_t i) {
        read_rows<Source>(serial{}, place_of(first + i), host_view<float>(into.row(i), {1, into.columns()}));
      });
    });
    basis_.apply_to_input(ex, into);
  }

 private:
  /// Returns which row of the file is the part's row `i`.
  index_t place_of(index_t i) const {
    if (part_ == row_part::held_out) return i * held_out_of + held_out_of - 1;
    return i / (held_out_of - 1) * held_out_of + i % (held_out_of - 1);
  }

  /// Stores rows of the file, as they are there.
  template <class Source, class Executor>
  void read_rows(Executor const& ex, index_t first, host_view<float> into) const {
    auto const offset = static_cast<std::uint64_t>(first) * rows_->shape[1] * sizeof(Source);
    if (held_ && first + into.rows() <= static_cast<index_t>(rows_->shape[0]))
      return widen(ex, host_view<Source const>(reinterpret_cast<Source const*>(held_->data() + offset), into.extents()), into);
    host_buffer<Source> stored(into.extents().count());
    file_->read(*rows_, offset, std::as_writable_bytes(std::span(stored.data(), static_cast<std::size_t>(stored.size()))));
    widen(ex, stored.view(into.extents()), into);
  }

  std::shared_ptr<safetensors::reader const> file_;
  safetensors::tensor const* rows_;
  statistics_source from_;
  std::shared_ptr<host_buffer<std::byte> const> held_;
  row_part part_ = row_part::all;
  basis basis_;
};

}  // namespace halfstep
