// A pass over the data before the plan: which weights hold NaN or infinity.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include <halfstep/convert/settings.hpp>
#include <halfstep/convert/weight_rows.hpp>
#include <halfstep/convert/workspace.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/magnitude.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/plan/plan.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep {

/// Returns the names of the tensors that `what` would quantize and that hold NaN or infinity.
///
/// Reads every such tensor once, in rows of about `settings.piece_bytes`. Throws `cancelled` when the observer says so.
template <host_executor Executor>
std::set<std::string, std::less<>> nonfinite_tensors(Executor const& ex, safetensors::reader const& input, plan const& what,
                                                     convert_settings const& settings, observer const& watcher) {
  struct piece {
    planned_tensor const* tensor;
    index_t first;
    index_t rows;
  };
  std::vector<piece> pieces;
  for (auto const& tensor : what.tensors) {
    if (tensor.what != action::quantize) continue;
    auto const rows = static_cast<index_t>(tensor.input.shape[0]);
    auto const row_bytes = static_cast<index_t>(tensor.input.shape[1]) * (bits_of(type_of_rows(tensor)) / 8);
    index_t const step = std::max<index_t>(static_cast<index_t>(settings.piece_bytes) / std::max<index_t>(row_bytes, 1), 1);
    for (index_t first = 0; first < rows; first += step) pieces.push_back({&tensor, first, std::min(step, rows - first)});
  }
  std::vector<char> found(pieces.size(), 0);
  workspace_pool pool;
  ex.for_each(static_cast<index_t>(pieces.size()), [&](index_t i) {
    auto const& p = pieces[static_cast<std::size_t>(i)];
    require_going(watcher);
    auto const lease = pool.take();
    auto const bytes = read_rows(input, *p.tensor, p.first, p.rows, *lease);
    with_source_type(type_of_rows(*p.tensor), [&]<class Source>(std::type_identity<Source>) {
      auto const* const x = reinterpret_cast<Source const*>(bytes.data());
      bool const finite = std::all_of(x, x + bytes.size() / sizeof(Source), [](Source v) { return is_finite(v); });
      found[static_cast<std::size_t>(i)] = finite ? 0 : 1;
    });
  });
  std::set<std::string, std::less<>> names;
  for (std::size_t i = 0; i < pieces.size(); ++i)
    if (found[i] != 0) names.insert(pieces[i].tensor->input.name);
  return names;
}

}  // namespace halfstep
