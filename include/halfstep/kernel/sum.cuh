// Sums over a matrix on the device, added in the order of the host.
#pragma once

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/device/launch.cuh>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/for_each_index.cuh>
#include <halfstep/kernel/row_tiles.hpp>
#include <halfstep/kernel/sum.hpp>

namespace halfstep {

namespace detail {

struct sum_element {
  HALFSTEP_HD double operator()(double v) const { return v; }
};

struct square_element {
  HALFSTEP_HD double operator()(double v) const { return v * v; }
};

/// One row tile a block: 16 threads hold the partial sums that the host interleaves, the first of them adds these in order.
template <class Source, class F>
struct sum_tile {
  static constexpr int lanes = 16;
  static constexpr int max_threads = 32;
  struct shared_type {
    double partial[lanes];
  };
  using state_type = tile_nothing;

  Source const* from;
  double* sums;
  index_t count;
  index_t tile_elements;

  HALFSTEP_HD static constexpr int phases() { return 2; }

  HALFSTEP_HD void run(int phase, tile_place at, shared_type& shared, state_type&) const {
    if (phase == 0 && at.thread < lanes) {
      index_t const start = at.block * tile_elements;
      index_t const end = start + tile_elements < count ? start + tile_elements : count;
      double partial = 0.0;
      for (index_t i = start + at.thread; i < end; i += lanes) partial = partial + F{}(to_float64(halfstep::widen(from[i])));
      shared.partial[at.thread] = partial;
    } else if (phase == 1 && at.thread == 0) {
      double sum = 0.0;
      for (int i = 0; i < lanes; ++i) sum += shared.partial[i];
      sums[at.block] = sum;
    }
  }
};

/// Adds `count` numbers in order.
struct add_in_order {
  double* sums;
  index_t count;
  HALFSTEP_HD void operator()(index_t) const {
    double sum = 0.0;
    for (index_t i = 0; i < count; ++i) sum += sums[i];
    sums[0] = sum;
  }
};

template <class F, class Executor, class Source>
double device_sum(Executor const& ex, device_view<Source const> x) {
  row_tiles const tiles(x.extents());
  index_t const count = tiles.count();
  if (count == 0) return 0.0;
  auto sums = ex.template allocate<double>(count);
  using tile = sum_tile<Source, F>;
  launch(ex, tile{x.data(), sums.data(), x.extents().count(), tiles.rows(0) * x.columns()}, {count, tile::max_threads});
  for_each_index_async(ex, 1, add_in_order{sums.data(), count});
  double result = 0.0;
  ex.read(sums.data(), &result, 1);
  return result;
}

}  // namespace detail

/// Returns the sum of all elements, in FP64; the bits of the host overload.
///
/// Waits for the stream. Throws cuda_error. Sixteen threads work on 131072 elements: meant for checks, not for speed.
template <device_executor Executor, source Source>
double sum(Executor const& ex, device_view<Source const> x) {
  return detail::device_sum<detail::sum_element>(ex, x);
}

/// Returns the sum of all squares, in FP64; the bits of the host overload, since in FP64 every square is exact.
///
/// Waits for the stream. Throws cuda_error.
template <device_executor Executor, source Source>
double sum_of_squares(Executor const& ex, device_view<Source const> x) {
  return detail::device_sum<detail::square_element>(ex, x);
}

}  // namespace halfstep
