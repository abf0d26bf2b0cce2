// The first step: rows of a weight come from the file, merged with adapters, in the basis of the layer.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include <halfstep/convert/layer.hpp>
#include <halfstep/convert/weight_rows.hpp>
#include <halfstep/convert/workspace.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/magnitude.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/group_range.hpp>
#include <halfstep/kernel/widen.hpp>
#include <halfstep/lora/delta.hpp>
#include <halfstep/recipe/format_table.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep::step {

/// Whether a quantizer reads the rows of a weight as they are in the file.
inline bool reads_as_stored(quantize_job const& job, weight_delta const* delta) {
  return job.basis().is_plain() && delta == nullptr && format_row::reads(job.row_type());
}

/// Stores rows of a weight in FP32: with `delta` added unless it is null, in the basis of the job.
inline void prepare(quantize_job const& job, erased_rows stored, weight_delta const* delta, host_view<float> to) {
  if (delta == nullptr) return job.basis().apply(serial{}, job.row_type(), stored.data, to);
  basis().apply(serial{}, job.row_type(), stored.data, to);
  delta->add_to(to);
  job.basis().apply(serial{}, to);
}

/// Throws value_error with the place of the first NaN or infinity of `stored`, if there is one.
inline void refuse_nonfinite(quantize_job const& job, erased_rows stored) {
  with_source_type(job.row_type(), [&]<class Source>(std::type_identity<Source>) {
    auto const* const x = static_cast<Source const*>(stored.data);
    for (index_t i = 0; i < stored.extents.count(); ++i) {
      if (is_finite(x[i])) continue;
      index_t const place = stored.first_row * stored.extents.columns + i;
      float const value = widen(x[i]);
      throw value_error(stated("weights.not_finite",
                               "cannot quantize '{tensor}': element {element} (row {row}, column {column}) is {value}; keep such "
                               "tensors as they are with `nonfinite keep`",
                               {{"tensor", job.input().name},
                                {"element", place},
                                {"row", place / stored.extents.columns},
                                {"column", place % stored.extents.columns},
                                {"value", value != value ? "NaN"
                                          : value > 0    ? "infinite"
                                                         : "minus infinite"}}));
    }
  });
}

/// Throws value_error for rows that are not finite after `prepare`.
[[noreturn]] inline void refuse_prepared(quantize_job const& job, erased_rows stored, weight_delta const* delta) {
  refuse_nonfinite(job, stored);
  throw value_error(stated(
      "weights.overflow", "cannot quantize '{tensor}': {reason}",
      {{"tensor", job.input().name},
       {"reason", delta == nullptr ? std::string(job.overflow())
                                   : "its weights exceed FP32 once its LoRAs are merged; merge them with less strength"}}));
}

/// Reads the weight into the layer's memory. Throws value_error at NaN or infinity, `cancelled` and io_error.
template <host_executor Executor>
void load(Executor const& ex, layer& l, safetensors::reader const& input, workspace_pool& pool) {
  auto const delta = l.job.delta();
  for_each_tile(ex, l.job, l.job.weight_extents(), l.rows.watcher, [&](index_t first, index_t rows) {
    extents2 const e{rows, l.job.weight_extents().columns};
    auto const lease = pool.take();
    erased_rows const stored{read_rows(input, l.job.tensor(), first, rows, *lease).data(), e, first};
    l.job.see(stored.data, e.count());
    host_view<float> const to(l.memory.weight.data() + first * e.columns, e, first);
    prepare(l.job, stored, delta.get(), to);
    if (!is_finite(matrix_range(serial{}, to).amax)) refuse_prepared(l.job, stored, delta.get());
  });
}

/// Reads the rows of a layer's inputs, where files say anything of them.
inline void load_inputs(layer& l) {
  if (l.how.inputs == nullptr) return;
  l.inputs.emplace(l.how.inputs->inputs_of(l.job.found().layer, l.job.weight_extents().columns));
  if (!l.inputs->any()) return l.inputs.reset();
  l.inputs->hold();
}

}  // namespace halfstep::step
