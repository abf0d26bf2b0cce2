// Hadamard matrices of orders that are no powers of two, from squares in finite fields.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>

namespace halfstep {

namespace detail {

constexpr bool is_prime(index_t n) {
  if (n < 2) return false;
  for (index_t d = 2; d * d <= n; ++d)
    if (n % d == 0) return false;
  return true;
}

/// Returns whether Paley's first construction gives a Hadamard matrix of this order, by squares modulo order - 1.
constexpr bool is_first_paley(index_t order) { return order % 4 == 0 && is_prime(order - 1) && (order - 1) % 4 == 3; }

/// Returns whether Paley's second construction does, by squares modulo order / 2 - 1.
constexpr bool is_second_paley(index_t order) { return order % 4 == 0 && is_prime(order / 2 - 1) && (order / 2 - 1) % 4 == 1; }

/// Returns 1 for the squares modulo q, -1 for what is none and 0 for 0.
inline std::vector<std::int8_t> quadratic_characters(index_t q) {
  std::vector<std::int8_t> all(static_cast<std::size_t>(q), -1);
  for (index_t i = 1; i < q; ++i) all[static_cast<std::size_t>(i * i % q)] = 1;
  all[0] = 0;
  return all;
}

}  // namespace detail

/// Returns whether `paley_matrix` knows an order: 12, 20, 24, 28, 32, 36, 44, ..
constexpr bool is_paley_order(index_t order) { return detail::is_first_paley(order) || detail::is_second_paley(order); }

/// Returns a Hadamard matrix of `order` as rows of 1 and -1: H H^T = order I. Not symmetric in general.
///
/// Throws shape_error for an order that `is_paley_order` denies. Source: R. Paley, "On orthogonal matrices", Journal of
/// Mathematics and Physics 12, 1933.
inline std::vector<std::int8_t> paley_matrix(index_t order) {
  if (!is_paley_order(order))
    throw shape_error(
        stated("shape.no_hadamard", "halfstep: no Hadamard matrix of order {order} from squares", {{"order", order}}));
  std::vector<std::int8_t> h(static_cast<std::size_t>(order * order), 1);
  auto const at = [&](index_t row, index_t column) -> std::int8_t& { return h[static_cast<std::size_t>(row * order + column)]; };
  if (detail::is_first_paley(order)) {
    index_t const q = order - 1;
    auto const character = detail::quadratic_characters(q);
    for (index_t i = 0; i < q; ++i) {
      at(i + 1, 0) = -1;
      for (index_t j = 0; j < q; ++j) {
        auto const difference = static_cast<std::size_t>((i - j + q) % q);
        at(i + 1, j + 1) = difference == 0 ? std::int8_t{1} : character[difference];
      }
    }
    return h;
  }
  index_t const q = order / 2 - 1;
  auto const character = detail::quadratic_characters(q);
  for (index_t i = 0; i <= q; ++i)
    for (index_t j = 0; j <= q; ++j) {
      // An element of the symmetric conference matrix, and what stands for it: [1 1; 1 -1] times it, [1 -1; -1 -1] for its zeros.
      int const c = i == j ? 0 : i == 0 || j == 0 ? 1 : character[static_cast<std::size_t>((i - j + q) % q)];
      auto const put = [&](int a, int b, int d) {
        at(2 * i, 2 * j) = static_cast<std::int8_t>(a);
        at(2 * i, 2 * j + 1) = static_cast<std::int8_t>(b);
        at(2 * i + 1, 2 * j) = static_cast<std::int8_t>(b);
        at(2 * i + 1, 2 * j + 1) = static_cast<std::int8_t>(d);
      };
      if (c == 0)
        put(1, -1, -1);
      else
        put(c, c, -c);
    }
  return h;
}

/// Returns the least K with columns = K 2^m for which there is a Hadamard matrix of order K here: 1, or one of Paley's; nothing
/// where there is none.
constexpr std::optional<index_t> hadamard_factor(index_t columns) {
  if (columns <= 0) return std::nullopt;
  index_t odd = columns;
  while (odd % 2 == 0) odd /= 2;
  if (odd == 1) return 1;
  for (index_t k = odd; k <= columns && columns % k == 0; k *= 2)
    if (is_paley_order(k)) return k;
  return std::nullopt;
}

}  // namespace halfstep
