// What a safetensors header says: tensors, where their bytes lie, and metadata.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <halfstep/core/dtype.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/safetensors/name_order.hpp>

namespace halfstep::safetensors {

/// The longest header that any reader accepts, in bytes.
inline constexpr std::uint64_t max_header_bytes = 100'000'000;

/// The most dimensions of a tensor.
inline constexpr std::size_t max_rank = 64;

/// The longest name of a tensor, in bytes.
inline constexpr std::size_t max_name_bytes = 4096;

/// The header's key that is no tensor.
inline constexpr std::string_view metadata_key = "__metadata__";

/// Returns the bytes of a tensor, or nothing where the product overflows or the bits do not fill whole bytes.
///
/// The order of the dimensions does not matter: a zero never hides an overflow of the others.
inline std::optional<std::uint64_t> tensor_bytes(dtype type, std::span<std::uint64_t const> shape) {
  std::uint64_t bits = static_cast<std::uint64_t>(bits_of(type));
  bool empty = false;
  for (std::uint64_t const dimension : shape) {
    if (dimension == 0)
      empty = true;
    else if (__builtin_mul_overflow(bits, dimension, &bits))
      return std::nullopt;
  }
  if (empty) return 0;
  if (bits % 8 != 0) return std::nullopt;
  return bits / 8;
}

/// A tensor of a file; its bytes are [begin, end) of the data that follows the header.
struct tensor {
  std::string name;
  dtype type = dtype::boolean;
  std::vector<std::uint64_t> shape;  ///< empty: a scalar
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  std::uint64_t bytes() const { return end - begin; }

  /// Returns the number of elements.
  std::uint64_t count() const {
    return std::accumulate(shape.begin(), shape.end(), std::uint64_t{1}, [](std::uint64_t a, std::uint64_t b) { return a * b; });
  }

  bool operator==(tensor const&) const = default;
};

/// A tensor that has no place yet.
struct tensor_spec {
  std::string name;
  dtype type = dtype::boolean;
  std::vector<std::uint64_t> shape;
};

/// Metadata of a header: keys and values, both UTF-8.
using metadata_list = std::vector<std::pair<std::string, std::string>>;

namespace detail {

inline void require_name(std::string_view name) {
  if (name.size() > max_name_bytes)
    throw format_error(stated("header.long_name", "the name {'name} has {bytes} bytes, more than {limit}",
                              {{"name", name}, {"bytes", name.size()}, {"limit", max_name_bytes}}));
  if (name == metadata_key)
    throw format_error(stated("header.reserved_name", "a tensor is called {'name}, which is reserved", {{"name", name}}));
  if (!is_utf8(name)) throw format_error(stated("header.no_utf8", "the name {'name} is not UTF-8", {{"name", name}}));
  if (has_control(name))
    throw format_error(stated("header.control_character", "the name {'name} holds a control character", {{"name", name}}));
}

inline std::uint64_t require_bytes(std::string_view name, dtype type, std::span<std::uint64_t const> shape) {
  if (shape.size() > max_rank)
    throw format_error(stated("header.rank", "tensor {'tensor} has {rank} dimensions, more than {limit}",
                              {{"tensor", name}, {"rank", shape.size()}, {"limit", max_rank}}));
  auto const bytes = tensor_bytes(type, shape);
  if (!bytes)
    throw format_error(stated("header.overflow",
                              "tensor {'tensor} of type {type} has a shape whose size overflows or ends inside a byte",
                              {{"tensor", name}, {"type", name_of(type)}}));
  return *bytes;
}

// Sorts by place in the data, empty tensors of one place as they came; needs 24 bytes a tensor.
inline void sort_by_place(std::vector<tensor>& tensors) {
  auto const before = [](tensor const& a, tensor const& b) { return a.begin != b.begin ? a.begin < b.begin : a.end < b.end; };
  if (std::is_sorted(tensors.begin(), tensors.end(), before)) return;
  struct place {
    std::uint64_t begin, end;
    std::uint32_t from;
  };
  std::vector<place> order;
  order.reserve(tensors.size());
  for (std::uint32_t i = 0; i < tensors.size(); ++i) order.push_back({tensors[i].begin, tensors[i].end, i});
  std::sort(order.begin(), order.end(),
            [](place const& a, place const& b) { return std::tie(a.begin, a.end, a.from) < std::tie(b.begin, b.end, b.from); });
  for (std::uint32_t start = 0; start < order.size(); ++start) {
    std::uint32_t to = start;
    while (order[to].from != start) {
      std::uint32_t const from = std::exchange(order[to].from, to);
      std::swap(tensors[to], tensors[from]);
      to = from;
    }
    order[to].from = to;
  }
}

}  // namespace detail

/// A valid header: names are unique, sizes agree with shapes, and the tensors tile the data without a gap.
class header {
 public:
  header() = default;

