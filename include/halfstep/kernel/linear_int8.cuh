// A layer's product of INT8 inputs and INT8 weights on the device.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/device/byte_products.cuh>
#include <halfstep/device/launch.cuh>
#include <halfstep/device/vector_access.cuh>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/int8_mma.cuh>
#include <halfstep/kernel/int8_operands.hpp>
#include <halfstep/kernel/linear_int8.hpp>
#include <halfstep/kernel/product_ending.hpp>

namespace halfstep {

namespace detail {

/// Computes 64 x 64 results a block, 4 x 4 a thread, over slices of 64 columns of codes, four to a word.
///
/// Integer sums turn into numbers wherever a group ends, which is a multiple of 16 columns or the last one.
template <class Layout, class Writer>
struct int8_product_tile {
  static constexpr int max_threads = 256;
  static constexpr int side = 64;
  static constexpr int words = 16;  ///< of a row in a slice
  static constexpr int step = 4;    ///< words between places where a group may end
  static constexpr int depth = 4 * words;
  struct shared_type {
    int x[words][side + 4];  // padded so that the transposing stores of a slice spread over the banks
    int w[words][side + 4];
  };
  struct state_type {
    int products[4][4];
    float sum[4][4];
    index_t begin;      ///< of the integer sums under way
    index_t end;        ///< of what INT32 holds, or of the group
    index_t group_end;  ///< of the weight's group
    index_t x_end;      ///< of the inputs' group
    index_t part;       ///< which group of the inputs that is
  };

  int8_operands<Layout, device_space> in;
  Writer write;
  index_t across;   ///< how many blocks lie side by side
  index_t group;    ///< neighbouring columns that share a scale of the weight
  index_t x_group;  ///< and of the inputs
  bool is_aligned;

  HALFSTEP_HD int phases() const {
    index_t const slices = (in.x.columns() + depth - 1) / depth;
    return static_cast<int>(2 * (slices > 0 ? slices : 1));
  }

  HALFSTEP_HD void run(int phase, tile_place at, shared_type& shared, state_type& state) const {
    index_t const row = at.block / across * side;
    index_t const column = at.block % across * side;
    if (phase == 0) {
      state.begin = 0;
      state.group_end = group;
      state.end = group < int8_products ? group : int8_products;
      state.x_end = x_group;
      state.part = 0;
      for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j) {
          state.products[i][j] = 0;
          state.sum[i][j] = 0.0f;
        }
    }
    index_t const first = index_t{phase / 2} * depth;
    if (phase % 2 == 0) {
      load(in.x, row, first, at.thread, shared.x);
      load(in.weight, column, first, at.thread, shared.w);
    } else {
      add_slice(first, at.thread, row, column, shared, state);
      if (phase + 1 == phases()) store(at.thread, row, column, state);
    }
  }

 private:
  HALFSTEP_HD void add_slice(index_t first, int thread, index_t row, index_t column, shared_type const& shared,
                             state_type& state) const {
    int const top = thread / 16 * 4;
    int const left = thread % 16 * 4;
    HALFSTEP_UNROLL
    for (int part = 0; part < words; part += step) {
      HALFSTEP_UNROLL
      for (int k = part; k < part + step; ++k) HALFSTEP_UNROLL
      for (int i = 0; i < 4; ++i) HALFSTEP_UNROLL
      for (int j = 0; j < 4; ++j)
        state.products[i][j] = add_products(shared.x[k][top + i], shared.w[k][left + j], state.products[i][j]);
      index_t const done = first + 4 * (part + step);
      index_t const end = state.end < state.x_end ? state.end : state.x_end;
      if (state.begin < in.x.columns() && (done >= end || done >= in.x.columns())) {
        settle(row + top, column + left, state);
        advance(done, state);
      }
    }
  }

  HALFSTEP_HD void load(device_view<std::int8_t const> from, index_t row, index_t first, int thread,
                        int (&to)[words][side + 4]) const {
    HALFSTEP_UNROLL
    for (int i = 0; i < side * words / max_threads; ++i) {
      int const n = i * max_threads + thread;
      to[n % words][n / words] = word(from, row + n / words, first + n % words * 4);
    }
  }

  HALFSTEP_HD int word(device_view<std::int8_t const> m, index_t row, index_t column) const {
    if (row >= m.rows() || column >= m.columns()) return 0;
    vector_of<std::int8_t, 4> codes;
    if (is_aligned) {
      codes = vector_of<std::int8_t, 4>::load(m.row(row) + column);
    } else {
      HALFSTEP_UNROLL
      for (int k = 0; k < 4; ++k) codes.value[k] = column + k < m.columns() ? m(row, column + k) : std::int8_t{0};
    }
    int packed = 0;
    std::memcpy(&packed, codes.value, sizeof(packed));
    return packed;
  }

