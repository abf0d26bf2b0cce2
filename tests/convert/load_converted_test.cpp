// Layers that the converter wrote, loaded as typed tensors: the numbers that it decodes itself where it quantizes them again.
#include <halfstep/recipe/load_layer.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/convert/weight_rows.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/layout/fp8_block.hpp>
#include <halfstep/layout/fp8_tensor.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/plan/stored_layers.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/tensor/dequantize.hpp>
#include <halfstep/transform/hadamard.hpp>

#include "converted.hpp"
#include "scene.hpp"

namespace {

using namespace halfstep;
using namespace halfstep_test;

using layouts = type_list<int8_block<64>, int8_axis, int8_tensor, fp8_block<64>, fp8_tensor>;
constexpr layer_table<layouts, type_list<identity, regular_hadamard>> table;

/// What the converter decodes a layer to.
std::vector<float> decoded(safetensors::reader const& file, std::string const& layer) {
  std::vector<format> formats;
  layouts::for_each([&]<class Layout>() { formats.push_back(format_of<Layout>); });
  auto const read = [&](safetensors::tensor const& t, std::uint64_t at, std::span<std::byte> into) { file.read(t, at, into); };
  planned_tensor tensor;
  tensor.input = *file.head().find(layer + ".weight");
  auto const stored = stored_layers(file.head(), formats, read);
  EXPECT_EQ(stored.layers.at(layer).obstacle, "");
  tensor.coded = stored.layers.at(layer).codes;
  workspace memory;
  auto const bytes = read_rows(file, tensor, 0, static_cast<index_t>(tensor.input.shape[0]), memory);
  std::vector<float> numbers(bytes.size() / sizeof(float));
  std::copy(bytes.begin(), bytes.end(), std::as_writable_bytes(std::span(numbers)).begin());
  return numbers;
}

TEST(LoadConverted, GivesWhatTheConverterDecodes) {
  scratch_folder const folder;
  write_model(folder.file("in"), small_model());
  safetensors::reader const input(folder.file("in"));
  std::vector<recipe> const recipes{{.format = format_of<int8_block<64>>},
                                    {.format = format_of<int8_axis>},
                                    {.format = format_of<int8_axis>, .bases = {convrot(64)}},
                                    {.format = format_of<int8_tensor>},
                                    {.format = format_of<fp8_block<64>>},
                                    {.format = format_of<fp8_tensor>}};
  int loaded = 0;
  for (auto const& how : recipes)
    for (auto const style : {marker_style::comfyui, marker_style::fork, marker_style::none}) {
      if (style == marker_style::none && !how.bases.empty()) continue;  // nothing would say that it is rotated
      SCOPED_TRACE(to_string(how));
      auto const out = folder.file("out" + std::to_string(loaded));
      auto const layers = converted(serial{}, input, make_plan(input.head(), {.target = how, .markers = style}), out);
      safetensors::reader const file(out);
      for (auto const& layer : layers) {
        auto const expected = decoded(file, layer.layer);
        load_layer(file, layer.layer, table,
                   [&]<class Layout, class Basis>(quantized_tensor<Layout, host_space, Basis> const& q) {
                     EXPECT_EQ(Layout::name, how.format.name);
                     auto const numbers = dequantize(serial{}, q);
                     EXPECT_TRUE(std::equal(numbers.begin(), numbers.end(), expected.begin(), expected.end())) << layer.layer;
                   });
        ++loaded;
      }
    }
  EXPECT_GE(loaded, 17 * 5);
}

}  // namespace