  /// Takes tensors in any order. Throws format_error with the rule that they break.
  header(std::vector<tensor> tensors, metadata_list metadata) : tensors_(std::move(tensors)), metadata_(std::move(metadata)) {
    if (tensors_.size() > 0xffff'ffffu)
      throw format_error(stated("header.too_many", "more tensors than a header of the longest length can hold"));
    detail::sort_by_place(tensors_);
    for (tensor const& t : tensors_) {
      detail::require_name(t.name);
      std::uint64_t const bytes = detail::require_bytes(t.name, t.type, t.shape);
      if (t.begin != data_bytes_ || t.end < t.begin)
        throw format_error(stated("header.gap",
                                  "tensor {'tensor} occupies bytes {begin} to {end}, where the one before it ends at {expected}",
                                  {{"tensor", t.name}, {"begin", t.begin}, {"end", t.end}, {"expected", data_bytes_}}));
      if (bytes != t.bytes())
        throw format_error(stated("header.size", "tensor {'tensor} occupies {bytes} bytes, and its shape needs {needed}",
                                  {{"tensor", t.name}, {"bytes", t.bytes()}, {"needed", bytes}}));
      data_bytes_ = t.end;
    }
    std::vector<name_ref> names;
    names.reserve(tensors_.size());
    for (std::uint32_t i = 0; i < tensors_.size(); ++i) names.push_back(name_ref::to(tensors_[i].name, i));
    if (auto const twice =
            sort_names(names.begin(), names.end(), [this](name_ref n) { return std::string_view(tensors_[n.where].name); }))
      throw format_error(stated("header.twice", "two tensors are called {'tensor}", {{"tensor", tensors_[twice->where].name}}));
    by_name_.reserve(names.size());
    for (name_ref const n : names) by_name_.push_back(n.where);
  }

  /// Returns the tensors in the order of their bytes.
  std::span<tensor const> tensors() const { return tensors_; }

  /// Returns the tensor called `name`, or null.
  tensor const* find(std::string_view name) const {
    auto const less = [this](std::uint32_t i, std::string_view wanted) { return tensors_[i].name < wanted; };
    auto const found = std::lower_bound(by_name_.begin(), by_name_.end(), name, less);
    return found != by_name_.end() && tensors_[*found].name == name ? &tensors_[*found] : nullptr;
  }

  /// Returns the metadata in the order of the file.
  metadata_list const& metadata() const { return metadata_; }

  /// Returns the bytes that follow the header.
  std::uint64_t data_bytes() const { return data_bytes_; }

  bool operator==(header const& other) const { return tensors_ == other.tensors_ && metadata_ == other.metadata_; }

 private:
  std::vector<tensor> tensors_;
  std::vector<std::uint32_t> by_name_;
  metadata_list metadata_;
  std::uint64_t data_bytes_ = 0;
};

/// Returns the header of a new file: tensors in the reference writer's order, offsets final, metadata sorted by key.
///
/// Throws format_error on duplicate names or keys, a tensor called `__metadata__`, and whatever the reader would refuse.
inline header arrange(std::vector<tensor_spec> specs, metadata_list metadata) {
  std::sort(specs.begin(), specs.end(), [](tensor_spec const& a, tensor_spec const& b) {
    return a.type != b.type ? a.type > b.type : a.name < b.name;  // the reference writer's order
  });
  std::vector<tensor> tensors;
  tensors.reserve(specs.size());
  std::uint64_t end = 0;
  for (tensor_spec& spec : specs) {
    std::uint64_t const begin = end;
    if (__builtin_add_overflow(begin, detail::require_bytes(spec.name, spec.type, spec.shape), &end))
      throw format_error(stated("header.overflow", "the tensors together need more than 2^64 bytes"));
    tensors.push_back({std::move(spec.name), spec.type, std::move(spec.shape), begin, end});
  }
  std::sort(metadata.begin(), metadata.end());
  for (std::size_t i = 0; i < metadata.size(); ++i) {
    if (!is_utf8(metadata[i].first) || !is_utf8(metadata[i].second))
      throw format_error(stated("header.no_utf8", "the metadata {'key} is not UTF-8", {{"key", metadata[i].first}}));
    if (i > 0 && metadata[i - 1].first == metadata[i].first)
      throw format_error(stated("header.twice", "the metadata {'key} is given twice", {{"key", metadata[i].first}}));
  }
  return header(std::move(tensors), std::move(metadata));
}

/// Returns `h` as JSON, padded with spaces to a multiple of 8, without the 8 bytes of the length.
///
/// The same bytes as the reference writer's for a header that `arrange` made. Throws format_error beyond `max_header_bytes`.
inline std::string serialize(header const& h) {
  std::string out = "{";
  auto const separate = [&] { out += out.size() > 1 ? "," : ""; };
  if (!h.metadata().empty()) {
    out += "\"__metadata__\":{";
    std::string_view separator;
    for (auto const& [key, value] : h.metadata()) {
      out += std::exchange(separator, ",");
      append_json_string(out, key);
      out += ':';
      append_json_string(out, value);
    }
    out += '}';
  }
  for (tensor const& t : h.tensors()) {
    separate();
    append_json_string(out, t.name);
    out += ":{\"dtype\":\"";
    out += name_of(t.type);
    out += "\",\"shape\":[";
    std::string_view separator;
    for (std::uint64_t const dimension : t.shape) {
      out += std::exchange(separator, ",");
      out += std::to_string(dimension);
    }
    out += "],\"data_offsets\":[" + std::to_string(t.begin) + ',' + std::to_string(t.end) + "]}";
  }
  out += '}';
  out.append((8 - out.size() % 8) % 8, ' ');
  if (out.size() > max_header_bytes)
    throw format_error(stated(
        "header.too_long",
        "a header of {bytes} bytes is longer than the {limit} that readers accept; shorten names or metadata, or write shards",
        {{"bytes", out.size()}, {"limit", max_header_bytes}}));
  return out;
}

}  // namespace halfstep::safetensors
