// A safetensors model written at offsets that are final before the first byte of data.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <halfstep/core/digest.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/file/file_identity.hpp>
#include <halfstep/file/output_file.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/safetensors/shard_index.hpp>
#include <halfstep/safetensors/shard_layout.hpp>

namespace halfstep::safetensors {

/// A stretch of a tensor that was written.
struct written_range {
  static constexpr std::uint64_t most_bytes = std::uint64_t{8} << 20;

  std::uint64_t offset;  ///< of its first byte in the tensor
  std::uint64_t bytes;
  std::uint64_t digest;  ///< of them
};

/// A new safetensors model: header first, tensors in any order, published by `commit` or not at all.
///
/// Until then `<path>.part` holds it, with a length of zero in front: no reader takes it for a file. Shards lie in parts of their
/// own and are published one after the other, their index last: without it they are no model.
class writer {
 public:
  /// Reserves the whole size and writes the header's text; `inputs` are files that the output must not be. Parts that
  /// are gone on with must come from a run with the same layout.
  ///
  /// Throws io_error (create_output, busy, transfer) and format_error where the header is too long.
  writer(std::string path, header layout, file::overwrite existing, std::span<file::file_identity const> inputs,
         file::found_part found = file::found_part::empty)
      : path_(std::move(path)), header_(std::move(layout)) {
    add(path_, header_, existing, inputs, found);
  }

  /// The same for a model in several files, which `shard_path` and `shard_index_path` name; `path()` is the index.
  writer(std::string const& path, shard_layout layout, file::overwrite existing, std::span<file::file_identity const> inputs,
         file::found_part found = file::found_part::empty)
      : path_(shard_index_path(path)),
        header_(std::move(layout.whole)),
        index_text_(serialize(index_of(layout.shards, path))),
        index_(std::in_place, path_, index_text_.size(), existing, inputs, found) {
    for (std::size_t i = 0; i < layout.shards.size(); ++i)
      add(shard_path(path, i, layout.shards.size()), layout.shards[i], existing, inputs, found);
  }

  header const& head() const { return header_; }
  std::string const& path() const { return path_; }

  /// Returns the bytes of all files together.
  std::uint64_t file_bytes() const {
    std::uint64_t sum = index_text_.size() + header_.data_bytes();
    for (part const& p : parts_) sum += p.data_begin;
    return sum;
  }

  /// Writes bytes of `t`, one of `head()`, from `offset` in it. Several threads may write at once.
  ///
  /// Throws io_error (transfer), shape_error beyond the tensor's end.
  void write(tensor const& t, std::uint64_t offset, std::span<std::byte const> from) {
    detail::require_piece(t, offset, from.size());
    part& p = parts_[part_at(t)];
    p.file.write(p.data_begin + (t.begin - p.begin) + offset, from);
    written_.fetch_add(from.size(), std::memory_order_relaxed);
    if (!ranges_.empty()) remember(t, offset, from);
  }

  /// Says that what is written from now on is to be remembered.
  void remember_ranges() { ranges_.resize(header_.tensors().size()); }

  /// Returns what was written of `t` since `remember_ranges`, in no order, and forgets it.
  std::vector<written_range> take_ranges(tensor const& t) {
    std::scoped_lock const lock(ranges_guard_);
    return std::exchange(ranges_.at(place_of(t)), {});
  }

  /// Takes the bytes of `t` that a kept part holds for written.
  void take_over(tensor const& t) { written_.fetch_add(t.bytes(), std::memory_order_relaxed); }

  /// Says what becomes of the parts where the model is not published.
  void leave(file::unfinished left) {
    for (part& p : parts_) p.file.leave(left);
    if (index_) index_->leave(left);
  }

  /// Returns whether what is written stays where the model is not published.
  bool is_kept() const {
    return std::all_of(parts_.begin(), parts_.end(), [](part const& p) { return p.file.is_kept(); });
  }

  /// Flushes what was written so far. Throws io_error (transfer).
  void flush_data() {
    for (part& p : parts_) p.file.flush_data();
  }

