// What a basis adds to a layer in a file: keys of its marker, and tensors beside the codes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <halfstep/core/dtype.hpp>
#include <halfstep/recipe/marker_pairs.hpp>

namespace halfstep {

/// What the numbers of a companion are, for who checks a file without knowing them.
enum class companion_values : std::uint8_t {
  own,       ///< the layer's own
  given,     ///< those of every layer of this shape
  positive,  ///< above zero
  signs      ///< 1 or -1
};

/// A small tensor that a layer has beside its codes, with its bytes.
struct companion {
  std::string ending;  ///< of its name, after the layer's
  dtype type;
  std::vector<std::uint64_t> shape;
  std::vector<std::byte> bytes;
  companion_values values = companion_values::own;
};

/// What a basis adds to a layer in a file.
struct basis_record {
  marker_pairs marker = {};  ///< values as they stand in JSON
  std::vector<companion> companions = {};
};

/// Returns the companion that holds `values`.
template <class T>
companion make_companion(std::string ending, dtype type, std::vector<std::uint64_t> shape, std::span<T const> values,
                         companion_values kind = companion_values::own) {
  auto const bytes = std::as_bytes(values);
  return {std::move(ending), type, std::move(shape), {bytes.begin(), bytes.end()}, kind};
}

}  // namespace halfstep
