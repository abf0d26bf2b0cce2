// Whether an unfinished output holds what a journal says of it.
#pragma once

#include <algorithm>
#include <cstdint>

#include <halfstep/convert/resume/finished_tensor.hpp>
#include <halfstep/convert/resume/written_range.hpp>
#include <halfstep/convert/settings.hpp>
#include <halfstep/convert/workspace.hpp>
#include <halfstep/core/digest.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/plan/planned.hpp>
#include <halfstep/recipe/artifact.hpp>
#include <halfstep/safetensors/writer.hpp>

namespace halfstep {

/// Returns whether the unfinished output holds what `done` says, and all of what `tensor` stores but its marker.
///
/// Reads every byte. Throws io_error (transfer), and `cancelled` when the observer says so.
inline bool holds_finished(safetensors::writer const& output, planned_tensor const& tensor, finished_tensor const& done,
                           observer const& watcher, workspace& memory) {
  if (done.quality.has_value() != (tensor.what == action::quantize)) return false;
  for (auto const& made : tensor.outputs) {
    if (made.role == artifact_role::marker) continue;
    auto const found = done.ranges.find(made.spec.name);
    if (found == done.ranges.end()) return false;
    auto ranges = found->second;
    auto const stored = output.at(made.spec.name);
    std::ranges::sort(ranges, {}, &written_range::offset);
    std::uint64_t end = 0;
    for (auto const& range : ranges) {
      bool const follows = range.offset == end && range.bytes <= stored.entry().bytes() - end;
      if (!follows || range.bytes > written_range::most_bytes) return false;
      end += range.bytes;
    }
    if (end != stored.entry().bytes()) return false;
    for (auto const& range : ranges) {
      require_going(watcher);
      auto const bytes = memory.codes(static_cast<index_t>(range.bytes));
      output.read_back(stored, range.offset, bytes);
      if (digest(bytes) != range.digest) return false;
    }
  }
  return true;
}

}  // namespace halfstep
