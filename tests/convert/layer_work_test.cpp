// Layers that are held in memory as a whole: searched scales, solvers, known inputs.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/recipe/bases.hpp>
#include <solvers/solvers.hpp>

#include "converted.hpp"
#include "scene.hpp"

namespace {

using namespace halfstep_test;
using halfstep::extents2;
using halfstep::format_of;
using halfstep::index_t;
using halfstep::recipe;
using testing::Each;
using testing::HasSubstr;

/// Inputs of the layer blocks.0.attn: correlated, with a mean.
constexpr index_t input_rows = 600;  // more than twice the columns, else their Hessian is drawn to its diagonal

/// Inputs [input_rows, 256] that mostly lie in 32 directions.
halfstep::host_buffer<float> sampled_inputs() {
  auto x = noise({input_rows, 256}, 77);
  auto const common = noise({input_rows, 32}, 78);
  for (index_t i = 0; i < x.size(); ++i)
    x[i] = (0.3f * x[i] + common[i / 256 * 32 + i % 32]) * (1.0f + static_cast<float>(i % 256 % 7)) +
           0.05f * static_cast<float>(i % 256 % 3);
  return x;
}

class WholeLayers : public testing::Test {
 protected:
  WholeLayers() {
    write_model(input, small_model());
    auto const x = sampled_inputs();
    auto const bytes = std::as_bytes(std::span(x.data(), static_cast<std::size_t>(x.size())));
    write_model(calibration, {{{"blocks.0.attn.input", halfstep::dtype::f32, {input_rows, 256}}, {bytes.begin(), bytes.end()}}});
  }

  std::vector<halfstep::layer_quality> convert(
      team_size team, std::string const& to, recipe const& how, std::vector<std::string> const& known = {},
      halfstep::convert_settings const& settings = {.verify = halfstep::verification::full},
      halfstep::observer const& watcher = {}) {
    halfstep::safetensors::reader const from(input);
    halfstep::calibration_files const inputs(known);
    halfstep::plan_options options;
    options.target = how;
    if (inputs.any()) {
      options.inputs.emplace("blocks.0.attn", inputs.inputs_of("blocks.0.attn", 256).known());
      options.static_activations = halfstep::activation_scales::store;
    }
    auto const what = halfstep::make_plan(from.head(), options);
    return converted(team, from, what, to,
                     {.settings = settings, .watcher = watcher, .solving = {.min_k = 16}, .inputs = &inputs, .stages = stages});
  }

  template <class T>
  std::vector<T> stored(std::string const& file, std::string const& name) {
    halfstep::safetensors::reader const made(file);
    auto const* const t = made.head().find(name);
    std::vector<T> values(static_cast<std::size_t>(t->count()));
    made.read(*t, 0, std::as_writable_bytes(std::span(values)));
    return values;
  }

  std::optional<halfstep::stage_table> stages;
  scratch_folder folder;
  std::string const input = folder.file("model.safetensors");
  std::string const calibration = folder.file("inputs.safetensors");
};

std::vector<recipe> const recipes{
    {.format = format_of<halfstep::int8_block<64>>, .scales = "auto"},
    {.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(64)}, .scales = "auto"},
    {.format = format_of<halfstep::int8_axis>, .rounding = "stochastic", .scales = "auto"},
    {.format = format_of<halfstep::int8_tensor>, .scales = "mse"},
    {.format = format_of<halfstep::int8_axis>, .scales = "auto", .solver = "coordinate"},
    {.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(64)}, .scales = "auto", .solver = "auto"},
    {.format = format_of<halfstep::int8_tensor>, .scales = "auto", .solver = "gptq"},
    {.format = format_of<halfstep::int8_tensor>, .scales = "absmax", .solver = "coordinate"}};

TEST_F(WholeLayers, GetTheSameBytesOnEveryExecutorWithAndWithoutKnownInputs) {
  for (auto const& known : {std::vector<std::string>{}, std::vector<std::string>{calibration}})
    for (recipe const& how : recipes) {
      convert(halfstep::serial{}, folder.file("serial"), how, known);
      auto const expected = bytes_of(folder.file("serial"));
      for (int const count : {2, 5}) {
        convert(halfstep::threads(count), folder.file("other"), how, known,
                {.piece_bytes = 5000, .order = halfstep::piece_order::one_tensor});
        ASSERT_EQ(bytes_of(folder.file("other")), expected) << to_string(how) << ", " << count << " threads";
      }
    }
}

