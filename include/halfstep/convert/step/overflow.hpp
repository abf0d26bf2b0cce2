// The step for weights that FP16 does not reach: they are refused, or take its last number.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <span>
#include <string>
#include <type_traits>

#include <halfstep/convert/layer.hpp>
#include <halfstep/convert/options.hpp>
#include <halfstep/convert/step/measure.hpp>
#include <halfstep/core/dtype.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/float16.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/residual_statistics.hpp>
#include <halfstep/layout/fp16.hpp>

namespace halfstep::step {

/// Returns the shortest text that reads back as `x`.
inline std::string number_text(float x) {
  std::array<char, 32> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), x).ptr};
}

/// Throws value_error with the place of the first of the weights of `rows` that becomes infinite in FP16.
[[noreturn]] inline void refuse_overflow(layer_rows const& rows) {
  auto const& job = *rows.job;
  index_t const columns = rows.weight.extents.columns;
  std::string where;
  with_source_type(rows.type, [&]<class Source>(std::type_identity<Source>) {
    auto const* const x = static_cast<Source const*>(rows.weight.data);
    auto const* const end = x + rows.weight.extents.count();
    auto const* const found = std::find_if(x, end, [](Source value) { return fp16::clips(widen(value), {}); });
    if (found == end) return;
    index_t const place = rows.weight.first_row * columns + (found - x);
    where = "element " + std::to_string(place) + " (row " + std::to_string(place / columns) + ", column " +
            std::to_string(place % columns) + ") is " + number_text(widen(*found));
  });
  throw value_error(stated(
      "weights.beyond_fp16",
      "cannot store '{tensor}' in FP16: {where}{merged}, and FP16 ends at 65504; `overflow keep` leaves such tensors in their "
      "type, `overflow clamp` stores 65504",
      {{"tensor", job.input().name}, {"where", where}, {"merged", job.delta() == nullptr ? "" : " once its LoRAs are merged"}}));
}

/// Puts FP16's last finite number, with their sign, in the place of the infinite codes of `rows`.
inline void clamp_codes(layer_rows const& rows) {
  auto* const codes = reinterpret_cast<float16*>(rows.codes);
  std::for_each(codes, codes + rows.weight.extents.count(), [](float16& code) {
    auto const pattern = static_cast<unsigned>(code);
    if ((pattern & 0x7fffu) == 0x7c00u) code = static_cast<float16>(pattern - 1u);
  });
}

/// Settles rows that are coded and measured where FP16 does not reach a weight: refuses them, or clamps and measures them again.
///
/// `errors` are those of the rows, one for each `residual_tile_rows`. Throws value_error, naming tensor and element.
template <host_executor Executor>
void settle_overflow(Executor const& ex, layer_rows const& rows, std::span<residual_statistics> errors) {
  auto const& format = rows.job->codec().format;
  if (format.has_scales() || format.codes != dtype::f16) return;
  auto const tiles = (rows.weight.extents.rows + residual_tile_rows - 1) / residual_tile_rows;
  auto const own = errors.first(static_cast<std::size_t>(tiles));
  if (std::ranges::none_of(own, [](residual_statistics const& part) { return part.clipped != 0; })) return;
  if (rows.job->beyond_fp16() != overflow_policy::clamp) refuse_overflow(rows);
  clamp_codes(rows);
  measure(ex, rows, errors);
}

}  // namespace halfstep::step
