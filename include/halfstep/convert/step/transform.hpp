// The second step: a weight in memory goes through the transforms that want to see it, and its inputs follow it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <halfstep/convert/layer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/magnitude.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/random.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/column_max.hpp>
#include <halfstep/kernel/group_range.hpp>
#include <halfstep/recipe/basis_row.hpp>
#include <halfstep/transform/basis.hpp>

namespace halfstep::step {

namespace detail {

/// Returns the largest magnitudes of the inputs' columns in the basis that the layer has so far.
template <class Executor>
std::vector<float> input_maxima(Executor const& ex, layer const& l) {
  auto maxima = l.inputs ? l.inputs->statistics(ex, l.job.basis()).channel_max : std::vector<float>();
  if (maxima.empty())
    throw value_error(stated("calibration.no_maxima", "the largest inputs of '{layer}' are unknown: it cannot be smoothed",
                             {{"layer", l.job.found().layer}}));
  return maxima;
}

}  // namespace detail

/// Changes the weight into the rest of its basis. Throws value_error where it is not finite in it, or where a basis follows from
/// inputs that are not known.
template <host_executor Executor>
void transform(Executor const& ex, layer& l) {
  for (auto const& choice : l.job.bases_to_make()) {
    extents2 const e = l.job.weight_extents();
    basis_request of{.weight = e, .number = choice.number};
    of.key = random_key(l.how.options.quip_seed, l.job.input().name);
    std::vector<float> in_inputs, in_weight;
    if (choice.row.need == basis_need::maxima) {
      in_inputs = detail::input_maxima(ex, l);
      in_weight = column_max(ex, host_view<float const>(l.memory.weight.data(), e));
      of.input_max = in_inputs;
      of.weight_max = in_weight;
    }
    basis further;
    choice.row.append(of, further);
    if (l.rows.watcher != nullptr) require_going(*l.rows.watcher);
    further.apply_whole(ex, l.memory.weight.data(), e);
    extents2 const stored = further.stored(e);
    if (!is_finite(matrix_range(ex, host_view<float const>(l.memory.weight.data(), stored)).amax))
      throw value_error(stated("weights.overflow", "cannot quantize '{tensor}': {reason}",
                               {{"tensor", l.job.input().name}, {"reason", choice.row.overflow}}));
    l.job.extend(further);
    if (!choice.row.method.empty()) l.add_method(std::string(choice.row.method));
  }
}

/// Finds the figures of the inputs in the basis of the layer, where they are not found yet.
template <host_executor Executor>
void find_statistics(Executor const& ex, layer& l) {
  if (!l.inputs || l.known) return;
  l.known = l.inputs->statistics(ex, l.job.basis(), l.whole == nullptr ? nullptr : &*l.whole->known);
  l.job.found().input_rows = l.inputs->measured_rows();
  l.job.found().unseen_columns = l.inputs->unseen_columns(ex);
}

}  // namespace halfstep::step
