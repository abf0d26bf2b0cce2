// The INT8 product of many inputs: these are packed once for the processor's dot instructions, rows of the weight on the way.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/scratch_pool.hpp>
#include <halfstep/kernel/int8_operands.hpp>

namespace halfstep::detail {

/// Rows of codes in panels of `Lanes` rows: of every four neighbouring columns, the bytes of all of a panel's rows lie together.
///
/// Columns are filled up with zeros to a multiple of 64, rows with anything; `flip` is applied to every four bytes.
template <int Lanes>
class byte_panels {
 public:
  template <class Executor>
  byte_panels(Executor const& ex, host_view<std::int8_t const> x, std::int32_t flip)
      : rows_(x.rows()), bytes_((x.columns() + 63) / 64 * 64 * Lanes), memory_(count() * bytes_) {
    ex.for_each(count(), [&](index_t panel) {
      std::uint8_t* const to = memory_.data() + panel * bytes_;
      for (index_t lane = 0; lane < std::min<index_t>(Lanes, rows_ - panel * Lanes); ++lane) {
        std::int8_t const* const from = x.row(panel * Lanes + lane);
        for (index_t k = 0; k < bytes_ / Lanes; k += 4) {
          std::int32_t four = 0;
          index_t const given = std::clamp<index_t>(x.columns() - k, 0, 4);
          if (given > 0) std::memcpy(&four, from + k, static_cast<std::size_t>(given));
          four ^= flip;
          std::memcpy(to + k * Lanes + 4 * lane, &four, sizeof(four));
        }
      }
      for (index_t lane = std::max<index_t>(rows_ - panel * Lanes, 0); lane < Lanes; ++lane)
        for (index_t k = 0; k < bytes_ / Lanes; k += 4) std::memset(to + k * Lanes + 4 * lane, 0, 4);
    });
  }

  index_t count() const { return (rows_ + Lanes - 1) / Lanes; }
  index_t panel_bytes() const { return bytes_; }
  std::uint8_t const* at(index_t panel, index_t column) const { return memory_.data() + panel * bytes_ + column * Lanes; }

 private:
  index_t rows_;
  index_t bytes_;
  host_buffer<std::uint8_t> memory_;
};

/// Stores the product of `in` through `write(sum, x_scale, row, column)`, by the instructions of `Panels`.
///
/// Tasks are strips of rows of the weight times up to `Panels::width` inputs. Precondition: `in` is cut at `Panels::granule`.
template <class Panels, class Layout, class Executor, class Write>
void panel_product(Executor const& ex, int8_operands<Layout, host_space> const& in, Write const& write) {
  constexpr int strip = Panels::strip, depth = Panels::depth, width = Panels::width;
  struct scratch {
    alignas(64) std::int8_t codes[strip * depth];
    alignas(64) std::int32_t products[strip * width];
    alignas(64) float sums[strip * width];
  };
  extents2 const e = in.weight.extents();
  byte_panels<Panels::lanes> const inputs(ex, in.x, Panels::flip);
  index_t const strips = (e.rows + strip - 1) / strip;
  scratch_pool<scratch> pool(1);
  ex.for_each((in.x.rows() + width - 1) / width * strips, [&](index_t task) {
    typename scratch_pool<scratch>::lease lease(pool);
    scratch& here = *lease.data();
    Panels panels;
    index_t const first_row = task % strips * strip, first_input = task / strips * width;
    int const rows = static_cast<int>(std::min<index_t>(strip, e.rows - first_row));
    int const count = static_cast<int>(std::min<index_t>(width, in.x.rows() - first_input));
    int const panel_count = (count + Panels::lanes - 1) / Panels::lanes;
    std::fill_n(here.sums, rows * width, 0.0f);
    if (rows < strip) std::memset(here.codes, 0, sizeof(here.codes));
    for (index_t begin = 0, end = 0; begin < e.columns; begin = end) {
      end = in.end_of_sum(begin);
      std::int32_t surplus[strip] = {};
      for (int r = 0; r < strip; ++r) std::fill_n(here.products + r * width, panel_count * Panels::lanes, 0);
      for (index_t column = begin; column < end; column += depth) {
        index_t const columns = std::min<index_t>(depth, end - column);
        index_t const padded = (columns + Panels::granule - 1) / Panels::granule * Panels::granule;
        for (int r = 0; r < rows; ++r) {
          std::int8_t* const codes = here.codes + r * depth;
          std::memcpy(codes, in.weight.row(first_row + r) + column, static_cast<std::size_t>(columns));
          std::memset(codes + columns, 0, static_cast<std::size_t>(padded - columns));
          surplus[r] += Panels::surplus(codes, columns);
        }
        panels.add(here.codes, padded, inputs.at(first_input / Panels::lanes, column), inputs.panel_bytes(), panel_count,
                   here.products);
      }
      for (int r = 0; r < rows; ++r) {
        float const scale = in.groups.data()[Layout::group_of(e, first_row + r, begin)];
        std::int32_t const* const products = here.products + r * width;
        float* const sums = here.sums + r * width;
        if (in.has_input_groups()) {
          index_t const part = begin / in.x_run();
          for (int b = 0; b < count; ++b)
            sums[b] = std::fma(static_cast<float>(products[b] - surplus[r]), in.x_scales(first_input + b, part) * scale, sums[b]);
        } else {
          for (int b = 0; b < panel_count * Panels::lanes; ++b)
            sums[b] = std::fma(static_cast<float>(products[b] - surplus[r]), scale, sums[b]);
        }
      }
    }
    for (int b = 0; b < count; ++b) {
      float const x_scale = in.scale_of_input(first_input + b);
      alignas(64) float sums[strip];
      for (int r = 0; r < rows; ++r) sums[r] = here.sums[r * width + b];
      for (int r = 0; r < rows; ++r) write(sums[r], x_scale, first_input + b, first_row + r);
    }
  });
}

}  // namespace halfstep::detail
