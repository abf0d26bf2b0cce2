// What files hold of the basis of a layer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <halfstep/core/dtype.hpp>
#include <halfstep/recipe/marker_pairs.hpp>

namespace halfstep {

/// A small tensor that a layer has beside its codes, with its bytes.
struct companion {
  std::string ending;  ///< of its name, after the layer's
  dtype type;
  std::vector<std::uint64_t> shape;
  std::vector<std::byte> bytes;
};

/// What a basis adds to a layer in a file.
struct basis_record {
  marker_pairs marker = {};  ///< values as they stand in JSON
  std::vector<companion> companions = {};
};

}  // namespace halfstep
