// The INT8 product on tensor cores, for devices from compute capability 8.0 on.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <limits>

#include <cuda_runtime.h>

#include <halfstep/core/bits.hpp>
#include <halfstep/core/compiler.hpp>
#include <halfstep/core/cuda_error.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/core/space.hpp>
#include <halfstep/device/tensor_core.cuh>
#include <halfstep/device/vector_access.cuh>
#include <halfstep/exec/cuda_device_scope.hpp>
#include <halfstep/kernel/int8_operands.hpp>
#include <halfstep/kernel/product_ending.hpp>

namespace halfstep::detail {

/// How a block cuts the product: Inputs x Rows results, Depth columns of codes at a time in Stages stages of shared memory, and
/// Across x Down warps side by side, across along the inputs. Integer sums may end at multiples of Granule columns.
template <int Inputs, int Rows, int Depth, int Granule, int Stages, int Across, int Down>
struct mma_shape {
  static constexpr int inputs = Inputs, rows = Rows, depth = Depth, granule = Granule, stages = Stages;
  static constexpr int threads = 32 * Across * Down;
  static constexpr int stage_bytes = (Inputs + Rows) * Depth;
  static constexpr int down = Down;
  static constexpr int warp_inputs = Inputs / Across, warp_rows = Rows / Down;
  static constexpr int a_tiles = warp_inputs / 16, b_tiles = warp_rows / 8;  ///< of the instruction
  static constexpr int chunks = stage_bytes / 16 / threads;                  ///< of 16 bytes that a thread copies
  static_assert(stage_bytes % (16 * threads) == 0 && stage_bytes * Stages <= 48 * 1024);
  static_assert(warp_inputs % 16 == 0 && warp_rows % 8 == 0 && Depth % 64 == 0);
  static_assert(Granule % 32 == 0 && Depth % Granule == 0);

  /// Returns where 16 bytes of a row lie in a stage: eight rows of the same chunk are spread over all banks.
  static __device__ __forceinline__ int place(int row, int chunk) {
    return row * Depth + ((chunk ^ (Depth == 64 ? row >> 1 & 3 : row & 7)) << 4);
  }
};

/// For up to 16 inputs, up to 64, and more. The first two read the weight once and keep many blocks busy.
using mma_row = mma_shape<16, 32, 256, 32, 4, 1, 4>;
using mma_band = mma_shape<64, 32, 128, 32, 4, 1, 4>;
using mma_square = mma_shape<128, 128, 64, 64, 3, 2, 4>;

/// Whether a row is one group, whose integer sum is turned into a number at the end, or many. Only sums of groups of up to 256
/// columns are kept as the low bits of a float, from which a subtraction gets them out.
enum class mma_sums : std::uint8_t { one, many, many_short };

/// What the kernel is given.
template <class Layout, class Writer>
struct mma_product {
  int8_operands<Layout, device_space> in;
  Writer write;
  int inputs, rows, columns;  ///< the extents of the operands
  int across;                 ///< how many blocks lie along the inputs
  int run, x_run;             ///< columns that share a scale, multiples of 32, at most 65536; `columns` where all do
};

/// Stores two neighbouring results, or the one that lies inside the output, at once where the output allows it.
template <class Form, class Residual, class Output>
__device__ __forceinline__ void store_pair(result_writer<Form, Residual, Output> const& write, float2 sums, float x_scale,
                                           int row, int column) {
  if (column + 1 < write.columns && write.columns % 2 == 0 && write.has_even_address()) {
    vector_of<Output, 2> const both{write.value(sums.x, x_scale, row, column), write.value(sums.y, x_scale, row, column + 1)};
    both.keep(write.y + row * write.columns + column);  // whoever multiplies next reads it
  } else {
    if (column < write.columns) write(sums.x, x_scale, row, column);
    if (column + 1 < write.columns) write(sums.y, x_scale, row, column + 1);
  }
}

#pragma nv_diagnostic push
#pragma nv_diag_suppress 1407  // a layout of a type without a name outside its file: hidden already

/** @cond a function whose end doxygen does not find */

/// Stores the product: copies of later slices are under way while warps multiply one.
template <class Shape, mma_sums Sums, class Layout, class Writer>
HALFSTEP_KERNEL void __launch_bounds__(Shape::threads, Sums == mma_sums::one && Shape::threads < 256 ? 2 : 1)
    multiply_int8(mma_product<Layout, Writer> const __grid_constant__ p) {
  constexpr int a_tiles = Shape::a_tiles, b_tiles = Shape::b_tiles, depth = Shape::depth, stages = Shape::stages;
  constexpr float float_of_zero = 12582912.0f;  // 1.5 * 2^23: integers of 22 bits and a sign added to its bits are added to it
  constexpr int zero = Sums == mma_sums::many_short ? 0x4b400000 : 0;
  __shared__ alignas(128) std::int8_t memory[stages * Shape::stage_bytes];
  int const thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
  int const block = static_cast<int>(blockIdx.x);
  int const first_input = block % p.across * Shape::inputs, first_row = block / p.across * Shape::rows;
  int const warp_input = warp / Shape::down * Shape::warp_inputs, warp_row = warp % Shape::down * Shape::warp_rows;
  std::uint32_t const base = shared_address(memory);

  std::int8_t const* from[Shape::chunks];  // rows past the end are copies of the last one, and nobody stores what comes of them
#pragma unroll
  for (int i = 0; i < Shape::chunks; ++i) {
    int const chunk = thread + i * Shape::threads, row = chunk / (depth / 16);
    from[i] = row < Shape::inputs ? p.in.x.row(min(first_input + row, p.inputs - 1))
                                  : p.in.weight.row(min(first_row + row - Shape::inputs, p.rows - 1));
    from[i] += chunk % (depth / 16) * 16;
  }
  auto const copy_slice = [&](int slice, int stage) {
#pragma unroll
    for (int i = 0; i < Shape::chunks; ++i) {
      int const chunk = thread + i * Shape::threads, row = chunk / (depth / 16), column = chunk % (depth / 16);
      bool const is_inside = slice * depth + column * 16 < p.columns;
      copy_16_async(base + stage * Shape::stage_bytes + Shape::place(row, column), is_inside ? from[i] : p.in.x.data(),
                    is_inside ? 16 : 0);
      from[i] += depth;
    }
    end_copies();
  };

  int products[a_tiles][b_tiles][4];
  float sums[a_tiles][b_tiles][4];
#pragma unroll
  for (int i = 0; i < a_tiles; ++i)
#pragma unroll
    for (int j = 0; j < b_tiles; ++j)
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        products[i][j][e] = zero;
        sums[i][j][e] = 0.0f;
      }

