// A pass over the data before the plan: which weights hold NaN or infinity.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include <halfstep/convert/piece.hpp>
#include <halfstep/convert/settings.hpp>
#include <halfstep/convert/workspace.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/magnitude.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/plan/plan.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep {

/// Returns the names of the tensors that `what` would quantize and that hold NaN or infinity.
///
/// Reads every such tensor once, in pieces of `settings.piece_bytes`. Throws `cancelled` when the observer says so.
template <host_executor Executor>
std::set<std::string, std::less<>> nonfinite_tensors(Executor const& ex, safetensors::reader const& input, plan const& what,
                                                     convert_settings const& settings, observer const& watcher) {
  struct piece {
    planned_tensor const* tensor;
    std::uint64_t first;
    std::uint64_t bytes;
  };
  std::vector<piece> pieces;
  for (auto const& tensor : what.tensors) {
    if (tensor.what != action::quantize) continue;
    std::uint64_t const bytes = tensor.input.end - tensor.input.begin;
    std::uint64_t const step = std::max<std::uint64_t>(settings.piece_bytes / 64, 1) * 64;
    for (std::uint64_t first = 0; first < bytes; first += step) pieces.push_back({&tensor, first, std::min(step, bytes - first)});
  }
  std::vector<char> found(pieces.size(), 0);
  workspace_pool pool;
  ex.for_each(static_cast<index_t>(pieces.size()), [&](index_t i) {
    auto const& p = pieces[static_cast<std::size_t>(i)];
    if (watcher.cancelled && watcher.cancelled()) throw cancelled("stopped on request: nothing was published");
    auto const lease = pool.take();
    auto const bytes = (*lease).input(static_cast<index_t>(p.bytes));
    input.read(p.tensor->input, p.first, bytes);
    with_source_type(p.tensor->input.type, [&]<class Source>(std::type_identity<Source>) {
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
