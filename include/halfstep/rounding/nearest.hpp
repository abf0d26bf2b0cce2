// Rounding to the nearest code.
#pragma once

#include <string_view>

#include <halfstep/core/bracket.hpp>
#include <halfstep/core/compiler.hpp>
#include <halfstep/core/extents.hpp>

namespace halfstep {

/// Chooses the nearest code, ties to the even one: off by at most half a step.
struct nearest {
  static constexpr std::string_view name = "nearest";
  static constexpr float max_error_steps = 0.5f;

  template <class Code>
  HALFSTEP_HD constexpr Code operator()(bracket<Code> b, index_t) const {
    return b.nearer;
  }
};

}  // namespace halfstep
