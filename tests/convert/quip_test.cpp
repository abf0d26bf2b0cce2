// Layers that QuIP works on, in the original basis and stored transformed.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/recipe/bases.hpp>
#include <halfstep/tensor/incoherent.hpp>
#include <halfstep/transform/two_sided_hadamard.hpp>

#include "converted.hpp"
#include "scene.hpp"

namespace {

using namespace halfstep_test;
using halfstep::extents2;
using halfstep::format_of;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::int8_axis;
using halfstep::recipe;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr extents2 shape{192, 320};
constexpr index_t samples = 700;

/// Weights with heavy tails: what a rotation is for.
halfstep::host_buffer<float> heavy() {
  auto w = noise(shape, 21);
  for (index_t i = 0; i < w.size(); ++i) w[i] *= i % 61 == 0 ? 12.0f : i % 7 == 0 ? 3.0f : 1.0f;
  return w;
}

/// Inputs that go together: each a blend with its left neighbour.
halfstep::host_buffer<float> inputs() {
  auto x = noise({samples, shape.columns}, 77);
  for (index_t i = 0; i < x.size(); ++i)
    if (i % shape.columns != 0) x[i] = 0.9f * x[i - 1] + x[i] + 0.003f;
  return x;
}

model_part part_of(std::string name, halfstep::host_buffer<float> const& x, std::vector<std::uint64_t> extents) {
  auto const bytes = std::as_bytes(std::span(x.data(), static_cast<std::size_t>(x.size())));
  return {{std::move(name), halfstep::dtype::f32, std::move(extents)}, {bytes.begin(), bytes.end()}};
}

class QuipLayers : public testing::Test {
 protected:
  QuipLayers() {
    write_model(input,
                {part_of("blocks.0.w.weight", heavy(), {192, 320}), part_of("blocks.0.w.bias", noise({1, 192}, 9), {192})});
    write_model(calibration, {part_of("blocks.0.w.input", inputs(), {samples, 320})});
  }

  halfstep::layer_quality convert(recipe how, std::vector<std::string> const& known = {}, int threads = 2,
                                  std::string const& to = "out", std::uint64_t seed = 0) {
    if (how.solver == "none") how.solver = "quip";
    halfstep::safetensors::reader const from(input);
    halfstep::calibration_files const files(known);
    halfstep::plan_options options{.target = how, .markers = halfstep::marker_style::fork, .rules = halfstep::rule_source::none};
    if (files.any()) options.inputs.emplace("blocks.0.w", files.inputs_of("blocks.0.w", 320).known());
    auto const what = halfstep::make_plan(from.head(), options);
    halfstep::solve_options solving;
    solving.quip_seed = seed;
    return converted(halfstep::threads(threads), from, what, folder.file(to),
                     {.solving = solving, .inputs = &files, .tamper = tamper})
        .at(0);
  }

  template <class T>
  std::vector<T> stored(std::string const& ending, std::string const& file = "out") {
    halfstep::safetensors::reader const made(folder.file(file));
    auto const* const t = made.head().find("blocks.0.w" + ending);
    if (t == nullptr) return {};
    std::vector<T> values(static_cast<std::size_t>(t->count()));
    made.read(*t, 0, std::as_writable_bytes(std::span(values)));
    return values;
  }

  /// The weight that a file with axis scales stands for.
  halfstep::host_buffer<float> weight_of_file() {
    auto const codes = stored<std::int8_t>(".weight");
    auto const scales = stored<float>(".weight_scale");
    if (stored<std::int8_t>(".hadamard_quip").empty()) {
      halfstep::host_buffer<float> w(shape.count());
      for (index_t i = 0; i < w.size(); ++i)
        w[i] = static_cast<float>(codes[static_cast<std::size_t>(i)]) * scales[static_cast<std::size_t>(i / shape.columns)];
      return w;
    }
    halfstep::two_sided_hadamard const basis(shape, stored<float>(".sign_row"), stored<float>(".sign_col"));
    halfstep::quantized_tensor<int8_axis, halfstep::host_space, halfstep::two_sided_hadamard> q(basis.padded(), basis);
    std::copy(codes.begin(), codes.end(), q.codes().data());
    std::copy(scales.begin(), scales.end(), q.groups().data());
    return halfstep::dequantize(halfstep::serial{}, q);
  }