  // Element e of a tile is that of input lane / 4 + e / 2 * 8 and row lane % 4 * 2 + e % 2 of the weight.
  auto const input_at = [&](int i, int half) { return first_input + warp_input + i * 16 + lane / 4 + half * 8; };
  auto const row_at = [&](int j, int odd) { return first_row + warp_row + j * 8 + lane % 4 * 2 + odd; };
  auto const settle = [&](int column, int part) {
    float scale[b_tiles][2];
#pragma unroll
    for (int j = 0; j < b_tiles; ++j)
#pragma unroll
      for (int odd = 0; odd < 2; ++odd)
        scale[j][odd] = p.in.groups.data()[Layout::group_of(p.in.weight.extents(), min(row_at(j, odd), p.rows - 1), column)];
#pragma unroll
    for (int i = 0; i < a_tiles; ++i)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float const x_scale = p.in.has_input_groups() ? p.in.x_scales(min(input_at(i, half), p.inputs - 1), part) : 1.0f;
#pragma unroll
        for (int j = 0; j < b_tiles; ++j)
#pragma unroll
          for (int odd = 0; odd < 2; ++odd) {
            int& sum = products[i][j][half * 2 + odd];
            ieee_float const number = Sums == mma_sums::many_short
                                          ? ieee_float{float_of(static_cast<std::uint32_t>(sum))} - float_of_zero
                                          : ieee_float{static_cast<float>(sum)};
            sums[i][j][half * 2 + odd] = fused(number, ieee_float{x_scale} * scale[j][odd], sums[i][j][half * 2 + odd]);
            sum = zero;
          }
      }
  };

  int const slices = (p.columns + depth - 1) / depth;
