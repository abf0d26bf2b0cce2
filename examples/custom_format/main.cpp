// usage: custom_format FOLDER
// Converts a model with a layout, a rounding, a basis and a solver of its own, chosen by their names, and reads it back.
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <halfstep/converter.hpp>
#include <halfstep/recipe/basis_table.hpp>
#include <halfstep/recipe/load_layer.hpp>
#include <halfstep/recipe/make_basis.hpp>
#include <halfstep/recipe/make_stages.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/safetensors/writer.hpp>

#include "parts.hpp"
#include "program/run.hpp"

using namespace halfstep;

constexpr extents2 shape{64, 256};

std::vector<float> write_model(std::string const& path) {
  std::vector<float> weight(static_cast<std::size_t>(shape.count()));
  for (std::size_t i = 0; i < weight.size(); ++i) weight[i] = std::sin(static_cast<float>(i) * 0.37f) * 0.05f;
  safetensors::writer file(path, safetensors::arrange({{"blocks.0.weight", dtype::f32, {64, 256}}}, {}), file::overwrite::replace,
                           {});
  file.write(file.at("blocks.0.weight"), 0, std::as_bytes(std::span(weight)));
  file.commit();
  return weight;
}

/// Prints what was read back; throws where it is not what was asked for.
template <class Layout, class Basis>
void show(quantized_tensor<Layout, host_space, Basis> const& layer, std::vector<float> const& weight, run_report const& report) {
  auto const back = dequantize(threads(), layer);
  double steps = 0;
  for (index_t i = 0; i < back.size(); ++i)
    steps = std::fmax(steps, std::fabs(back[i] - weight[static_cast<std::size_t>(i)]) / layer.groups()(i / shape.columns, 0));
  std::printf("%s in %s: %.2f steps; %s\n", Layout::name.data(), Basis::name.data(), steps, report.layers[0].method.c_str());
  if (!std::is_same_v<Basis, mirrored> || steps > 1.6) throw error("that is not what was asked for");
}

int main(int count, char** arguments) {
  return program::run("custom_format", [&](std::atomic<bool> const&) {
    if (count != 2) throw usage_error("a folder is wanted: custom_format FOLDER");
    std::string const input = std::string(arguments[1]) + "/model.safetensors", output = input + ".int6";
    auto const weight = write_model(input);

    format_table const formats(make_format<int6_axis, ordered_dither>());
    basis_table const bases(make_basis<mirrored>());
    stage_table const stages(make_solver<carry_forward, int6_axis::grid>());
    conversion_options options{.input = input, .output = output, .existing = file::overwrite::replace};
    options.layers.target = {.format = format_of<int6_axis>, .rounding = "ordered_dither", .solver = "carry_forward"};
    options.layers.rules = rule_source::none;  // every matrix
    options.layers.target.bases = {bases.at("mirrored")};
    run_report const report = convert(threads(), options, formats, stages);

    layer_table<type_list<int8_axis, int6_axis>, type_list<identity, mirrored>> const table;
    load_layer(safetensors::reader(output), "blocks.0", table, [&](auto const& layer) { show(layer, weight, report); });
  });
}
