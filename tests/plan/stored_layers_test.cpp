#include <halfstep/plan/stored_layers.hpp>
#include <halfstep/recipe/bases.hpp>

#include <cstring>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models.hpp"

namespace {

using halfstep::dtype;
using halfstep::extents2;
using halfstep::stored_layer;
using halfstep::stored_model;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;
using specs = std::vector<halfstep::safetensors::tensor_spec>;

/// What is found in a file with these tensors, markers by layer, and metadata.
stored_model found_in(specs tensors, std::map<std::string, std::string> const& markers = {}, std::string const& metadata = {}) {
  for (auto const& [layer, text] : markers) tensors.push_back({layer + ".comfy_quant", dtype::u8, {text.size()}});
  halfstep::safetensors::metadata_list pairs;
  if (!metadata.empty()) pairs.emplace_back("_quantization_metadata", metadata);
  auto const file = halfstep::safetensors::arrange(std::move(tensors), pairs);
  return halfstep::stored_layers(file, halfstep_test::known_formats(),
                                 [&](auto const& t, std::uint64_t offset, std::span<std::byte> into) {
                                   auto const& text = markers.at(t.name.substr(0, t.name.size() - std::strlen(".comfy_quant")));
                                   std::memcpy(into.data(), text.data() + offset, into.size());
                                 });
}

/// The layer `p` with codes [256, 512] of `type` and scales of the given shape.
stored_layer coded(dtype type, std::vector<std::uint64_t> const& scales, std::string const& marker = {}) {
  specs const tensors{{"p.weight", type, {256, 512}}, {"p.weight_scale", dtype::f32, scales}};
  return found_in(tensors,
                  marker.empty() ? std::map<std::string, std::string>{} : std::map<std::string, std::string>{{"p", marker}})
      .layers.at("p");
}

TEST(StoredLayers, ReadsEveryFormThatIsWritten) {
  struct form {
    stored_layer layer;
    std::string words;
    extents2 group;
    int rotation;
  };
  for (auto const& [layer, words, group, rotation] :
       {form{coded(dtype::i8, {}, R"({"format": "int8_tensorwise"})"), "int8_tensorwise", {256, 512}, 0},
        form{coded(dtype::i8, {1}, R"({"format": "int8_tensorwise"})"), "int8_tensorwise", {256, 512}, 0},
        form{coded(dtype::i8, {256, 1}, R"({"format": "int8_tensorwise", "per_row": true})"), "int8_tensorwise", {1, 512}, 0},
        form{coded(dtype::i8, {256}, R"({"format": "int8_axiswise"})"), "int8_axiswise", {1, 512}, 0},
        form{coded(dtype::i8, {256, 1},
                   R"({"format": "int8_tensorwise", "per_row": true, "convrot": true, "convrot_groupsize": 256})"),
             "int8_tensorwise + convrot 256",
             {1, 512},
             256},
        form{coded(dtype::i8, {4, 8}, R"({"format": "int8_blockwise", "group_size": 64})"), "int8_blockwise", {64, 64}, 0},
        form{coded(dtype::f8_e4m3, {}, R"({"format": "float8_e4m3fn"})"), "float8_e4m3fn", {256, 512}, 0},
        form{coded(dtype::f8_e5m2, {}, R"({"format": "float8_e5m2"})"), "float8_e5m2", {256, 512}, 0},
        form{coded(dtype::f8_e4m3, {2, 4}, R"({"format": "float8_e4m3fn_blockwise", "group_size": 128})"),
             "float8_e4m3fn_blockwise",
             {128, 128},
             0},
        form{coded(dtype::i8, {2, 4}), "I8 with scales", {128, 128}, 0},
        form{coded(dtype::f8_e4m3, {}), "F8_E4M3 with scales", {256, 512}, 0}}) {
    EXPECT_EQ(layer.obstacle, "") << words;
    EXPECT_EQ(layer.words, words);
    EXPECT_EQ(layer.codes.scales, "p.weight_scale");
    EXPECT_EQ(layer.codes.group, group) << words;
    EXPECT_EQ(halfstep::rotation_group_of(layer.codes.bases), rotation) << words;
  }
}

TEST(StoredLayers, ReadsFp8WithoutScalesAndInTheOlderForm) {
  for (auto const type : {dtype::f8_e4m3, dtype::f8_e5m2}) {
    auto const bare = found_in({{"p.weight", type, {4, 4}}, {"p.bias", type, {4}}}).layers;
    ASSERT_EQ(bare.size(), 1u);
    EXPECT_EQ(bare.at("p").words, std::string(name_of(type)) + " without a scale");
    EXPECT_EQ(bare.at("p").codes.scales, "");
    EXPECT_EQ(bare.at("p").obstacle, "");
  }
  auto const older = found_in({{"m.p.weight", dtype::f8_e4m3, {4, 4}},
                               {"m.p.scale_weight", dtype::f32, {}},
                               {"m.p.scale_input", dtype::f32, {}},
                               {"m.scaled_fp8", dtype::f8_e4m3, {2}},
                               {"unscaled_fp8", dtype::f32, {1}}});
  EXPECT_THAT(older.flags, ElementsAre("m.scaled_fp8"));
  EXPECT_EQ(older.layers.at("m.p").codes.scales, "m.p.scale_weight");
  EXPECT_THAT(older.layers.at("m.p").companions, ElementsAre("m.p.scale_weight", "m.p.scale_input"));
}

TEST(StoredLayers, BelievesTheMetadataBeforeTheMarker) {
  auto const found = found_in({{"p.weight", dtype::i8, {256, 512}}, {"p.weight_scale", dtype::f32, {256, 1}}},
                              {{"p", R"({"format": "int8_tensorwise"})"}},
                              R"({"layers": {"p": {"format": "int8_tensorwise", "convrot": true, "convrot_groupsize": 64}}})");
  EXPECT_EQ(halfstep::rotation_group_of(found.layers.at("p").codes.bases), 64);
  EXPECT_EQ(found.layers.at("p").declared, R"({"format": "int8_tensorwise", "convrot": true, "convrot_groupsize": 64})");
  for (std::string const text : {"[]", "{", R"({"layers": []})"})
    EXPECT_THAT(
        [&] {
          found_in({{"p.weight", dtype::i8, {2, 2}}}, {}, text);
        },
        ThrowsMessage<halfstep::format_error>(HasSubstr("_quantization_metadata")));
}

TEST(StoredLayers, SaysWhyALayerIsNotDecoded) {
  EXPECT_THAT(coded(dtype::i8, {3}).obstacle, HasSubstr("scales of the shape [3] do not fit its weight of [256, 512]"));
  EXPECT_THAT(coded(dtype::i8, {1, 512}).obstacle, HasSubstr("do not fit"));
  EXPECT_THAT(coded(dtype::i8, {4, 4}).obstacle, HasSubstr("do not fit"));
  EXPECT_THAT(coded(dtype::u8, {}).obstacle, HasSubstr("its weight is U8"));
  EXPECT_THAT(coded(dtype::bf16, {}).obstacle, HasSubstr("its weight is BF16"));
  EXPECT_THAT(coded(dtype::i8, {}, R"({"format": "nvfp4"})").obstacle, HasSubstr("its format is not known"));
  EXPECT_THAT(coded(dtype::f8_e4m3, {}, R"({"format": "int8_tensorwise"})").obstacle, HasSubstr("its weight is F8_E4M3"));
  EXPECT_THAT(coded(dtype::f8_e5m2, {}, R"({"format": "float8_e4m3fn"})").obstacle, HasSubstr("its weight is F8_E5M2"));
  EXPECT_THAT(coded(dtype::i8, {4, 8}, R"({"format": "int8_blockwise", "group_size": 128})").obstacle,
              HasSubstr("scales have the shape [4, 8], and blocks of 128 x 128, which its marker says, would have [2, 4]"));
  for (std::string const marker : {"nonsense", "[]"})
    EXPECT_THAT(coded(dtype::i8, {}, marker).obstacle, HasSubstr("no JSON object"));
  for (std::string const rotation : {R"("convrot": true)", R"("convrot": "yes")", R"("convrot": true, "convrot_groupsize": 128)",
                                     R"("convrot": true, "convrot_groupsize": 1024)"})
    EXPECT_THAT(coded(dtype::i8, {256, 1}, R"({"format": "int8_tensorwise", )" + rotation + "}").obstacle,
                HasSubstr("names no rotation group"))
        << rotation;
  auto const obstacle = [](specs const& tensors) { return found_in(tensors).layers.at("p").obstacle; };
  EXPECT_THAT(obstacle({{"p.weight", dtype::i8, {4, 4}}}), HasSubstr("scales are missing"));
  EXPECT_THAT(obstacle({{"p.weight_scale", dtype::f32, {}}}), HasSubstr("no weight"));
  EXPECT_THAT(obstacle({{"p.weight", dtype::f8_e4m3, {4, 4}}, {"p.weight_scale", dtype::i32, {}}}), HasSubstr("scales are I32"));
  EXPECT_THAT(
      obstacle({{"p.weight", dtype::f8_e4m3, {4, 4}}, {"p.weight_scale", dtype::f32, {}}, {"p.scale_weight", dtype::f32, {}}}),
      HasSubstr("both"));
  EXPECT_THAT(
      obstacle({{"p.weight", dtype::i8, {4, 4}}, {"p.weight_scale", dtype::f32, {}}, {"p.smooth_factors", dtype::f32, {4}}}),
      HasSubstr("smoothed"));
  EXPECT_THAT(obstacle({{"p.weight", dtype::i8, {4, 4}}, {"p.weight_scale", dtype::f32, {}}, {"p.hadamard_quip", dtype::i8, {}}}),
              HasSubstr("QuIP"));
  for (std::string const stranger : {"p.weight_scale_2", "p.weight.absmax", "p.zero_point"})
    EXPECT_THAT(obstacle({{"p.weight", dtype::f8_e4m3, {4, 4}}, {stranger, dtype::f32, {4}}}),
                HasSubstr("what '" + stranger + "' says of it is not known"));
}

TEST(StoredLayers, GuessesNoSideThatNoFormatDocuments) {
  using halfstep::scale_sharing_of;
  using halfstep::stated_blocks;
  EXPECT_EQ(scale_sharing_of({2, 4}, {256, 512}, {}).group, (extents2{128, 128}));
  EXPECT_EQ(scale_sharing_of({1, 2}, {16, 32}, {}).group, (extents2{16, 16}));
  EXPECT_EQ(scale_sharing_of({1, 1}, {192, 192}, {}).group, (extents2{192, 192}));
  EXPECT_EQ(scale_sharing_of({192}, {192, 64}, {}).group, (extents2{1, 64}));
  EXPECT_THAT(scale_sharing_of({2, 2}, {192, 192}, {}).obstacle, HasSubstr("blocks of 128 with partial ones"));
  EXPECT_THAT(scale_sharing_of({2, 2}, {1024, 1024}, {}).obstacle, HasSubstr("do not fit"));
  EXPECT_THAT(scale_sharing_of({2, 2}, {8, 8}, {}).obstacle, HasSubstr("do not fit"));
  stated_blocks const stated{{64, 128}, "config.json"};
  EXPECT_EQ(scale_sharing_of({3, 2}, {192, 192}, stated).group, (extents2{64, 128}));
  EXPECT_EQ(scale_sharing_of({3, 2}, {130, 129}, stated).group, (extents2{64, 128}));
  EXPECT_THAT(scale_sharing_of({2, 2}, {192, 192}, stated).obstacle,
              HasSubstr("64 x 128, which config.json says, would have [3, 2]"));
}

TEST(StoredLayers, DoubtsRowsWithoutAMarkerOnly) {
  EXPECT_THAT(coded(dtype::i8, {256, 1}).doubt, HasSubstr("not rotated"));
  EXPECT_EQ(coded(dtype::i8, {256, 1}, R"({"format": "int8_tensorwise", "per_row": true})").doubt, "");
  EXPECT_EQ(coded(dtype::i8, {}).doubt, "");
  EXPECT_EQ(coded(dtype::f8_e4m3, {256, 1}).doubt, "");
}

TEST(StoredLayers, FindsNothingInAModelOfNumbers) {
  auto const found = found_in({{"a.weight", dtype::bf16, {4, 4}},
                               {"a.mask.weight", dtype::boolean, {4, 4}},
                               {"tekken_model", dtype::u8, {100}},
                               {"norm.scale", dtype::f32, {4}}});
  EXPECT_TRUE(found.layers.empty());
  EXPECT_TRUE(found.flags.empty());
}

}  // namespace