TEST_F(WholeLayers, WithoutSearchAreWhatThePiecesMake) {
  recipe const how{.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(64)}};
  convert(halfstep::threads(2), folder.file("pieces"), how);
  auto const expected = stored<std::int8_t>(folder.file("pieces"), "blocks.1.mlp.weight");
  convert(halfstep::threads(2), folder.file("whole"), how, {calibration});  // known inputs hold every layer in memory
  EXPECT_EQ(stored<std::int8_t>(folder.file("whole"), "blocks.1.mlp.weight"), expected);
}

TEST_F(WholeLayers, AreBetterThanAbsmaxAndNeverMoreThanHalfAStepOff) {
  recipe how{.format = format_of<halfstep::int8_axis>};
  auto const plain = convert(halfstep::threads(2), folder.file("plain"), how);
  how.scales = "auto";
  auto const searched = convert(halfstep::threads(2), folder.file("searched"), how);
  ASSERT_EQ(plain.size(), searched.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    EXPECT_GT(searched[i].sqnr(), plain[i].sqnr()) << plain[i].layer;
    EXPECT_EQ(searched[i].method, "bounded scales");
    EXPECT_EQ(plain[i].method, "");
    index_t all = 0;
    for (auto const n : searched[i].error_steps) all += n;
    EXPECT_EQ(all, searched[i].shape.count());
    for (std::size_t bin = 11; bin < 20; ++bin) EXPECT_EQ(searched[i].error_steps[bin], 0);
  }
}

TEST_F(WholeLayers, AreRoundedWithTheSecondMomentsOfTheirInputsWhereTheseAreKnown) {
  recipe how{.format = format_of<halfstep::int8_axis>, .scales = "auto"};
  auto const nearest = convert(halfstep::threads(2), folder.file("out"), how, {calibration});
  for (std::string const solver : {"auto", "gptq"}) {
    how.solver = solver;
    auto const fed_back = convert(halfstep::threads(2), folder.file("out"), how, {calibration});
    for (std::size_t i = 0; i < fed_back.size(); ++i) {
      if (fed_back[i].layer == "blocks.0.attn") {
        EXPECT_EQ(fed_back[i].method, "scales weighted by the inputs, gptq");
        EXPECT_EQ(fed_back[i].bias, halfstep::bias_state::corrected);
        EXPECT_LT(*fed_back[i].output_error, 0.6 * *nearest[i].output_error);
        ASSERT_TRUE(fed_back[i].solved);
        EXPECT_LT(fed_back[i].solved->loss_after, 0.6 * fed_back[i].solved->loss_before);
        EXPECT_EQ(fed_back[i].solved->damping, 0.05);
      } else {
        EXPECT_FALSE(fed_back[i].solved);
        EXPECT_EQ(fed_back[i].sqnr(), nearest[i].sqnr());
        EXPECT_EQ(fed_back[i].method, solver == "gptq" ? "bounded scales, no gptq: its inputs are not known" : "bounded scales");
      }
    }
  }
}

