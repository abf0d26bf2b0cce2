// One group for the whole matrix.
#pragma once

#include <string_view>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/extents.hpp>

namespace halfstep {

/// The geometry of one group: companion tensor [1, 1], for any shape.
struct per_tensor {
  static constexpr std::string_view name = "tensor";
  using transpose = per_tensor;

  HALFSTEP_HD static constexpr bool fits(extents2) { return true; }
  HALFSTEP_HD static constexpr extents2 groups(extents2) { return {1, 1}; }
  HALFSTEP_HD static constexpr index_t run(extents2 e) { return e.columns; }
  HALFSTEP_HD static constexpr index_t group_of(extents2, index_t, index_t) { return 0; }
};

}  // namespace halfstep
