// Rows of a weight as they are read: those of the file, or the numbers that its codes stand for.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <halfstep/convert/workspace.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/widen.hpp>
#include <halfstep/plan/plan.hpp>
#include <halfstep/recipe/stored_layer.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/transform/basis.hpp>

namespace halfstep {

namespace detail {

/// Returns the scales of the rows of groups from `first` on, `columns` of them a row, in FP32.
inline std::vector<float> read_scales(safetensors::reader const& input, safetensors::tensor const& scales, index_t first,
                                      index_t rows, index_t columns) {
  std::vector<float> all(static_cast<std::size_t>(rows * columns));
  with_source_type(scales.type, [&]<class Source>(std::type_identity<Source>) {
    host_buffer<Source> stored(rows * columns);
    input.read(scales, static_cast<std::uint64_t>(first * columns) * sizeof(Source),
               std::as_writable_bytes(std::span(stored.data(), all.size())));
    std::transform(stored.data(), stored.data() + stored.size(), all.begin(), [](Source x) { return widen(x); });
  });
  auto const bad = std::find_if(all.begin(), all.end(), [](float x) { return !std::isfinite(x); });
  if (bad == all.end()) return all;
  throw value_error(stated("weights.bad_scale",
                           "cannot decode the scales '{tensor}': element {element} is NaN or infinite; get the file again, or "
                           "keep its layer as it is with `exclude`",
                           {{"tensor", scales.name}, {"element", first * columns + (bad - all.begin())}}));
}

/// Calls `f(widen)` with a function from the bytes of one code of type `type` to FP32.
template <class F>
void with_code_type(dtype type, F&& f) {
  if (type == dtype::i8) return f([](std::byte code) { return static_cast<float>(static_cast<std::int8_t>(code)); });
  if (type == dtype::f8_e5m2) return f([](std::byte code) { return widen(static_cast<float8_e5m2>(code)); });
  f([](std::byte code) { return widen(static_cast<float8_e4m3>(code)); });
}

/// Stores code times scale, rounded once, for whole rows of codes.
inline void multiply_rows(safetensors::reader const& input, planned_tensor const& tensor, std::byte const* codes,
                          host_view<float> to) {
  code_source const& how = *tensor.coded;
  index_t const columns = to.columns();
  extents2 const group = how.scales.empty() ? extents2{1, columns} : how.group;
  index_t const groups = (columns + group.columns - 1) / group.columns;
  index_t const first_group = to.first_row() / group.rows;
  index_t const group_rows = (to.first_row() + to.rows() - 1) / group.rows - first_group + 1;
  auto const scales = how.scales.empty() ? std::vector<float>(static_cast<std::size_t>(group_rows), 1.0f)
                                         : read_scales(input, *input.head().find(how.scales), first_group, group_rows, groups);
  with_code_type(tensor.input.type, [&](auto const& number) {
    for (index_t row = 0; row < to.rows(); ++row) {
      auto const* const scale = scales.data() + ((to.first_row() + row) / group.rows - first_group) * groups;
      auto const* const code = codes + row * columns;
      float* const w = to.data() + row * columns;
      for (index_t g = 0; g < groups; ++g)
        for (index_t k = g * group.columns; k < std::min((g + 1) * group.columns, columns); ++k)
          w[k] = number(code[k]) * scale[g];
    }
  });
}

/// Stores what the kernel of the layer's own format makes of rows of its codes: of all that share groups with those wanted.
inline void decode_own_rows(safetensors::reader const& input, planned_tensor const& tensor, host_view<float> to,
                            workspace& memory) {
  format const& own = tensor.coded->format;
  extents2 const e{static_cast<index_t>(tensor.input.shape[0]), to.columns()}, groups = own.groups(e);
  index_t const shared = own.spans_rows(e) ? 1 : own.group_rows(e);
  index_t const first = to.first_row() / shared * shared;
  index_t const rows = std::min((to.first_row() + to.rows() + shared - 1) / shared * shared, e.rows) - first;
  index_t const row_bytes = e.columns * static_cast<index_t>(bits_of(own.codes) / 8);
  index_t const first_group = own.spans_rows(e) ? 0 : first / shared;
  index_t const group_rows = own.spans_rows(e) ? groups.rows : rows / shared;
  auto const group_bytes = groups.columns * static_cast<index_t>(own.scale_bytes);
  auto const codes = memory.codes(rows * row_bytes);
  auto const scales = memory.groups(group_rows * group_bytes);
  input.read(tensor.input, static_cast<std::uint64_t>(first * row_bytes), codes);
  input.read(*input.head().find(tensor.coded->scales), static_cast<std::uint64_t>(first_group * group_bytes), scales);
  auto const all = memory.decoded(rows * e.columns);
  own.decode(codes.data(), scales.data(), {rows, e.columns}, all.data());
  std::copy_n(all.data() + (to.first_row() - first) * e.columns, to.extents().count(), to.data());
}

}  // namespace detail

/// Reads `rows` rows of a weight from `first` on, as numbers of `type_of_rows(tensor)`; they lie in `memory`.
///
/// The same numbers however a weight is cut into rows. Throws io_error, and value_error for a scale that is NaN or infinite.
inline std::span<std::byte const> read_rows(safetensors::reader const& input, planned_tensor const& tensor, index_t first,
                                            index_t rows, workspace& memory) {
  auto const columns = static_cast<index_t>(tensor.input.shape[1]);
  index_t const row_bytes = columns * static_cast<index_t>(bits_of(tensor.input.type) / 8);
  auto const place = static_cast<std::uint64_t>(first * row_bytes);
  if (!tensor.coded) {
    auto const bytes = memory.input(rows * row_bytes);
    input.read(tensor.input, place, bytes);
    return bytes;
  }
  auto const bytes = memory.input(rows * columns * static_cast<index_t>(sizeof(float)));
  host_view<float> const numbers(reinterpret_cast<float*>(bytes.data()), {rows, columns}, first);
  if (tensor.coded->format.name.empty()) {
    auto const codes = memory.stored(rows * row_bytes);
    input.read(tensor.input, place, codes);
    detail::multiply_rows(input, tensor, codes.data(), numbers);
  } else {
    detail::decode_own_rows(input, tensor, numbers, memory);
  }
  basis in;
  for (auto const& choice : tensor.coded->bases) choice.row.append({.weight = numbers.extents(), .number = choice.number}, in);
  in.invert_whole(serial{}, numbers.data(), numbers.extents());
  return bytes;
}

}  // namespace halfstep