  /// Fills `into` with bytes of `t` as they lie in the unfinished file. Throws io_error (transfer), shape_error.
  void read_back(tensor const& t, std::uint64_t offset, std::span<std::byte> into) const {
    detail::require_piece(t, offset, into.size());
    part const& p = parts_[part_at(t)];
    p.file.read(p.data_begin + (t.begin - p.begin) + offset, into);
  }

  /// Flushes and publishes the model. Throws io_error (transfer, create_output), error where bytes are still missing.
  ///
  /// Where shards replace others of the same names, the index that they belong to is removed first: whatever happens then, no
  /// index leads to shards of two models. `published` is called once nothing more can fail, while other runs are still kept out.
  void commit(std::function<void()> const& published = {}) {
    if (written_.load() < header_.data_bytes())
      throw error("cannot finish " + quoted(path()) + ": " + std::to_string(written_.load()) + " of its " +
                  std::to_string(header_.data_bytes()) + " bytes of data were written; write every tensor before commit");
    for (part& p : parts_) p.file.seal(detail::encode_length(p.data_begin - detail::length_bytes));
    publish();
    if (published) published();
    for (part& p : parts_) p.file.close();
    if (index_) index_->close();
  }

 private:
  struct part {
    part(std::string const& path, header const& layout, std::string const& text, std::uint64_t first, file::overwrite existing,
         std::span<file::file_identity const> inputs, file::found_part found)
        : begin(first),
          data_begin(detail::length_bytes + text.size()),
          file(path, data_begin + layout.data_bytes(), existing, inputs, found) {
      file.write(detail::length_bytes, std::as_bytes(std::span(text)));
    }

    std::uint64_t begin;       // of its data in the model's
    std::uint64_t data_begin;  // of its data in the file
    file::output_file file;
  };

  void publish() {
    if (!index_) return parts_.front().file.publish();
    index_->seal(std::as_bytes(std::span(index_text_)));
    if (std::any_of(parts_.begin(), parts_.end(), [](part const& p) { return p.file.replaces_file(); })) index_->make_room();
    try {
      for (part& p : parts_) p.file.publish();
      index_->publish();
    } catch (...) {
      index_->withdraw();
      for (part& p : parts_) p.file.withdraw();
      throw;
    }
  }

  void add(std::string const& path, header const& layout, file::overwrite existing, std::span<file::file_identity const> inputs,
           file::found_part found) {
    parts_.emplace_back(path, layout, serialize(layout), planned_, existing, inputs, found);
    planned_ += layout.data_bytes();
  }

  void remember(tensor const& t, std::uint64_t offset, std::span<std::byte const> from) {
    std::vector<written_range> made;
    for (std::size_t at = 0; at < from.size(); at += made.back().bytes) {
      auto const bytes = from.subspan(at, std::min<std::size_t>(from.size() - at, written_range::most_bytes));
      made.push_back({offset + at, bytes.size(), digest(bytes)});
    }
    std::scoped_lock const lock(ranges_guard_);
    auto& all = ranges_.at(place_of(t));
    all.insert(all.end(), made.begin(), made.end());
  }

  // The place of `t` in the header, which holds it itself.
  std::size_t place_of(tensor const& t) const { return static_cast<std::size_t>(&t - header_.tensors().data()); }

  // The place of the file that holds `t`: the last that begins where it does or before.
  std::size_t part_at(tensor const& t) const {
    auto const after = std::upper_bound(parts_.begin(), parts_.end(), t.begin,
                                        [](std::uint64_t begin, part const& p) { return begin < p.begin; });
    return static_cast<std::size_t>(after - parts_.begin()) - 1;
  }

  std::string path_;
  header header_;
  std::string index_text_;                  // of shards
  std::optional<file::output_file> index_;  // of shards: the first that is locked and the last that is published
  std::deque<part> parts_;
  std::uint64_t planned_ = 0;  // bytes of data in `parts_`
  std::atomic<std::uint64_t> written_ = 0;
  std::mutex ranges_guard_;
  std::vector<std::vector<written_range>> ranges_;  // by tensor; empty where nothing is remembered
};

}  // namespace halfstep::safetensors
