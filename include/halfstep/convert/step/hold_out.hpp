// What a layer's outputs lose on inputs that its codes were not chosen for.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include <halfstep/calibration/input_rows.hpp>
#include <halfstep/convert/layer.hpp>
#include <halfstep/convert/output_error.hpp>
#include <halfstep/convert/step/choose.hpp>
#include <halfstep/convert/step/code_rows.hpp>
#include <halfstep/convert/step/measure.hpp>
#include <halfstep/convert/step/transform.hpp>
#include <halfstep/exec/any_host.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/recipe/stage_table.hpp>

namespace halfstep::step {

namespace detail {

/// Whether scales, codes or the bias of a layer follow from rows of its inputs.
inline bool follows_from_rows(layer const& l) {
  auto const* const solver = l.how.stages.solver(l.wanted().solver, l.grid());
  bool const is_solved = solver != nullptr && solver->takes_moments();
  return l.inputs && l.inputs->has_rows() && (is_solved || l.wanted().scales != absmax_scales || l.job.tensor().added.bias);
}

}  // namespace detail

/// Chooses codes without the rows that are held out, and notes what the outputs lose on those, where rows are held out and codes
/// follow from the others. Of all else that it does nothing stays.
///
/// Takes as long as the codes do but for sums over inputs, which are those of all rows less those held out; and of a basis that
/// mixes rows once more of the weight.
inline void try_on_held_out(any_host const& ex, layer& l) {
  if (!detail::follows_from_rows(l) || !l.inputs->held_out(l.job.basis())) return;
  find_statistics(ex, l);
  auto before = l.job.found();
  auto const weight = rows_of(l).changed_by_decoding(l);
  {
    layer trial{.job = l.job, .how = l.how, .memory = l.memory, .moments = l.memory.trial, .whole = &l};
    trial.rows = l.rows;
    trial.inputs = l.inputs->without_held_out();
    choose_codes(ex, trial);
    decode_whole(ex, trial);
    correct(ex, trial);
    note_output_error(ex, trial, *l.inputs->held_out(l.job.basis()));
  }
  std::swap(before, l.job.found());
  l.job.found().output_error = before.output_error;
  l.job.found().output_error_8bit = before.output_error_8bit;
  std::copy_n(weight.data(), weight.size(), l.memory.weight.data());
}

}  // namespace halfstep::step
