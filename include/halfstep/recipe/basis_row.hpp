// A basis under its runtime name: what it can do, how it is made for a layer, and what files hold of it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/extents.hpp>
#include <halfstep/recipe/basis_record.hpp>
#include <halfstep/recipe/file_trait.hpp>
#include <halfstep/recipe/format.hpp>

namespace halfstep {

class basis;

/// What a basis follows from.
enum class basis_need : std::uint8_t {
  shape,  ///< the shape of the weight, a number and a seed
  maxima  ///< and the largest magnitudes of its columns and of the inputs'
};

/// What a layer gives a basis to be made of.
struct basis_request {
  extents2 weight{};                       ///< as it comes out of the transforms before
  double number = 0.0;                     ///< such as the columns of a group
  std::uint64_t key = 0;                   ///< of the layer's random numbers
  std::span<float const> weight_max = {};  ///< by column
  std::span<float const> input_max = {};   ///< by column
};

struct basis_choice;

/// A basis under its name.
struct basis_row {
  std::string_view name = {};
  basis_need need = basis_need::shape;
  bool mixes_rows = false;
  bool keeps_columns = false;      ///< the largest inputs by column follow from those in the basis before
  loader needs = loader::own;      ///< who loads layers in it
  std::string_view method = {};    ///< what reports say of a layer in it; empty for nothing
  std::string_view overflow = {};  ///< of weights that are not finite in it, as the end of a sentence
  std::string (*words)(double number) = nullptr;
  extents2 (*stored)(extents2 weight) = nullptr;
  std::optional<double> (*settle)(double wanted, extents2 weight) = nullptr;  ///< the number that a weight takes; none: it stays
  std::string (*obstacle)(double number, extents2 weight) = nullptr;  ///< why it cannot store a weight; empty where it can
  std::string (*conflict)(basis_choice const& chosen, format const& in, marker_style markers,
                          std::span<basis_choice const> all) = nullptr;  ///< what contradicts it, a sentence; empty for nothing
  void (*append)(basis_request const& of, basis& to) = nullptr;
  basis_record (*record)(basis const& in) = nullptr;                ///< of a layer in this basis
  basis_record (*blank_record)(basis_request const& of) = nullptr;  ///< the same, the bytes of its tensors apart
  void (*restore)(basis_request const& of, std::span<companion const> parts, basis& to) = nullptr;
};

/// A basis that somebody chose, with its number.
struct basis_choice {
  basis_row row = {};
  double number = 0.0;

  std::string words() const { return row.words(number); }

  /// Returns whether both are the same in a file.
  friend bool operator==(basis_choice const& a, basis_choice const& b) { return a.words() == b.words(); }
};

/// Returns the choice of the basis `name`, null where it is none of `all`.
inline basis_choice const* find_basis(std::span<basis_choice const> all, std::string_view name) {
  for (auto const& choice : all)
    if (choice.row.name == name) return &choice;
  return nullptr;
}

/// Returns the shape of the codes of a weight of shape `e`.
inline extents2 stored_extents(std::span<basis_choice const> all, extents2 e) {
  if (e.count() == 0) return e;
  for (auto const& choice : all) e = choice.row.stored(e);
  return e;
}

/// Returns the tensors that files hold of a weight [M, N] in the bases `all`, their bytes of any layer.
inline std::vector<companion> companions_of(std::span<basis_choice const> all, extents2 e) {
  std::vector<companion> found;
  for (auto const& choice : all) {
    for (auto& part : choice.row.blank_record({.weight = e, .number = choice.number}).companions)
      found.push_back(std::move(part));
    e = choice.row.stored(e);
  }
  return found;
}

/// Returns the keys that the bases `all` add to a marker.
inline marker_pairs marker_of(std::span<basis_choice const> all) {
  marker_pairs found;
  for (auto const& choice : all)
    for (auto& pair : choice.row.blank_record({.weight = {1, 1}, .number = choice.number}).marker)
      found.push_back(std::move(pair));
  return found;
}

}  // namespace halfstep
