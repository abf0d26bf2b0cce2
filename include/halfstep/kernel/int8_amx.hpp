// INT8 dot products by the tile instructions of AMX, where the compiler targets them.
#pragma once

#if defined(__AMX_INT8__) && defined(__AMX_TILE__)
#include <immintrin.h>

#include <atomic>
#include <cstdint>

#include <halfstep/core/extents.hpp>

namespace halfstep::detail {

/// Products of rows of the weight with panels of inputs, as `panel_product` calls them: 32 x 32 results in four tile registers.
///
/// The thread's tile registers are set up as long as a value lives. Precondition: the process may use them.
class amx_panels {
 public:
  static constexpr int lanes = 16;
  static constexpr int strip = 32;    ///< rows of the weight that are worked on together
  static constexpr int depth = 1024;  ///< columns at a time
  static constexpr int width = 256;   ///< inputs at a time
  static constexpr int granule = 64;  ///< sums begin at multiples of so many columns
  static constexpr std::int32_t flip = 0;

  amx_panels() {
    static constexpr shape all{};  // g++ 12 does not know that the instruction reads all of it
    _tile_loadconfig(&all);
  }
  amx_panels(amx_panels const&) = delete;
  amx_panels& operator=(amx_panels const&) = delete;
  ~amx_panels() { _tile_release(); }

  /// Returns what `add` adds too much for a row of codes.
  static std::int32_t surplus(std::int8_t const*, index_t) { return 0; }

  /// Adds the products of codes [strip, depth] and panels to products [strip, width]. `columns` is a multiple of 64.
  static void add(std::int8_t const* codes, index_t columns, std::uint8_t const* x, index_t panel_bytes, int panels,
                  std::int32_t* products) {
    std::atomic_signal_fence(std::memory_order_seq_cst);  // g++ 12 does not know that tile loads read memory
    int panel = 0;
    for (; panel + 2 <= panels; panel += 2)
      add_pair(codes, columns, x + panel * panel_bytes, panel_bytes, products + panel * lanes);
    if (panel < panels) add_one(codes, columns, x + panel * panel_bytes, products + panel * lanes);
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }

 private:
  /// What the instruction reads: eight registers of 16 rows of 64 bytes.
  struct alignas(64) shape {
    std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  };

  static constexpr int half = 16;              ///< rows of a register
  static constexpr int row_bytes = 4 * width;  ///< of products
  static constexpr int panel_row = 4 * lanes;  ///< bytes of four columns of a panel

  static void add_pair(std::int8_t const* codes, index_t columns, std::uint8_t const* x, index_t panel_bytes,
                       std::int32_t* products) {
    _tile_loadd(0, products, row_bytes);
    _tile_loadd(1, products + lanes, row_bytes);
    _tile_loadd(2, products + half * width, row_bytes);
    _tile_loadd(3, products + half * width + lanes, row_bytes);
    for (index_t k = 0; k < columns; k += 64) {
      _tile_loadd(4, codes + k, depth);
      _tile_loadd(6, x + k * lanes, panel_row);
      _tile_dpbssd(0, 4, 6);
      _tile_loadd(7, x + panel_bytes + k * lanes, panel_row);
      _tile_dpbssd(1, 4, 7);
      _tile_loadd(5, codes + half * depth + k, depth);
      _tile_dpbssd(2, 5, 6);
      _tile_dpbssd(3, 5, 7);
    }
    _tile_stored(0, products, row_bytes);
    _tile_stored(1, products + lanes, row_bytes);
    _tile_stored(2, products + half * width, row_bytes);
    _tile_stored(3, products + half * width + lanes, row_bytes);
  }

  static void add_one(std::int8_t const* codes, index_t columns, std::uint8_t const* x, std::int32_t* products) {
    _tile_loadd(0, products, row_bytes);
    _tile_loadd(2, products + half * width, row_bytes);
    for (index_t k = 0; k < columns; k += 64) {
      _tile_loadd(4, codes + k, depth);
      _tile_loadd(6, x + k * lanes, panel_row);
      _tile_loadd(5, codes + half * depth + k, depth);
      _tile_dpbssd(0, 4, 6);
      _tile_dpbssd(2, 5, 6);
    }
    _tile_stored(0, products, row_bytes);
    _tile_stored(2, products + half * width, row_bytes);
  }
};

}  // namespace halfstep::detail
#endif
