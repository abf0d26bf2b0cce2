// One adapter's part in a tensor, and how its numbers are read.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/magnitude.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/group_range.hpp>
#include <halfstep/kernel/widen.hpp>
#include <halfstep/lora/adapter.hpp>
#include <halfstep/lora/adapter_layer.hpp>
#include <halfstep/lora/names/name_pair.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep {

/// Of what magnitudes are the lengths.
enum class magnitude_axis : std::uint8_t {
  rows,    ///< one for each output
  columns  ///< one for each input, over all outputs and the kernel
};

/// One adapter's part in a tensor [rows, columns], a kernel lying flat in the columns.
///
/// Without magnitudes factor times what the method makes, or times the difference, is added. With them (DoRA) a row or a column
/// becomes w + strength (m v / |v| - w), v = w + factor times what the method makes.
struct delta_part {
  adapter const* from;
  double factor;                         ///< strength, dampening and alpha / rank; with magnitudes alpha / rank alone
  adapter_layer const* layer = nullptr;  ///< whose method makes it, or
  safetensors::tensor const* difference = nullptr;
  safetensors::tensor const* magnitude = nullptr;
  magnitude_axis axis = magnitude_axis::rows;
  double strength = 1.0;           ///< with magnitudes
  std::vector<row_run> rows = {};  ///< from the layer's to the tensor's; none: all
  index_t tensor_rows = 0;         ///< where `rows` are some
};

namespace detail {

/// Reads elements of `t` from `first` on as FP32. Throws value_error at NaN or infinity.
inline void read_adapter(adapter const& from, safetensors::tensor const& t, index_t first, std::span<float> into) {
  with_source_type(t.type, [&]<class Source>(std::type_identity<Source>) {
    host_buffer<Source> stored(static_cast<index_t>(into.size()));
    from.file().read(t, static_cast<std::uint64_t>(first) * sizeof(Source),
                     std::as_writable_bytes(std::span(stored.data(), into.size())));
    extents2 const e{1, stored.size()};
    widen(serial{}, stored.view(e), host_view<float>(into.data(), e));
    if (is_finite(matrix_range(serial{}, stored.view(e)).amax)) return;
    auto const bad = std::find_if(into.begin(), into.end(), [](float x) { return !std::isfinite(x); });
    throw value_error(stated("lora.not_finite", "{tensor} holds NaN or infinity at element {element}",
                             {{"tensor", from.described(t)}, {"element", first + (bad - into.begin())}}));
  });
}

/// Calls f(from, to, count) for the rows of `runs`, or all rows where there are none, that lie in the tensor's `count` rows from
/// `first` on.
template <class F>
void for_each_run(std::vector<row_run> const& runs, index_t first, index_t count, F&& f) {
  if (runs.empty()) return f(first, first, count);
  for (auto const& run : runs) {
    index_t const begin = std::max(run.to, first), end = std::min(run.to + run.count, first + count);
    if (begin < end) f(run.from + (begin - run.to), begin, end - begin);
  }
}

}  // namespace detail

}  // namespace halfstep
