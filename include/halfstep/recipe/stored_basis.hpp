// How files hold the basis of a layer's codes: keys of its marker, and tensors beside the codes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/dtype.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/recipe/basis_record.hpp>
#include <halfstep/recipe/layer_source.hpp>
#include <halfstep/recipe/stored_marker.hpp>
#include <halfstep/transform/chain.hpp>
#include <halfstep/transform/hadamard.hpp>
#include <halfstep/transform/identity.hpp>
#include <halfstep/transform/smoothing.hpp>
#include <halfstep/transform/two_sided_hadamard.hpp>

namespace halfstep {

namespace detail {

/// Returns the texts of all `lists`.
template <std::size_t... Sizes>
constexpr auto all_texts(std::array<std::string_view, Sizes> const&... lists) {
  std::array<std::string_view, (Sizes + ... + 0)> all{};
  std::size_t at = 0;
  auto const add = [&](auto const& list) {
    for (auto const text : list) all[at++] = text;
  };
  (add(lists), ...);
  return all;
}

}  // namespace detail

/// How a file holds a basis; a basis of your own specializes it.
///
/// `keys`: of the marker that are its own; `endings`: of names that are; `is_in(layer)`: does the file say that the layer's codes
/// are in it; `load(layer)`: its value; `record(basis)`: what is stored of it.
template <class Basis>
struct stored_basis;

/// No change of basis: nothing says so.
template <>
struct stored_basis<identity> {
  static constexpr std::array<std::string_view, 0> keys{};
  static constexpr std::array<std::string_view, 0> endings{};

  static bool is_in(layer_source const&) { return true; }
  static identity load(layer_source const&) { return {}; }
  static basis_record record(identity const&) { return {}; }
};

/// ConvRot: two keys of the marker.
template <>
struct stored_basis<regular_hadamard> {
  static constexpr std::array<std::string_view, 2> keys{"convrot", "convrot_groupsize"};
  static constexpr std::array<std::string_view, 0> endings{};

  static bool is_in(layer_source const& layer) { return layer.is_marked("convrot"); }
  static regular_hadamard load(layer_source const& layer) {
    index_t const group = layer.marked_number("convrot_groupsize");
    if (group > 1024)
      layer.fail(stated("marker.rotation_group", "its marker names a rotation group of {group} columns", {{"group", group}}));
    return {static_cast<int>(group)};
  }
  static basis_record record(regular_hadamard const& basis) {
    return {{{"convrot", "true"}, {"convrot_groupsize", std::to_string(basis.group)}}, {}};
  }
};

/// SmoothQuant: its factors beside the codes.
template <>
struct stored_basis<smoothing> {
  static constexpr std::array<std::string_view, 0> keys{};
  static constexpr std::array<std::string_view, 1> endings{".smooth_factors"};

  static bool is_in(layer_source const& layer) { return layer.find(".smooth_factors") != nullptr; }
  static smoothing load(layer_source const& layer) {
    auto const factors = layer.numbers<float>(layer.at(".smooth_factors"));
    return smoothing(std::vector<float>(factors.begin(), factors.end()));
  }
  static basis_record record(smoothing const& basis) {
    return {
        {},
        {make_companion(".smooth_factors", dtype::f32, {basis.factors().size()}, basis.factors(), companion_values::positive)}};
  }
};

/// QuIP's transformed storage: signs and sizes beside the codes. The shape that the weight had before zeros were added to it is
/// what the program says, else the padded one: the file does not hold it.
template <>
struct stored_basis<two_sided_hadamard> {
  static constexpr std::array<std::string_view, 0> keys{};
  static constexpr std::array<std::string_view, 5> endings{".hadamard_quip", ".hadamard_size_out", ".hadamard_size_in",
                                                           ".sign_row", ".sign_col"};

  static bool is_in(layer_source const& layer) { return layer.find(".hadamard_quip") != nullptr; }
  static two_sided_hadamard load(layer_source const& layer) {
    auto const rows = layer.numbers<float>(layer.at(".sign_row")), columns = layer.numbers<float>(layer.at(".sign_col"));
    extents2 const padded{rows.size(), columns.size()};
    return {layer.original().value_or(padded), {rows.begin(), rows.end()}, {columns.begin(), columns.end()}};
  }
  static basis_record record(two_sided_hadamard const& basis) {
    std::int8_t const flag = 1;
    auto const rows = static_cast<std::int32_t>(basis.padded().rows), columns = static_cast<std::int32_t>(basis.padded().columns);
    return {
        {},
        {make_companion(".hadamard_quip", dtype::i8, {}, std::span(&flag, 1), companion_values::given),
         make_companion(".hadamard_size_out", dtype::i32, {}, std::span(&rows, 1), companion_values::given),
         make_companion(".hadamard_size_in", dtype::i32, {}, std::span(&columns, 1), companion_values::given),
         make_companion(".sign_row", dtype::f32, {basis.row_signs().size()}, basis.row_signs(), companion_values::signs),
         make_companion(".sign_col", dtype::f32, {basis.column_signs().size()}, basis.column_signs(), companion_values::signs)}};
  }
};

/// Several bases, one after the other: all that is said of each.
template <class... Links>
struct stored_basis<chain<Links...>> {
  static constexpr auto keys = detail::all_texts(stored_basis<Links>::keys...);
  static constexpr auto endings = detail::all_texts(stored_basis<Links>::endings...);

  static bool is_in(layer_source const& layer) { return (stored_basis<Links>::is_in(layer) && ...); }
  static chain<Links...> load(layer_source const& layer) { return chain<Links...>(stored_basis<Links>::load(layer)...); }
  static basis_record record(chain<Links...> const& basis) {
    basis_record all;
    auto const add = [&](basis_record one) {
      all.marker.insert(all.marker.end(), one.marker.begin(), one.marker.end());
      for (auto& part : one.companions) all.companions.push_back(std::move(part));
    };
    [&]<std::size_t... I>(std::index_sequence<I...>) { (add(stored_basis<Links>::record(basis.template link<I>())), ...); }
    (std::index_sequence_for<Links...>{});
    return all;
  }
};

}  // namespace halfstep
