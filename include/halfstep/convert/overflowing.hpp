// A pass over the data before the plan is final: which weights FP16 does not reach.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include <halfstep/convert/settings.hpp>
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
std::set<std::string, std::less<>> overflowing_tensors(Executor const& ex, safetensors::reader const& input, plan const& what,
                                                       lora_merge const* merge, convert_settings const& settings,
                                                       observer const& watcher) {
  struct piece {
    planned_tensor const* tensor;
    index_t first;
    index_t rows;
  };
  std::vector<piece> pieces;
  for (auto const& tensor : what.tensors) {
    if (tensor.what != action::quantize || tensor.how.format.has_scales() || tensor.how.format.codes != dtype::f16) continue;
    auto const rows = static_cast<index_t>(tensor.input.shape[0]);
    auto const row_bytes = static_cast<index_t>(tensor.input.shape[1]) * static_cast<index_t>(sizeof(float));
    index_t const step = std::max<index_t>(static_cast<index_t>(settings.piece_bytes) / std::max<index_t>(row_bytes, 1), 1);
    for (index_t first = 0; first < rows; first += step) pieces.push_back({&tensor, first, std::min(step, rows - first)});
  }
  std::vector<char> found(pieces.size(), 0);
  workspace_pool pool;
  ex.for_each(static_cast<index_t>(pieces.size()), [&](index_t i) {
    auto const& p = pieces[static_cast<std::size_t>(i)];
    require_going(watcher);
    auto const lease = pool.take();
    extents2 const e{p.rows, static_cast<index_t>(p.tensor->input.shape[1])};
    auto const bytes = read_rows(input, *p.tensor, p.first, p.rows, *lease);
    host_view<float> const numbers((*lease).rows(e.count()).data(), e, p.first);
    with_source_type(type_of_rows(*p.tensor), [&]<class Source>(std::type_identity<Source>) {
      widen(serial{}, host_view<Source const>(reinterpret_cast<Source const*>(bytes.data()), e, p.first), numbers);
    });
    if (auto const delta = merge != nullptr ? merge->at(p.tensor->input.name) : nullptr) delta->add_to(numbers);
    bool const exceeds =
        std::any_of(numbers.data(), numbers.data() + e.count(), [](float x) { return std::isfinite(x) && fp16::clips(x, {}); });
    found[static_cast<std::size_t>(i)] = exceeds ? 1 : 0;
  });
  std::set<std::string, std::less<>> names;
  for (std::size_t i = 0; i < pieces.size(); ++i)
    if (found[i] != 0) names.insert(pieces[i].tensor->input.name);
  return names;
}

}  // namespace halfstep
