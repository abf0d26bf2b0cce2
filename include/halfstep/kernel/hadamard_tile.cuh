// Hadamard transforms of up to 16384 neighbours in one pass: what a block of device threads does.
#pragma once

#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/compiler.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/device/launch.cuh>
#include <halfstep/device/packed_values.cuh>
#include <halfstep/device/vector_access.cuh>

namespace halfstep::detail {

/// One stage of the regular transform: four values become S / 2 - x3, .., S / 2 - x0.
HALFSTEP_HD inline void rotate_four(float& x0, float& x1, float& x2, float& x3) {
  ieee_float const a = x0, b = x1, c = x2, d = x3, half = halved((a + b) + (c + d));
  x0 = static_cast<float>(half - d);
  x1 = static_cast<float>(half - c);
  x2 = static_cast<float>(half - b);
  x3 = static_cast<float>(half - a);
}

/// The regular transform's stages among values in registers, by the layouts of `hadamard_tile`.
struct regular_stages {
  HALFSTEP_HD static void apply(int layout, float (&x)[32], index_t group) {
    if (layout == 0) {
      rotate(x, 1, 2);
    } else if (layout == 1) {
      if (group > 4) rotate(x, 1, 2);
      if (group > 16) rotate(x, 4, 8);
    } else {
      if (group > 64) rotate(x, 16, 1);
      if (group > 256) rotate(x, 2, 4);
    }
  }

 private:
  /// Values that differ in two bits of their places meet, `low` being the bit of the smaller stride.
  HALFSTEP_HD static void rotate(float (&x)[32], int low, int high) {
    HALFSTEP_UNROLL
    for (int i = 0; i < 32; ++i)
      if ((i & (low | high)) == 0) rotate_four(x[i], x[i + low], x[i + high], x[i + low + high]);
  }
};

/// The Sylvester transform's stages among values in registers, by the layouts of `hadamard_tile`.
struct butterfly_stages {
  HALFSTEP_HD static void apply(int layout, float (&x)[32], index_t group) {
    int const first = layout == 0 ? 0 : layout == 1 ? 2 : layout == 2 ? 7 : 11;  // the bit of the smallest stride
    int const count = layout == 0 ? 2 : layout == 1 ? 5 : layout == 2 ? 4 : 3;
    HALFSTEP_UNROLL
    for (int k = 0; k < count; ++k)
      if (group > index_t{1} << (first + k)) butterfly(x, 1 << k);
  }

 private:
  HALFSTEP_HD static void butterfly(float (&x)[32], int step) {
    HALFSTEP_UNROLL
    for (int i = 0; i < 32; ++i) {
      if ((i & step) != 0) continue;
      ieee_float const a = x[i], b = x[i + step];
      x[i] = static_cast<float>(a + b);
      x[i + step] = static_cast<float>(a - b);
    }
  }
};

/// Transforms 2^Bits neighbouring elements, whole groups or one, 32 of them in a thread's registers.
///
/// In which of its registers, of its lanes and of its warps an element lies is told by the bits of its place. The registers have,
/// one layout after the other, with exchanges through shared memory between: 0: bits 0 and 1, of four neighbours that are loaded
/// together, the last two and bit 6; 1: bits 2 to 6; 2: bits 7 to 10 and 6; 3: bits 11 and above, as many below as there is room
/// for, and 6. From layout 2 on a warp stores neighbours. Bit 6 is always the registers' last, so that one half of them after the
/// other can be exchanged where all do not fit. `Known` is the group, or 0 where only `group` tells: a kernel that knows it needs
/// no moves around the stages that it leaves out.
template <class Source, class Stages, int Bits, int Exchanges, int Width, int Known>
struct hadamard_tile {
  static_assert(12 <= Bits && Bits <= 14 && (Exchanges == 2 || Exchanges == 3) && (Width == 1 || Width == 4));
  static constexpr int elements = 1 << Bits;
  static constexpr int max_threads = elements / 32;
  static constexpr int min_blocks = 1024 / max_threads;
  static constexpr int halves = Bits > 13 ? 2 : 1;
  struct state_type {
    float x[32];
  };
  struct shared_type {
    alignas(16) float x[elements / halves + elements / 32];  // four of padding every 128: no two lanes meet in a bank
  };

  Source const* from;
  float* to;
  index_t count;
  index_t group;
  float scale;  ///< of the result; 1 leaves every bit

  HALFSTEP_HD static constexpr int phases() { return halves == 1 ? Exchanges + 1 : 4 * Exchanges; }

