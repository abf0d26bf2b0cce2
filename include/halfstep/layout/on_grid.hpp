// What algorithms ask of a grid beyond what every grid has: its own answer, or one derived from `locate` and `decode`.
#pragma once

#include <cmath>

#include <halfstep/core/bracket.hpp>
#include <halfstep/core/compiler.hpp>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/grid.hpp>

namespace halfstep {

/// The questions of algorithms to `Grid`. Each goes to the grid's member of the same name where it has one.
///
/// What is derived holds for grids whose neighbouring numbers are at least 2^-15 of their magnitude apart, and 2^-22 of `last`.
template <class Grid>
struct on_grid {
  using code_type = typename Grid::code_type;
  using step_type = typename Grid::step_type;

  /// Returns the codes around any finite x, for any positive finite scale.
  HALFSTEP_HD static bracket<code_type> locate(float x, step_type s) {
    if constexpr (has_far_path<Grid>)
      return Grid::is_near({std::fabs(x)}, s) ? Grid::locate(x, s) : Grid::locate_far(x, s);
    else
      return Grid::locate(x, s);
  }

  /// Returns the neighbouring code on the side of `direction`'s sign; the code itself at the end of the grid.
  HALFSTEP_HD static code_type neighbour(code_type code, float direction) {
    if constexpr (requires { Grid::neighbour(code, direction); }) {
      return Grid::neighbour(code, direction);
    } else {
      step_type const one = Grid::unpack(1.0f);
      float const x = Grid::decode(code, one);
      float const aside = std::fabs(x) * 0x1p-17f + Grid::last * 0x1p-24f;
      return Grid::locate(direction > 0.0f ? x + aside : x - aside, one).farther;  // x's own code, and the one on that side
    }
  }

  /// Returns how far the neighbour on the side of `direction`'s sign is, the grid thought to go on behind its end.
  HALFSTEP_HD static float gap(code_type code, float direction, step_type s) {
    if constexpr (requires { Grid::gap(code, direction, s); }) {
      return Grid::gap(code, direction, s);
    } else {
      code_type next = neighbour(code, direction);
      if (next == code) next = neighbour(code, -direction);
      return std::fabs(Grid::decode(next, s) - Grid::decode(code, s));
    }
  }

  /// Returns how far the nearer of the two neighbours is.
  HALFSTEP_HD static float least_gap(code_type code, step_type s) {
    if constexpr (requires { Grid::least_gap(code, s); }) {
      return Grid::least_gap(code, s);
    } else {
      float const above = gap(code, 1.0f, s), below = gap(code, -1.0f, s);
      return above < below ? above : below;
    }
  }

  /// Returns the length of the step that `x` lies in.
  HALFSTEP_HD static float spacing(float x, step_type s) {
    if constexpr (requires { Grid::spacing(x, s); }) {
      return Grid::spacing(x, s);
    } else {
      auto const around = locate(x, s);
      if (around.nearer == around.farther) return gap(around.nearer, x, s);
      return std::fabs(Grid::decode(around.nearer, s) - Grid::decode(around.farther, s));
    }
  }

  /// Returns the number of the grid with scale 1 that is nearest to `quotient`; beyond the last one, any that is no smaller.
  HALFSTEP_HD static float nearest_number(float quotient) {
    if constexpr (requires { Grid::nearest_number(quotient); }) {
      return Grid::nearest_number(quotient);
    } else {
      step_type const one = Grid::unpack(1.0f);
      return Grid::decode(locate(quotient, one).nearer, one);
    }
  }

  /// Returns whether `x` lies more than half a step beyond the last code.
  HALFSTEP_HD static bool clips(float x, step_type s) {
    if constexpr (requires { Grid::clips(x, s); }) {
      return Grid::clips(x, s);
    } else {
      code_type const code = locate(x, s).nearer;
      return neighbour(code, x) == code && std::fabs(x - Grid::decode(code, s)) > 0.5f * gap(code, x, s);
    }
  }
};

}  // namespace halfstep
