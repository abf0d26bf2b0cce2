// From a header's JSON to a checked header: everything the format forbids is refused here or by the class itself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/dtype.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/json.hpp>

namespace halfstep::safetensors {

namespace detail {

// Gathers tensors and metadata; knows where in the header each event lies.
class header_events {
 public:
  header_events(std::string_view text, allowance& memory) : memory_(&memory) {
    auto const objects = static_cast<std::size_t>(std::count(text.begin(), text.end(), '{'));
    std::size_t const shortest = std::string_view(R"("":{"dtype":"U8","shape":[],"data_offsets":[0,0]})").size();
    tensors_.reserve(std::min(objects, text.size() / shortest));
  }

  void begin_object() {
    switch (place_) {
      case place::document:
        place_ = place::top;
        return;
      case place::top:
        place_ = is_metadata_ ? place::metadata : open_entry();
        return;
      case place::entry:
        return skip("is an object");
      case place::skipped:
        ++skipped_depth_;
        return;
      default:
        refuse("an object");
    }
  }

  void end_object() {
    switch (place_) {
      case place::top:
        place_ = place::document;
        return;
      case place::entry:
        close_entry();
        return;
      case place::metadata:
        place_ = place::top;
        return;
      default:
        leave_skipped();
    }
  }

  void begin_array() {
    switch (place_) {
      case place::entry:
        if (field_ == field::shape)
          place_ = place::shape;
        else if (field_ == field::data_offsets)
          place_ = place::data_offsets;
        else
          skip("is an array");
        return;
      case place::skipped:
        ++skipped_depth_;
        return;
      default:
        refuse("an array");
    }
  }

  void end_array() {
    if (place_ == place::shape || place_ == place::data_offsets)
      place_ = place::entry;
    else
      leave_skipped();
  }

  // The header's own check covers the names of tensors.
  bool keeps_keys() const { return place_ == place::top; }

  void key(std::string_view name) {
    if (place_ == place::top) {
      is_metadata_ = name == metadata_key;
      if (is_metadata_ && std::exchange(had_metadata_, true))
        throw format_error(stated("header.twice", "the name {'name} occurs twice", {{"name", name}}));
      if (!is_metadata_) open_tensor(name);
    } else if (place_ == place::metadata) {
      memory_->take(3 * sizeof(metadata_list::value_type) + heap_bytes(name.size()));
      metadata_.emplace_back(name, std::string());
    } else if (place_ == place::entry) {
      field_ = name == "dtype"          ? field::dtype
               : name == "shape"        ? field::shape
               : name == "data_offsets" ? field::data_offsets
                                        : field::unknown;
      if (field_ != field::unknown) seen_ |= 1u << static_cast<unsigned>(field_);
    }
  }

  void string(std::string_view value) {
    if (place_ == place::metadata) {
      memory_->take(heap_bytes(value.size()));
      metadata_.back().second = value;
    } else if (place_ == place::entry && field_ == field::dtype) {
      auto const type = dtype_named(value);
      if (!type)
        throw format_error(stated("header.unknown_type", "tensor {'tensor} has the unknown type {'type}",
                                  {{"tensor", tensors_.back().name}, {"type", value}}));
      tensors_.back().type = *type;
    } else if (!ignored()) {
      refuse("a string");
    }
  }

  void number(std::string_view text) {
    auto const value = plain_unsigned(text);
    if (!value)
      throw format_error(stated("header.no_number", "the number {'number}{at} is not a plain decimal below 2^64",
                                {{"number", text}, {"at", at()}}));
    if (place_ == place::shape) {
      if (shape_size_ == max_rank)
        throw format_error(stated("header.rank", "tensor {'tensor} has more than {limit} dimensions",
                                  {{"tensor", tensors_.back().name}, {"limit", max_rank}}));
      shape_[shape_size_++] = *value;
    } else if (place_ == place::data_offsets) {
      if (offsets_size_ == 2)
        throw format_error(
            stated("header.offsets", "tensor {'tensor} has more than two data_offsets", {{"tensor", tensors_.back().name}}));
      (offsets_size_++ == 0 ? tensors_.back().begin : tensors_.back().end) = *value;
    } else if (!ignored()) {
      refuse("a number");
    }
  }

  void boolean() {
    if (!ignored()) refuse("a boolean");
  }

  void null() {
    if (!ignored() && !(place_ == place::top && is_metadata_)) refuse("null");
  }

  header finish() { return header(std::move(tensors_), std::move(metadata_)); }