  HALFSTEP_HD void run(int phase, tile_place at, shared_type& shared, state_type& state) const {
    auto& x = state.x;
    if (phase == 0) {
      read(at, x);
      Stages::apply(0, x, known_group());
    }
    if constexpr (halves == 1) {
      if (phase > 0) {
        take(at.thread, phase, 0, 32, shared, x);
        Stages::apply(phase, x, known_group());
      }
      if (phase < Exchanges)
        give(at.thread, phase, 0, 32, shared, x);
      else
        write(at, x);
    } else {
      int const layout = phase / 4, half = phase / 2 % 2;
      if (phase % 2 == 0)
        give(at.thread, layout, 16 * half, 16, shared, x);
      else
        take(at.thread, layout + 1, 16 * half, 16, shared, x);
      if (phase % 4 == 3) Stages::apply(layout + 1, x, known_group());
      if (phase + 1 == phases()) write(at, x);
    }
  }

 private:
  /// Returns the part of an element's place that its thread tells.
  HALFSTEP_HD static int of_thread(int t, int layout) {
    return layout == 0   ? (t & 15) << 2 | t >> 4 << 7
           : layout == 1 ? (t & 3) | t >> 2 << 7
           : layout == 2 ? (t & 63) | t >> 6 << 11
                         : (t & 63) | t >> 6 << 7;
  }

  /// Returns the part of an element's place that its register tells.
  HALFSTEP_HD static int of_register(int k, int layout) {
    constexpr int above = Bits - 11;
    int const last = k >> 4 << 6;
    return layout == 0   ? (k & 3) | (k >> 2 & 3) << (Bits - 2) | last
           : layout == 1 ? k << 2
           : layout == 2 ? (k & 15) << 7 | last
                         : (k & ((1 << above) - 1)) << 11 | (k & 15) >> above << (7 + above) | last;
  }

  /// Returns where shared memory has an element: for parts of a place, sums for the whole.
  HALFSTEP_HD static int padded(int place) {
    int const above = place >> 7;
    return (halves == 1 ? place : (place & 63) | above << 6) + 4 * above;
  }

  HALFSTEP_HD static void give(int thread, int layout, int first, int count, shared_type& shared, float const (&x)[32]) {
    float* const mine = shared.x + padded(of_thread(thread, layout));
    HALFSTEP_UNROLL
    for (int k = first; k < first + count; k += 4) {
      if (layout == 0) {
        vector_of<float, 4>{{x[k], x[k + 1], x[k + 2], x[k + 3]}}.keep(mine + padded(of_register(k, layout)));
      } else {
        HALFSTEP_UNROLL
        for (int i = k; i < k + 4; ++i) mine[padded(of_register(i, layout))] = x[i];
      }
    }
  }

  HALFSTEP_HD static void take(int thread, int layout, int first, int count, shared_type const& shared, float (&x)[32]) {
    float const* const mine = shared.x + padded(of_thread(thread, layout));
    HALFSTEP_UNROLL
    for (int k = first; k < first + count; ++k) x[k] = mine[padded(of_register(k, layout))];
  }

  /// Returns the group, or a part of it that fills the tile.
  HALFSTEP_HD index_t known_group() const { return Exchanges == 3 ? elements : Known > 0 ? Known : group; }

  /// Returns whether `Width` elements from `place` on exist, `left` being how many follow the thread's first.
  HALFSTEP_HD static bool is_inside(int place, int left) { return Exchanges == 3 || place < left; }

  HALFSTEP_HD int elements_left(tile_place at, int mine) const {
    index_t const left = count - at.block * elements;
    return (left < elements ? static_cast<int>(left) : elements) - mine;
  }

  HALFSTEP_HD void read(tile_place at, float (&x)[32]) const {
    int const mine = of_thread(at.thread, 0);
    Source const* const first = kept_in_register(from + at.block * elements + mine);
    int const left = kept_in_register(elements_left(at, mine));
    HALFSTEP_UNROLL
    for (int k = 0; k < 32; k += Width) {
      int const place = of_register(k, 0);
      vector_of<Source, Width> v{};
      if (is_inside(place, left)) v = vector_of<Source, Width>::load(first + place);
      float y[Width];
      widen_vector(v, y);
      HALFSTEP_UNROLL
      for (int i = 0; i < Width; ++i) x[k + i] = y[i];
    }
  }

  HALFSTEP_HD void write(tile_place at, float const (&x)[32]) const {
    int const mine = of_thread(at.thread, Exchanges);
    float* const first = kept_in_register(to + at.block * elements + mine);
    int const left = kept_in_register(elements_left(at, mine));
    HALFSTEP_UNROLL
    for (int k = 0; k < 32; ++k) {
      int const place = of_register(k, Exchanges);
      vector_of<float, 1> const y{{static_cast<float>(ieee_float{x[k]} * scale)}};
      if (is_inside(place, left)) y.store(first + place);
    }
  }
};

}  // namespace halfstep::detail