#pragma unroll
  for (int s = 0; s < stages - 1; ++s)
    if (s < slices)
      copy_slice(s, s);
    else
      end_copies();
  int begin = 0, part = 0, stage = 0;
  int end = min(p.run, p.columns), x_end = p.x_run;  // of the sums under way
  for (int slice = 0; slice < slices; ++slice) {
    wait_for_copies<stages - 2>();
    __syncthreads();
    int const later = slice + stages - 1;
    if (later < slices)
      copy_slice(later, stage == 0 ? stages - 1 : stage - 1);
    else
      end_copies();
    std::uint32_t const a_at = base + stage * Shape::stage_bytes, b_at = a_at + Shape::inputs * depth;
    stage = stage + 1 == stages ? 0 : stage + 1;
#pragma unroll
    for (int k = 0; k < depth / 32; ++k) {
      std::uint32_t a[a_tiles][4], b[(b_tiles + 1) / 2][4];
#pragma unroll
      for (int i = 0; i < a_tiles; ++i)
        load_fragments(a[i], a_at + Shape::place(warp_input + i * 16 + lane % 16, k * 2 + lane / 16));
#pragma unroll
      for (int j = 0; j < (b_tiles + 1) / 2; ++j) {
        int const row = lane % 8 + (b_tiles > 1 ? lane / 16 * 8 : 0);  // of a single tile, the second half is not used
        load_fragments(b[j], b_at + Shape::place(warp_row + j * 16 + row, k * 2 + lane / 8 % 2));
      }
#pragma unroll
      for (int i = 0; i < a_tiles; ++i)
#pragma unroll
        for (int j = 0; j < b_tiles; ++j) add_byte_products(products[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
      if (Sums != mma_sums::one && (k + 1) * 32 % Shape::granule == 0) {
        int const done = slice * depth + (k + 1) * 32;
        if ((done == end || done == x_end) && done <= p.columns) {
          settle(begin, part);
          begin = done;
          if (done == end) end += p.run;
          if (done == x_end) {
            x_end += p.x_run;
            ++part;
          }
        }
      }
    }
  }
  if (begin < p.columns) settle(begin, part);  // not for one that ended with the row

#pragma unroll
  for (int i = 0; i < a_tiles; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      int const input = input_at(i, half);
      if (input >= p.inputs) continue;
      float const x_scale = p.in.scale_of_input(input);
#pragma unroll
      for (int j = 0; j < b_tiles; ++j)
        store_pair(p.write, {sums[i][j][half * 2], sums[i][j][half * 2 + 1]}, x_scale, input, row_at(j, 0));
    }
}

/** @endcond */

#pragma nv_diagnostic pop

/// An executor whose work is queued on a stream of a device, not on the host for a test.
template <class Executor>
concept has_stream = requires(Executor const& ex) {
  { ex.handle() } -> std::convertible_to<cudaStream_t>;
};

/// The most columns, rows and inputs that the kernel counts.
inline constexpr index_t most_of_mma = index_t{1} << 30;

/// Whether the kernel takes these operands: rows of codes at multiples of 16 bytes, sums that begin at multiples of 32 columns.
template <class Layout>
bool fits_mma(int8_operands<Layout, device_space> const& in) {
  index_t const columns = in.x.columns();
  return columns > 0 && columns % 16 == 0 && std::max({columns, in.x.rows(), in.weight.rows()}) < most_of_mma &&
         is_aligned<16>(in.x.data()) && is_aligned<16>(in.weight.data()) && in.is_cut_at(32) &&
         (in.run() >= columns || in.run() <= int8_products);
}

template <class Shape, mma_sums Sums, class Executor, class Layout, class Writer>
void launch_mma(Executor const& ex, int8_operands<Layout, device_space> const& in, Writer const& write) {
  index_t const across = (in.x.rows() + Shape::inputs - 1) / Shape::inputs;
  index_t const blocks = across * ((in.weight.rows() + Shape::rows - 1) / Shape::rows);
  if (blocks == 0) return;
  if (blocks > std::numeric_limits<int>::max())
    throw shape_error(stated("shape.too_large",
                             "halfstep: a product of {blocks} blocks: expected at most 2^31 - 1, cut it into pieces",
                             {{"blocks", blocks}}));
  index_t const columns = in.x.columns();
  mma_product<Layout, Writer> const p{in,
                                      write,
                                      static_cast<int>(in.x.rows()),
                                      static_cast<int>(in.weight.rows()),
                                      static_cast<int>(columns),
                                      static_cast<int>(across),
                                      static_cast<int>(std::min(in.run(), int8_products)),
                                      static_cast<int>(std::min(in.x_run(), columns))};
  cuda_device_scope const scope(cuda_device_scope::of(ex));
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(blocks));
  config.blockDim = dim3(static_cast<unsigned>(Shape::threads));
  config.stream = ex.handle();
  check_cuda(cudaLaunchKernelEx(&config, multiply_int8<Shape, Sums, Layout, Writer>, p), "halfstep: launching the INT8 product");
}

/// Queues the product of `in` through `write` on the stream of `ex`. Precondition: `fits_mma`. Throws shape_error, cuda_error.
template <class Executor, class Layout, class Writer>
void mma_product_async(Executor const& ex, int8_operands<Layout, device_space> const& in, Writer const& write) {
  index_t const run = std::min({in.run(), in.x_run(), int8_products});
  bool const is_one = in.x.columns() <= run, is_short = run <= 256;
  if (in.x.rows() <= mma_row::inputs)
    return is_one ? launch_mma<mma_row, mma_sums::one>(ex, in, write) : launch_mma<mma_row, mma_sums::many>(ex, in, write);
  if (in.x.rows() > mma_band::inputs) {
    if (is_one) return launch_mma<mma_square, mma_sums::one>(ex, in, write);
    if (is_short && in.is_cut_at(mma_square::granule)) return launch_mma<mma_square, mma_sums::many_short>(ex, in, write);
  }
  if (is_one) return launch_mma<mma_band, mma_sums::one>(ex, in, write);
  if (is_short) return launch_mma<mma_band, mma_sums::many_short>(ex, in, write);
  launch_mma<mma_band, mma_sums::many>(ex, in, write);
}

}  // namespace halfstep::detail
