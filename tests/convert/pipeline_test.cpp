// Rows in pieces, whatever the executor and the size of the pieces.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/recipe/bases.hpp>
#include <halfstep/tensor/quantizer.hpp>

#include "converted.hpp"
#include "scene.hpp"

namespace {

using namespace halfstep_test;
using halfstep::extents2;
using halfstep::format_of;
using halfstep::index_t;
using halfstep::recipe;
using testing::HasSubstr;

halfstep::plan_options options_for(recipe const& how) { return {.target = how}; }

halfstep::plan plan_for(halfstep::safetensors::reader const& input, recipe const& how) {
  return halfstep::make_plan(input.head(), options_for(how));
}

std::vector<halfstep::layer_quality> convert(team_size team, std::string const& from, std::string const& to,
                                             halfstep::plan_options const& options, halfstep::convert_settings const& settings,
                                             halfstep::observer const& watcher = {}) {
  halfstep::safetensors::reader const input(from);
  return converted(team, input, halfstep::make_plan(input.head(), options), to, {.settings = settings, .watcher = watcher});
}

std::vector<halfstep::layer_quality> convert(team_size team, std::string const& from, std::string const& to, recipe const& how,
                                             halfstep::convert_settings const& settings, halfstep::observer const& watcher = {}) {
  return convert(team, from, to, options_for(how), settings, watcher);
}

std::vector<recipe> const recipes{{.format = format_of<halfstep::int8_block<64>>},
                                  {.format = format_of<halfstep::int8_axis>},
                                  {.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(64)}},
                                  {.format = format_of<halfstep::int8_axis>, .rounding = "stochastic"},
                                  {.format = format_of<halfstep::int8_tensor>},
                                  {.format = format_of<halfstep::fp16>}};

class Conversion : public testing::Test {
 protected:
  Conversion() { write_model(input, small_model()); }

  scratch_folder folder;
  std::string const input = folder.file("model.safetensors");
};

