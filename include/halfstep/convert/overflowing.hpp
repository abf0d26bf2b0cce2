// A pass over the data before the plan is final: which weights FP16 does not reach.
#pragma once

#include <algorithm>
#include <cmath>
#include <type_traits>

#include <halfstep/convert/settings.hpp>
#include <halfstep/convert/tensors_where.hpp>
#include <halfstep/convert/weight_rows.hpp>
#include <halfstep/convert/workspace.hpp>
#include <halfstep/core/dtype.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/widen.hpp>
#include <halfstep/layout/fp16.hpp>
#include <halfstep/lora/merge.hpp>
#include <halfstep/plan/plan.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep {

/// Returns the names of the tensors that `what` would store in FP16 and that hold a finite number which becomes infinite there,
/// once `merge` has added to them what it adds; null where nothing is merged.
///
/// Reads every such tensor once, in rows of about `settings.piece_bytes`. Throws `cancelled` when the observer says so.
template <host_executor Executor>
tensor_names overflowing_tensors(Executor const& ex, safetensors::reader const& input, plan const& what, lora_merge const* merge,
                                 convert_settings const& settings, observer const& watcher) {
  return tensors_where(
      ex, what, settings, watcher,
      [](planned_tensor const& tensor) {
        return tensor.what == action::quantize && !tensor.how.format.has_scales() && tensor.how.format.codes == dtype::f16;
      },
      [&](planned_tensor const& tensor, index_t first, index_t rows, workspace& space) {
        extents2 const e{rows, static_cast<index_t>(tensor.input.shape[1])};
        auto const bytes = read_rows(input, tensor, first, rows, space);
        host_view<float> const numbers(space.rows(e.count()).data(), e, first);
        with_source_type(type_of_rows(tensor), [&]<class Source>(std::type_identity<Source>) {
          widen(serial{}, host_view<Source const>(reinterpret_cast<Source const*>(bytes.data()), e, first), numbers);
        });
        if (auto const delta = merge != nullptr ? merge->at(tensor.input.name) : nullptr) delta->add_to(numbers);
        return std::any_of(numbers.data(), numbers.data() + e.count(),
                           [](float x) { return std::isfinite(x) && fp16::clips(x, {}); });
      });
}

}  // namespace halfstep
