// Sizes are known before a row is read: all names first, then one layer after the other, its Hessian the largest thing in memory.
#include "captured.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/calibration/files.hpp>
#include <halfstep/calibration/merged_files.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/safetensors/writer.hpp>

#include "calibration_output.hpp"

namespace calibrate {

namespace {

using namespace halfstep;

std::string name_of_statistic(merged_layer const& layer, statistic what) {
  return layer.name() + "." + std::string(statistic_names[static_cast<std::size_t>(what)]);
}

/// The type in which rows of several files are kept: theirs, or F32 where they differ.
dtype type_of(std::vector<calibration_item const*> const& rows) {
  auto const first = rows.front()->tensor->type;
  bool const same = std::all_of(rows.begin(), rows.end(), [=](auto const* item) { return item->tensor->type == first; });
  return same ? first : dtype::f32;
}

bool keeps_rows(options const& o, merged_layer const& layer) { return o.keep_inputs && !layer.rows().empty(); }
bool writes_hessian(options const& o, merged_layer const& layer) { return o.hessian && layer.has(statistic::hessian); }

std::vector<safetensors::tensor_spec> specs_of(options const& o, merged_layer const& layer) {
  std::vector<safetensors::tensor_spec> specs;
  auto const n = static_cast<std::uint64_t>(layer.columns());
  auto const add = [&](statistic what, dtype type, std::vector<std::uint64_t> shape) {
    specs.push_back({name_of_statistic(layer, what), type, std::move(shape)});
  };
  if (keeps_rows(o, layer)) {
    std::uint64_t rows = 0;
    for (auto const* item : layer.rows()) rows += item->shape()[0];
    add(statistic::input, type_of(layer.rows()), {rows, n});
  }
  if (writes_hessian(o, layer)) add(statistic::hessian, dtype::f32, {n, n});
  if (layer.count() != 0) add(statistic::count, dtype::i64, {});
  for (auto const what : {statistic::channel_max, statistic::channel_mean, statistic::channel_sq})
    if (layer.has(what)) add(what, dtype::f32, {n});
  if (layer.has(statistic::input_scale)) add(statistic::input_scale, dtype::f32, {});
  return specs;
}

/// Copies the rows of all files, in pieces, widened where they are kept as F32 and were not.
void copy_rows(any_host const& team, merged_layer const& layer, safetensors::writer& output) {
  auto const to = output.at(name_of_statistic(layer, statistic::input));
  std::uint64_t written = 0;
  auto const append = [&](std::span<std::byte const> bytes) {
    output.write(to, written, bytes);
    written += bytes.size();
  };
  constexpr std::uint64_t piece_bytes = 4 << 20;
  for (auto const* item : layer.rows()) {
    if (item->tensor->type == to.entry().type) {
      std::vector<std::byte> piece(static_cast<std::size_t>(std::min(piece_bytes, item->tensor->bytes())));
      for (std::uint64_t at = 0; at < item->tensor->bytes(); at += piece.size()) {
        auto const part =
            std::span(piece).first(static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), item->tensor->bytes() - at)));
        item->file->read(*item->tensor, at, part);
        append(part);
      }
      continue;
    }
    input_rows const rows(item->file, *item->tensor, item->from);
    extents2 const e = rows.extents();
    index_t const height = std::clamp<index_t>(static_cast<index_t>(piece_bytes / sizeof(float)) / e.columns, 1, e.rows);
    host_buffer<float> wide(height * e.columns);
    for (index_t first = 0; first < e.rows; first += height) {
      host_view<float> const piece(wide.data(), {std::min(height, e.rows - first), e.columns});
      rows.read(team, first, piece);
      append(std::as_bytes(std::span(piece.data(), static_cast<std::size_t>(piece.extents().count()))));
    }
  }
}

void write_layer(options const& o, any_host const& team, merged_layer const& layer, safetensors::writer& output) {
  auto const put = [&]<class T>(statistic what, std::span<T const> numbers) {
    output.write(output.at(name_of_statistic(layer, what)), 0, std::as_bytes(numbers));
  };
  auto const figures = layer.figures(team);
  if (layer.has(statistic::channel_max)) put(statistic::channel_max, std::span(figures.channel_max));
  if (layer.has(statistic::channel_mean)) put(statistic::channel_mean, std::span(figures.channel_mean));
  if (layer.has(statistic::channel_sq)) put(statistic::channel_sq, std::span(figures.channel_sq));
  if (figures.input_scale) put(statistic::input_scale, std::span(&*figures.input_scale, 1));
  auto const count = static_cast<std::int64_t>(layer.count());
  if (count != 0) put(statistic::count, std::span(&count, 1));
  if (keeps_rows(o, layer)) copy_rows(team, layer, output);
  if (!writes_hessian(o, layer)) return;
  auto const hessian = layer.hessian(team);
  put(statistic::hessian, std::span<float const>(hessian.data(), static_cast<std::size_t>(hessian.size())));
}

std::string described(options const& o, merged_layer const& layer) {
  auto const n = layer.columns();
  return layer.name() + ": " + (layer.count() == 0 ? "an unknown number of" : std::to_string(layer.count())) + " rows of " +
         std::to_string(n) + " inputs" +
         (writes_hessian(o, layer) ? ", Hessian of " + megabytes(static_cast<std::uint64_t>(4 * n * n)) : "");
}

}  // namespace

void write_captured(options const& o, any_host const& team) {
  merged_files const files(o.inputs);
  std::vector<safetensors::tensor_spec> specs;
  for (auto const& layer : files.layers())
    for (auto& spec : specs_of(o, layer)) specs.push_back(std::move(spec));
  auto layout = safetensors::arrange(std::move(specs), metadata_of("captured", files.aliases()));
  if (!files.unseen().empty())
    say("warning: statistics of nothing, left out: " + some_of(files.unseen()) + "; capture inputs that reach these layers");
  if (!files.strangers().empty()) say("warning: no statistics: " + some_of(files.strangers()));
  for (auto const& layer : files.layers())
    if (o.hessian && layer.has(statistic::hessian) && layer.count() < layer.columns())
      say("note: " + layer.name() + " has fewer rows than inputs (" + std::to_string(layer.count()) + ", " +
          std::to_string(layer.columns()) + "): its Hessian is drawn to its diagonal; capture more");
  say(layers_in_words(files.layers().size()) + ", " + std::to_string(files.aliases().size()) + " more share inputs, " +
      megabytes(layout.data_bytes()) + " of statistics");
  if (o.dry_run) {
    for (auto const& layer : files.layers()) std::fputs((described(o, layer) + "\n").c_str(), stdout);
    return;
  }
  safetensors::writer output(o.output, std::move(layout), o.force ? file::overwrite::replace : file::overwrite::refuse,
                             files.identities());
  for (std::size_t i = 0; auto const& layer : files.layers()) {
    say("[" + std::to_string(++i) + "/" + std::to_string(files.layers().size()) + "] " + described(o, layer));
    write_layer(o, team, layer, output);
  }
  files.require_unchanged();
  output.commit();
  std::fputs((o.output + "\n").c_str(), stdout);
}

}  // namespace calibrate
