// Shapes and the checked products they need.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>

#include <halfstep/core/compiler.hpp>

namespace halfstep {

/// Rows, columns and elements are counted in this signed type.
using index_t = std::int64_t;

/// The shape of a matrix.
struct extents2 {
  index_t rows = 0;
  index_t columns = 0;

  /// Returns the number of elements. Precondition: it fits `index_t`, which `checked_product` can tell.
  HALFSTEP_HD constexpr index_t count() const { return rows * columns; }

  /// Returns the shape of the transpose.
  HALFSTEP_HD constexpr extents2 transposed() const { return {columns, rows}; }

  HALFSTEP_HD friend constexpr bool operator==(extents2 a, extents2 b) { return a.rows == b.rows && a.columns == b.columns; }
};

/// Returns the shape with both extents, which are positive, raised to powers of two.
constexpr extents2 padded_to_powers_of_two(extents2 e) {
  return {static_cast<index_t>(std::bit_ceil(static_cast<std::uint64_t>(e.rows))),
          static_cast<index_t>(std::bit_ceil(static_cast<std::uint64_t>(e.columns)))};
}

/// Returns a * b, or nothing where 64 bits cannot hold it.
constexpr std::optional<std::uint64_t> checked_product(std::uint64_t a, std::uint64_t b) {
  if (a != 0 && b > std::numeric_limits<std::uint64_t>::max() / a) return std::nullopt;
  return a * b;
}

/// Returns the product of `factors`, 1 for none, or nothing where 64 bits cannot hold a partial product.
///
/// A later zero does not excuse an earlier overflow: a shape like [2^32, 2^32, 0] is refused.
constexpr std::optional<std::uint64_t> checked_product(std::span<std::uint64_t const> factors) {
  std::uint64_t product = 1;
  for (std::uint64_t const factor : factors) {
    auto const next = checked_product(product, factor);
    if (!next) return std::nullopt;
    product = *next;
  }
  return product;
}

}  // namespace halfstep