TEST_F(Conversion, WritesTheSameBytesOnEveryExecutorInEveryOrderAndPieceSize) {
  for (recipe const& how : recipes) {
    convert(halfstep::serial{}, input, folder.file("serial"), how, {.verify = halfstep::verification::full});
    auto const expected = bytes_of(folder.file("serial"));
    for (std::uint64_t const piece : {std::uint64_t{1}, std::uint64_t{100'000}, std::uint64_t{1} << 24}) {
      for (auto const order : {halfstep::piece_order::overlapped, halfstep::piece_order::one_tensor}) {
        for (int const count : {1, 2, 5}) {
          convert(halfstep::threads(count), input, folder.file("other"), how, {.piece_bytes = piece, .order = order});
          ASSERT_EQ(bytes_of(folder.file("other")), expected)
              << to_string(how) << ", pieces of " << piece << ", " << count << " threads";
        }
      }
    }
  }
}

TEST_F(Conversion, StoresWhatTheQuantizerMakesOfTheWholeTensor) {
  convert(halfstep::threads(2), input, folder.file("out"), recipes[1], {.piece_bytes = 1});
  halfstep::safetensors::reader const made(folder.file("out"));
  extents2 const e{320, 256};
  auto const x = noise<halfstep::bfloat16>(e, 1);
  auto const q = halfstep::quantizer<halfstep::int8_axis>()(halfstep::serial{}, x.view(e));
  std::vector<std::int8_t> codes(static_cast<std::size_t>(e.count()));
  std::vector<float> scales(320);
  made.read(*made.head().find("blocks.0.attn.weight"), 0, std::as_writable_bytes(std::span(codes)));
  made.read(*made.head().find("blocks.0.attn.weight_scale"), 0, std::as_writable_bytes(std::span(scales)));
  EXPECT_TRUE(std::equal(codes.begin(), codes.end(), q.codes().data()));
  EXPECT_TRUE(std::equal(scales.begin(), scales.end(), q.groups().data()));
}

TEST_F(Conversion, StoresAWeightThatIsOneBlockHighAsTheQuantizerDoes) {
  extents2 const e{64, 4096};
  write_model(folder.file("flat"), {weight<float>("blocks.0.flat.weight", e, 3)});
  recipe const how{.format = format_of<halfstep::int8_block<64>>};
  halfstep::plan_options const options{.target = how, .include = {"flat"}};
  convert(halfstep::threads(2), folder.file("flat"), folder.file("out"), options, {.piece_bytes = 1});
  halfstep::safetensors::reader const made(folder.file("out"));
  auto const x = noise<float>(e, 3);
  auto const q = halfstep::quantizer<halfstep::int8_block<64>>()(halfstep::serial{}, x.view(e));
  std::vector<std::int8_t> codes(static_cast<std::size_t>(e.count()));
  made.read(*made.head().find("blocks.0.flat.weight"), 0, std::as_writable_bytes(std::span(codes)));
  EXPECT_TRUE(std::equal(codes.begin(), codes.end(), q.codes().data()));
}

TEST_F(Conversion, CopiesWhatStaysByteForByte) {
  convert(halfstep::threads(2), input, folder.file("out"), recipes[0], {.piece_bytes = 100});
  halfstep::safetensors::reader const made(folder.file("out"));
  for (auto const& part : small_model()) {
    if (part.spec.name != "head.weight" && part.spec.name != "blocks.0.attn.bias") continue;
    std::vector<std::byte> bytes(part.bytes.size());
    made.read(*made.head().find(part.spec.name), 0, bytes);
    EXPECT_EQ(bytes, part.bytes) << part.spec.name;
  }
}

TEST_F(Conversion, ReportsTheErrorOfTheStoredBytes) {
  auto const layers = convert(halfstep::threads(2), input, folder.file("out"), recipes[1], {});
  ASSERT_EQ(layers.size(), 5u);
  halfstep::safetensors::reader const made(folder.file("out"));
  extents2 const e{256, 384};
  auto const x = noise<float>(e, 2);
  std::vector<std::int8_t> codes(static_cast<std::size_t>(e.count()));
  std::vector<float> scales(256);
  made.read(*made.head().find("blocks.0.mlp.weight"), 0, std::as_writable_bytes(std::span(codes)));
  made.read(*made.head().find("blocks.0.mlp.weight_scale"), 0, std::as_writable_bytes(std::span(scales)));
  double signal = 0, noise_energy = 0;
  for (index_t i = 0; i < e.count(); ++i) {
    double const error =
        x[i] - static_cast<double>(codes[static_cast<std::size_t>(i)]) * scales[static_cast<std::size_t>(i / e.columns)];
    signal += static_cast<double>(x[i]) * x[i];
    noise_energy += error * error;
  }
  auto const layer = std::find_if(layers.begin(), layers.end(), [](auto const& l) { return l.layer == "blocks.0.mlp"; });
  ASSERT_NE(layer, layers.end());
  EXPECT_NEAR(layer->sqnr(), 10 * std::log10(signal / noise_energy), 1e-3);
  EXPECT_EQ(layer->scale_min, *std::min_element(scales.begin(), scales.end()));
  EXPECT_EQ(layer->scale_max, *std::max_element(scales.begin(), scales.end()));
}

TEST_F(Conversion, NamesTheTensorAndTheElementThatIsNotFinite) {
  for (recipe const& how : recipes) {
    auto parts = small_model();
    auto const bad = halfstep::to_bfloat16(std::numeric_limits<float>::quiet_NaN());
    std::memcpy(parts[0].bytes.data() + (3 * 256 + 5) * 2, &bad, 2);
    write_model(input, parts);
    std::string const said =
        message_of([&] { convert(halfstep::threads(2), input, folder.file("out"), how, {.piece_bytes = 1}); });
    EXPECT_THAT(said, HasSubstr("'blocks.0.attn.weight'")) << to_string(how);
    EXPECT_THAT(said, HasSubstr("row 3, column 5")) << to_string(how);
    EXPECT_FALSE(std::filesystem::exists(folder.file("out"))) << to_string(how);
    EXPECT_FALSE(std::filesystem::exists(folder.file("out") + ".part")) << to_string(how);
  }
}

TEST_F(Conversion, StopsWithinAPieceAndLeavesNothing) {
  for (recipe const& how : recipes) {
    std::atomic<int> pieces{0};
    halfstep::observer const watcher{.advanced = [&](std::string_view, std::uint64_t) { ++pieces; },
                                     .cancelled = [&] { return pieces > 3; }};
    EXPECT_THROW(convert(halfstep::threads(2), input, folder.file("out"), how, {.piece_bytes = 1}, watcher), halfstep::cancelled);
    EXPECT_LE(pieces, 6);
    EXPECT_FALSE(std::filesystem::exists(folder.file("out") + ".part"));
  }
}

TEST_F(Conversion, TellsTheObserverOfEveryInputByteOnce) {
  for (recipe const& how : recipes) {
    std::atomic<std::uint64_t> seen{0};
    halfstep::observer const watcher{.advanced = [&](std::string_view, std::uint64_t bytes) { seen += bytes; }, .cancelled = {}};
    convert(halfstep::threads(2), input, folder.file("out"), how, {.piece_bytes = 1000}, watcher);
    EXPECT_EQ(seen, halfstep::safetensors::reader(input).head().data_bytes()) << to_string(how);
  }
}

TEST_F(Conversion, FindsACodeThatChangedOnTheDisk) {
  halfstep::safetensors::reader const from(input);
  for (recipe const& how : recipes) {
    for (std::string const name : {"blocks.0.attn.weight", "head.weight"}) {
      auto const flip = [&](halfstep::safetensors::writer& output) {
        std::byte stored[2];
        output.read_back(output.at(name), 200, stored);
        stored[1] ^= std::byte{0x10};
        output.write(output.at(name), 200, stored);
      };
      EXPECT_THROW(converted(halfstep::serial{}, from, plan_for(from, how), folder.file("out"), {.tamper = flip}),
                   halfstep::contract_error)
          << to_string(how) << " " << name;
    }
  }
}

}  // namespace
