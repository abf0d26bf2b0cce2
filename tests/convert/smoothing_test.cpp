// Smoothed layers through the whole conversion.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/kernel/hadamard.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/recipe/bases.hpp>
#include <halfstep/transform/smoothing.hpp>

#include "converted.hpp"
#include "scene.hpp"

namespace {

using namespace halfstep_test;
using halfstep::extents2;
using halfstep::format_of;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::recipe;
using testing::HasSubstr;

constexpr index_t samples = 60;
std::map<std::string, extents2> const shapes{{"blocks.0.attn", {320, 256}}, {"blocks.0.mlp", {256, 384}}};

/// Inputs with a mean, and with columns that are a hundred times larger than the others, as in a language model.
halfstep::host_buffer<float> inputs_of(index_t columns) {
  auto x = noise({samples, columns}, 55);
  for (index_t i = 0; i < x.size(); ++i) {
    if (i % columns % 50 == 3) x[i] *= 100.0f;
    if (i % columns % 50 == 7) x[i] = 0.0f;
    x[i] += 0.01f;
  }
  return x;
}

class SmoothedLayers : public testing::Test {
 protected:
  SmoothedLayers() {
    write_model(input, small_model());
    std::vector<model_part> parts;
    for (auto const& [name, e] : shapes) {
      auto const x = inputs_of(e.columns);
      auto const bytes = std::as_bytes(std::span(x.data(), static_cast<std::size_t>(x.size())));
      parts.push_back({{name + ".input", halfstep::dtype::f32, {samples, static_cast<std::uint64_t>(e.columns)}},
                       {bytes.begin(), bytes.end()}});
    }
    write_model(calibration, parts);
  }

  std::vector<halfstep::layer_quality> convert(recipe const& how, int threads = 2, std::string const& to = "out",
                                               std::uint64_t piece_bytes = 1 << 20) {
    halfstep::safetensors::reader const from(input);
    halfstep::calibration_files const known({calibration});
    halfstep::plan_options options{.target = how, .markers = halfstep::marker_style::fork};
    for (auto const& [name, e] : shapes) options.inputs.emplace(name, known.inputs_of(name, e.columns).known());
    auto const what = halfstep::make_plan(from.head(), options);
    halfstep::convert_settings const settings{.piece_bytes = piece_bytes, .verify = halfstep::verification::full};
    return converted(halfstep::threads(threads), from, what, folder.file(to),
                     {.settings = settings, .inputs = &known, .tamper = tamper});
  }

  template <class T>
  std::vector<T> stored(std::string const& name) {
    halfstep::safetensors::reader const made(folder.file("out"));
    auto const* const t = made.head().find(name);
    if (t == nullptr) return {};
    std::vector<T> values(static_cast<std::size_t>(t->count()));
    made.read(*t, 0, std::as_writable_bytes(std::span(values)));
    return values;
  }

