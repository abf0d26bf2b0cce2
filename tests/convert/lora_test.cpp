// Adapters merged into a model on its way: as if the model had been merged beforehand.
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/recipe/bases.hpp>

#include "converted.hpp"
#include "scene.hpp"

namespace {

using namespace halfstep_test;
using halfstep::dtype;
using halfstep::extents2;
using halfstep::format_of;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::lora_merge;
using halfstep::recipe;
using testing::AllOf;
using testing::HasSubstr;

model_part vector_of(std::string const& name, std::uint64_t count, std::uint64_t seed) {
  model_part part = weight<float>(name, {1, static_cast<index_t>(count)}, seed);
  part.spec.shape = {count};
  return part;
}

std::vector<model_part> model_with_kept_tensors() {
  auto parts = small_model();
  parts.push_back(weight<halfstep::bfloat16>("final.weight", {150, 70}, 21));
  parts.push_back(weight<double>("router.weight", {40, 256}, 22));
  parts.push_back(vector_of("norm.weight", 256, 23));
  return parts;
}

/// Pairs for all layers but one, of different ranks, and differences.
std::vector<model_part> adapter() {
  std::vector<model_part> parts;
  auto const add = [&](std::string const& layer, index_t rows, index_t columns, index_t rank) {
    auto const seed = static_cast<std::uint64_t>(100 + 2 * parts.size());
    parts.push_back(weight<halfstep::float16>(layer + ".lora_A.weight", {rank, columns}, seed));
    parts.push_back(weight<halfstep::bfloat16>(layer + ".lora_B.weight", {rows, rank}, seed + 1));
  };
  add("diffusion_model.blocks.0.attn", 320, 256, 32);
  add("diffusion_model.blocks.0.mlp", 256, 384, 5);
  add("diffusion_model.blocks.1.attn", 256, 320, 16);
  add("diffusion_model.blocks.1.mlp", 384, 256, 1);
  add("diffusion_model.head", 10, 256, 4);
  add("diffusion_model.final", 150, 70, 8);
  add("diffusion_model.router", 40, 256, 3);
  parts.push_back(weight<float>("diffusion_model.blocks.1.attn.diff", {256, 320}, 150));
  parts.push_back(vector_of("diffusion_model.blocks.0.attn.diff_b", 320, 151));
  parts.push_back(vector_of("diffusion_model.norm.diff", 256, 152));
  return parts;
}

class LoraConversion : public testing::Test {
 protected:
  LoraConversion() {
    write_model(input, model_with_kept_tensors());
    write_model(lora, adapter());
    auto const x = noise({200, 256}, 77);
    auto const bytes = std::as_bytes(std::span(x.data(), static_cast<std::size_t>(x.size())));
    write_model(calibration, {{{"blocks.0.attn.input", dtype::f32, {200, 256}}, {bytes.begin(), bytes.end()}}});
  }

  std::vector<halfstep::layer_quality> convert(team_size team, std::string const& from, std::string const& to, recipe const& how,
                                               lora_merge const* merge, std::vector<std::string> const& known = {},
                                               halfstep::convert_settings const& settings = {
                                                   .verify = halfstep::verification::full}) {
    halfstep::safetensors::reader const model(from);
    halfstep::calibration_files const inputs(known);
    halfstep::plan_options options;
    options.target = how;
    if (inputs.any()) options.inputs.emplace("blocks.0.attn", inputs.inputs_of("blocks.0.attn", 256).known());
    auto const what = halfstep::make_plan(model.head(), options);
    return converted(team, model, what, to, {.settings = settings, .inputs = &inputs, .merge = merge});
  }

  lora_merge merged(std::vector<halfstep::lora_request> const& files) const {
    return lora_merge(files, {}, halfstep::safetensors::reader(input).head());
  }

  /// The model with the adapters in it, every merged weight in FP32.
  std::string merged_beforehand(lora_merge const& merge) {
    auto parts = model_with_kept_tensors();
    for (auto& part : parts) {
      auto const delta = merge.at(part.spec.name);
      if (delta == nullptr) continue;
      auto const rows = static_cast<index_t>(part.spec.shape[0]);
      std::vector<float> sum;
      halfstep::with_source_type(part.spec.type, [&]<class Source>(std::type_identity<Source>) {
        auto const* const x = reinterpret_cast<Source const*>(part.bytes.data());
        for (std::size_t i = 0; i < part.bytes.size() / sizeof(Source); ++i) sum.push_back(halfstep::widen(x[i]));
      });
      delta->add_to(host_view<float>(sum.data(), {rows, static_cast<index_t>(sum.size()) / rows}));
      auto const bytes = std::as_bytes(std::span(sum));
      part.spec.type = dtype::f32;
      part.bytes.assign(bytes.begin(), bytes.end());
    }
    write_model(folder.file("merged"), parts);
    return folder.file("merged");
  }

