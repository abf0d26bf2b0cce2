// The finished file, read again before it is published: does it decode to what was measured.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <halfstep/convert/kept_rows.hpp>
#include <halfstep/convert/pipeline.hpp>
#include <halfstep/convert/round_piece.hpp>
#include <halfstep/convert/step/measure.hpp>
#include <halfstep/core/digest.hpp>
#include <halfstep/core/random.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/recipe/contract.hpp>

namespace halfstep {

namespace detail {

/// Throws contract_error where what the unfinished output holds of a layer's basis is not what the layer went through.
inline void verify_basis(quantize_job const& job, safetensors::writer const& output, workspace& memory) {
  for (auto const& part : job.basis_companions()) {
    auto const stored = memory.groups(static_cast<index_t>(part.bytes.size()));
    auto const name = job.found().layer + part.ending;
    output.read_back(output.at(name), 0, stored);
    if (std::ranges::equal(stored, part.bytes)) continue;
    throw contract_error(
        stated("output.changed",
               "tensor '{tensor}' reads back differently: the disk or its memory changed the bytes; nothing was published",
               {{"tensor", name}}));
  }
}

/// Reads rows of codes and the scales from the unfinished output, and compares them with what was written.
inline void verify_digests(quantize_job& job, index_t first, index_t rows, safetensors::writer const& output, workspace& memory) {
  index_t const columns = job.extents().columns;
  for (index_t row = first; row < first + rows; row += residual_tile_rows) {
    auto const codes = memory.codes(std::min(residual_tile_rows, job.extents().rows - row) * columns);
    output.read_back(job.codes(), static_cast<std::uint64_t>(row * columns), codes);
    if (digest(codes) == job.digests()[static_cast<std::size_t>(row / residual_tile_rows)]) continue;
    throw contract_error(stated(
        "output.changed",
        "layer '{tensor}' reads back differently near row {row}: the disk or its memory changed the bytes; nothing was published",
        {{"tensor", job.input().name}, {"row", row}}));
  }
  auto const scales = memory.groups(static_cast<index_t>(job.scales()->entry().bytes()));
  output.read_back(*job.scales(), 0, scales);
  if (digest(scales) == job.digests().back()) return;
  throw contract_error(
      stated("output.changed_scales",
             "layer '{tensor}' reads back other scales: the disk or its memory changed the bytes; nothing was published",
             {{"tensor", job.input().name}}));
}

/// Reads rows of codes and their groups from the unfinished output, and returns what they lose, by `residual_tile_rows`.
inline std::vector<residual_statistics> measured_rows(quantize_job& job, index_t first, index_t rows,
                                                      safetensors::reader const& input, safetensors::writer const& output,
                                                      workspace& memory) {
  piece_rows const piece(job, first, rows, input, memory);
  auto const& all = piece.all();
  auto const row_bytes = static_cast<std::uint64_t>(job.extents().columns * layer_rows::bytes_of(job.codec().format.codes));
  output.read_back(job.codes(), static_cast<std::uint64_t>(first) * row_bytes,
                   {all.codes, static_cast<std::size_t>(rows) * static_cast<std::size_t>(row_bytes)});
  if (job.scales()) output.read_back(*job.scales(), job.group_offset(first), {all.groups, piece.group_bytes()});
  std::vector<residual_statistics> found(static_cast<std::size_t>((rows + residual_tile_rows - 1) / residual_tile_rows));
  piece.for_each_tile([&](layer_rows const& tile) {
    auto const at = static_cast<std::size_t>((tile.weight.first_row - first) / residual_tile_rows);
    step::measure(serial{}, tile, std::span(found).subspan(at));
  });
  return found;
}

/// Compares what rows in the unfinished output lose with what was recorded.
inline void verify_rows(quantize_job& job, index_t first, index_t rows, safetensors::reader const& input,
                        safetensors::writer const& output, workspace& memory) {
  verify_basis(job, output, memory);
  if (job.mixes_rows()) return verify_digests(job, first, rows, output, memory);
  auto const again = measured_rows(job, first, rows, input, output, memory);
  for (std::size_t i = 0; i < again.size(); ++i) {
    auto const& recorded = job.error()[static_cast<std::size_t>(first / residual_tile_rows) + i];
    if (again[i].error_square == recorded.error_square && again[i].weight_square == recorded.weight_square) continue;
    throw contract_error(stated(
        "output.changed",
        "layer '{tensor}' reads back differently near row {row}: the disk or its memory changed the bytes; nothing was published",
        {{"tensor", job.input().name}, {"row", first + static_cast<index_t>(i) * residual_tile_rows}}));
  }
}

/// Compares what a layer that was taken over loses with what was recorded when it was made. Of a transformed layer every byte was
/// compared when it was taken over, which is all that is compared of others of its kind.
template <class Executor>
void verify_restored(Executor const& ex, quantize_job& job, safetensors::reader const& input, safetensors::writer const& output,
                     observer const& watcher, workspace_pool& pool) {
  if (job.mixes_rows()) return;
  std::vector<residual_statistics> found(job.error().size());
  ex.for_each(job.pieces(), [&](index_t i) {
    require_going(watcher);
    auto const lease = pool.take();
    auto const part = measured_rows(job, job.first_row(i), job.rows(i), input, output, *lease);
    std::ranges::copy(part, found.begin() + job.first_row(i) / residual_tile_rows);
  });
  residual_statistics sum;
  for (auto const& part : found) sum += part;
  auto const recorded = job.quality().error;
  if (sum.error_square == recorded.error_square && sum.weight_square == recorded.weight_square) return;
  throw contract_error(stated("output.changed",
                              "layer '{tensor}', which an interrupted run made, does not decode to what it measured: the disk or "
                              "its memory changed bytes; nothing was published",
                              {{"tensor", job.input().name}}));
}

inline void verify_copy(planned_tensor const& tensor, std::uint64_t first, convert_settings const& settings,
                        lora_merge const* merge, safetensors::reader const& input, safetensors::writer const& output,
                        workspace& memory) {
  auto const before = kept_piece(input, tensor.input, first, settings, merge, memory);
  auto const after = memory.codes(static_cast<index_t>(before.size()));
  output.read_back(output.at(tensor.outputs.at(0).spec.name), first, after);
  if (std::memcmp(before.data(), after.data(), before.size()) != 0)
    throw contract_error(
        stated("output.changed",
               "tensor '{tensor}' reads back differently: the disk or its memory changed the bytes; nothing was published",
               {{"tensor", tensor.input.name}}));
}

}  // namespace detail

/// Decodes rows of the unfinished output again: of every layer some (sampled) or all (full), and with full every copied byte.
///
/// The sampled rows are the piece that holds a row drawn from the layer's name, so a run repeats. Of layers that were taken over
/// from an interrupted run all rows are decoded, and what they lose together is compared: the figures of each are not known any
/// more, and the run that found them may have ended before it checked. Throws contract_error, and `cancelled` when the observer
/// says so.
template <host_executor Executor>
void verify_output(Executor const& ex, conversion& done, plan const& what, safetensors::reader const& input,
                   safetensors::writer const& output, convert_settings const& settings, observer const& watcher) {
  if (settings.verify == verification::header) return;
  struct check {
    quantize_job* job;
    planned_tensor const* copy;
    index_t first;
    index_t count;  ///< of rows
  };
  std::vector<check> checks;
  std::vector<quantize_job*> restored;
  for (auto& job : done.jobs()) {
    if (job.is_restored()) {
      restored.push_back(&job);
      continue;
    }
    index_t const granule = std::lcm(job.group_rows(), residual_tile_rows);
    index_t const tiles = (job.extents().rows + granule - 1) / granule;
    if (settings.verify == verification::full) {
      for (index_t i = 0; i < job.pieces(); ++i) checks.push_back({&job, nullptr, job.first_row(i), job.rows(i)});
    } else if (tiles > 0) {
      auto const drawn = static_cast<index_t>(random_key(0, job.input().name) % static_cast<std::uint64_t>(tiles)) * granule;
      checks.push_back({&job, nullptr, drawn, std::min(granule, job.extents().rows - drawn)});
    }
  }
  if (settings.verify == verification::full) {
    for (auto const& tensor : what.tensors) {
      if (tensor.what != action::keep) continue;
      std::uint64_t const step = kept_piece_bytes(tensor.input, settings, done.merge());
      for (std::uint64_t first = 0; first < tensor.input.bytes(); first += step)
        checks.push_back({nullptr, &tensor, static_cast<index_t>(first), 0});
    }
  }
  workspace_pool pool;
  ex.for_each(static_cast<index_t>(checks.size()), [&](index_t i) {
    auto const& c = checks[static_cast<std::size_t>(i)];
    require_going(watcher);
    auto const lease = pool.take();
    if (c.job != nullptr)
      detail::verify_rows(*c.job, c.first, c.count, input, output, *lease);
    else
      detail::verify_copy(*c.copy, static_cast<std::uint64_t>(c.first), settings, done.merge(), input, output, *lease);
  });
  for (auto* job : restored) detail::verify_restored(ex, *job, input, output, watcher, pool);
}

}  // namespace halfstep
