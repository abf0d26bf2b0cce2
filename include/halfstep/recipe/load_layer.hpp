// Layers of a quantized model as typed tensors, whichever of a program's formats the file has them in.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/dtype_of.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/magnitude.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/core/space.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/core/type_list.hpp>
#include <halfstep/core/words.hpp>

#include <halfstep/recipe/format.hpp>
#include <halfstep/recipe/layer_source.hpp>
#include <halfstep/recipe/stored_basis.hpp>
#include <halfstep/recipe/stored_format.hpp>
#include <halfstep/tensor/quantized_tensor.hpp>
#include <halfstep/transform/identity.hpp>

namespace halfstep {

/// The layouts and bases that a program is compiled for, two type_lists: layers are looked up in all pairs of them, in order.
template <class Layouts, class Bases = type_list<identity>>
struct layer_table {};

namespace detail {

template <class Basis>
bool is_stored_in(layer_source const& layer) {
  using stored = stored_basis<Basis>;
  if (!stored::is_in(layer)) return false;
  if (layer.marker())
    for (auto const& [key, value] : *layer.marker())
      if (!holds(format_keys, key) && !holds(stored::keys, key) && value != "false") return false;
  for (auto const& ending : layer.endings())
    if (!holds(format_endings, ending) && !holds(stored::endings, ending)) return false;
  return true;
}

template <class Layout, class Basis>
quantized_tensor<Layout, host_space, Basis> load_as(layer_source const& layer) {
  using code = typename Layout::code_type;
  using group = typename Layout::group_type;
  extents2 const e = extents_of_codes(layer);
  Basis basis = stored_basis<Basis>::load(layer);
  if (!basis.fits(e))
    layer.fail(
        stated("layer.basis_misfit", "its weight does not fit the basis {basis} that the file names", {{"basis", Basis::name}}));
  auto codes = layer.elements<code>(layer.at(".weight"));
  host_buffer<group> groups;
  if constexpr (source<group>) {
    auto const& scales = *layer.scales();
    groups = scales.type == dtype_of<group> ? layer.elements<group>(scales) : layer.numbers<group>(scales);
    for (group const scale : groups)
      if (!(widen(scale) > 0.0f) || !is_finite(scale))
        layer.fail(stated("layer.bad_scale", "one of its scales is {value}", {{"value", widen(scale)}}));
  }
  if constexpr (has_groups<Layout> && !source<group>) groups = layer.elements<group>(*layer.scales());
  return {e, std::move(codes), std::move(groups), std::move(basis)};
}

/// Returns what the file says of the layer, for people.
inline std::string words_of(layer_source const& layer) {
  auto const& codes = layer.at(".weight");
  std::string text = std::string(name_of(codes.type)) + " " + shape_text(codes.shape);
  if (auto const* const scales = layer.scales())
    text += " with scales " + std::string(name_of(scales->type)) + " " + shape_text(scales->shape);
  for (auto const& [key, value] : layer.marker().value_or(marker_pairs{})) text += ", " + key + " " + value;
  for (auto const& ending : layer.endings())
    if (!holds(format_endings, ending)) text += ", `" + ending.substr(1) + "`";
  return text;
}

template <class... Layouts>
std::string names_of_layouts(type_list<Layouts...>) {
  return joined({to_string(format_of<Layouts>)...}, ", ");
}

template <class... Bases>
std::string names_of_bases(type_list<Bases...>) {
  return joined({std::string(Bases::name)...}, ", ");
}

/// The first of some types.
template <class First, class...>
struct first_of {
  using type = First;
};
template <class... Types>
struct first_of<type_list<Types...>> : first_of<Types...> {};

}  // namespace detail

/// Calls `visitor` with the layer `name` as a `quantized_tensor<Layout, host_space, Basis>` and returns what it returns.
///
/// `model` is a `safetensors::reader` or `safetensors::mapped_file`; the layer's weight is `name.weight`. Layout and basis are
/// those of `table` that its marker, the type and shape of its codes, its scales and the tensors beside it agree with; without a
/// marker types and shapes decide, and the convention of `weight_scale_inv`. Codes and scales of a mapped file are its memory
/// where that is aligned as they are, which the layer keeps, and may change without changing the file; other models' are copied.
/// `original` is the shape of a weight to which zeros were added (`two_sided_hadamard`). Scales become the layout's type. What
/// the file says of the layer and no basis of the table knows is refused, never ignored. Throws unknown_option naming what was
/// found and what the table has, format_error for a layer that contradicts itself, what the model throws.
template <class Model, class Layouts, class Bases, class Visitor>
auto load_layer(Model const& model, std::string_view name, layer_table<Layouts, Bases>, Visitor&& visitor,
                std::optional<extents2> original = std::nullopt) {
  using first = quantized_tensor<typename detail::first_of<Layouts>::type, host_space, typename detail::first_of<Bases>::type>;
  using result = std::invoke_result_t<Visitor&, first>;
  layer_source const layer(model, std::string(name), original);
  std::optional<std::conditional_t<std::is_void_v<result>, std::monostate, result>> found;
  Layouts::for_each([&]<class Layout>() {
    if (found || !detail::is_stored_as<Layout>(layer)) return;
    Bases::for_each([&]<class Basis>() {
      if (found || !detail::is_stored_in<Basis>(layer)) return;
      if constexpr (std::is_void_v<result>)
        visitor(detail::load_as<Layout, Basis>(layer)), found.emplace();
      else
        found.emplace(visitor(detail::load_as<Layout, Basis>(layer)));
    });
  });
  if (!found)
    throw unknown_option(stated("layer.unknown",
                                "cannot load layer {'layer}: it is {found}; this program loads {layouts} in the bases {bases}",
                                {{"layer", name},
                                 {"found", detail::words_of(layer)},
                                 {"layouts", detail::names_of_layouts(Layouts{})},
                                 {"bases", detail::names_of_bases(Bases{})}}));
  if constexpr (!std::is_void_v<result>) return std::move(*found);
}

}  // namespace halfstep
