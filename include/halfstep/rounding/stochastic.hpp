// Rounding up or down at random, so that the mean is the value.
#pragma once

#include <cstdint>
#include <string_view>

#include <halfstep/core/bracket.hpp>
#include <halfstep/core/compiler.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/core/random.hpp>

namespace halfstep {

/// Chooses the farther code with probability t: unbiased inside the grid, off by less than one step.
///
/// The random number is a function of the key (see `random_key`) and the element's place in its tensor, so every executor
/// and every cut of the tensor gives the same codes.
struct stochastic {
  static constexpr std::string_view name = "stochastic";
  static constexpr float max_error_steps = 1.0f;

  philox generator{};

  template <class Code>
  HALFSTEP_HD constexpr Code operator()(bracket<Code> b, index_t element) const {
    return ieee_float{unit_float(generator(static_cast<std::uint64_t>(element)).word[0])} < b.t ? b.farther : b.nearer;
  }
};

}  // namespace halfstep