  template <class T>
  static std::vector<T> stored(std::string const& file, std::string const& name) {
    halfstep::safetensors::reader const made(file);
    auto const* const t = made.head().find(name);
    std::vector<T> values(static_cast<std::size_t>(t->count()));
    EXPECT_EQ(t->bytes(), values.size() * sizeof(T)) << name;
    made.read(*t, 0, std::as_writable_bytes(std::span(values)));
    return values;
  }

  static std::vector<std::byte> raw(std::string const& file, std::string const& name) {
    halfstep::safetensors::reader const made(file);
    auto const* const t = made.head().find(name);
    std::vector<std::byte> bytes(static_cast<std::size_t>(t->bytes()));
    made.read(*t, 0, bytes);
    return bytes;
  }

  scratch_folder folder;
  std::string const input = folder.file("model.safetensors");
  std::string const lora = folder.file("lora.safetensors");
  std::string const calibration = folder.file("inputs.safetensors");
};

std::vector<recipe> const recipes{{.format = format_of<halfstep::int8_block<64>>},
                                  {.format = format_of<halfstep::int8_axis>},
                                  {.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(64)}},
                                  {.format = format_of<halfstep::int8_axis>, .rounding = "stochastic"},
                                  {.format = format_of<halfstep::int8_tensor>},
                                  {.format = format_of<halfstep::fp16>},
                                  {.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(64)}, .scales = "auto"},
                                  {.format = format_of<halfstep::int8_tensor>, .scales = "mse"}};

TEST_F(LoraConversion, MakesTheCodesAndScalesOfAModelMergedBeforehand) {
  auto const merge = merged({{lora}, {lora, -0.5}});
  std::string const before = merged_beforehand(merge);
  for (recipe const& how : recipes)
    for (auto const& known : {std::vector<std::string>{}, std::vector<std::string>{calibration}}) {
      SCOPED_TRACE(to_string(how) + (known.empty() ? "" : ", known inputs"));
      auto const found = convert(halfstep::threads(2), input, folder.file("out"), how, &merge, known);
      auto const expected = convert(halfstep::serial{}, before, folder.file("expected"), how, nullptr, known);
      halfstep::safetensors::reader const out(folder.file("out"));
      for (auto const& layer : expected) {
        for (std::string const part : {".weight", ".weight_scale"}) {
          std::string const name = layer.layer + part;
          if (out.head().find(name) == nullptr) continue;
          EXPECT_TRUE(raw(folder.file("out"), name) == raw(folder.file("expected"), name)) << name;
        }
        for (auto const& mine : found) {
          if (mine.layer != layer.layer) continue;
          EXPECT_EQ(mine.error.error_square, layer.error.error_square) << "measured against the merged " << layer.layer;
          EXPECT_EQ(mine.error_steps, layer.error_steps) << layer.layer;
        }
      }
    }
}

TEST_F(LoraConversion, RoundsTensorsThatStayOnceIntoTheirOwnType) {
  auto const merge = merged({{lora}});
  std::string const before = merged_beforehand(merge);
  convert(halfstep::threads(2), input, folder.file("out"), recipes[1], &merge);
  EXPECT_EQ(raw(folder.file("out"), "head.weight"), raw(before, "head.weight"));
  EXPECT_EQ(raw(folder.file("out"), "norm.weight"), raw(before, "norm.weight"));
  EXPECT_EQ(raw(folder.file("out"), "blocks.0.attn.bias"), raw(before, "blocks.0.attn.bias"));
  auto const sum = stored<float>(before, "final.weight");
  auto const kept = stored<halfstep::bfloat16>(folder.file("out"), "final.weight");
  for (std::size_t i = 0; i < sum.size(); ++i)
    ASSERT_EQ(halfstep::widen(kept[i]), halfstep::widen(halfstep::narrow<halfstep::bfloat16>(sum[i])));
  EXPECT_NE(raw(folder.file("out"), "final.weight"), raw(input, "final.weight"));
  auto const wide = stored<double>(folder.file("out"), "router.weight"), exact = stored<double>(input, "router.weight");
  std::vector<float> added(wide.size(), 0.0f);
  merge.at("router.weight")->add_to(host_view<float>(added.data(), {40, 256}));
  for (std::size_t i = 0; i < wide.size(); ++i) ASSERT_EQ(wide[i], exact[i] + static_cast<double>(added[i]));
}

