// Random inputs say how large inputs get, and nothing else: no direction, no mean, no scale. The file holds nothing else either.
#include "synthetic.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <numbers>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <boost/math/special_functions/erf.hpp>

#include <halfstep/convert/lora_directions.hpp>
#include <halfstep/core/random.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/recipe/artifact.hpp>
#include <halfstep/safetensors/open_model.hpp>
#include <halfstep/safetensors/writer.hpp>
#include <halfstep/transform/basis.hpp>

#include "calibration_output.hpp"

namespace calibrate {

namespace {

using namespace halfstep;

constexpr std::string_view weight_ending = ".weight";

bool is_linear(safetensors::tensor const& t) {
  bool const is_number = t.type == dtype::f64 || t.type == dtype::f32 || t.type == dtype::f16 || t.type == dtype::bf16 ||
                         t.type == dtype::f8_e4m3 || t.type == dtype::f8_e5m2;
  return t.shape.size() == 2 && t.shape[1] > 0 && is_number && t.name.ends_with(weight_ending);
}

/// The largest magnitude among `samples` standard normal numbers, drawn at once: the `chance` quantile of its distribution,
/// P(max |z| < x) = erf(x / sqrt 2)^samples.
double largest_normal(double chance, std::int64_t samples) {
  double const beyond = -std::expm1(std::log(chance) / static_cast<double>(samples));
  return std::numbers::sqrt2 * boost::math::erfc_inv(beyond);
}

std::vector<float> maxima_of(options const& o, std::string const& layer, index_t columns, lora_directions const* lora) {
  philox const random(random_key(static_cast<std::uint64_t>(o.seed), layer));
  auto const directions = lora == nullptr ? std::nullopt : lora->moments(serial{}, layer, basis());
  auto const variances = directions ? directions->diagonal() : std::vector<float>(static_cast<std::size_t>(columns), 1.0f);
  std::vector<float> maxima;
  for (std::size_t j = 0; j < variances.size(); ++j) {
    double const chance = static_cast<double>(unit_float(random(j).word[0])) + 0x1p-25;
    maxima.push_back(static_cast<float>(largest_normal(chance, o.samples) * std::sqrt(static_cast<double>(variances[j]))));
  }
  return maxima;
}

}  // namespace

void write_synthetic(options const& o) {
  auto const opened = safetensors::open_model(o.model);
  safetensors::reader const& model = opened.file;
  for (auto const& text : opened.notes) say("note: " + text);
  for (auto const& text : opened.warnings) say("warning: " + text);
  std::vector inputs = model.identities();
  std::optional<lora_directions> lora;
  if (!o.lora.empty()) {
    inputs.push_back(lora.emplace(o.lora, model.head()).identity());
    if (!lora->unmatched().empty())
      say("warning: the directions of the LoRA " + quoted(o.lora) +
          " are for no layer of the model: " + some_of(lora->unmatched()));
  }
  std::vector<safetensors::tensor_spec> specs;
  std::size_t informed = 0;
  for (auto const& t : model.head().tensors()) {
    if (!is_linear(t)) continue;
    std::string const layer(layer_of(t.name));
    informed += lora && lora->has(layer) ? 1 : 0;
    specs.push_back({layer + ".channel_max", dtype::f32, {t.shape[1]}});
  }
  if (specs.empty())
    throw format_error("the model " + quoted(o.model) + " holds no `<layer>.weight` of two dimensions: nothing to make");
  auto layout = safetensors::arrange(specs, metadata_of("synthetic", {}));
  say(layers_in_words(specs.size()) + ", " + megabytes(layout.data_bytes()) + " of maxima of " + std::to_string(o.samples) +
      " random rows" + (lora ? ", " + std::to_string(informed) + " informed by the LoRA" : "") +
      ": enough for --smoothquant, and for nothing else");
  if (o.dry_run) return;
  safetensors::writer output(o.output, std::move(layout), o.force ? file::overwrite::replace : file::overwrite::refuse, inputs);
  for (auto const& spec : specs) {
    auto const layer = spec.name.substr(0, spec.name.rfind('.'));
    auto const maxima = maxima_of(o, layer, static_cast<index_t>(spec.shape[0]), lora ? &*lora : nullptr);
    output.write(output.at(spec.name), 0, std::as_bytes(std::span(maxima)));
  }
  model.require_unchanged();
  if (lora) lora->require_unchanged();
  output.commit();
  std::fputs((o.output + "\n").c_str(), stdout);
}

}  // namespace calibrate
