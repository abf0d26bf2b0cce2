// A safetensors model, checked once when it is opened and then read piece by piece.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/file/file_identity.hpp>
#include <halfstep/file/input_file.hpp>
#include <halfstep/safetensors/foreign_content.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/parse_header.hpp>

namespace halfstep::safetensors {

namespace detail {

/// The bytes before a header: its length, little endian.
inline constexpr std::uint64_t length_bytes = 8;

inline std::uint64_t decode_length(std::span<std::byte const, length_bytes> bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = length_bytes; i-- > 0;) value = value << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  return value;
}

inline std::array<std::byte, length_bytes> encode_length(std::uint64_t value) {
  std::array<std::byte, length_bytes> bytes{};
  for (std::size_t i = 0; i < length_bytes; ++i) bytes[i] = static_cast<std::byte>(value >> 8 * i & 0xff);
  return bytes;
}

// The length of the header of a file of `file_bytes`, whose first bytes are `start`.
inline std::uint64_t require_length(std::string const& path, std::uint64_t file_bytes,
                                    std::span<std::byte const, length_bytes> start) {
  std::uint64_t const length = decode_length(start);
  if (length > max_header_bytes)
    throw format_error(
        stated("header.too_long",
               "cannot read {'path}: its header of {bytes} bytes is longer than {limit}; check that it is a safetensors file",
               {{"path", path}, {"bytes", length}, {"limit", max_header_bytes}}));
  if (length > file_bytes - length_bytes)
    throw format_error(stated(
        "file.truncated",
        "cannot read {'path}: it has {bytes} bytes and its header alone needs {needed}; get the whole file again from its source",
        {{"path", path}, {"bytes", file_bytes}, {"needed", length_bytes + length}}));
  return length;
}

inline void require_start(std::string const& path, std::uint64_t file_bytes) {
  if (file_bytes < length_bytes)
    throw format_error(stated("file.truncated",
                              "cannot read {'path}: it has {bytes} bytes and a safetensors file at least {needed}; get the whole "
                              "file again from its source",
                              {{"path", path}, {"bytes", file_bytes}, {"needed", length_bytes + 2}}));
}

struct opened_header {
  header head;
  std::uint64_t data_begin;  // of the data in the file
};

// Returns what `file`, which is no safetensors file, is instead, as the end of a sentence; nothing where that is not known.
inline std::optional<std::string> other_kind_of(file::input_file const& file) {
  std::string start(static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), foreign_content_bytes)), '\0');
  file.read(0, std::as_writable_bytes(std::span(start)));
  return no_safetensors(start);
}

// Reads and checks the header of `file`, through a private copy that nobody else can change.
inline opened_header read_header(file::input_file const& file) try {
  require_start(file.path(), file.size());
  std::array<std::byte, length_bytes> start;
  file.read(0, start);
  std::uint64_t const length = require_length(file.path(), file.size(), start);
  std::vector<char> text(static_cast<std::size_t>(length));
  file.read(length_bytes, std::as_writable_bytes(std::span(text)));
  std::uint64_t const data_begin = length_bytes + length;
  return {parse_header(text, file.size() - data_begin, file.path()), data_begin};
} catch (format_error const&) {
  if (auto const found = other_kind_of(file))
    throw format_error(stated("file.foreign", "cannot read {'path}: it is {kind}", {{"path", file.path()}, {"kind", *found}}));
  throw;
}

inline void require_piece(tensor const& t, std::uint64_t offset, std::uint64_t size) {
  if (offset > t.bytes() || size > t.bytes() - offset)
    throw shape_error(stated("tensor.beyond_end", "cannot access tensor {'tensor}: bytes {begin} to {end} of its {bytes}",
                             {{"tensor", t.name}, {"begin", offset}, {"end", offset + size}, {"bytes", t.bytes()}}));
}

}  // namespace detail

/// Where a stretch of a model's bytes lies: those from `begin` on are in a file from `offset` on.
struct data_place {
  std::uint64_t begin;
  std::size_t file;
  std::uint64_t offset;
};

/// A safetensors model open for reading with `pread`: a file, or several that are read as one (see `open_model`).
///
/// Const members may run on several threads at once.
class reader {
 public:
  /// Opens the file `path` and checks the whole header. Throws io_error (open_input, transfer) and format_error.
  explicit reader(std::string path) : path_(std::move(path)) {
    auto opened = detail::read_header(files_.emplace_back(path_));
    head_ = std::move(opened.head);
    places_ = {{0, 0, opened.data_begin}};
  }

  /// Reads `files` as the one model that `head` describes. `places` are sorted; no tensor reaches over the end of one.
  reader(std::string path, std::vector<file::input_file> files, header head, std::vector<data_place> places)
      : path_(std::move(path)), files_(std::move(files)), head_(std::move(head)), places_(std::move(places)) {}

  header const& head() const { return head_; }
  std::string const& path() const { return path_; }

  /// Returns the bytes of all files together.
  std::uint64_t file_bytes() const {
    std::uint64_t sum = 0;
    for (file::input_file const& file : files_) sum += file.size();
    return sum;
  }

  /// Returns what tells the file from every other; of a model in shards, its index.
  file::file_identity const& identity() const { return files_.front().identity(); }

  /// Returns that of every file.
  std::vector<file::file_identity> identities() const {
    std::vector<file::file_identity> all;
    for (file::input_file const& file : files_) all.push_back(file.identity());
    return all;
  }

  /// Fills `into` with the bytes of `t`, one of `head()`, from `offset` in it.
  ///
  /// Throws io_error (transfer; input_changed where the file was truncated), shape_error beyond the tensor's end.
  void read(tensor const& t, std::uint64_t offset, std::span<std::byte> into) const {
    detail::require_piece(t, offset, into.size());
    if (into.empty()) return;
    auto const after = std::upper_bound(places_.begin(), places_.end(), t.begin,
                                        [](std::uint64_t begin, data_place const& place) { return begin < place.begin; });
    data_place const& place = *std::prev(after);
    files_[place.file].read(place.offset + (t.begin - place.begin) + offset, into);
  }

  /// Throws io_error (input_changed) where a file's size or time of modification is not what it was when opened.
  void require_unchanged() const {
    for (file::input_file const& file : files_) file.require_unchanged();
  }

 private:
  std::string path_;
  std::vector<file::input_file> files_;
  header head_;
  std::vector<data_place> places_;
};

}  // namespace halfstep::safetensors
