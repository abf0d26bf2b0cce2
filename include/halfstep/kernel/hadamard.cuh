// Hadamard transforms of a matrix's rows on the device.
#pragma once

#include <cmath>

#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/compiler.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/device/launch.cuh>
#include <halfstep/device/vector_access.cuh>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/for_each_index.cuh>
#include <halfstep/kernel/hadamard.hpp>

namespace halfstep {

namespace detail {

/// The stages of the regular transform among 16 values in registers that lie `stride` apart in their group.
struct regular_stages {
  HALFSTEP_HD void operator()(float (&x)[16], index_t stride, index_t group) const {
    HALFSTEP_UNROLL
    for (int step = 1; step < 16; step *= 4) {
      if (stride * step >= group) return;
      HALFSTEP_UNROLL
      for (int n = 0; n < 4; ++n) {
        int const i = n / step * 4 * step + n % step;
        ieee_float const x0 = x[i], x1 = x[i + step], x2 = x[i + 2 * step], x3 = x[i + 3 * step];
        ieee_float const half = halved((x0 + x1) + (x2 + x3));
        x[i] = static_cast<float>(half - x3);
        x[i + step] = static_cast<float>(half - x2);
        x[i + 2 * step] = static_cast<float>(half - x1);
        x[i + 3 * step] = static_cast<float>(half - x0);
      }
    }
  }
};

/// The stages of the Sylvester transform among 16 values in registers that lie `stride` apart in their group.
struct butterfly_stages {
  HALFSTEP_HD void operator()(float (&x)[16], index_t stride, index_t group) const {
    HALFSTEP_UNROLL
    for (int step = 1; step < 16; step *= 2) {
      if (stride * step >= group) return;
      HALFSTEP_UNROLL
      for (int n = 0; n < 8; ++n) {
        int const i = n / step * 2 * step + n % step;
        ieee_float const a = x[i], b = x[i + step];
        x[i] = static_cast<float>(a + b);
        x[i + step] = static_cast<float>(a - b);
      }
    }
  }
};

/// Transforms 4096 neighbouring elements, whole groups or a part of one, 16 in each thread's registers: strides below 16, after
/// an exchange those below 256, after another those below 4096.
template <class Source, class Stages>
struct hadamard_tile {
  static constexpr int max_threads = 256;
  static constexpr int elements = 16 * max_threads;
  static constexpr int width = 16 / static_cast<int>(sizeof(Source));
  struct shared_type {
    float x[elements + elements / 16];  // one word of padding every 16: no two threads of a warp meet in a bank
  };
  using state_type = tile_nothing;

  Source const* from;
  float* to;
  index_t count;
  index_t group;
  float scale;  ///< of the result; 1 leaves every bit
  bool is_aligned;

  HALFSTEP_HD int phases() const { return group > 256 ? 3 : 2; }

  HALFSTEP_HD void run(int phase, tile_place at, shared_type& shared, state_type&) const {
    index_t const start = at.block * elements;
    float x[16];
    if (phase == 0) {
      read(start + at.thread * 16, x);
      Stages{}(x, 1, group);
      HALFSTEP_UNROLL
      for (int i = 0; i < 16; ++i) shared.x[at.thread * 17 + i] = x[i];
      return;
    }
    int const stride = phase == 1 ? 16 : 256;
    int const first = at.thread / stride * stride * 16 + at.thread % stride;
    HALFSTEP_UNROLL
    for (int i = 0; i < 16; ++i) x[i] = shared.x[padded(first + i * stride)];
    Stages{}(x, stride, group);
    if (phase + 1 < phases()) {
      HALFSTEP_UNROLL
      for (int i = 0; i < 16; ++i) shared.x[padded(first + i * stride)] = x[i];
    } else {
      HALFSTEP_UNROLL
      for (int i = 0; i < 16; ++i)
        if (start + first + i * stride < count) to[start + first + i * stride] = static_cast<float>(ieee_float{x[i]} * scale);
    }
  }

 private:
  HALFSTEP_HD static int padded(int i) { return i + i / 16; }

