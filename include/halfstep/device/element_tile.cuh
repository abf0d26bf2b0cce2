// The device loop around everything that works element by element.
#pragma once

#include <algorithm>
#include <limits>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/device/divider.cuh>
#include <halfstep/device/launch.cuh>
#include <halfstep/device/tuning.cuh>
#include <halfstep/device/vector_access.cuh>

namespace halfstep {

/// From which end a kernel walks a matrix: what the kernel before it read last is still in the cache.
enum class traversal { forward, backward };

namespace detail {

/// A place in a matrix whose rows are cut into vectors.
struct vector_place {
  index_t row;
  std::uint32_t vector;  ///< counted from the row's start
};

/// Finds rows and columns of vectors that are counted through the whole matrix.
class vector_grid {
 public:
  HALFSTEP_HD explicit vector_grid(index_t vectors_per_row) : per_row_(static_cast<std::uint32_t>(vectors_per_row)) {}

  /// Returns the place of vector `index`: one long division.
  HALFSTEP_HD vector_place find(index_t index) const {
    index_t const row = index / per_row_.divisor();
    return {row, static_cast<std::uint32_t>(index - row * per_row_.divisor())};
  }

  /// Returns the place `distance` vectors after `origin`. Precondition: distance < 2^30.
  HALFSTEP_HD vector_place advance(vector_place origin, std::uint32_t distance) const {
    std::uint32_t const vector = origin.vector + distance;
    std::uint32_t const rows = per_row_.quotient(vector);
    return {origin.row + rows, vector - rows * per_row_.divisor()};
  }

 private:
  divider per_row_;
};

/// Throws shape_error where a row has more vectors than `vector_grid` can count.
inline void require_columns(extents2 e) {
  if (e.columns < (index_t{1} << 30)) return;
  throw shape_error(stated("shape.too_wide", "halfstep: a row of {columns} columns on a device: expected fewer than 2^30",
                           {{"columns", e.columns}}));
}

/// Applies `Op` to vectors of `Width` elements.
///
/// An Op has `from_type`, `to_type`, `step_type`, `prepare(row, column)`, which gives what the elements of a vector share, and
/// `operator()(from_type, step_type, index_t element)`, element being counted through the matrix.
template <class Op, int Width>
struct element_tile {
  using from_vector = vector_of<typename Op::from_type, Width>;
  using to_vector = vector_of<typename Op::to_type, Width>;
  using shared_type = tile_nothing;
  using state_type = tile_nothing;
  static constexpr int max_threads = 512;
  static constexpr int unroll = sizeof(typename Op::from_type) > 4 ? 2 : 4;  // four FP64 vectors would spill on sm_100

  Op op;
  typename Op::from_type const* from;
  typename Op::to_type* to;
  index_t first;  ///< the element of `from` and `to` where the first vector starts
  index_t vectors;
  vector_grid grid;
  traversal order;
  int rounds;

  HALFSTEP_HD static constexpr int phases() { return 1; }

  HALFSTEP_HD void run(int, tile_place at, shared_type&, state_type&) const {
    index_t const block = order == traversal::backward ? at.blocks - 1 - at.block : at.block;
    index_t const start = block * at.threads * unroll * rounds;
    vector_place const origin = grid.find(start);
    for (int round = 0; round < rounds; ++round) {
      from_vector x[unroll];
      HALFSTEP_UNROLL
      for (int i = 0; i < unroll; ++i) {
        index_t const v = start + distance(at, round, i);
        x[i] = from_vector::load_if_below(vectors, from + first, v);  // beyond may be another thread's result
      }
      HALFSTEP_UNROLL
      for (int i = 0; i < unroll; ++i) {
        index_t const v = start + distance(at, round, i);
        if (v < vectors) apply(x[i], v, grid.advance(origin, static_cast<std::uint32_t>(distance(at, round, i))));
      }
    }
  }

 private:
  HALFSTEP_HD static int distance(tile_place at, int round, int i) { return (round * unroll + i) * at.threads + at.thread; }

  HALFSTEP_HD void apply(from_vector const& x, index_t v, vector_place place) const {
    auto const step = op.prepare(place.row, index_t{place.vector} * Width);
    index_t const element = first + v * Width;
    to_vector y;
    HALFSTEP_UNROLL
    for (int k = 0; k < Width; ++k) y.value[k] = op(x.value[k], step, element + k);
    y.store(to + element);
  }
};

template <int Width, class Executor, class Op>
void launch_elements(Executor const& ex, Op const& op, typename Op::from_type const* from, typename Op::to_type* to,
                     index_t first, index_t vectors, index_t columns, traversal order) {
  auto const [threads, rounds] = tune_elements(ex.capability());
  using tile = element_tile<Op, Width>;
  index_t const block_vectors = index_t{threads} * tile::unroll * rounds;
  vector_grid const grid(std::max<index_t>(columns / Width, 1));
  launch(ex, tile{op, from, to, first, vectors, grid, order, rounds}, {(vectors + block_vectors - 1) / block_vectors, threads});
}

/// How many elements of two types move at once: 16 bytes of the larger.
template <class From, class To>
inline constexpr int vector_width = 16 / static_cast<int>(sizeof(From) > sizeof(To) ? sizeof(From) : sizeof(To));

/// Stores op(x) for every element of a matrix, `run` neighbours of a row sharing what `prepare` returns; 0: all elements do.
///
/// Vectors where alignment and `run` allow them, else one element at a time: the same results.
template <class Executor, class Op>
void for_each_element(Executor const& ex, Op const& op, typename Op::from_type const* from, typename Op::to_type* to, extents2 e,
                      index_t run, traversal order) {
  if (e.count() == 0) return;
  require_columns(e);
  constexpr int width = vector_width<typename Op::from_type, typename Op::to_type>;
  bool const aligned =
      is_aligned<width>(from) && is_aligned<width>(to) && run % width == 0 && (run == 0 || e.columns % width == 0);
  index_t const vectors = aligned ? e.count() / width : 0;
  index_t const rest = e.count() - vectors * width;
  if (vectors > 0) launch_elements<width>(ex, op, from, to, 0, vectors, e.columns, order);
  if (rest > 0) launch_elements<1>(ex, op, from, to, vectors * width, rest, e.columns, order);
}

}  // namespace detail

}  // namespace halfstep
