// The last step: the tensors of a layer go to their places in the output.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <halfstep/convert/layer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/magnitude.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/kernel/bias_correction.hpp>
#include <halfstep/recipe/artifact.hpp>
#include <halfstep/report/quality_number.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/safetensors/writer.hpp>

namespace halfstep::step {

/// Whether rows write the groups that span the layer: those that lie in its first rows do.
enum class spanning_groups : std::uint8_t { skip, write };

/// Writes codes and groups of `rows` to their places, and returns the least and the largest scale.
inline piece_result store(layer_rows const& rows, spanning_groups spanning, safetensors::writer& output) {
  auto& job = *rows.job;
  extents2 const e = rows.weight.extents;
  auto const row_bytes = static_cast<std::uint64_t>(e.columns * layer_rows::bytes_of(job.codec().format.codes));
  output.write(job.codes(), static_cast<std::uint64_t>(rows.weight.first_row) * row_bytes,
               {rows.codes, static_cast<std::size_t>(e.rows) * row_bytes});
  piece_result result;
  if (!job.scales()) return result;
  auto const count = static_cast<std::size_t>(job.codec().format.groups(e).count());
  if (!job.spans() || spanning == spanning_groups::write)
    output.write(*job.scales(), job.group_offset(rows.weight.first_row), {rows.groups, count * job.codec().format.scale_bytes});
  auto const* const scale = reinterpret_cast<float const*>(rows.groups);
  auto const [low, high] = std::minmax_element(scale, scale + count);
  result.scale_min = *low;
  result.scale_max = *high;
  return result;
}

namespace detail {

/// Returns what the bias gets in all: what rounding takes from the mean, and what adapters add; empty for nothing.
inline std::vector<double> bias_change(layer const& l, std::string const& name) {
  auto const delta = l.how.merge != nullptr ? l.how.merge->at(name) : nullptr;
  if (delta == nullptr) return l.shift;
  index_t const rows = l.job.weight_extents().rows;
  std::vector<float> merged(static_cast<std::size_t>(rows));
  delta->add_to(host_view<float>(merged.data(), {rows, 1}));
  std::vector<double> change(merged.begin(), merged.end());
  for (std::size_t i = 0; i < l.shift.size(); ++i) change[i] += l.shift[i];
  return change;
}

/// Adds `change` to a bias. Throws value_error where an element that was finite is not any more, naming it.
template <class Bias>
void change_bias(std::string const& name, std::span<double const> change, std::span<Bias> bias) {
  std::vector<Bias> const before(bias.begin(), bias.end());
  correct_bias(change, bias);
  for (std::size_t i = 0; i < bias.size(); ++i)
    if (is_finite(before[i]) && !is_finite(bias[i]))
      throw value_error(stated("bias.beyond_type",
                               "cannot correct the bias '{tensor}': element {element} becomes {value}, which exceeds {type}; "
                               "keep it as it is with `exclude`",
                               {{"tensor", name},
                                {"element", i},
                                {"value", halfstep::detail::json_number(static_cast<double>(widen(before[i])) + change[i])},
                                {"type", name_of(source_traits<Bias>::type)}}));
}

inline void store_bias(layer const& l, artifact const& part, safetensors::reader const& input, safetensors::writer& output) {
  auto const* const stored = input.head().find(part.spec.name);
  auto const change = bias_change(l, part.spec.name);
  with_source_type(part.spec.type, [&]<class Bias>(std::type_identity<Bias>) {
    std::vector<Bias> bias(static_cast<std::size_t>(l.job.weight_extents().rows));
    input.read(*stored, 0, std::as_writable_bytes(std::span(bias)));
    if (!change.empty()) change_bias(part.spec.name, change, std::span(bias));
    output.write(output.at(part.spec.name), 0, std::as_bytes(std::span(bias)));
  });
}

inline void store_input_scale(layer const& l, artifact const& part, safetensors::writer& output) {
  if (!l.known || !l.known->input_scale)
    throw value_error(
        stated("calibration.no_scale", "no static activation scale is known for '{layer}'", {{"layer", l.job.found().layer}}));
  // The scale that is known puts the largest magnitude on INT8's last code.
  float scale = *l.known->input_scale;
  if (auto const last = static_cast<double>(l.wanted().format.last); last > 0.0)
    scale = static_cast<float>(static_cast<double>(scale) * 127.0 / last);
  output.write(output.at(part.spec.name), 0, std::as_bytes(std::span(&scale, 1)));
}

}  // namespace detail

/// Writes all that the plan stores for a layer. Throws value_error where a static scale is planned and none is known; io_error.
inline void store(layer& l, safetensors::reader const& input, safetensors::writer& output) {
  auto const scales = store(l.rows, spanning_groups::write, output);
  l.job.result(0).scale_min = scales.scale_min;
  l.job.result(0).scale_max = scales.scale_max;
  for (auto const& part : l.job.basis_companions()) output.write(output.at(l.job.found().layer + part.ending), 0, part.bytes);
  for (auto const& part : l.job.tensor().outputs) {
    if (part.role == artifact_role::input_scale) detail::store_input_scale(l, part, output);
    if (part.role == artifact_role::bias) detail::store_bias(l, part, input, output);
  }
}

}  // namespace halfstep::step
