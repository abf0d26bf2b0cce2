// How a block of device threads runs an algorithm that is written as phases.
#pragma once

#include <concepts>
#include <limits>
#include <string>

#include <cuda_runtime.h>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/cuda_error.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/exec/cuda_device_scope.hpp>

namespace halfstep {

/// Where a thread stands in a launch.
struct tile_place {
  index_t block;   ///< which block of the launch
  index_t blocks;  ///< how many there are
  int thread;      ///< which thread of the block
  int threads;     ///< how many there are, a multiple of 32
};

/// How many blocks a launch has, and how many threads each.
struct tile_shape {
  index_t blocks;
  int threads;
};

/// The shared memory of a tile that needs none, and the registers of a tile that keeps nothing from one phase to the next.
struct tile_nothing {};

namespace detail {

/// How many blocks of a tile a multiprocessor must hold at once: its `min_blocks`, or as the compiler likes where it has none.
///
/// On sm_120, which holds 1536 threads at most and needs more registers for the same work, no more than have 1024 threads.
template <class Tile>
constexpr int min_blocks_of() {
  if constexpr (requires { Tile::min_blocks; }) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1200
    constexpr int most = Tile::max_threads < 1024 ? 1024 / Tile::max_threads : 1;
    return Tile::min_blocks < most ? Tile::min_blocks : most;
#else
    return Tile::min_blocks;
#endif
  } else {
    return 0;
  }
}

/// Whether threads need only know of those of their own warp what these did in the phase before this one.
template <class Tile>
HALFSTEP_HD constexpr bool meets_in_warp(int phase) {
  if constexpr (requires { Tile::meets_in_warp(phase); })
    return Tile::meets_in_warp(phase);
  else
    return false;
}

#pragma nv_diagnostic push
#pragma nv_diag_suppress 1407  // a tile of a type without a name outside its file: hidden already

/// Runs a tile's phases with a barrier between two of them; the tile is everything else.
///
/// A tile is a plain struct with `max_threads`, `shared_type`, `state_type` (what a thread keeps in registers between phases),
/// `phases()` and `run(phase, place, shared, state)`; perhaps with `min_blocks`, and `meets_in_warp(phase)`, true where the
/// barrier before that phase need only hold up the threads of a warp. Within a phase threads see nothing of each other but
/// order-free maxima, so the host can run a block thread by thread, and does in the tests.
template <class Tile>
HALFSTEP_KERNEL void __launch_bounds__(Tile::max_threads, min_blocks_of<Tile>()) run_tile(Tile const __grid_constant__ tile) {
  __shared__ typename Tile::shared_type shared;
  typename Tile::state_type state;
  tile_place const at{blockIdx.x, gridDim.x, static_cast<int>(threadIdx.x), static_cast<int>(blockDim.x)};
  int const phases = tile.phases();
  HALFSTEP_UNROLL
  for (int phase = 0; phase < phases; ++phase) {
    if (phase > 0) {
      if (meets_in_warp<Tile>(phase))
        __syncwarp();
      else
        __syncthreads();
    }
    tile.run(phase, at, shared, state);
  }
}

#pragma nv_diagnostic pop

/// Throws shape_error unless `shape` is one that `Tile` was compiled for.
template <class Tile>
void require_launch(tile_shape shape) {
  static_assert(Tile::max_threads % 32 == 0 && 32 <= Tile::max_threads && Tile::max_threads <= 1024,
                "halfstep: a tile's max_threads is a multiple of 32, at most 1024");
  if (shape.threads < 32 || shape.threads > Tile::max_threads || shape.threads % 32 != 0)
    throw shape_error(stated("launch.threads",
                             "halfstep: a launch of {threads} threads a block: expected a multiple of 32, at most the {limit} of "
                             "its kernel",
                             {{"threads", shape.threads}, {"limit", Tile::max_threads}}));
  if (shape.blocks < 0 || shape.blocks > std::numeric_limits<int>::max())
    throw shape_error(stated("shape.too_large",
                             "halfstep: a matrix of {blocks} blocks: expected at most 2^31 - 1, cut it into pieces",
                             {{"blocks", shape.blocks}}));
}

}  // namespace detail

/// Queues `tile` on the stream of `ex`, on its device. No blocks: nothing happens. Throws cuda_error where the launch fails,
/// shape_error for more than 2^31 - 1 blocks, and for threads that are not a multiple of 32 or more than the tile's
/// `max_threads`.
template <class Executor, class Tile>
requires requires(Executor const& ex) {
  { ex.handle() } -> std::convertible_to<cudaStream_t>;
}
void launch(Executor const& ex, Tile const& tile, tile_shape shape) {
  detail::require_launch<Tile>(shape);
  if (shape.blocks == 0) return;
  cuda_device_scope const scope(cuda_device_scope::of(ex));
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(shape.blocks));
  config.blockDim = dim3(static_cast<unsigned>(shape.threads));
  config.stream = ex.handle();
  check_cuda(cudaLaunchKernelEx(&config, detail::run_tile<Tile>, tile), "halfstep: launching a kernel");
}

}  // namespace halfstep