  static double sqnr(halfstep::host_buffer<float> const& found) {
    auto const w = heavy();
    double lost = 0.0, signal = 0.0;
    for (index_t i = 0; i < w.size(); ++i) {
      lost += std::pow(static_cast<double>(w[i]) - static_cast<double>(found[i]), 2);
      signal += std::pow(static_cast<double>(w[i]), 2);
    }
    return 10.0 * std::log10(signal / lost);
  }

  /// |X (E)^T| / |X W^T| in dB, without a correction of the bias.
  static double output_error(halfstep::host_buffer<float> const& found) {
    auto const w = heavy(), x = inputs();
    double lost = 0.0, signal = 0.0;
    for (index_t n = 0; n < samples; n += 3)
      for (index_t i = 0; i < shape.rows; ++i) {
        double exact = 0.0, off = 0.0;
        for (index_t j = 0; j < shape.columns; ++j) {
          auto const in = static_cast<double>(x[n * shape.columns + j]);
          exact += in * static_cast<double>(w[i * shape.columns + j]);
          off += in * (static_cast<double>(w[i * shape.columns + j]) - static_cast<double>(found[i * shape.columns + j]));
        }
        signal += exact * exact;
        lost += off * off;
      }
    return 10.0 * std::log10(lost / signal);
  }

