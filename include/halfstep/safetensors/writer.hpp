// A safetensors model written at offsets that are final before the first byte of data.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <iterator>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/file/file_identity.hpp>
#include <halfstep/file/locked_part.hpp>
#include <halfstep/file/output_file.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/safetensors/shard_index.hpp>
#include <halfstep/safetensors/shard_layout.hpp>
#include <halfstep/safetensors/slot.hpp>
#include <halfstep/safetensors/written_bytes.hpp>

namespace halfstep::safetensors {

/// A new safetensors model: header first, tensors in any order, published by `commit` or not at all.
///
/// Until then `<path>.part` holds it, with a length of zero in front: no reader takes it for a file. Shards lie in parts of their
/// own and are published one after the other, their index last: without it they are no model.
class writer {
 public:
  /// Reserves the whole size and writes the header's text; `inputs` are files that the output must not be. `found`
  /// is the part of an interrupted run with the same layout, to be gone on with.
  ///
  /// Throws io_error (create_output, busy, transfer) and format_error where the header is too long.
  writer(std::string path, header layout, file::overwrite existing, std::span<file::file_identity const> inputs,
         std::optional<file::locked_part> found = std::nullopt)
      : path_(std::move(path)), header_(std::move(layout)) {
    add(path_, header_, existing, inputs, std::move(found));
    place_tensors();
  }

  /// The same for a model in several files, which `shard_path` and `shard_index_path` name; `path()` is the index, and
  /// `found` its part.
  writer(std::string const& path, shard_layout layout, file::overwrite existing, std::span<file::file_identity const> inputs,
         std::optional<file::locked_part> found = std::nullopt)
      : path_(shard_index_path(path)), header_(std::move(layout.whole)), index_text_(serialize(index_of(layout.shards, path))) {
    bool const goes_on = found.has_value();
    if (goes_on)
      index_.emplace(std::move(*found), index_text_.size(), existing, inputs);
    else
      index_.emplace(path_, index_text_.size(), existing, inputs);
    for (std::size_t i = 0; i < layout.shards.size(); ++i) {
      auto const shard = shard_path(path, i, layout.shards.size());
      add(shard, layout.shards[i], existing, inputs, goes_on ? file::locked_part::find(shard, inputs) : std::nullopt);
    }
    place_tensors();
  }
  writer(writer const&) = delete;
  writer& operator=(writer const&) = delete;

  header const& head() const { return header_; }
  std::string const& path() const { return path_; }

  /// Returns the bytes of all files together.
  std::uint64_t file_bytes() const {
    std::uint64_t sum = index_text_.size() + header_.data_bytes();
    for (part const& p : parts_) sum += p.data_begin;
    return sum;
  }

  /// Returns where the bytes of the tensor called `name` go. Throws error where the output has none.
  slot at(std::string_view name) const {
    auto const* const t = header_.find(name);
    if (t == nullptr)
      throw error(stated("output.no_tensor", "cannot write {'tensor}: the output {'path} has no such tensor",
                         {{"tensor", name}, {"path", path()}}));
    return slot_of(*t);
  }

  /// Returns where the bytes of every tensor go, in the order of the header.
  std::vector<slot> slots() const {
    std::vector<slot> all;
    for (tensor const& t : header_.tensors()) all.push_back(slot_of(t));
    return all;
  }

  /// Writes bytes of a tensor from `offset` in it. Several threads may write at once.
  ///
  /// Throws io_error (transfer), shape_error beyond the tensor's end, error for a slot of another output.
  void write(slot const& to, std::uint64_t offset, std::span<std::byte const> from) {
    place& at = places_[own_index(to)];
    detail::require_piece(to.entry(), offset, from.size());
    at.file->write(at.begin + offset, from);
    {
      std::scoped_lock const lock(guard_);
      at.written.add(offset, offset + from.size());
    }
    if (watcher_) watcher_(to, offset, from);
  }

  /// Is told of what is written, on the threads that write it.
  using watcher = std::function<void(slot const& to, std::uint64_t offset, std::span<std::byte const> bytes)>;

  /// Tells `told` of whatever is written from now on, once it is written. Not to be called while others write.
  void watch(watcher told) { watcher_ = std::move(told); }

  /// Takes all bytes that a kept part holds of a tensor for written. Throws error for a slot of another output.
  void take_over(slot const& which) {
    place& at = places_[own_index(which)];
    std::scoped_lock const lock(guard_);
    at.written.add(0, which.entry().bytes());
  }

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