  HALFSTEP_HD void read(index_t start, float (&x)[16]) const {
    if (is_aligned && start + 16 <= count) {
      HALFSTEP_UNROLL
      for (int v = 0; v < 16; v += width) {
        auto const part = vector_of<Source, width>::load(from + start + v);
        HALFSTEP_UNROLL
        for (int k = 0; k < width; ++k) x[v + k] = halfstep::widen(part.value[k]);
      }
    } else {
      HALFSTEP_UNROLL
      for (int i = 0; i < 16; ++i) x[i] = start + i < count ? halfstep::widen(from[start + i]) : 0.0f;
    }
  }
};

/// The stages of strides `stride` to 8 `stride` of groups that are larger than a tile, in place.
struct wide_butterfly {
  float* x;
  index_t stride;
  index_t group;
  float scale;

  /// `i` counts the sets of 16 values, or fewer at the end of the group, that meet in these stages.
  HALFSTEP_HD void operator()(index_t i) const {
    int const values = group / stride < 16 ? static_cast<int>(group / stride) : 16;
    float* const first = x + i / stride * stride * values + i % stride;
    float y[16];
    HALFSTEP_UNROLL
    for (int k = 0; k < 16; ++k) y[k] = k < values ? first[k * stride] : 0.0f;
    butterfly_stages{}(y, stride, group);
    HALFSTEP_UNROLL
    for (int k = 0; k < 16; ++k)
      if (k < values) first[k * stride] = static_cast<float>(ieee_float{y[k]} * scale);
  }
};

template <class Stages, class Executor, class Source>
void launch_hadamard(Executor const& ex, device_view<Source const> from, device_view<float> to, index_t group, float scale) {
  using tile = hadamard_tile<Source, Stages>;
  index_t const count = from.extents().count();
  launch(ex, tile{from.data(), to.data(), count, group, scale, is_aligned<tile::width>(from.data())},
         {(count + tile::elements - 1) / tile::elements, tile::max_threads});
}

}  // namespace detail

/// Stores every row with its groups of `group` neighbouring columns multiplied by the regular Hadamard matrix of that size.
///
/// As the host overload says, and the same bits. `from` and `to` may be the same memory where `Source` is float. Runs in stream
/// order, reads and writes every element once. Throws shape_error, cuda_error.
template <device_executor Executor, source Source>
void hadamard_regular_async(Executor const& ex, device_view<Source const> from, device_view<float> to, int group) {
  require_extents(to.extents(), from.extents(), "halfstep: the output of hadamard_regular");
  bool const power = group == 4 || group == 16 || group == 64 || group == 256 || group == 1024;
  if (!power || from.columns() % group != 0) detail::refuse_group(from.columns(), group, "a power of four from 4 to 1024");
  detail::launch_hadamard<detail::regular_stages>(ex, from, to, group, 1.0f);
}

/// Multiplies, in place, every group of `group` neighbouring columns by the Sylvester Hadamard matrix over sqrt(group).
///
/// As the host overload says, and the same bits. Runs in stream order; one pass over the matrix for groups of up to 4096, one
/// more for every factor of 16. Throws shape_error, cuda_error.
template <device_executor Executor>
void hadamard_async(Executor const& ex, device_view<float> x, int group) {
  bool const power = group > 0 && (group & (group - 1)) == 0;
  if (!power || x.columns() % group != 0) detail::refuse_group(x.columns(), group, "a power of two");
  float const scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(group)));
  index_t stride = detail::hadamard_tile<float, detail::butterfly_stages>::elements;
  detail::launch_hadamard<detail::butterfly_stages>(ex, device_view<float const>(x), x, group, group > stride ? 1.0f : scale);
  for (; stride < group; stride *= 16) {
    bool const is_last = stride * 16 >= group;
    index_t const values = is_last ? group / stride : 16;
    for_each_index_async(ex, x.extents().count() / values,
                         detail::wide_butterfly{x.data(), stride, group, is_last ? scale : 1.0f});
  }
}

/// `hadamard_regular_async`, and waits for the executor.
template <device_executor Executor, source Source>
void hadamard_regular(Executor const& ex, device_view<Source const> from, device_view<float> to, int group) {
  hadamard_regular_async(ex, from, to, group);
  ex.wait();
}

/// `hadamard_async`, and waits for the executor.
template <device_executor Executor>
void hadamard(Executor const& ex, device_view<float> x, int group) {
  hadamard_async(ex, x, group);
  ex.wait();
}

}  // namespace halfstep