 private:
  enum class place { document, top, metadata, entry, shape, data_offsets, skipped };
  enum class field : unsigned { dtype, shape, data_offsets, unknown };

  // What an allocator takes for a block, its own word included.
  static std::uint64_t block_bytes(std::uint64_t size) { return std::max<std::uint64_t>(32, (size + 23) / 16 * 16); }

  // What a string takes beyond its own room.
  static std::uint64_t heap_bytes(std::uint64_t size) {
    return size < 16 ? 0 : block_bytes(std::max<std::uint64_t>(size, 30) + 1);
  }

  bool ignored() const { return place_ == place::skipped || (place_ == place::entry && field_ == field::unknown); }

  std::string at() const {
    if (place_ == place::document) return "";
    if (place_ == place::metadata || (place_ == place::top && is_metadata_)) return " in " + quoted(metadata_key);
    return " in tensor " + quoted(tensors_.empty() ? std::string_view() : std::string_view(tensors_.back().name));
  }

  [[noreturn]] void refuse(std::string_view found) const {
    constexpr std::string_view expected[] = {"an object", "an object", "a string", "the type, shape or offsets",
                                             "numbers",   "numbers",   ""};
    throw format_error(stated("header.unexpected", "found {found}{at} where the format wants {wanted}",
                              {{"found", found}, {"at", at()}, {"wanted", expected[static_cast<std::size_t>(place_)]}}));
  }

  void skip(std::string_view found) {
    if (field_ != field::unknown)
      throw format_error(
          stated("header.field", "a field of tensor {'tensor} {found}", {{"tensor", tensors_.back().name}, {"found", found}}));
    place_ = place::skipped;
    skipped_depth_ = 1;
  }

  void leave_skipped() {
    if (--skipped_depth_ == 0) place_ = place::entry;
  }

  void open_tensor(std::string_view name) {
    require_name(name);
    memory_->take(sizeof(tensor) + 24 + heap_bytes(name.size()));  // 24: sorting, then looking up
    tensors_.emplace_back();
    tensors_.back().name = name;
  }

  place open_entry() {
    seen_ = 0;
    shape_size_ = offsets_size_ = 0;
    field_ = field::unknown;
    return place::entry;
  }

  void close_entry() {
    tensor& t = tensors_.back();
    if (seen_ != 7 || offsets_size_ != 2)
      throw format_error(
          stated("header.incomplete", "tensor {'tensor} lacks its dtype, shape or two data_offsets", {{"tensor", t.name}}));
    if (shape_size_ > 0) memory_->take(block_bytes(shape_size_ * sizeof(std::uint64_t)));
    t.shape.assign(shape_, shape_ + shape_size_);
    place_ = place::top;
  }

  allowance* memory_;
  std::vector<tensor> tensors_;
  metadata_list metadata_;
  place place_ = place::document;
  field field_ = field::unknown;
  bool is_metadata_ = false;
  bool had_metadata_ = false;
  unsigned seen_ = 0;
  unsigned skipped_depth_ = 0;
  std::uint64_t shape_[max_rank] = {};
  std::size_t shape_size_ = 0;
  std::size_t offsets_size_ = 0;
};

}  // namespace detail

/// Returns the header that `json` spells, where `data_bytes` follow it in the file called `origin`.
///
/// Accepts a subset of what the reference reader accepts, and all that known writers write: docs/formats.md, section 1.
/// Throws format_error with the rule that is broken. Memory: at most three times the length of `json`, beyond `json` itself
/// (never less than 1 MiB). Integers never pass through floating point.
inline header parse_header(std::span<char const> json, std::uint64_t data_bytes, std::string_view origin = "header") try {
  if (json.size() > max_header_bytes)
    throw format_error(stated("header.too_long", "its header of {bytes} bytes is longer than {limit}",
                              {{"bytes", json.size()}, {"limit", max_header_bytes}}));
  std::string_view const text(json.data(), json.size());
  allowance memory(std::max<std::uint64_t>(3 * text.size(), 1u << 20));
  detail::header_events events(text, memory);
  read_json(text, memory, events);
  header result = events.finish();
  if (result.data_bytes() != data_bytes)
    throw format_error(stated("header.size", "its tensors need {needed} bytes of data, and {bytes} follow the header",
                              {{"needed", result.data_bytes()}, {"bytes", data_bytes}}));
  return result;
} catch (format_error const& e) {
  throw format_error(within(e.said(), "cannot read {'path}: {why}; get the file again from its source", {{"path", origin}}));
}

}  // namespace halfstep::safetensors
