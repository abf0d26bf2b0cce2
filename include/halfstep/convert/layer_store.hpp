// The tensors of a layer that was held in memory as a whole, on their way to the output.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <halfstep/convert/job.hpp>
#include <halfstep/convert/layer_memory.hpp>
#include <halfstep/convert/refinement.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/kernel/bias_correction.hpp>
#include <halfstep/recipe/artifact.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/safetensors/writer.hpp>
#include <halfstep/transform/two_sided_hadamard.hpp>

namespace halfstep {

/// Writes everything that the plan stores for a layer.
class layer_store {
 public:
  /// Borrows everything.
  layer_store(quantize_job& job, refinement const& how, safetensors::reader const& input, safetensors::writer& output)
      : job_(job), how_(how), input_(input), output_(output) {}

  /// Writes codes and scales from `memory`, a bias with `shift` [M] added unless that is empty, and `basis` where the layer is
  /// stored transformed. Throws value_error where a static scale is planned and none is given, and io_error.
  void operator()(layer_memory const& memory, std::optional<float> input_scale, std::vector<double> const& shift,
                  two_sided_hadamard const* basis) {
    std::span<std::byte const> const codes(memory.codes.data(), static_cast<std::size_t>(job_.codes().entry().bytes()));
    std::span<float const> const scales(memory.scales.data(),
                                        static_cast<std::size_t>(job_.codec().format.groups(job_.extents()).count()));
    output_.write(job_.codes(), 0, codes);
    output_.write(*job_.scales(), 0, std::as_bytes(scales));
    auto const [low, high] = std::minmax_element(scales.begin(), scales.end());
    job_.result(0).scale_min = *low;
    job_.result(0).scale_max = *high;
    for (auto const& part : job_.tensor().outputs) {
      if (part.role == artifact_role::smooth_factors) store_values(part, job_.smoothing().factors());
      if (part.role == artifact_role::quip_flag) store_value(part, std::int8_t{1});
      if (part.role == artifact_role::quip_rows) store_value(part, static_cast<std::int32_t>(job_.extents().rows));
      if (part.role == artifact_role::quip_columns) store_value(part, static_cast<std::int32_t>(job_.extents().columns));
      if (part.role == artifact_role::row_signs) store_values(part, basis->row_signs());
      if (part.role == artifact_role::column_signs) store_values(part, basis->column_signs());
      if (part.role == artifact_role::input_scale) store_input_scale(part, input_scale);
      if (part.role == artifact_role::bias) store_bias(part, shift);
    }
  }

 private:
  template <class Value>
  void store_value(artifact const& part, Value value) {
    store_values(part, std::span<Value const>(&value, 1));
  }

  template <class Value>
  void store_values(artifact const& part, std::span<Value const> values) {
    output_.write(output_.at(part.spec.name), 0, std::as_bytes(values));
  }

  void store_input_scale(artifact const& part, std::optional<float> scale) {
    if (!scale) throw value_error("no static activation scale is known for '" + job_.found().layer + "'");
    // The scale that is known puts the largest magnitude on INT8's last code.
    auto const last = static_cast<double>(job_.tensor().how.format.last);
    store_value(part, last > 0.0 ? static_cast<float>(static_cast<double>(*scale) * 127.0 / last) : *scale);
  }

  void store_bias(artifact const& part, std::vector<double> const& shift) {
    auto const* const stored = input_.head().find(part.spec.name);
    auto const change = bias_change(part.spec.name, shift);
    with_source_type(part.spec.type, [&]<class Bias>(std::type_identity<Bias>) {
      std::vector<Bias> bias(static_cast<std::size_t>(job_.weight_extents().rows));
      input_.read(*stored, 0, std::as_writable_bytes(std::span(bias)));
      if (!change.empty()) correct_bias(change, std::span(bias));
      output_.write(output_.at(part.spec.name), 0, std::as_bytes(std::span(bias)));
    });
  }

  /// Returns what the bias gets in all: what rounding takes from the mean, and what adapters add; empty for nothing.
  std::vector<double> bias_change(std::string const& name, std::vector<double> const& shift) const {
    auto const delta = how_.merge != nullptr ? how_.merge->at(name) : nullptr;
    if (delta == nullptr) return shift;
    std::vector<float> merged(static_cast<std::size_t>(job_.weight_extents().rows));
    delta->add_to(host_view<float>(merged.data(), {job_.weight_extents().rows, 1}));
    std::vector<double> change(merged.begin(), merged.end());
    for (std::size_t i = 0; i < shift.size(); ++i) change[i] += shift[i];
    return change;
  }

  quantize_job& job_;
  refinement const& how_;
  safetensors::reader const& input_;
  safetensors::writer& output_;
};

}  // namespace halfstep
