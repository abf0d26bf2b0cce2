// What learned rounding by gradients gains, layer by layer, and what it costs: medians over a model's layers.
//
// HALFSTEP_MODEL names a .safetensors file; its F32 matrices called *encoder*.weight are the layers, all of them. Without it four
// generated ones of 1024 x 1024 stand in. HALFSTEP_BUDGET (dB, 0.5) and HALFSTEP_ITERATIONS (300) set the rest.

#include <algorithm>
#include <cstdlib>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include <halfstep/core/random.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/linalg/singular.hpp>
#include <halfstep/objective/principal.hpp>
#include <halfstep/optimizer/adamw.hpp>
#include <halfstep/optimizer/adaptive_rate.hpp>
#include <halfstep/optimizer/gradient.hpp>
#include <halfstep/optimizer/prodigy.hpp>
#include <halfstep/optimizer/radam.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/solver/descent.hpp>
#include <halfstep/tensor/quantizer.hpp>

#include "generated_layer.hpp"

namespace {

using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;

struct layer {
  extents2 e;
  host_buffer<float> weights;
  halfstep::principal objective;

  layer(extents2 shape, host_buffer<float> w) : e(shape), weights(std::move(w)), objective(directions()) {}

  host_view<float const> weight() const { return weights.view(e); }

  /// As many directions as the converter takes by default.
  halfstep::principal directions() const {
    index_t const least = std::min(e.rows, e.columns);
    index_t const k = std::min(least, std::clamp<index_t>(least / 5, 64, 1024));
    auto found = halfstep::leading_singular_vectors(halfstep::threads(), weight(), k, halfstep::philox(1));
    auto const rank = static_cast<index_t>(found.values.size());
    return {std::move(found.u), std::move(found.v), e.rows, e.columns, rank};
  }
};

std::vector<layer> read_layers(std::string const& path) {
  std::vector<layer> result;
  halfstep::safetensors::reader const file(path);
  for (auto const& tensor : file.head().tensors()) {
    bool const is_layer = tensor.shape.size() == 2 && tensor.type == halfstep::dtype::f32 && tensor.name.ends_with(".weight") &&
                          tensor.name.find("encoder") != std::string::npos;
    if (!is_layer) continue;
    extents2 const e{static_cast<index_t>(tensor.shape[0]), static_cast<index_t>(tensor.shape[1])};
    host_buffer<float> w(e.count());
    file.read(tensor, 0, std::as_writable_bytes(std::span(w.data(), static_cast<std::size_t>(w.size()))));
    result.emplace_back(e, std::move(w));
  }
  return result;
}

std::vector<layer> const& layers() {
  static std::vector<layer> const all = [] {
    if (char const* const path = std::getenv("HALFSTEP_MODEL")) return read_layers(path);
    std::vector<layer> some;
    constexpr extents2 square{1024, 1024};
    for (halfstep_bench::layer_kind const kind : halfstep_bench::all_layer_kinds)
      some.emplace_back(square, halfstep_bench::generated_layer(kind, square));
    return some;
  }();
  return all;
}

double number(char const* name, double otherwise) {
  char const* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::atof(text);
}

double median(std::vector<double> x) {
  std::nth_element(x.begin(), x.begin() + static_cast<index_t>(x.size() / 2), x.end());
  return x.empty() ? 0.0 : x[x.size() / 2];
}

/// Counters: dB that the objective falls by, median and worst; dB of SQNR that it costs, median and most; share of codes moved.
template <class Optimizer>
void learned_rounding(benchmark::State& state) {
  halfstep::threads const ex;
  halfstep::descent_settings const settings{static_cast<int>(number("HALFSTEP_ITERATIONS", 300)), number("HALFSTEP_BUDGET", 0.5)};
  static_cast<void>(layers());
  std::vector<double> gains, costs, moved;
  double flops = 0.0;
  for ([[maybe_unused]] auto _ : state)
    for (layer const& l : layers()) {
      auto q = halfstep::quantizer<halfstep::int8_axis>()(ex, l.weight());
      halfstep::coded_matrix<halfstep::symmetric_grid<127>> const coded{q.codes(), host_view<float const>(q.groups()),
                                                                        halfstep::geometry_of<halfstep::int8_axis>(l.e)};
      auto const report = halfstep::descent(Optimizer{}, halfstep::adaptive_rate(Optimizer::default_rate), settings)
                              .refine(ex, l.weight(), coded, l.objective);
      gains.push_back(report.gain_db());
      costs.push_back(report.cost_db());
      moved.push_back(static_cast<double>(report.moved) / static_cast<double>(l.e.count()));
      flops += 4.0 * static_cast<double>(l.e.count()) * static_cast<double>(l.objective.rank()) * report.iterations;
    }
  state.SetLabel(std::string(Optimizer::name));
  state.counters["layers"] = static_cast<double>(layers().size());
  state.counters["gain_dB"] = median(gains);
  state.counters["least_gain_dB"] = *std::min_element(gains.begin(), gains.end());
  state.counters["cost_dB"] = median(costs);
  state.counters["most_cost_dB"] = *std::max_element(costs.begin(), costs.end());
  state.counters["moved"] = median(moved);
  state.counters["flops"] = benchmark::Counter(flops, benchmark::Counter::kIsRate);
}

BENCHMARK(learned_rounding<halfstep::adamw>)->Unit(benchmark::kSecond)->Iterations(1)->UseRealTime();
BENCHMARK(learned_rounding<halfstep::radam>)->Unit(benchmark::kSecond)->Iterations(1)->UseRealTime();
BENCHMARK(learned_rounding<halfstep::prodigy>)->Unit(benchmark::kSecond)->Iterations(1)->UseRealTime();
BENCHMARK(learned_rounding<halfstep::gradient>)->Unit(benchmark::kSecond)->Iterations(1)->UseRealTime();

}  // namespace
