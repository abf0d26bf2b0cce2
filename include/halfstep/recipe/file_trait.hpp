// What files alone know of a format: how markers name it, how its scales lie, who loads it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include <halfstep/core/dtype.hpp>
#include <halfstep/core/dtype_of.hpp>
#include <halfstep/layout/concept.hpp>
#include <halfstep/recipe/comfyui_version.hpp>

namespace halfstep {

/// Which keys tell a loader about quantized layers.
enum class marker_style : std::uint8_t {
  none,     ///< the older names: `P.scale_weight`, no marker
  comfyui,  ///< `P.weight_scale` and `P.comfy_quant`, as stock ComfyUI reads them
  fork      ///< the same keys as the reference system writes them: `int8_axiswise` with scales [M]
};

/// Programs that load a file, from the most common to the most particular.
enum class loader : std::uint8_t {
  any,
  stock_comfyui,
  fork,
  fp8_fork,
  engine,
  quip_engine,
  own,         ///< programs that know a format which others have no name for
  lora_engine  ///< programs that decode a LoRA's matrices, as no version of ComfyUI does
};

/// Whether a marker has the key `per_row`.
enum class per_row_key : std::uint8_t { omit, where_rotated, write };

/// How a scale for each row lies in the file.
enum class row_scales : std::uint8_t {
  column,  ///< [M, 1], as every other scale has the shape of its groups
  flat     ///< [M]
};

/// How markers of one style speak of a format.
struct marker_form {
  std::string_view format = {};  ///< the value of the key of that name; empty: this style has no word for it
  loader needs = loader::own;    ///< who loads such a layer
  per_row_key per_row = per_row_key::omit;
  row_scales rows = row_scales::column;
  comfyui_versions since = {};  ///< with loader::stock_comfyui
};

/// What files alone know of a format.
struct file_facts {
  std::string_view words = {};  ///< of the command line, such as "int8", whatever shares a scale
  marker_form stock = {};       ///< for ComfyUI; its scales have the same shapes without markers
  marker_form fork = {};

  /// Returns how markers of `style` speak of it.
  constexpr marker_form const& in(marker_style style) const { return style == marker_style::fork ? fork : stock; }
};

namespace detail {

/// Returns the command line's word for codes of `type`, or `name`.
constexpr std::string_view words_for(dtype type, std::string_view name) {
  return type == dtype::i8 ? "int8" : type == dtype::f16 ? "fp16" : type == dtype::f8_e4m3 ? "fp8" : name;
}

/// Returns what follows from a layout's type, for a format that `needs` loads, stock ComfyUI `since` some versions.
template <class Layout>
constexpr file_facts facts_for(loader needs, comfyui_versions since = {}) {
  marker_form const form{.format = Layout::name, .needs = needs, .since = since};
  return {words_for(dtype_of<typename Layout::code_type>, Layout::name), form, form};
}

}  // namespace detail

/// What files alone know of `Layout`; specialize it for what others already have a word for.
///
/// Without that, markers carry the layout's own name, scales have the shape of the groups, and those load it who know that name.
template <class Layout>
struct file_trait {
  static constexpr file_facts facts = detail::facts_for<Layout>(has_groups<Layout> ? loader::own : loader::any);
};

}  // namespace halfstep