TEST_F(WholeLayers, KeepTheMeanOfTheOutputsThroughTheBias) {
  auto const x = sampled_inputs();
  auto const w = noise<halfstep::bfloat16>({320, 256}, 1);
  auto const layers = convert(halfstep::threads(2), folder.file("out"),
                              {.format = format_of<halfstep::int8_axis>, .scales = "auto"}, {calibration});
  auto const bias = noise({1, 320}, 9);
  auto const corrected = stored<float>(folder.file("out"), "blocks.0.attn.bias");
  auto const codes = stored<std::int8_t>(folder.file("out"), "blocks.0.attn.weight");
  auto const scales = stored<float>(folder.file("out"), "blocks.0.attn.weight_scale");
  std::vector<double> mean(256);
  for (index_t i = 0; i < x.size(); ++i) mean[static_cast<std::size_t>(i % 256)] += static_cast<double>(x[i]) / static_cast<double>(input_rows);
  double off = 0.0, size = 0.0, uncorrected = 0.0;
  for (index_t i = 0; i < 320; ++i) {
    double before = static_cast<double>(bias[i]), after = static_cast<double>(corrected[static_cast<std::size_t>(i)]);
    double kept = before;
    for (index_t j = 0; j < 256; ++j) {
      double const mu = mean[static_cast<std::size_t>(j)];
      double const q = static_cast<double>(codes[static_cast<std::size_t>(i * 256 + j)]) *
                       static_cast<double>(scales[static_cast<std::size_t>(i)]);
      before += static_cast<double>(halfstep::widen(w[i * 256 + j])) * mu;
      after += q * mu;
      kept += q * mu;
    }
    off += (after - before) * (after - before);
    uncorrected += (kept - before) * (kept - before);
    size += before * before;
  }
  EXPECT_LT(std::sqrt(off / size), 1e-5);
  EXPECT_GT(std::sqrt(uncorrected / size), 1e-4);  // there was something to correct
  auto const layer = std::find_if(layers.begin(), layers.end(), [](auto const& l) { return l.layer == "blocks.0.attn"; });
  EXPECT_EQ(layer->bias, halfstep::bias_state::corrected);
  EXPECT_EQ(layer->method, "scales weighted by the inputs");
}

TEST_F(WholeLayers, LeaveTheBiasAloneWithoutKnownInputs) {
  auto const layers = convert(halfstep::threads(2), folder.file("out"), recipes[4]);
  auto const bias = noise({1, 320}, 9);
  auto const kept = stored<float>(folder.file("out"), "blocks.0.attn.bias");
  EXPECT_TRUE(std::equal(kept.begin(), kept.end(), bias.begin()));
  auto const layer = std::find_if(layers.begin(), layers.end(), [](auto const& l) { return l.layer == "blocks.0.attn"; });
  EXPECT_EQ(layer->bias, halfstep::bias_state::kept);
  EXPECT_EQ(layers.back().bias, halfstep::bias_state::none);
}

TEST_F(WholeLayers, StoreTheStaticScaleOfKnownInputs) {
  convert(halfstep::threads(2), folder.file("out"), {.format = format_of<halfstep::int8_axis>, .scales = "auto"}, {calibration});
  auto const x = sampled_inputs();
  float most = 0.0f;
  for (float const v : x) most = std::max(most, std::fabs(v));
  EXPECT_THAT(stored<float>(folder.file("out"), "blocks.0.attn.input_scale"), Each(testing::FloatEq(most / 127.0f)));
}

/// Every tenth row is held out: what is reported is what codes of the other rows lose on it.
TEST_F(WholeLayers, ReportTheErrorOfTheirOutputsOnRowsThatAreHeldOut) {
  recipe const how{.format = format_of<halfstep::int8_axis>, .scales = "auto"};
  auto const layers = convert(halfstep::threads(2), folder.file("all"), how, {calibration});
  std::vector<float> others;
  auto const all = sampled_inputs();
  for (index_t i = 0; i < all.size(); ++i)
    if (i / 256 % 10 != 9) others.push_back(all[i]);
  auto const bytes = std::as_bytes(std::span(others));
  write_model(folder.file("others.safetensors"),
              {{{"blocks.0.attn.input", halfstep::dtype::f32, {input_rows / 10 * 9, 256}}, {bytes.begin(), bytes.end()}}});
  convert(halfstep::threads(2), folder.file("out"), how, {folder.file("others.safetensors")});
  auto const layer = std::find_if(layers.begin(), layers.end(), [](auto const& l) { return l.layer == "blocks.0.attn"; });
  ASSERT_TRUE(layer->output_error && layer->output_error_8bit);
  auto const x = sampled_inputs();
  auto const w = noise<halfstep::bfloat16>({320, 256}, 1);
  auto const bias = noise({1, 320}, 9);
  auto const corrected = stored<float>(folder.file("out"), "blocks.0.attn.bias");
  auto const codes = stored<std::int8_t>(folder.file("out"), "blocks.0.attn.weight");
  auto const scales = stored<float>(folder.file("out"), "blocks.0.attn.weight_scale");
  double lost = 0.0, lost_8bit = 0.0, signal = 0.0;
  for (index_t n = 9; n < input_rows; n += 10) {
    float most = 0.0f;
    for (index_t j = 0; j < 256; ++j) most = std::max(most, std::fabs(x[n * 256 + j]));
    double const step = static_cast<double>(most / 127.0f);
    for (index_t i = 0; i < 320; ++i) {
      double exact = 0.0, found = static_cast<double>(corrected[static_cast<std::size_t>(i)]) - static_cast<double>(bias[i]);
      double rounded = found;
      for (index_t j = 0; j < 256; ++j) {
        double const in = static_cast<double>(x[n * 256 + j]);
        double const q = static_cast<double>(codes[static_cast<std::size_t>(i * 256 + j)]) *
                         static_cast<double>(scales[static_cast<std::size_t>(i)]);
        exact += in * static_cast<double>(halfstep::widen(w[i * 256 + j]));
        found += in * q;
        rounded += step * std::nearbyint(in / step) * q;
      }
      signal += exact * exact;
      lost += (found - exact) * (found - exact);
      lost_8bit += (rounded - exact) * (rounded - exact);
    }
  }
  EXPECT_NEAR(20.0 * std::log10(*layer->output_error), 10.0 * std::log10(lost / signal), 0.01);
  EXPECT_NEAR(20.0 * std::log10(*layer->output_error_8bit), 10.0 * std::log10(lost_8bit / signal), 0.02);
  for (auto const& other : layers) EXPECT_EQ(other.output_error.has_value(), other.layer == "blocks.0.attn");
}

