// Rounding as somebody decided beforehand, element by element.
#pragma once

#include <cstdint>
#include <string_view>

#include <halfstep/core/bracket.hpp>
#include <halfstep/core/compiler.hpp>
#include <halfstep/core/extents.hpp>

namespace halfstep {

/// Chooses the farther code where a bit is set: bit (i & 31) of word i >> 5 is the choice for element i of the tensor.
///
/// `bits` is borrowed, lies in the executor's memory and has (M * N + 31) / 32 words. This is how a solver hands over what it
/// chose.
struct decided {
  static constexpr std::string_view name = "decided";
  static constexpr float max_error_steps = 1.0f;

  std::uint32_t const* bits = nullptr;

  template <class Code>
  HALFSTEP_HD constexpr Code operator()(bracket<Code> b, index_t element) const {
    return bits[element >> 5] >> (element & 31) & 1u ? b.farther : b.nearer;
  }
};

}  // namespace halfstep
