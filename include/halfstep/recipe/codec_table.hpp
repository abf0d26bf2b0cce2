// The table that runtime names are looked up in: one row for each composition of layout and rounding.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <halfstep/core/dtype.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/random.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/dequantize.hpp>
#include <halfstep/kernel/error_histogram.hpp>
#include <halfstep/kernel/group_range.hpp>
#include <halfstep/kernel/quantize.hpp>
#include <halfstep/kernel/residual_statistics.hpp>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/group_geometry.hpp>
#include <halfstep/layout/group_rows.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/rounding/nearest.hpp>
#include <halfstep/rounding/stochastic.hpp>

namespace halfstep {

/// A piece of whole rows of a weight whose element type is known at run time.
struct erased_rows {
  void const* data = nullptr;
  extents2 extents{};
  index_t first_row = 0;  ///< its place in the tensor
};

/// The kernels of one layout and rounding for one type of weights, on the calling thread.
///
/// `codes` and `groups` are those of the piece, in the layout's own types; `parts` takes one entry for each
/// `residual_tile_rows` rows.
struct codec_kernels {
  void (*range)(erased_rows weight, value_range* ranges);
  void (*encode)(erased_rows weight, void const* groups, std::uint64_t key, void* codes);
  void (*measure)(erased_rows weight, void const* groups, void const* codes, residual_statistics* parts);
};

/// A composition of layout and rounding under its runtime name.
struct codec {
  scheme format;
  int block_size;  ///< 0 where the scheme has no blocks
  rounding_kind rounding;
  dtype code_type;
  std::size_t group_bytes;       ///< of one stored group, 0 where there are none
  extents2 (*groups)(extents2);  ///< shape of the companion tensor
  bool (*spans_rows)(extents2);  ///< whether a scale depends on every row, so that all must be seen before the first is stored
  group_geometry (*geometry)(extents2);
  void (*fit)(value_range const* ranges, index_t count, void* groups);
  void (*decode)(void const* codes, void const* groups, extents2 piece, float* weight);
  error_bins (*histogram)(float const* weight, float const* decoded, void const* groups, extents2 piece);
  codec_kernels from_f32;
  codec_kernels from_bf16;
  codec_kernels from_f16;

  /// Returns whether weights of `type` are read as they are; others are widened to FP32 first.
  static constexpr bool reads(dtype type) { return type == dtype::f32 || type == dtype::bf16 || type == dtype::f16; }

  /// Returns the kernels for weights of `type`, one that `reads` names.
  codec_kernels const& kernels(dtype type) const {
    return type == dtype::bf16 ? from_bf16 : type == dtype::f16 ? from_f16 : from_f32;
  }

