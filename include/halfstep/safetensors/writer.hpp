// A safetensors file written at offsets that are final before the first byte of data.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include <halfstep/core/error.hpp>
#include <halfstep/safetensors/file.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/safetensors/text.hpp>

namespace halfstep::safetensors {

/// A new safetensors file: header first, tensors in any order, published by `commit` or not at all.
///
/// Until then `<path>.part` holds it, with a length of zero in front: no reader takes it for a file.
class writer {
 public:
  /// Reserves the whole size and writes the header's text; `inputs` are files that the output must not be.
  ///
  /// Throws io_error (create_output, busy, transfer) and format_error where the header is too long.
  writer(std::string path, header layout, overwrite existing, std::span<file_identity const> inputs)
      : writer(std::move(path), std::move(layout), existing, inputs, {}) {}

  header const& head() const { return header_; }
  std::string const& path() const { return file_.path(); }
  std::uint64_t file_bytes() const { return data_begin_ + header_.data_bytes(); }

  /// Writes bytes of `t`, one of `head()`, from `offset` in it. Several threads may write at once.
  ///
  /// Throws io_error (transfer), shape_error beyond the tensor's end.
  void write(tensor const& t, std::uint64_t offset, std::span<std::byte const> from) {
    detail::require_piece(t, offset, from.size());
    file_.write(data_begin_ + t.begin + offset, from);
    written_.fetch_add(from.size(), std::memory_order_relaxed);
  }

  /// Fills `into` with bytes of `t` as they lie in the unfinished file. Throws io_error (transfer), shape_error.
  void read_back(tensor const& t, std::uint64_t offset, std::span<std::byte> into) const {
    detail::require_piece(t, offset, into.size());
    file_.read(data_begin_ + t.begin + offset, into);
  }

  /// Flushes and publishes the file. Throws io_error (transfer, create_output), error where bytes are still missing.
  void commit() {
    if (written_.load() < header_.data_bytes())
      throw error("cannot finish " + quoted(path()) + ": " + std::to_string(written_.load()) + " of its " +
                  std::to_string(header_.data_bytes()) + " bytes of data were written; write every tensor before commit");
    file_.commit(detail::encode_length(data_begin_ - detail::length_bytes));
  }

 private:
  writer(std::string path, header layout, overwrite existing, std::span<file_identity const> inputs, std::string text)
      : header_(std::move(layout)),
        data_begin_(detail::length_bytes + (text = serialize(header_)).size()),
        file_(std::move(path), data_begin_ + header_.data_bytes(), existing, inputs) {
    file_.write(detail::length_bytes, std::as_bytes(std::span(text)));
  }

  header header_;
  std::uint64_t data_begin_;
  output_file file_;
  std::atomic<std::uint64_t> written_ = 0;
};

}  // namespace halfstep::safetensors