  /// Adds what the integer sums are worth; `input` and `first` are the first of this thread's inputs and rows of the weight.
  HALFSTEP_HD void settle(index_t input, index_t first, state_type& state) const {
    HALFSTEP_UNROLL
    for (int j = 0; j < 4; ++j) {
      index_t const row = first + j;
      float const scale =
          row < in.weight.rows() ? in.groups.data()[Layout::group_of(in.weight.extents(), row, state.begin)] : 0.0f;
      HALFSTEP_UNROLL
      for (int i = 0; i < 4; ++i) {
        ieee_float const worth = in.has_input_groups() && input + i < in.x.rows()
                                     ? ieee_float{in.x_scales(input + i, state.part)} * scale
                                     : ieee_float{scale};
        state.sum[i][j] = fused(static_cast<float>(state.products[i][j]), worth, state.sum[i][j]);
        state.products[i][j] = 0;
      }
    }
  }

  /// Goes on with the sums that begin at `column`: divisions of 64 bits are calls, so the ends are added up.
  HALFSTEP_HD void advance(index_t column, state_type& state) const {
    state.begin = column;
    if (state.group_end <= column) state.group_end += group;
    if (state.end <= column) {
      state.end += int8_products;
      if (state.group_end < state.end) state.end = state.group_end;
    }
    if (state.x_end <= column) {
      state.x_end += x_group;
      ++state.part;
    }
  }

  HALFSTEP_HD void store(int thread, index_t row, index_t column, state_type const& state) const {
    HALFSTEP_UNROLL
    for (int i = 0; i < 4; ++i) {
      HALFSTEP_UNROLL
      for (int j = 0; j < 4; ++j) {
        index_t const m = row + thread / 16 * 4 + i;
        index_t const n = column + thread % 16 * 4 + j;
        if (m < in.x.rows() && n < in.weight.rows()) write(state.sum[i][j], in.scale_of_input(m), m, n);
      }
    }
  }
};

}  // namespace detail

/// Stores y = form(x W^T + b) + r, where x and W are codes times their scales: the bits of the host overload, which says the
/// rest.
///
/// On tensor cores where rows of codes lie at multiples of 16 bytes and sums begin at multiples of 32 columns; elsewhere by dot
/// products of four codes at a time. Runs in stream order. Throws shape_error, also for groups whose columns are neither all nor
/// a multiple of 16, and cuda_error.
template <class Layout, device_executor Executor, class Form, class Residual, product_output Output>
void linear_int8_async(Executor const& ex, device_view<std::int8_t const> x, device_view<float const> x_scales,
                       device_view<std::int8_t const> weight, device_view<float const> groups,
                       product_ending<device_space, Form, Residual> const& ending, device_view<Output> y) {
  static_assert(int8_layout<Layout>, "halfstep: linear_int8 takes layouts of INT8 codes with FP32 scales");
  detail::int8_operands<Layout, device_space> const in{x, x_scales, weight, groups};
  in.require();
  auto const write = detail::writer_of(ending, {x.rows(), weight.rows()}, y);
  if (!in.is_cut_at(16))
    throw shape_error(stated("shape.no_group",
                             "halfstep: groups of {group} columns in linear_int8: expected a multiple of 16, or whole rows",
                             {{"group", std::min(in.run(), in.x_run())}}));
  if constexpr (detail::has_stream<Executor>)
    if (detail::fits_mma(in)) return detail::mma_product_async(ex, in, write);
  using tile = detail::int8_product_tile<Layout, std::remove_const_t<decltype(write)>>;
  index_t const across = (y.columns() + tile::side - 1) / tile::side;
  bool const is_aligned = weight.columns() % 4 == 0 && detail::is_aligned<4>(x.data()) && detail::is_aligned<4>(weight.data());
  launch(ex, tile{in, write, across, in.run(), in.x_run(), is_aligned},
         {(y.rows() + tile::side - 1) / tile::side * across, tile::max_threads});
}

/// Stores y = x W^T + b in FP32; bias [1, M], or empty for none. Otherwise as above.
template <class Layout, device_executor Executor>
void linear_int8_async(Executor const& ex, device_view<std::int8_t const> x, device_view<float const> x_scales,
                       device_view<std::int8_t const> weight, device_view<float const> groups, device_view<float const> bias,
                       device_view<float> y) {
  linear_int8_async<Layout>(ex, x, x_scales, weight, groups, product_ending<device_space>{bias}, y);
}

/// `linear_int8_async`, and waits for the executor.
template <class Layout, device_executor Executor, class Form, class Residual, product_output Output>
void linear_int8(Executor const& ex, device_view<std::int8_t const> x, device_view<float const> x_scales,
                 device_view<std::int8_t const> weight, device_view<float const> groups,
                 product_ending<device_space, Form, Residual> const& ending, device_view<Output> y) {
  linear_int8_async<Layout>(ex, x, x_scales, weight, groups, ending, y);
  ex.wait();
}

/// `linear_int8_async`, and waits for the executor.
template <class Layout, device_executor Executor>
void linear_int8(Executor const& ex, device_view<std::int8_t const> x, device_view<float const> x_scales,
                 device_view<std::int8_t const> weight, device_view<float const> groups, device_view<float const> bias,
                 device_view<float> y) {
  linear_int8_async<Layout>(ex, x, x_scales, weight, groups, bias, y);
  ex.wait();
}

}  // namespace halfstep