  scratch_folder folder;
  std::string const input = folder.file("model.safetensors");
  std::string const calibration = folder.file("inputs.safetensors");
  std::function<void(halfstep::safetensors::writer&)> tamper;
};

recipe const plain{.format = format_of<halfstep::int8_axis>, .scales = "auto"};
recipe const transformed{.format = format_of<halfstep::int8_axis>, .bases = {halfstep::incoherent()}, .scales = "auto"};

TEST_F(QuipLayers, InTheOriginalBasisAreScaleSearchedRoundingWithoutAHessian) {
  auto const found = convert(plain);
  EXPECT_THAT(found.method, HasSubstr("no quip: its inputs are not known"));
  auto const codes = stored<std::int8_t>(".weight");
  auto const scales = stored<float>(".weight_scale");
  recipe searched = plain;
  searched.solver = "auto";  // nothing is known: rounds to nearest
  convert(searched, {}, 2, "searched");
  EXPECT_EQ(codes, stored<std::int8_t>(".weight", "searched"));
  EXPECT_EQ(scales, stored<float>(".weight_scale", "searched"));
}

TEST_F(QuipLayers, InTheOriginalBasisLoseMuchLessOnTheirInputsWithAHessian) {
  convert(plain);
  double const rounded = output_error(weight_of_file());
  auto const found = convert(plain, {calibration});
  EXPECT_THAT(found.method, HasSubstr("quip"));
  ASSERT_TRUE(found.solved);
  EXPECT_LE(found.solved->loss_after, found.solved->loss_before);
  EXPECT_LT(output_error(weight_of_file()), rounded - 4.0);
  EXPECT_TRUE(stored<std::int8_t>(".hadamard_quip").empty());
}

TEST_F(QuipLayers, StoredTransformedHaveTheKeysOfTheFormat) {
  auto const found = convert(transformed);
  EXPECT_THAT(stored<std::int8_t>(".hadamard_quip"), ElementsAre(1));
  EXPECT_THAT(stored<std::int32_t>(".hadamard_size_out"), ElementsAre(256));
  EXPECT_THAT(stored<std::int32_t>(".hadamard_size_in"), ElementsAre(512));
  auto const rows = stored<float>(".sign_row"), columns = stored<float>(".sign_col");
  EXPECT_EQ(rows.size(), 256u);
  EXPECT_EQ(columns.size(), 512u);
  EXPECT_THAT(rows, Each(testing::AnyOf(1.0f, -1.0f)));
  EXPECT_EQ(stored<std::int8_t>(".weight").size(), 256u * 512u);
  EXPECT_EQ(to_string(found.how), "int8_axiswise + quip");
}

TEST_F(QuipLayers, StoredTransformedComeBackAtLeastTwoDecibelsCloser) {
  convert(plain);
  double const before = sqnr(weight_of_file());
  auto const found = convert(transformed);
  double const after = sqnr(weight_of_file());
  EXPECT_GT(after, before + 2.0);
  EXPECT_NEAR(found.sqnr(), after, 1e-3);  // the report is of the weight that comes back
  EXPECT_EQ(found.shape, shape);
}

TEST_F(QuipLayers, StoredTransformedLoseLessOnTheirInputsWithAHessian) {
  convert(transformed);
  double const rounded = output_error(weight_of_file());
  auto const found = convert(transformed, {calibration});
  auto const w = weight_of_file();
  double const solved = output_error(w);
  EXPECT_LT(solved, rounded - 2.0);
  ASSERT_TRUE(found.output_error);
  EXPECT_LT(20.0 * std::log10(*found.output_error), solved + 1.5);  // with the corrected bias, on rows that are held out
  EXPECT_EQ(found.bias, halfstep::bias_state::corrected);
  EXPECT_FALSE(found.output_error_8bit);
  auto const bias = noise({1, 192}, 9);
  EXPECT_NE(stored<float>(".bias"), std::vector<float>(bias.begin(), bias.end()));
}

TEST_F(QuipLayers, AreTheSameBytesForAnyThreadsAndOthersForAnotherSeed) {
  for (auto const& known : {std::vector<std::string>{}, std::vector<std::string>{calibration}}) {
    convert(transformed, known, 1, "one");
    convert(transformed, known, 5, "five");
    EXPECT_EQ(bytes_of(folder.file("one")), bytes_of(folder.file("five")));
    convert(transformed, known, 2, "other", 8);
    EXPECT_NE(stored<float>(".sign_col", "other"), stored<float>(".sign_col", "one"));
    convert(transformed, known, 2, "again", 8);
    EXPECT_EQ(bytes_of(folder.file("other")), bytes_of(folder.file("again")));
  }
}

TEST_F(QuipLayers, StoreTensorAndBlockScalesToo) {
  for (recipe how : {transformed, transformed}) {
    how.format = format_of<halfstep::int8_tensor>;
    EXPECT_GT(convert(how).sqnr(), 30.0);
    EXPECT_EQ(stored<float>(".weight_scale").size(), 1u);
    how.format = format_of<halfstep::int8_block<64>>;
    EXPECT_GT(convert(how, {calibration}).sqnr(), 30.0);
    EXPECT_EQ(stored<float>(".weight_scale").size(), 4u * 8u);
  }
}

TEST_F(QuipLayers, AreNotPublishedWithOtherCodesOrScalesOrSigns) {
  auto const change = [](std::string name, float value, std::uint64_t bytes) {
    return [=](halfstep::safetensors::writer& output) {
      output.write(output.at("blocks.0.w" + name), 8, std::as_bytes(std::span(&value, 1)).first(bytes));
    };
  };
  tamper = change(".weight", 3.0e-5f, 4);
  EXPECT_THAT(message_of([&] { convert(transformed); }), HasSubstr("reads back differently near row 0"));
  tamper = change(".weight_scale", 0.25f, 4);
  EXPECT_THAT(message_of([&] { convert(transformed); }), HasSubstr("reads back other scales"));
  tamper = change(".sign_row", 0.5f, 4);
  EXPECT_THAT(message_of([&] { convert(transformed); }), HasSubstr("'blocks.0.w.sign_row' reads back differently"));
  EXPECT_FALSE(std::filesystem::exists(folder.file("out")));
}

TEST_F(QuipLayers, StoredTransformedRefuseARotationOfTheirGroups) {
  recipe both = transformed;
  halfstep::rotate_by(both.bases, 64);
  EXPECT_THAT(message_of([&] { convert(both); }), HasSubstr("leave out `rotation`"));
}

TEST_F(QuipLayers, AreSmoothedFirst) {
  recipe how = transformed;
  how.bases = {halfstep::smoothquant(0.5), halfstep::incoherent()};
  auto const found = convert(how, {calibration});
  EXPECT_EQ(stored<float>(".smooth_factors").size(), 320u);
  ASSERT_TRUE(found.output_error);
  EXPECT_LT(20.0 * std::log10(*found.output_error), -38.0);
}

}  // namespace
