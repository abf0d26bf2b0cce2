// A pass over the data before the plan: which weights hold NaN or infinity.
#pragma once

#include <algorithm>
#include <type_traits>

#include <halfstep/convert/settings.hpp>
#include <halfstep/convert/tensors_where.hpp>
#include <halfstep/convert/weight_rows.hpp>
#include <halfstep/convert/workspace.hpp>
#include <halfstep/core/magnitude.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/plan/plan.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep {

/// Returns the names of the tensors that `what` would quantize and that hold NaN or infinity.
///
/// Reads every such tensor once, in rows of about `settings.piece_bytes`. Throws `cancelled` when the observer says so.
template <host_executor Executor>
tensor_names nonfinite_tensors(Executor const& ex, safetensors::reader const& input, plan const& what,
                               convert_settings const& settings, observer const& watcher) {
  return tensors_where(
      ex, what, settings, watcher, [](planned_tensor const& tensor) { return tensor.what == action::quantize; },
      [&](planned_tensor const& tensor, index_t first, index_t rows, workspace& space) {
        auto const bytes = read_rows(input, tensor, first, rows, space);
        bool finite = true;
        with_source_type(type_of_rows(tensor), [&]<class Source>(std::type_identity<Source>) {
          auto const* const x = reinterpret_cast<Source const*>(bytes.data());
          finite = std::all_of(x, x + bytes.size() / sizeof(Source), [](Source v) { return is_finite(v); });
        });
        return !finite;
      });
}

}  // namespace halfstep
