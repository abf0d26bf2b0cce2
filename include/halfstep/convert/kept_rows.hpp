// A tensor that is not quantized, piece by piece: its bytes as they are, or with adapters merged in its own type.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

#include <halfstep/convert/settings.hpp>
#include <halfstep/convert/workspace.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/magnitude.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/widen.hpp>
#include <halfstep/lora/merge.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep {

namespace detail {

/// A tensor of any rank as rows along its first dimension.
inline extents2 rows_along_first(safetensors::tensor const& t) {
  auto const rows = static_cast<index_t>(t.shape.empty() ? 1 : t.shape[0]);
  return {rows, static_cast<index_t>(t.count()) / std::max<index_t>(rows, 1)};
}

/// Adds `delta` to whole rows of `t` from byte `first` on, in place: summed in FP32, of F64 in F64, and rounded once. What
/// depends on a weight of F64 (`weight_delta::depends_on_weight`) takes it rounded to FP32.
inline void merge_in_place(safetensors::tensor const& t, weight_delta const& delta, std::uint64_t first,
                           std::span<std::byte> bytes, workspace& memory) {
  with_source_type(t.type, [&]<class Source>(std::type_identity<Source>) {
    auto* const x = reinterpret_cast<Source*>(bytes.data());
    auto const count = static_cast<index_t>(bytes.size() / sizeof(Source));
    index_t const columns = rows_along_first(t).columns;
    index_t const place = static_cast<index_t>(first / sizeof(Source));
    extents2 const e{count / columns, columns};
    host_view<float> const sum(memory.rows(count).data(), e, place / columns);
    constexpr bool wider = std::is_same_v<Source, double>;
    bool const from_zero = wider && !delta.depends_on_weight();
    if (from_zero)
      std::fill_n(sum.data(), count, 0.0f);
    else
      widen(serial{}, host_view<Source const>(x, e, sum.first_row()), sum);
    delta.add_to(sum);
    for (index_t i = 0; i < count; ++i) {
      Source merged{};
      if constexpr (wider)
        merged = x[i] + (static_cast<double>(sum.data()[i]) - (from_zero ? 0.0 : static_cast<double>(static_cast<float>(x[i]))));
      else
        merged = narrow<Source>(sum.data()[i]);
      if (is_finite(x[i]) && !is_finite(merged))
        throw value_error(
            stated("lora.beyond_type",
                   "cannot merge LoRAs into '{tensor}': element {element} exceeds {type}; merge them with less strength",
                   {{"tensor", t.name}, {"element", place + i}, {"type", name_of(t.type)}}));
      x[i] = merged;
    }
  });
}

}  // namespace detail

/// Returns how many bytes of a tensor that stays make a piece: whole rows where adapters are merged into it.
inline std::uint64_t kept_piece_bytes(safetensors::tensor const& t, convert_settings const& settings, lora_merge const* merge) {
  if (merge == nullptr || !merge->changes(t.name)) return settings.piece_bytes;
  std::uint64_t const row = t.bytes() / std::max<std::uint64_t>(t.shape.empty() ? 1 : t.shape[0], 1);
  return std::max(settings.piece_bytes / std::max<std::uint64_t>(row, 1), std::uint64_t{1}) * row;
}

/// Returns the piece of a tensor that stays as it is written, from byte `first` on; it lies in `memory`.
///
/// The same bytes however the tensor is cut. Throws io_error, and value_error where a merged number exceeds the tensor's type.
inline std::span<std::byte const> kept_piece(safetensors::reader const& input, safetensors::tensor const& t, std::uint64_t first,
                                             convert_settings const& settings, lora_merge const* merge, workspace& memory) {
  std::uint64_t const count = std::min(kept_piece_bytes(t, settings, merge), t.bytes() - first);
  auto const bytes = memory.input(static_cast<index_t>(count));
  input.read(t, first, bytes);
  if (merge == nullptr) return bytes;
  if (auto const delta = merge->at(t.name)) detail::merge_in_place(t, *delta, first, bytes, memory);
  return bytes;
}

}  // namespace halfstep
