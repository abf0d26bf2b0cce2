// What a statistic in a calibration file must be: type, shape, finite numbers.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <halfstep/calibration/entries.hpp>
#include <halfstep/core/dtype.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep::detail {

/// Returns the numbers of a statistic in FP32.
inline std::vector<float> values_of(calibration_item const& item) {
  if (item.tensor == nullptr) return item.values;
  std::vector<float> values(static_cast<std::size_t>(item.tensor->count()));
  item.file->read(*item.tensor, 0, std::as_writable_bytes(std::span(values)));
  return values;
}

inline void require_shape(calibration_item const& item, std::vector<std::uint64_t> const& shape, index_t columns) {
  if (item.shape() == shape) return;
  std::string text;
  for (auto const n : item.shape()) text += (text.empty() ? "" : ", ") + std::to_string(n);
  throw format_error(stated("calibration.misfit",
                            "{item} has the shape [{shape}], which does not fit a layer of {columns} inputs",
                            {{"item", item.described()}, {"shape", text}, {"columns", columns}}));
}

inline void require_type(calibration_item const& item, std::span<dtype const> types) {
  if (item.tensor == nullptr || std::find(types.begin(), types.end(), item.tensor->type) != types.end()) return;
  std::string text;
  for (auto const type : types) text += (text.empty() ? "" : " or ") + std::string(name_of(type));
  throw format_error(stated("calibration.wrong_type", "{item} is {type}, not {wanted}",
                            {{"item", item.described()}, {"type", name_of(item.tensor->type)}, {"wanted", text}}));
}

inline bool is_scalar(calibration_item const& item) {
  auto const shape = item.shape();
  return shape.empty() || shape == std::vector<std::uint64_t>{1};
}

/// Throws format_error where a statistic of a layer of `columns` inputs has the wrong type or shape, value_error where it holds
/// NaN, infinity or a negative magnitude; the values of rows and Hessians are not read. What is sound may still say nothing:
/// `for_each_unseen` tells.
inline void require_sound(statistic what, calibration_item const& item, index_t columns) {
  constexpr std::array rows_types{dtype::f32, dtype::f16, dtype::bf16};
  constexpr std::array real{dtype::f32};
  constexpr std::array whole{dtype::i64};
  auto const width = static_cast<std::uint64_t>(columns);
  auto const shape = item.shape();
  switch (what) {
    case statistic::input:
      require_type(item, rows_types);
      return require_shape(item, {shape.empty() ? 0 : shape[0], width}, columns);
    case statistic::hessian:
      require_type(item, real);
      return require_shape(item, {width, width}, columns);
    case statistic::count:
      require_type(item, whole);
      if (!is_scalar(item))
        throw format_error(stated("calibration.no_scalar", "{item} is no scalar", {{"item", item.described()}}));
      return;
    case statistic::input_scale:
      require_type(item, real);
      if (!is_scalar(item))
        throw format_error(stated("calibration.no_scalar", "{item} is no scalar", {{"item", item.described()}}));
      if (float const x = values_of(item)[0]; !(std::isfinite(x) && x >= 0.0f))
        throw value_error(
            stated("calibration.no_scale", "{item} is {value}, which is no scale", {{"item", item.described()}, {"value", x}}));
      return;
    default:
      break;
  }
  require_type(item, real);
  require_shape(item, {width}, columns);
  auto const values = values_of(item);
  for (std::size_t j = 0; j < values.size(); ++j) {
    if (!std::isfinite(values[j]))
      throw value_error(stated("calibration.not_finite", "{item} holds NaN or infinity in column {column}",
                               {{"item", item.described()}, {"column", j}}));
    if (what != statistic::channel_mean && values[j] < 0.0f)
      throw value_error(
          stated("calibration.negative", "{item} is negative in column {column}", {{"item", item.described()}, {"column", j}}));
  }
}

/// Returns the number in a `.count`. Throws value_error where it is negative.
inline index_t stored_count(calibration_item const& item) {
  std::int64_t count = 0;
  item.file->read(*item.tensor, 0, std::as_writable_bytes(std::span(&count, 1)));
  if (count < 0)
    throw value_error(stated("calibration.no_count", "{item} is {value}, not a number of samples",
                             {{"item", item.described()}, {"value", count}}));
  return count;
}

}  // namespace halfstep::detail
