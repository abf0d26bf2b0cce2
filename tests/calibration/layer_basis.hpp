// The bases that layers' inputs are asked for in.
#pragma once

#include <vector>

#include <halfstep/transform/basis.hpp>
#include <halfstep/transform/hadamard.hpp>
#include <halfstep/transform/smoothing.hpp>

namespace halfstep_test {

/// A basis whose columns are smoothed by `factors` unless there are none, then rotated in groups of `group` unless that is 0.
inline halfstep::basis smoothed_and_rotated(std::vector<float> const& factors, int group) {
  halfstep::basis in;
  if (!factors.empty()) in.append(halfstep::smoothing(factors));
  if (group != 0) in.append(halfstep::regular_hadamard{group});
  return in;
}

}  // namespace halfstep_test