TEST_F(WholeLayers, SayWhatASolverDid) {
  auto const layers = convert(halfstep::threads(2), folder.file("out"), recipes[4]);
  for (auto const& layer : layers) {
    ASSERT_TRUE(layer.solved) << layer.layer;
    EXPECT_GT(layer.solved->gain_db(), 5.0) << layer.layer;
    EXPECT_LE(layer.solved->cost_db(), 0.105) << layer.layer;
    EXPECT_THAT(layer.method, HasSubstr("bounded scales, coordinate, k = "));
  }
}

TEST_F(WholeLayers, NameTheElementThatIsNotFiniteAndLeaveNothing) {
  for (recipe const& how : recipes) {
    auto parts = small_model();
    auto const bad = halfstep::to_bfloat16(std::numeric_limits<float>::infinity());
    std::memcpy(parts[0].bytes.data() + (3 * 256 + 5) * 2, &bad, 2);
    write_model(input, parts);
    std::string const said = message_of([&] { convert(halfstep::threads(2), folder.file("out"), how); });
    EXPECT_THAT(said, HasSubstr("'blocks.0.attn.weight'")) << to_string(how);
    EXPECT_THAT(said, HasSubstr("row 3, column 5")) << to_string(how);
    EXPECT_FALSE(std::filesystem::exists(folder.file("out") + ".part"));
  }
}

TEST_F(WholeLayers, StopInTheMiddleAndLeaveNothing) {
  for (recipe const& how : recipes) {
    std::atomic<int> asked{0};
    halfstep::observer const watcher{.advanced = {}, .cancelled = [&] { return ++asked > 12; }};
    EXPECT_THROW(convert(halfstep::threads(2), folder.file("out"), how, {}, {}, watcher), halfstep::cancelled);
    EXPECT_FALSE(std::filesystem::exists(folder.file("out") + ".part"));
  }
}

TEST_F(WholeLayers, TellTheObserverOfEveryInputByteOnce) {
  for (auto const& known : {std::vector<std::string>{}, std::vector<std::string>{calibration}}) {
    std::atomic<std::uint64_t> seen{0};
    halfstep::observer const watcher{.advanced = [&](std::string_view, std::uint64_t bytes) { seen += bytes; }, .cancelled = {}};
    convert(halfstep::threads(2), folder.file("out"), recipes[0], known, {}, watcher);
    EXPECT_EQ(seen, halfstep::safetensors::reader(input).head().data_bytes());
  }
}

TEST_F(WholeLayers, RefuseASolverThatTheTableLacks) {
  stages = convert_to_quant::stages_of_grids();
  stages->add(convert_to_quant::coordinate_solvers());
  EXPECT_THAT(message_of([&] {
                convert(halfstep::serial{}, folder.file("out"), {.format = format_of<halfstep::int8_axis>, .solver = "adamw"});
              }),
              HasSubstr("no solver 'adamw': this build has coordinate"));
}

}  // namespace
