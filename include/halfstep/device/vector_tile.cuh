// The device loop around what works on whole vectors, whose places are counted in 32 bits.
#pragma once

#include <cstdint>
#include <limits>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/device/divider.cuh>
#include <halfstep/device/element_tile.cuh>
#include <halfstep/device/launch.cuh>
#include <halfstep/device/vector_access.cuh>

namespace halfstep::detail {

/// Applies `Op` to `Vectors` vectors a thread, loaded before the first is used.
///
/// An Op has `from_type`, `to_type`, `width`, the elements of a vector, `step_type`, `prepare(row, column)`, which gives what the
/// elements of a vector share, and `operator()(from_vector, step_type)`.
template <class Op, int Vectors>
struct vector_tile {
  using from_vector = vector_of<typename Op::from_type, Op::width>;
  using to_vector = vector_of<typename Op::to_type, Op::width>;
  using shared_type = tile_nothing;
  using state_type = tile_nothing;
  static constexpr int max_threads = 256;
  static constexpr int min_blocks = resident_threads<typename Op::from_type> / max_threads;
  static constexpr int vectors_of_block = max_threads * Vectors;

  Op op;
  typename Op::from_type const* from;
  typename Op::to_type* to;
  std::uint32_t vectors;  ///< below 2^31
  divider per_row;        ///< vectors of a row
  traversal order;

  HALFSTEP_HD static constexpr int phases() { return 1; }

  HALFSTEP_HD void run(int, tile_place at, shared_type&, state_type&) const {
    auto const block = static_cast<std::uint32_t>(order == traversal::backward ? at.blocks - 1 - at.block : at.block);
    std::uint32_t const first = block * vectors_of_block + static_cast<std::uint32_t>(at.thread);
    auto* const y = kept_in_register(to + index_t{first} * Op::width);
    typename from_vector::word v[Vectors];
    typename Op::step_type step[Vectors];
    HALFSTEP_UNROLL
    for (int i = 0; i < Vectors; ++i) {
      std::uint32_t const n = first + i * max_threads, near = n < vectors ? n : vectors - 1;  // beyond the end the last one again
      v[i] = from_vector::load_word(from + index_t{near} * Op::width);
      std::uint32_t const row = per_row.quotient(near);
      step[i] = op.prepare(row, (near - row * per_row.divisor()) * Op::width);
    }
    HALFSTEP_UNROLL
    for (int i = 0; i < Vectors; ++i) {
      auto const result = op(from_vector::of(v[i]), step[i]);
      if (first + i * max_threads < vectors) result.store(y + i * max_threads * Op::width);
    }
  }
};

/// Queues `vector_tile` where alignment and `run`, the neighbours of a row that share what `prepare` returns, allow vectors and
/// there are fewer than 2^31 - 2^16 of them; returns whether they do.
template <int Vectors, class Executor, class Op>
bool try_vectors(Executor const& ex, Op const& op, typename Op::from_type const* from, typename Op::to_type* to, extents2 e,
                 index_t run, traversal order) {
  using tile = vector_tile<Op, Vectors>;
  index_t const vectors = e.count() / Op::width;
  bool const is_vectorized =
      is_aligned<Op::width>(from) && is_aligned<Op::width>(to) && run > 0 && run % Op::width == 0 && e.columns % Op::width == 0;
  if (!is_vectorized || vectors > std::numeric_limits<int>::max() - 65536) return false;
  if (vectors == 0) return true;
  launch(
      ex,
      tile{op, from, to, static_cast<std::uint32_t>(vectors), divider(static_cast<std::uint32_t>(e.columns / Op::width)), order},
      {(vectors + tile::vectors_of_block - 1) / tile::vectors_of_block, tile::max_threads});
  return true;
}

}  // namespace halfstep::detail