  /// Returns how many neighbouring rows of a weight share groups: all of them where one group spans the weight.
  index_t group_rows(extents2 e) const {
    extents2 const g = groups(e);
    return g.rows == 0 ? 1 : e.rows / g.rows;
  }
};

namespace detail {

template <class Rounding>
Rounding keyed_rounding(std::uint64_t key) {
  if constexpr (std::is_same_v<Rounding, stochastic>)
    return stochastic{philox(key)};
  else
    return Rounding{};
}

template <class Source>
host_view<Source const> typed(erased_rows w) {
  return {static_cast<Source const*>(w.data), w.extents, w.first_row};
}

template <class Layout>
host_view<typename Layout::group_type const> typed_groups(void const* groups, extents2 piece) {
  return {static_cast<typename Layout::group_type const*>(groups), Layout::groups(piece)};
}

/// Returns the errors of a piece in steps; nothing for layouts whose steps have no `spacing`.
template <class Layout>
error_bins histogram_of(host_view<float const> weight, host_view<float const> decoded, void const* groups) {
  if constexpr (requires(typename Layout::step_type s) {
                  { Layout::spacing(0.0f, s) } -> std::same_as<float>;
                })
    return error_histogram<Layout>(serial{}, weight, decoded, typed_groups<Layout>(groups, weight.extents()),
                                   geometry_of<Layout>(weight.extents()));
  else
    return {};
}

template <class Layout, class Rounding, class Source>
constexpr codec_kernels kernels_of() {
  using code = typename Layout::code_type;
  return {[](erased_rows w, value_range* ranges) {
            group_range<Layout>(serial{}, typed<Source>(w), host_view<value_range>{ranges, Layout::groups(w.extents)});
          },
          [](erased_rows w, void const* groups, std::uint64_t key, void* codes) {
            quantize<Layout>(serial{}, typed<Source>(w), typed_groups<Layout>(groups, w.extents),
                             host_view<code>{static_cast<code*>(codes), w.extents, w.first_row}, keyed_rounding<Rounding>(key));
          },
          [](erased_rows w, void const* groups, void const* codes, residual_statistics* parts) {
            auto const measured = measure_residual<Layout>(serial{}, typed<Source>(w),
                                                           host_view<code const>{static_cast<code const*>(codes), w.extents},
                                                           typed_groups<Layout>(groups, w.extents));
            std::copy(measured.begin(), measured.end(), parts);
          }};
}

}  // namespace detail

/// Returns the table's row for a composition: `Layout` under the name `format` (and `block_size`), with `Rounding`.
template <class Layout, class Rounding>
constexpr codec make_codec(scheme format, int block_size, rounding_kind rounding, dtype code_type) {
  static_assert(check_layout<Layout>());
  using code = typename Layout::code_type;
  using group = typename Layout::group_type;
  return {format,
          block_size,
          rounding,
          code_type,
          has_groups<Layout> ? sizeof(group) : 0,
          [](extents2 e) { return Layout::groups(e); },
          [](extents2 e) { return spans_all_rows<Layout>(e); },
          [](extents2 e) { return geometry_of<Layout>(e); },
          [](value_range const* ranges, index_t count, void* groups) {
            for (index_t i = 0; i < count; ++i) static_cast<group*>(groups)[i] = Layout::fit(ranges[i]);
          },
          [](void const* codes, void const* groups, extents2 piece, float* weight) {
            dequantize<Layout>(serial{}, host_view<code const>{static_cast<code const*>(codes), piece},
                               detail::typed_groups<Layout>(groups, piece), host_view<float>{weight, piece});
          },
          [](float const* weight, float const* decoded, void const* groups, extents2 piece) {
            return detail::histogram_of<Layout>({weight, piece}, {decoded, piece}, groups);
          },
          detail::kernels_of<Layout, Rounding, float>(),
          detail::kernels_of<Layout, Rounding, bfloat16>(),
          detail::kernels_of<Layout, Rounding, float16>()};
}

/// Compositions by their runtime names: a value that a program builds from the parts it wants.
class codec_table {
 public:
  codec_table() = default;
  explicit codec_table(std::vector<codec> rows) : rows_(std::move(rows)) {}

  /// Appends `rows`.
  void add(std::span<codec const> rows) { rows_.insert(rows_.end(), rows.begin(), rows.end()); }

  std::span<codec const> rows() const { return rows_; }

  /// Returns the row that `r` names. Throws unknown_option with the whole table where there is none.
  codec const& at(recipe const& r) const {
    for (auto const& row : rows_)
      if (row.format == r.format && row.rounding == r.rounding && (row.block_size == 0 || row.block_size == r.block_size))
        return row;
    std::string known;
    for (auto const& row : rows_) {
      recipe const named{.format = row.format, .block_size = row.block_size, .rounding = row.rounding};
      known += (known.empty() ? "" : "; ") + to_string(named);
    }
    throw unknown_option("no kernels for '" + to_string(r) + "': this build has " + (known.empty() ? "none" : known));
  }

 private:
  std::vector<codec> rows_;
};

}  // namespace halfstep
