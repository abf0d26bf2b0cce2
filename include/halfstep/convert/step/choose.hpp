// From a weight in its basis to scales and codes, by what is known of the inputs: the steps that a trial takes too.
#pragma once

#include <halfstep/convert/layer.hpp>
#include <halfstep/convert/step/round.hpp>
#include <halfstep/convert/step/solve.hpp>
#include <halfstep/convert/step/transform.hpp>
#include <halfstep/exec/any_host.hpp>

namespace halfstep::step {

/// Finds scales and codes of a layer from all that its inputs are known by.
inline void choose_codes(any_host const& ex, layer& l) {
  find_statistics(ex, l);
  range(ex, l.rows);
  fit(ex, l.rows);
  search(ex, l);
  encode(ex, l.rows);
  solve(ex, l);
  keep_mean(ex, l);
}

}  // namespace halfstep::step
