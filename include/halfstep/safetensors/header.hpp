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
#include <halfstep/safetensors/text.hpp>

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
    throw format_error("the name " + quoted(name) + " has " + std::to_string(name.size()) + " bytes, more than " +
                       std::to_string(max_name_bytes));
  if (name == metadata_key) throw format_error("a tensor is called " + quoted(name) + ", which is reserved");
  if (!is_utf8(name)) throw format_error("the name " + quoted(name) + " is not UTF-8");
  if (has_control(name)) throw format_error("the name " + quoted(name) + " holds a control character");
}

inline std::uint64_t require_bytes(std::string_view name, dtype type, std::span<std::uint64_t const> shape) {
  if (shape.size() > max_rank)
    throw format_error("tensor " + quoted(name) + " has " + std::to_string(shape.size()) + " dimensions, more than " +
                       std::to_string(max_rank));
  auto const bytes = tensor_bytes(type, shape);
  if (!bytes)
    throw format_error("tensor " + quoted(name) + " of type " + std::string(name_of(type)) +
                       " has a shape whose size overflows or ends inside a byte");
  return *bytes;
}

// The reference writer's order: by type from U64 down to BOOL, then by name.
inline bool in_writing_order(dtype type_a, std::string_view name_a, dtype type_b, std::string_view name_b) {
  return type_a != type_b ? type_a > type_b : name_a < name_b;
}

inline bool in_data_order(tensor const& a, tensor const& b) {
  if (a.begin != b.begin) return a.begin < b.begin;
  if (a.end != b.end) return a.end < b.end;
  return in_writing_order(a.type, a.name, b.type, b.name);
}

}  // namespace detail

/// A valid header: names are unique, sizes agree with shapes, and the tensors tile the data without a gap.
class header {
 public:
  header() = default;

  /// Takes tensors in any order. Throws format_error with the rule that they break.
  header(std::vector<tensor> tensors, metadata_list metadata) : tensors_(std::move(tensors)), metadata_(std::move(metadata)) {
    if (tensors_.size() > 0xffff'ffffu) throw format_error("more tensors than a header of the longest length can hold");
    if (!std::is_sorted(tensors_.begin(), tensors_.end(), detail::in_data_order))
      std::sort(tensors_.begin(), tensors_.end(), detail::in_data_order);
    for (tensor const& t : tensors_) {
      detail::require_name(t.name);
      std::uint64_t const bytes = detail::require_bytes(t.name, t.type, t.shape);
      if (t.begin != data_bytes_ || t.end < t.begin)
        throw format_error("tensor " + quoted(t.name) + " occupies bytes " + std::to_string(t.begin) + " to " +
                           std::to_string(t.end) + ", where the one before it ends at " + std::to_string(data_bytes_));
      if (bytes != t.bytes())
        throw format_error("tensor " + quoted(t.name) + " occupies " + std::to_string(t.bytes()) +
                           " bytes, and its shape needs " + std::to_string(bytes));
      data_bytes_ = t.end;
    }
    by_name_.resize(tensors_.size());
    std::iota(by_name_.begin(), by_name_.end(), 0u);
    std::sort(by_name_.begin(), by_name_.end(), [this](auto a, auto b) { return tensors_[a].name < tensors_[b].name; });
    auto const same = [this](auto a, auto b) { return tensors_[a].name == tensors_[b].name; };
    auto const twice = std::adjacent_find(by_name_.begin(), by_name_.end(), same);
    if (twice != by_name_.end()) throw format_error("two tensors are called " + quoted(tensors_[*twice].name));
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
    return detail::in_writing_order(a.type, a.name, b.type, b.name);
  });
  std::vector<tensor> tensors;
  tensors.reserve(specs.size());
  std::uint64_t end = 0;
  for (tensor_spec& spec : specs) {
    std::uint64_t const begin = end;
    if (__builtin_add_overflow(begin, detail::require_bytes(spec.name, spec.type, spec.shape), &end))
      throw format_error("the tensors together need more than 2^64 bytes");
    tensors.push_back({std::move(spec.name), spec.type, std::move(spec.shape), begin, end});
  }
  std::sort(metadata.begin(), metadata.end());
  for (std::size_t i = 0; i < metadata.size(); ++i) {
    if (!is_utf8(metadata[i].first) || !is_utf8(metadata[i].second))
      throw format_error("the metadata " + quoted(metadata[i].first) + " is not UTF-8");
    if (i > 0 && metadata[i - 1].first == metadata[i].first)
      throw format_error("the metadata " + quoted(metadata[i].first) + " is given twice");
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
    throw format_error("a header of " + std::to_string(out.size()) + " bytes is longer than the " +
                       std::to_string(max_header_bytes) + " that readers accept; shorten names or metadata, or write shards");
  return out;
}

}  // namespace halfstep::safetensors
