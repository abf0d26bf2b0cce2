// What ComfyUI, its forks and the reference system call the library's layouts.
#pragma once

#include <halfstep/layout/fp8_block.hpp>
#include <halfstep/layout/fp8_tensor.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/recipe/comfyui_version.hpp>
#include <halfstep/recipe/file_trait.hpp>

namespace halfstep {

namespace detail {

inline constexpr comfyui_versions int8_since{.multiplied = {0, 27}, .looked_up = {0, 30}};
inline constexpr comfyui_versions fp8_since{.multiplied = {0, 4}, .looked_up = {0, 21}};

}  // namespace detail

/// Forks with the INT8 patch.
template <int Side>
struct file_trait<int8_block<Side>> {
  static constexpr file_facts facts = detail::facts_for<int8_block<Side>>(loader::fork);
};
/// Stock ComfyUI knows it as `int8_tensorwise` with `per_row`, the fork under its own name with flat scales.
template <>
struct file_trait<int8_axis> {
  static constexpr file_facts facts{
      "int8",
      {.format = int8_tensor::name, .needs = loader::stock_comfyui, .per_row = per_row_key::write, .since = detail::int8_since},
      {int8_axis::name, loader::fork, per_row_key::where_rotated, row_scales::flat}};
};
/// Stock ComfyUI.
template <>
struct file_trait<int8_tensor> {
  static constexpr file_facts facts = detail::facts_for<int8_tensor>(loader::stock_comfyui, detail::int8_since);
};
/// Stock ComfyUI.
template <>
struct file_trait<fp8_tensor> {
  static constexpr file_facts facts = detail::facts_for<fp8_tensor>(loader::stock_comfyui, detail::fp8_since);
};
/// Forks with block-wise FP8.
template <int Side>
struct file_trait<fp8_block<Side>> {
  static constexpr file_facts facts = detail::facts_for<fp8_block<Side>>(loader::fp8_fork);
};

}  // namespace halfstep