TEST_F(LoraConversion, LeavesWhatNoAdapterNamesAsItIs) {
  auto const merge = merged({{lora}});
  convert(halfstep::threads(2), input, folder.file("out"), recipes[1], &merge);
  convert(halfstep::threads(2), input, folder.file("plain"), recipes[1], nullptr);
  EXPECT_EQ(raw(folder.file("out"), "blocks.1.wide.weight"), raw(folder.file("plain"), "blocks.1.wide.weight"));
  EXPECT_NE(raw(folder.file("out"), "blocks.0.mlp.weight"), raw(folder.file("plain"), "blocks.0.mlp.weight"));
}

TEST_F(LoraConversion, GivesTheSameBytesForAnyThreadsAndPieces) {
  auto const merge = merged({{lora}, {lora, 0.25}});
  for (recipe const& how : recipes) {
    convert(halfstep::serial{}, input, folder.file("serial"), how, &merge);
    auto const expected = bytes_of(folder.file("serial"));
    for (auto const& [count, piece] : {std::pair{2, 700}, {5, 5000}, {2, 1 << 20}}) {
      convert(halfstep::threads(count), input, folder.file("other"), how, &merge, {},
              {.piece_bytes = static_cast<std::uint64_t>(piece), .order = halfstep::piece_order::one_tensor});
      ASSERT_EQ(bytes_of(folder.file("other")), expected) << to_string(how) << ", " << count << " threads, " << piece;
    }
  }
}

TEST_F(LoraConversion, CorrectsABiasAfterItsDifferenceIsMerged) {
  auto const merge = merged({{lora}});
  recipe const how{.format = format_of<halfstep::int8_axis>};
  convert(halfstep::threads(2), input, folder.file("out"), how, &merge, {calibration});
  convert(halfstep::threads(2), merged_beforehand(merge), folder.file("expected"), how, nullptr, {calibration});
  auto const bias = stored<float>(folder.file("out"), "blocks.0.attn.bias");
  auto const expected = stored<float>(folder.file("expected"), "blocks.0.attn.bias");
  EXPECT_NE(bias, stored<float>(input, "blocks.0.attn.bias"));
  for (std::size_t i = 0; i < bias.size(); ++i) ASSERT_NEAR(bias[i], expected[i], 1e-7f) << i;
}

TEST_F(LoraConversion, RefusesWhatExceedsTheTypeOnceItIsMerged) {
  auto const of = [&](std::string const& layer, extents2 e, float up) {
    std::vector<float> const a(static_cast<std::size_t>(e.columns), 1e38f), b(static_cast<std::size_t>(e.rows), up);
    auto const bytes = [](std::vector<float> const& x) {
      auto const all = std::as_bytes(std::span(x));
      return std::vector<std::byte>(all.begin(), all.end());
    };
    write_model(lora, {{{layer + ".lora_A.weight", dtype::f32, {1, a.size()}}, bytes(a)},
                       {{layer + ".lora_B.weight", dtype::f32, {b.size(), 1}}, bytes(b)}});
    auto const merge = merged({{lora}});
    return message_of([&] { convert(halfstep::threads(2), input, folder.file("out"), recipes[2], &merge); });
  };
  EXPECT_THAT(of("blocks.0.mlp", {256, 384}, 10.0f),
              AllOf(HasSubstr("'blocks.0.mlp.weight'"), HasSubstr("exceed FP32 once its LoRAs are merged")));
  EXPECT_THAT(of("final", {150, 70}, 10.0f),
              AllOf(HasSubstr("cannot merge LoRAs into 'final.weight'"), HasSubstr("exceeds BF16")));
}

TEST_F(LoraConversion, NoticesBytesThatChangeOnTheDisk) {
  auto const merge = merged({{lora}});
  halfstep::safetensors::reader const model(input);
  auto const what = halfstep::make_plan(model.head(), {.target = recipes[1]});
  for (std::string const name : {"blocks.0.attn.weight", "final.weight"}) {
    auto const flip = [&](halfstep::safetensors::writer& output) {
      std::vector<std::byte> byte(1);
      output.read_back(output.at(name), 100, byte);
      byte[0] ^= std::byte{0x40};
      output.write(output.at(name), 100, byte);
    };
    EXPECT_THAT(
        message_of([&] { converted(halfstep::serial{}, model, what, folder.file("out"), {.merge = &merge, .tamper = flip}); }),
        AllOf(HasSubstr(name), HasSubstr("reads back differently")));
  }
}

}  // namespace
