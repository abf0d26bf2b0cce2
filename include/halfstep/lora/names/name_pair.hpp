// Two names for a layer, the adapter's and the model's, and which rows they share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/extents.hpp>

namespace halfstep {

/// Which rows of the second name's weight [M, N] the first one has.
///
/// Attention: N rows of queries, then keys and values of half of the rest each. A parallel block: N rows of queries, of keys and
/// of values, then those of its MLP.
enum class row_slice : std::uint8_t {
  all,
  query,
  key,
  value,
  parallel_query,
  parallel_key,
  parallel_value,
  parallel_attention,  ///< queries, keys and values
  parallel_mlp,
  halves_swapped,         ///< scale and shift where the other has shift and scale
  pair_of_halves_swapped  ///< the same where M = 2 N, else all
};

/// `first` is what diffusers (or another program) calls the layer `second` of the original model. "{}" stands for a number, the
/// same ones in both.
struct name_pair {
  std::string_view first;
  std::string_view second;
  row_slice rows = row_slice::all;
};

/// Neighbouring rows of one matrix that are those of another.
struct row_run {
  index_t from;
  index_t to;
  index_t count;

  friend bool operator==(row_run const&, row_run const&) = default;
};

namespace detail {

/// Returns `name` with its numbers put into the places of `to`, where it is like `from`; else nothing.
inline std::optional<std::string> renamed(std::string_view name, std::string_view from, std::string_view to) {
  constexpr std::string_view place = "{}";
  std::vector<std::string_view> numbers;
  while (!from.empty()) {
    auto const at = from.find(place);
    std::string_view const plain = from.substr(0, at);
    if (!name.starts_with(plain)) return std::nullopt;
    name.remove_prefix(plain.size());
    if (at == from.npos) break;
    from.remove_prefix(at + place.size());
    auto const digits = std::min(name.find_first_not_of("0123456789"), name.size());
    if (digits == 0) return std::nullopt;
    numbers.push_back(name.substr(0, digits));
    name.remove_prefix(digits);
  }
  if (!name.empty()) return std::nullopt;
  std::string text;
  for (std::size_t i = 0; !to.empty(); ++i) {
    auto const at = to.find(place);
    text += to.substr(0, at);
    if (at == to.npos) break;
    text += numbers.at(i);
    to.remove_prefix(at + place.size());
  }
  return text;
}

/// Returns the rows of the first name in the second's weight `e`; nothing where it cannot have them.
inline std::optional<std::vector<row_run>> rows_in_second(row_slice rows, extents2 e) {
  index_t const m = e.rows, n = e.columns;
  auto const run = [](index_t to, index_t count) { return std::vector<row_run>{{0, to, count}}; };
  index_t const narrow = (m - n) / 2;
  bool const fused = m > n && (m - n) % 2 == 0, parallel = m > 3 * n, even = m % 2 == 0;
  switch (rows) {
    case row_slice::all:
      return std::vector<row_run>{};
    case row_slice::query:
      return fused ? std::optional(run(0, n)) : std::nullopt;
    case row_slice::key:
      return fused ? std::optional(run(n, narrow)) : std::nullopt;
    case row_slice::value:
      return fused ? std::optional(run(n + narrow, narrow)) : std::nullopt;
    case row_slice::parallel_query:
      return parallel ? std::optional(run(0, n)) : std::nullopt;
    case row_slice::parallel_key:
      return parallel ? std::optional(run(n, n)) : std::nullopt;
    case row_slice::parallel_value:
      return parallel ? std::optional(run(2 * n, n)) : std::nullopt;
    case row_slice::parallel_attention:
      return parallel ? std::optional(run(0, 3 * n)) : std::nullopt;
    case row_slice::parallel_mlp:
      return parallel ? std::optional(run(3 * n, m - 3 * n)) : std::nullopt;
    case row_slice::pair_of_halves_swapped:
      if (m != 2 * n) return std::vector<row_run>{};
      [[fallthrough]];
    case row_slice::halves_swapped:
      if (!even) return std::nullopt;
      return std::vector<row_run>{{m / 2, 0, m / 2}, {0, m / 2, m / 2}};
  }
  return std::nullopt;
}

/// Returns the rows of the second name's weight that the first's weight `e` has; nothing where it cannot.
inline std::optional<std::vector<row_run>> rows_of_second(row_slice rows, extents2 e) {
  index_t const m = e.rows, n = e.columns;
  auto const run = [&](index_t from) { return std::vector<row_run>{{from, 0, m}}; };
  switch (rows) {
    case row_slice::query:
    case row_slice::parallel_query:
    case row_slice::parallel_attention:
      return run(0);
    case row_slice::key:
    case row_slice::parallel_key:
      return run(n);
    case row_slice::value:
      return run(n + m);
    case row_slice::parallel_value:
      return run(2 * n);
    case row_slice::parallel_mlp:
      return run(3 * n);
    default:
      return rows_in_second(rows, e);
  }
}

}  // namespace detail

}  // namespace halfstep
