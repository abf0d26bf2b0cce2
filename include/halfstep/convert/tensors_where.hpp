// A pass over the data before the plan is final: which of its tensors have rows of some kind.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include <halfstep/convert/settings.hpp>
#include <halfstep/convert/weight_rows.hpp>
#include <halfstep/convert/workspace.hpp>
#include <halfstep/core/dtype.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/plan/plan.hpp>

namespace halfstep {

/// Names of tensors.
using tensor_names = std::set<std::string, std::less<>>;

/// Returns the names of the tensors of `what` that are `asked(tensor)` for and for which `holds(tensor, first, rows, space)` is
/// true of any of their parts, `rows` rows from `first` on; `space` is the memory of one thread.
///
/// A part has about `settings.piece_bytes`, in its type or in FP32, whichever is wider. Any thread may ask, for parts in any
/// order. Throws what `holds` throws, and `cancelled` when the observer says so.
template <host_executor Executor, class Asked, class Holds>
tensor_names tensors_where(Executor const& ex, plan const& what, convert_settings const& settings, observer const& watcher,
                           Asked const& asked, Holds const& holds) {
  struct piece {
    planned_tensor const* tensor;
    index_t first;
    index_t rows;
  };
  std::vector<piece> pieces;
  for (auto const& tensor : what.tensors) {
    if (!asked(tensor)) continue;
    auto const rows = static_cast<index_t>(tensor.input.shape[0]);
    auto const width = std::max<index_t>(bits_of(type_of_rows(tensor)) / 8, static_cast<index_t>(sizeof(float)));
    auto const row_bytes = std::max<index_t>(static_cast<index_t>(tensor.input.shape[1]) * width, 1);
    index_t const step = std::max<index_t>(static_cast<index_t>(settings.piece_bytes) / row_bytes, 1);
    for (index_t first = 0; first < rows; first += step) pieces.push_back({&tensor, first, std::min(step, rows - first)});
  }
  std::vector<char> found(pieces.size(), 0);
  workspace_pool pool;
  ex.for_each(static_cast<index_t>(pieces.size()), [&](index_t i) {
    auto const& p = pieces[static_cast<std::size_t>(i)];
    require_going(watcher);
    auto const lease = pool.take();
    found[static_cast<std::size_t>(i)] = holds(*p.tensor, p.first, p.rows, *lease) ? 1 : 0;
  });
  tensor_names names;
  for (std::size_t i = 0; i < pieces.size(); ++i)
    if (found[i] != 0) names.insert(pieces[i].tensor->input.name);
  return names;
}

}  // namespace halfstep