  scratch_folder folder;
  std::string const input = folder.file("model.safetensors");
  std::string const calibration = folder.file("inputs.safetensors");
  std::function<void(halfstep::safetensors::writer&)> tamper;
};

std::vector<recipe> const recipes{
    {.format = format_of<halfstep::int8_block<64>>, .bases = {halfstep::smoothquant(0.5)}},
    {.format = format_of<halfstep::int8_axis>, .bases = {halfstep::smoothquant(0.5)}, .scales = "auto"},
    {.format = format_of<halfstep::int8_axis>, .bases = {halfstep::smoothquant(0.75), halfstep::convrot(64)}, .scales = "auto"},
    {.format = format_of<halfstep::int8_tensor>, .bases = {halfstep::smoothquant(0.3)}, .scales = "mse"}};

TEST_F(SmoothedLayers, KeepTheirOutputsWhenInputsAreDividedByTheStoredFactors) {
  auto const w = noise<float>({256, 384}, 2);
  auto const x = inputs_of(384);
  for (recipe const& how : recipes) {
    auto const layers = convert(how);
    auto const codes = stored<std::int8_t>("blocks.0.mlp.weight");
    auto const scales = stored<float>("blocks.0.mlp.weight_scale");
    auto const factors = stored<float>("blocks.0.mlp.smooth_factors");
    ASSERT_EQ(factors.size(), 384u);
    EXPECT_TRUE(stored<float>("blocks.1.mlp.smooth_factors").empty());
    EXPECT_GT(*std::max_element(factors.begin(), factors.end()), 3.0f * *std::min_element(factors.begin(), factors.end()));
    double lost = 0.0, signal = 0.0;
    for (index_t n = 0; n < samples; ++n) {
      std::vector<float> divided(384);
      for (index_t j = 0; j < 384; ++j)
        divided[static_cast<std::size_t>(j)] = x[n * 384 + j] / factors[static_cast<std::size_t>(j)];
      host_view<float> const row(divided.data(), {1, 384});
      if (halfstep::rotation_group_of(how.bases) != 0)
        halfstep::hadamard_regular(halfstep::serial{}, host_view<float const>(row), row, halfstep::rotation_group_of(how.bases));
      for (index_t i = 0; i < 256; ++i) {
        double exact = 0.0, found = 0.0;
        for (index_t j = 0; j < 384; ++j) {
          auto const group = how.format == format_of<halfstep::int8_axis>        ? i
                             : how.format == format_of<halfstep::int8_block<64>> ? i / 64 * 6 + j / 64
                                                                                 : 0;
          exact += static_cast<double>(x[n * 384 + j]) * static_cast<double>(w[i * 384 + j]);
          found += static_cast<double>(divided[static_cast<std::size_t>(j)]) *
                   static_cast<double>(codes[static_cast<std::size_t>(i * 384 + j)]) *
                   static_cast<double>(scales[static_cast<std::size_t>(group)]);
        }
        signal += exact * exact;
        lost += (exact - found) * (exact - found);
      }
    }
    double const off = 10.0 * std::log10(lost / signal);
    EXPECT_LT(off, -35.0) << to_string(how);
    auto const layer = std::find_if(layers.begin(), layers.end(), [](auto const& l) { return l.layer == "blocks.0.mlp"; });
    EXPECT_NEAR(20.0 * std::log10(*layer->output_error), off, 1.0) << to_string(how);  // on the rows that are held out
    EXPECT_GT(layer->sqnr(), 30.0);
    EXPECT_THAT(layer->method, HasSubstr("smoothed by the inputs"));
    EXPECT_EQ(to_string(layer->how), to_string(how));
  }
}

TEST_F(SmoothedLayers, LoseLessByActivationsInEightBits) {
  recipe how{.format = format_of<halfstep::int8_axis>};
  auto const plain = convert(how);
  how.bases = {halfstep::smoothquant(0.5)};
  auto const smoothed = convert(how);
  for (std::size_t i = 0; i < plain.size(); ++i)
    if (plain[i].output_error_8bit) {
      EXPECT_LT(*smoothed[i].output_error_8bit, 0.7 * *plain[i].output_error_8bit) << plain[i].layer;
    }
}

TEST_F(SmoothedLayers, HaveFactorsOfTheFormula) {
  convert(recipes[1]);
  auto const w = noise<float>({256, 384}, 2);
  auto const x = inputs_of(384);
  std::vector<float> input_max(384), weight_max(384);
  for (index_t i = 0; i < x.size(); ++i) {
    auto& most = input_max[static_cast<std::size_t>(i % 384)];
    most = std::max(most, std::fabs(x[i]));
  }
  for (index_t i = 0; i < w.size(); ++i) {
    auto& most = weight_max[static_cast<std::size_t>(i % 384)];
    most = std::max(most, std::fabs(w[i]));
  }
  EXPECT_EQ(stored<float>("blocks.0.mlp.smooth_factors"), halfstep::smoothing_factors(input_max, weight_max, 0.5));
}

TEST_F(SmoothedLayers, GetTheSameBytesForAnyThreadsAndPieces) {
  for (recipe const& how : recipes) {
    convert(how, 1, "one");
    convert(how, 5, "five", 5000);
    EXPECT_EQ(bytes_of(folder.file("one")), bytes_of(folder.file("five"))) << to_string(how);
  }
}

TEST_F(SmoothedLayers, AreNotPublishedWithOtherFactors) {
  tamper = [](halfstep::safetensors::writer& output) {
    float const other = 3.25f;
    output.write(output.at("blocks.0.mlp.smooth_factors"), 16, std::as_bytes(std::span(&other, 1)));
  };
  EXPECT_THAT(message_of([&] { convert(recipes[1]); }), HasSubstr("'blocks.0.mlp.smooth_factors' reads back differently"));
  EXPECT_FALSE(std::filesystem::exists(folder.file("out")));
}

}  // namespace
