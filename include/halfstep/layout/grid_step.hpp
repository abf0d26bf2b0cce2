// The scale of a group, prepared for its elements.
#pragma once

namespace halfstep {

/// A group's scale with its reciprocal, computed once for all of the group's elements.
struct grid_step {
  float scale;
  float reciprocal;  ///< 1 / scale, correctly rounded
};

}  // namespace halfstep