  /// Fills `into` with bytes of a tensor as they lie in the unfinished file. Throws io_error (transfer), shape_error, and error
  /// for a slot of another output.
  void read_back(slot const& from, std::uint64_t offset, std::span<std::byte> into) const {
    place const& at = places_[own_index(from)];
    detail::require_piece(from.entry(), offset, into.size());
    at.file->read(at.begin + offset, into);
  }

  /// Flushes and publishes the model. Throws io_error (transfer, create_output), error where bytes are still missing, however
  /// often others were written.
  ///
  /// Where shards replace others of the same names, the index that they belong to is removed first: whatever happens then, no
  /// index leads to shards of two models. `published` is called once nothing more can fail, while other runs are still kept out.
  void commit(std::function<void()> const& published = {}) {
    require_whole();
    for (part& p : parts_) p.file.seal(detail::encode_length(p.data_begin - detail::length_bytes));
    publish();
    if (published) published();
    for (part& p : parts_) p.file.close();
    if (index_) index_->close();
  }

 private:
  struct part {
    part(std::string const& path, header const& layout, std::string const& text, std::uint64_t first, file::overwrite existing,
         std::span<file::file_identity const> inputs)
        : begin(first),
          data_begin(detail::length_bytes + text.size()),
          file(path, data_begin + layout.data_bytes(), existing, inputs) {
      file.write(detail::length_bytes, std::as_bytes(std::span(text)));
    }
    part(file::locked_part found, header const& layout, std::string const& text, std::uint64_t first, file::overwrite existing,
         std::span<file::file_identity const> inputs)
        : begin(first),
          data_begin(detail::length_bytes + text.size()),
          file(std::move(found), data_begin + layout.data_bytes(), existing, inputs) {
      file.write(detail::length_bytes, std::as_bytes(std::span(text)));
    }

    std::uint64_t begin;       // of its data in the model's
    std::uint64_t data_begin;  // of its data in the file
    file::output_file file;
  };

  struct place {
    file::output_file* file;
    std::uint64_t begin;  // in the file
    written_bytes written;
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
           std::optional<file::locked_part> found) {
    if (found)
      parts_.emplace_back(std::move(*found), layout, serialize(layout), planned_, existing, inputs);
    else
      parts_.emplace_back(path, layout, serialize(layout), planned_, existing, inputs);
    planned_ += layout.data_bytes();
  }

  // Says once where the bytes of every tensor go.
  void place_tensors() {
    auto p = parts_.begin();
    for (tensor const& t : header_.tensors()) {
      while (std::next(p) != parts_.end() && std::next(p)->begin <= t.begin) ++p;
      places_.push_back({&p->file, p->data_begin + (t.begin - p->begin), {}});
    }
  }

  slot slot_of(tensor const& t) const { return {*this, t, static_cast<std::size_t>(&t - header_.tensors().data())}; }

  std::size_t own_index(slot const& s) const {
    if (s.owner_ != this)
      throw error(stated("output.other_slot", "cannot access tensor {'tensor} of {'path}: the slot is another output's",
                         {{"tensor", s.entry().name}, {"path", path()}}));
    return s.index();
  }

  void require_whole() const {
    std::scoped_lock const lock(guard_);
    std::uint64_t written = 0;
    for (place const& at : places_) written += at.written.count();
    if (written == header_.data_bytes()) return;
    std::size_t i = 0;
    while (places_[i].written.count() == header_.tensors()[i].bytes()) ++i;
    throw error(stated("output.incomplete",
                       "cannot finish {'path}: {written} of its {bytes} bytes of data were written, and of tensor {'tensor} "
                       "those from {first_missing} on are missing; write every tensor before commit",
                       {{"path", path()},
                        {"written", written},
                        {"bytes", header_.data_bytes()},
                        {"tensor", header_.tensors()[i].name},
                        {"first_missing", places_[i].written.first_missing()}}));
  }

  std::string path_;
  header header_;
  std::string index_text_;                  // of shards
  std::optional<file::output_file> index_;  // of shards: the first that is locked and the last that is published
  std::deque<part> parts_;
  std::uint64_t planned_ = 0;  // bytes of data in `parts_`
  mutable std::mutex guard_;   // of what is known of the bytes written
  std::vector<place> places_;  // by tensor
  watcher watcher_;
};

}  // namespace halfstep::safetensors
