// How many columns ConvRot rotates together.
#pragma once

#include <span>

#include <halfstep/core/dtype.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/recipe/basis_row.hpp>
#include <halfstep/recipe/format.hpp>
#include <halfstep/transform/hadamard.hpp>

namespace halfstep {

/// Returns whether ConvRot has a matrix for groups of `group` columns: it is a power of four from 4 to 1024.
constexpr bool is_rotation_group(index_t group) {
  return group == 4 || group == 16 || group == 64 || group == 256 || group == 1024;
}

/// Returns whether columns of layers stored as `f` can be rotated together.
constexpr bool can_rotate(format const& f) { return f.codes == dtype::i8 && f.geometry == "row"; }

/// Returns the first of `wanted`, wanted / 4, .. down to 16 that divides `columns`; 0 where none does.
///
/// Precondition: `wanted` is 0 or a rotation group.
constexpr int rotation_group_for(index_t columns, int wanted) {
  for (int group = wanted; group >= 16 || (group == wanted && group > 0); group /= 4)
    if (columns % group == 0) return group;
  return 0;
}

/// Returns how many columns ConvRot rotates together in one of `all`; 0 where it does not.
inline int rotation_group_of(std::span<basis_choice const> all) {
  auto const* const chosen = find_basis(all, regular_hadamard::name);
  return chosen == nullptr ? 0 : static_cast<int>(chosen->number);
}

}  // namespace halfstep
