// The table that formats are looked up in by name: one row for each composition of layout and rounding.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/bfloat16.hpp>
#include <halfstep/core/dtype.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/float16.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/random.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/dequantize.hpp>
#include <halfstep/kernel/error_histogram.hpp>
#include <halfstep/kernel/residual_statistics.hpp>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/group_geometry.hpp>
#include <halfstep/recipe/format.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/rounding/concept.hpp>
#include <halfstep/tensor/quantizer.hpp>

namespace halfstep {

/// A piece of whole rows of a weight whose element type is known at run time.
struct erased_rows {
  void const* data = nullptr;
  extents2 extents{};
  index_t first_row = 0;  ///< its place in the tensor
};

/// What a quantizer of a format does with one type of weights, on the calling thread.
///
/// `codes` and `groups` are those of the piece, in the layout's own types; `parts` takes one entry for each
/// `residual_tile_rows` rows. `range` and `fit` throw not_finite; `range` is for groups that span all rows.
struct source_kernels {
  void (*range)(erased_rows weight, value_range* ranges);
  void (*fit)(erased_rows weight, void* groups);
  void (*encode)(erased_rows weight, void const* groups, std::uint64_t key, void* codes);
  void (*measure)(erased_rows weight, void const* groups, void const* codes, residual_statistics* parts);
};

/// A format with one rounding, and all that is done in it.
struct format_row {
  halfstep::format format;
  std::string_view rounding;
  void (*fit)(value_range const* ranges, index_t count, void* groups);
  void (*decode)(void const* codes, void const* groups, extents2 piece, float* weight);
  error_bins (*histogram)(float const* weight, float const* decoded, void const* groups, extents2 piece);
  source_kernels from_f32;
  source_kernels from_bf16;
  source_kernels from_f16;

  /// Returns whether weights of `type` are read as they are; others are widened to FP32 first.
  static constexpr bool reads(dtype type) { return type == dtype::f32 || type == dtype::bf16 || type == dtype::f16; }

  /// Returns the kernels for weights of `type`, one that `reads` names.
  source_kernels const& kernels(dtype type) const {
    return type == dtype::bf16 ? from_bf16 : type == dtype::f16 ? from_f16 : from_f32;
  }
};

namespace detail {

/// Returns the rounding with the random numbers that `key` begins, where it takes any.
template <class Rounding>
Rounding keyed_rounding(std::uint64_t key) {
  if constexpr (requires { Rounding{philox(key)}; })
    return Rounding{philox(key)};
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
error_bins histogram_of(float const* weight, float const* decoded, void const* groups, extents2 piece) {
  if constexpr (requires(typename Layout::step_type s) {
                  { Layout::spacing(0.0f, s) } -> std::same_as<float>;
                })
    return error_histogram<Layout>(serial{}, host_view<float const>{weight, piece}, host_view<float const>{decoded, piece},
                                   typed_groups<Layout>(groups, piece), geometry_of<Layout>(piece));
  else
    return {};
}

template <class Layout>
void fit_groups(value_range const* ranges, index_t count, void* groups) {
  for (index_t i = 0; i < count; ++i) static_cast<typename Layout::group_type*>(groups)[i] = Layout::fit(ranges[i]);
}

template <class Layout>
void decode_piece(void const* codes, void const* groups, extents2 piece, float* weight) {
  using code = typename Layout::code_type;
  dequantize<Layout>(serial{}, host_view<code const>{static_cast<code const*>(codes), piece}, typed_groups<Layout>(groups, piece),
                     host_view<float>{weight, piece});
}

template <class Layout, class Source>
void range_rows(erased_rows w, value_range* ranges) {
  quantizer<Layout>().range(serial{}, typed<Source>(w), host_view<value_range>{ranges, Layout::groups(w.extents)});
}

template <class Layout, class Source>
void fit_rows(erased_rows w, void* groups) {
  using group = typename Layout::group_type;
  quantizer<Layout>().fit(serial{}, typed<Source>(w), host_view<group>{static_cast<group*>(groups), Layout::groups(w.extents)});
}

template <class Layout, class Rounding, class Source>
void encode_rows(erased_rows w, void const* groups, std::uint64_t key, void* codes) {
  using code = typename Layout::code_type;
  quantizer<Layout, Rounding>(keyed_rounding<Rounding>(key))
      .encode(serial{}, typed<Source>(w), typed_groups<Layout>(groups, w.extents),
              host_view<code>{static_cast<code*>(codes), w.extents, w.first_row});
}

template <class Layout, class Source>
void measure_rows(erased_rows w, void const* groups, void const* codes, residual_statistics* parts) {
  using code = typename Layout::code_type;
  auto const measured =
      measure_residual<Layout>(serial{}, typed<Source>(w), host_view<code const>{static_cast<code const*>(codes), w.extents},
                               typed_groups<Layout>(groups, w.extents));
  std::copy(measured.begin(), measured.end(), parts);
}

template <class Layout, class Rounding, class Source>
inline constexpr source_kernels kernels_from{range_rows<Layout, Source>, fit_rows<Layout, Source>,
                                             encode_rows<Layout, Rounding, Source>, measure_rows<Layout, Source>};

template <class Layout, class Rounding>
constexpr format_row row_of() {
  static_assert(check_rounding<Rounding, typename Layout::code_type>());
  return {format_of<Layout>,
          Rounding::name,
          fit_groups<Layout>,
          decode_piece<Layout>,
          histogram_of<Layout>,
          kernels_from<Layout, Rounding, float>,
          kernels_from<Layout, Rounding, bfloat16>,
          kernels_from<Layout, Rounding, float16>};
}

}  // namespace detail

/// Returns the rows of the format that `Layout` is, one for each of the roundings.
///
/// A rounding that can be made of a `philox` gets the random numbers of its tensor; any other is made of nothing.
template <class Layout, class... Roundings>
constexpr std::array<format_row, sizeof...(Roundings)> make_format() {
  return {detail::row_of<Layout, Roundings>()...};
}

/// Formats by their names: a value that a program builds from the parts it wants.
class format_table {
 public:
  /// Holds the rows that each of `parts` gives, such as `make_format<int8_axis, nearest>()`.
  template <class... Parts>
  explicit format_table(Parts const&... parts) {
    (add(parts), ...);
  }

  /// Appends `rows`.
  void add(std::span<format_row const> rows) { rows_.insert(rows_.end(), rows.begin(), rows.end()); }

  std::span<format_row const> rows() const { return rows_; }

  /// Returns the formats of all rows, each once, with what decodes them.
  std::vector<format> formats() const {
    std::vector<format> all;
    for (auto const& row : rows_) {
      if (std::find(all.begin(), all.end(), row.format) != all.end()) continue;
      all.push_back(row.format);
      all.back().decode = row.decode;
    }
    return all;
  }

  /// Returns the row that `r` names. Throws unknown_option with the whole table where there is none.
  format_row const& at(recipe const& r) const {
    for (auto const& row : rows_)
      if (row.format == r.format && row.rounding == r.rounding) return row;
    std::string known;
    for (auto const& row : rows_)
      known += (known.empty() ? "" : "; ") + to_string(recipe{.format = row.format, .rounding = std::string(row.rounding)});
    throw unknown_option(stated("table.no_format", "no kernels for '{format}': this build has {known}",
                                {{"format", to_string(r)}, {"known", known.empty() ? "none" : known}}));
  }

 private:
  std::vector<format_row> rows_;
};

}  // namespace halfstep
