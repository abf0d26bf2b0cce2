// The device loop of matrix products in FP32.
#pragma once

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/device/launch.cuh>

namespace halfstep::detail {

/// How a product reads its second matrix B.
enum class second_factor {
  plain,      ///< B [K, N]: c = a B
  transposed  ///< B [N, K]: c = a B^T
};

/// Computes 64 x 64 results a block, 4 x 4 a thread, over slices of 16 of the inner dimension: one phase reads a slice into
/// shared memory, the next adds its products. Every result adds its products in ascending order with fused multiplications.
template <second_factor Second>
struct product_tile {
  static constexpr int max_threads = 256;
  static constexpr int side = 64;
  static constexpr int depth = 16;
  struct shared_type {
    float a[depth][side + 4];  // padded so that the transposing stores of a slice spread over the banks
    float b[depth][side + 4];
  };
  struct state_type {
    float sum[4][4];
  };

  device_view<float const> a;
  device_view<float const> b;
  float const* bias;  ///< one value a column, or null
  device_view<float> c;
  index_t across;  ///< how many blocks lie side by side

  HALFSTEP_HD int phases() const {
    index_t const slices = (a.columns() + depth - 1) / depth;
    return static_cast<int>(2 * (slices > 0 ? slices : 1));
  }

  HALFSTEP_HD void run(int phase, tile_place at, shared_type& shared, state_type& state) const {
    index_t const row = at.block / across * side;
    index_t const column = at.block % across * side;
    if (phase == 0)
      for (auto& sums : state.sum)
        for (float& sum : sums) sum = 0.0f;
    if (phase % 2 == 0) {
      load(at.thread, row, column, index_t{phase / 2} * depth, shared);
    } else {
      accumulate(at.thread, shared, state);
      if (phase + 1 == phases()) store(at.thread, row, column, state);
    }
  }

 private:
  HALFSTEP_HD void load(int thread, index_t row, index_t column, index_t first, shared_type& shared) const {
    HALFSTEP_UNROLL
    for (int i = 0; i < side * depth / max_threads; ++i) {
      int const n = i * max_threads + thread;
      shared.a[n % depth][n / depth] = element(a, row + n / depth, first + n % depth);
      if constexpr (Second == second_factor::transposed)
        shared.b[n % depth][n / depth] = element(b, column + n / depth, first + n % depth);
      else
        shared.b[n / side][n % side] = element(b, first + n / side, column + n % side);
    }
  }

  HALFSTEP_HD static float element(device_view<float const> m, index_t row, index_t column) {
    return row < m.rows() && column < m.columns() ? m(row, column) : 0.0f;
  }

  HALFSTEP_HD static void accumulate(int thread, shared_type const& shared, state_type& state) {
    int const top = thread / 16 * 4;
    int const left = thread % 16 * 4;
    HALFSTEP_UNROLL
    for (int k = 0; k < depth; ++k) HALFSTEP_UNROLL
    for (int i = 0; i < 4; ++i) HALFSTEP_UNROLL
    for (int j = 0; j < 4; ++j) state.sum[i][j] = fused(shared.a[k][top + i], shared.b[k][left + j], state.sum[i][j]);
  }

  HALFSTEP_HD void store(int thread, index_t row, index_t column, state_type const& state) const {
    HALFSTEP_UNROLL
    for (int i = 0; i < 4; ++i) {
      HALFSTEP_UNROLL
      for (int j = 0; j < 4; ++j) {
        index_t const m = row + thread / 16 * 4 + i;
        index_t const n = column + thread % 16 * 4 + j;
        if (m < c.rows() && n < c.columns()) c(m, n) = static_cast<float>(ieee_float{state.sum[i][j]} + (bias ? bias[n] : 0.0f));
      }
    }
  }
};

template <second_factor Second, class Executor>
void launch_product(Executor const& ex, device_view<float const> a, device_view<float const> b, float const* bias,
                    device_view<float> c) {
  using tile = product_tile<Second>;
  index_t const across = (c.columns() + tile::side - 1) / tile::side;
  launch(ex, tile{a, b, bias, c, across}, {(c.rows() + tile::side - 1) / tile::side * across, tile::max_threads});
}

}  // namespace halfstep::detail
