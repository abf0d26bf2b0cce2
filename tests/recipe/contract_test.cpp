#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/fp8_block.hpp>
#include <halfstep/layout/fp8_tensor.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/recipe/bases.hpp>
#include <halfstep/recipe/contract.hpp>

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "file_in_memory.hpp"

namespace {

using halfstep::dtype;
using halfstep::format_of;
using halfstep::marker_style;
using halfstep::quant_metadata;
using halfstep::recipe;
using testing::HasSubstr;
using testing::ThrowsMessage;

/// A valid file with one layer `p` [256, 512] and one copy, and its contract.
struct sound_file {
  halfstep_test::file_in_memory bytes;
  halfstep::contract expected;

  explicit sound_file(recipe const& how, marker_style style = marker_style::comfyui) {
    expected.layers = {{"p", {256, 512}, how}};
    expected.copied = {{"p.bias", dtype::bf16, {256}}};
    expected.metadata = {{"config", "{}"}};
    expected.formats = halfstep_test::known_formats();
    expected.markers = style;
    bytes.metadata = expected.metadata;
    bytes.set("p.bias", dtype::bf16, {256});
    for (auto const& a : artifacts_of("p", {256, 512}, how, style)) {
      if (a.role == halfstep::artifact_role::scales || a.role == halfstep::artifact_role::basis)
        bytes.set_scales(a.spec.name, a.spec.shape);
      else
        bytes.set(a.spec.name, a.spec.type, a.spec.shape,
                  a.role == halfstep::artifact_role::marker ? marker_text(how, style) : std::string());
    }
  }
  void expect_fault(std::string const& rule) const {
    EXPECT_THAT([&] { bytes.check(expected); }, ThrowsMessage<halfstep::contract_error>(HasSubstr(rule)));
  }
};

recipe const block{.format = format_of<halfstep::int8_block<64>>};
recipe const axis{.format = format_of<halfstep::int8_axis>};
recipe const rotated{.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(256)}};
recipe const tensor{.format = format_of<halfstep::int8_tensor>};
recipe const half{.format = format_of<halfstep::fp16>};
recipe const fp8{.format = format_of<halfstep::fp8_tensor>};
recipe const fp8_block{.format = format_of<halfstep::fp8_block<64>>};

TEST(Contract, AcceptsWhatEveryRecipeWrites) {
  for (auto const& how : {block, axis, rotated, tensor, half, fp8, fp8_block})
    for (auto const style : {marker_style::none, marker_style::comfyui, marker_style::fork}) {
      sound_file const f(how, style);
      EXPECT_NO_THROW(f.bytes.check(f.expected)) << to_string(how);
    }
}

TEST(Contract, RefusesAMissingTensorOfALayer) {
  for (std::string const ending : {".weight", ".weight_scale", ".comfy_quant"}) {
    sound_file f(axis);
    f.bytes.tensors.erase("p" + ending);
    f.expect_fault("layer 'p': it has no tensor `p" + ending + "`");
  }
}

TEST(Contract, RefusesAMarkerThatIsNoJsonObject) {
  for (std::string const text : {"{\"format\": ", "[]", "{} x", ""}) {
    sound_file f(axis);
    f.bytes.set_marker("p", text);
    f.expect_fault("layer 'p': its marker is no JSON");
  }
}

TEST(Contract, RefusesAMarkerWithoutAFormat) {
  sound_file f(axis);
  f.bytes.set_marker("p", R"({"per_row": true})");
  f.expect_fault("its marker names no format");
}

TEST(Contract, RefusesAMarkerWithAFormatThatNobodyKnows) {
  sound_file f(axis);
  f.bytes.set_marker("p", R"({"format": "int8_rowwise", "per_row": true})");
  f.expect_fault("unknown format 'int8_rowwise'");
}

TEST(Contract, RefusesANulBehindTheMarker) {
  sound_file f(axis);
  f.bytes.set_marker("p", marker_text(axis, marker_style::comfyui) + std::string(2, '\0'));
  f.expect_fault("its marker holds a NUL");
}

TEST(Contract, RefusesAMarkerThatSaysSomethingElseThanTheRecipe) {
  sound_file f(tensor);
  f.bytes.set_marker("p", R"({"format": "int8_tensorwise", "full_precision_matrix_mult": true})");
  f.expect_fault("its recipe says {\"format\": \"int8_tensorwise\"}");
}

TEST(Contract, RefusesScalesThatAreNotFp32) {
  sound_file f(axis);
  f.bytes.set("p.weight_scale", dtype::bf16, {256, 1});
  f.expect_fault("`p.weight_scale` is BF16, not F32");
}

TEST(Contract, RefusesFlatScalesOfRowsForStockComfyuiOnly) {
  sound_file f(axis);
  f.bytes.set_scales("p.weight_scale", {256});
  f.expect_fault("has the shape [256], not [256, 1]");
  sound_file fork(axis, marker_style::fork);
  fork.bytes.set_scales("p.weight_scale", {256, 1});
  fork.expect_fault("has the shape [256, 1], not [256]");
}

TEST(Contract, RefusesMoreThanOneScaleForATensor) {
  sound_file f(tensor);
  f.bytes.set_scales("p.weight_scale", {256, 1});
  f.expect_fault("has the shape [256, 1], not []");
}

TEST(Contract, RefusesFp8WithScalesThatItsLoaderDoesNotTake) {
  for (auto const& shape : {std::vector<std::uint64_t>{256, 1}, {256}, {4, 8}}) {
    sound_file f(fp8);
    f.bytes.set_scales("p.weight_scale", shape);
    f.expect_fault("not []");
  }
  sound_file blocks(fp8_block);
  blocks.bytes.set_marker("p", R"({"format": "float8_e4m3fn"})");
  blocks.expect_fault("one scale a tensor is wanted, and `p.weight_scale` has the shape [4, 8]");
  sound_file rows(fp8);
  rows.bytes.set_marker("p", R"({"format": "float8_e4m3fn", "per_row": true})");
  rows.expect_fault("one scale a tensor is wanted of float8_e4m3fn, not one a row");
}

TEST(Contract, RefusesWhatIsLeftOfCodesThatAreGone) {
  for (std::string const ending : {".scale_weight", ".input_scale", ".scale_input", ".smooth_factors", ".hadamard_quip"}) {
    sound_file f(axis);
    f.bytes.set("p" + ending, dtype::f32, {});
    f.expected.copied.push_back({"p" + ending, dtype::f32, {}});
    f.expect_fault("`p" + ending + "` is left of codes that are gone");
  }
  sound_file older(axis, marker_style::none);
  older.bytes.set_marker("p", R"({"format": "float8_e4m3fn"})");
  older.expected.copied.push_back({"p.comfy_quant", dtype::u8, {27}});
  older.expect_fault("`p.comfy_quant` is left of codes that are gone");
}

TEST(Contract, KnowsTheMetadataOfLayersThatWereQuantizedBefore) {
  sound_file f(axis);
  f.expected.declared = {{"q", R"({"format":"float8_e4m3fn"})"}};
  f.expect_fault("it differs from the markers");
  f.bytes.metadata.emplace_back("_quantization_metadata",
                                R"({"format_version": "1.0", "layers": {"q": {"format":"float8_e4m3fn"}}})");
  EXPECT_NO_THROW(f.bytes.check(f.expected));
  f.expected.declared = {};
  f.expect_fault("stale");
}

TEST(Contract, RefusesAMarkerOfAFormatWithOtherCodes) {
  sound_file f(fp8);
  f.bytes.set_marker("p", R"({"format": "int8_tensorwise"})");
  f.expect_fault("its marker names the format int8_tensorwise, but its codes are F8_E4M3");
  sound_file g(fp8);
  g.bytes.set("p.weight", dtype::i8, {256, 512});
  g.expect_fault("`p.weight` is I8, not F8_E4M3");
}

TEST(Contract, RefusesAMarkerThatDisagreesWithTheShapes) {
  sound_file per_row(axis);
  per_row.bytes.set_marker("p", R"({"format": "int8_tensorwise"})");
  per_row.expect_fault("one scale a tensor is wanted, and `p.weight_scale` has the shape [256, 1]");
  sound_file lone(tensor);
  lone.bytes.set_marker("p", R"({"format": "int8_tensorwise", "per_row": true})");
  lone.expect_fault("has the shape [], not [256, 1]");
  sound_file blocks(block);
  blocks.bytes.set_marker("p", R"({"format": "int8_blockwise", "group_size": 128})");
  blocks.expect_fault("has the shape [4, 8], not [2, 4]");
  blocks.bytes.set_marker("p", R"({"format": "int8_blockwise", "group_size": 100})");
  blocks.expect_fault("blocks of 100 do not divide [256, 512]");
  blocks.bytes.set_marker("p", R"({"format": "int8_blockwise"})");
  blocks.expect_fault("no number group_size");
}

TEST(Contract, RefusesTheForksFormatForStockComfyui) {
  sound_file f(axis);
  f.bytes.set_marker("p", R"({"format": "int8_axiswise"})");
  f.expect_fault("stock ComfyUI does not know the format int8_axiswise");
}

TEST(Contract, RefusesARotationGroupThatIsNoPowerOfFourOrDoesNotDivide) {
  for (auto const group : {128, 1024, 3}) {
    sound_file f(rotated);
    f.bytes.set_marker("p", R"({"format": "int8_tensorwise", "per_row": true, "convrot": true, "convrot_groupsize": )" +
                                std::to_string(group) + "}");
    f.expect_fault("a rotation group is a power of four that divides 512 columns");
  }
}

TEST(Contract, RefusesRotationWithoutScalesOfRows) {
  sound_file f(tensor);
  f.bytes.set_marker("p", R"({"format": "int8_tensorwise", "convrot": true, "convrot_groupsize": 256})");
  f.expect_fault("it is rotated but has no scale a row");
}

TEST(Contract, RefusesScalesThatAreNotPositiveNumbers) {
  for (float const bad : {0.0f, -1.0f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    sound_file f(axis);
    f.bytes.set_scales("p.weight_scale", {256, 1});
    std::memcpy(f.bytes.tensors.at("p.weight_scale").bytes.data() + 255 * sizeof(float), &bad, sizeof(float));
    f.expect_fault("`p.weight_scale` holds the scale");
  }
}

TEST(Contract, RefusesCodesOfAnotherTypeOrShape) {
  sound_file f(axis);
  f.bytes.set("p.weight", dtype::u8, {256, 512});
  f.expect_fault("`p.weight` is U8, not I8");
  f.bytes.set("p.weight", dtype::i8, {512, 256});
  f.expect_fault("`p.weight` has the shape [512, 256], not [256, 512]");
}

TEST(Contract, RefusesStaleKeys) {
  for (std::string const name : {"scaled_fp8", "p.scale_weight", "q.weight_scale", "p.input_scale"}) {
    sound_file f(axis);
    f.bytes.set(name, dtype::f32, {});
    f.expect_fault("tensor '" + name + "': it belongs to no layer and to no input tensor");
  }
}

TEST(Contract, RefusesACopyThatIsMissingOrChanged) {
  sound_file f(axis);
  f.bytes.set("p.bias", dtype::f16, {256});
  f.expect_fault("tensor 'p.bias': its type or shape changed on the way");
  f.bytes.set("p.bias", dtype::bf16, {1, 256});
  f.expect_fault("tensor 'p.bias': its type or shape changed on the way");
  f.bytes.tensors.erase("p.bias");
  f.expect_fault("tensor 'p.bias': it was not carried over");
}

/// A valid file whose layer has a corrected bias and a scale of activations.
sound_file with_additions() {
  sound_file f(axis);
  f.expected.copied.clear();
  f.expected.layers[0].added = {.bias = dtype::bf16, .input_scale = halfstep::activation_scales::store};
  f.bytes.set_scales("p.input_scale", {});
  return f;
}

TEST(Contract, AcceptsACorrectedBiasAndAScaleOfActivations) {
  auto const f = with_additions();
  EXPECT_NO_THROW(f.bytes.check(f.expected));
}

TEST(Contract, RefusesACorrectedBiasThatIsMissingOrChanged) {
  auto f = with_additions();
  f.bytes.set("p.bias", dtype::f32, {256});
  f.expect_fault("layer 'p': `p.bias` is F32, not BF16");
  f.bytes.set("p.bias", dtype::bf16, {512});
  f.expect_fault("layer 'p': `p.bias` has the shape [512], not [256]");
  f.bytes.tensors.erase("p.bias");
  f.expect_fault("layer 'p': it has no tensor `p.bias`");
}

TEST(Contract, RefusesAScaleOfActivationsThatIsMissingOrNoPositiveScalar) {
  auto f = with_additions();
  for (float const bad : {0.0f, -1.0f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    f.bytes.set_scales("p.input_scale", {}, bad);
    f.expect_fault("layer 'p': `p.input_scale` holds the scale");
  }
  f.bytes.set_scales("p.input_scale", {256});
  f.expect_fault("layer 'p': `p.input_scale` has the shape [256], not []");
  f.bytes.set("p.input_scale", dtype::f16, {});
  f.expect_fault("layer 'p': `p.input_scale` is F16, not F32");
  f.bytes.tensors.erase("p.input_scale");
  f.expect_fault("layer 'p': it has no tensor `p.input_scale`");
}

TEST(Contract, RefusesSmoothingFactorsThatAreMissingOrNoPositiveNumbers) {
  recipe const smoothed{.format = format_of<halfstep::int8_axis>, .bases = {halfstep::smoothquant(0.5)}};
  sound_file const sound(smoothed, marker_style::fork);
  EXPECT_NO_THROW(sound.bytes.check(sound.expected));
  sound_file lost = sound;
  lost.bytes.tensors.erase("p.smooth_factors");
  lost.expect_fault("layer 'p': it has no tensor `p.smooth_factors`");
  for (float const factor : {0.0f, -1.0f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    sound_file f = sound;
    f.bytes.set_scales("p.smooth_factors", {512}, factor);
    f.expect_fault("`p.smooth_factors` holds the scale");
  }
  sound_file narrow = sound;
  narrow.bytes.set_scales("p.smooth_factors", {256});
  narrow.expect_fault("`p.smooth_factors` has the shape [256], not [512]");
  sound_file stale(axis, marker_style::fork);
  stale.bytes.set_scales("p.smooth_factors", {512});
  stale.expect_fault("belongs to no layer");
}

TEST(Contract, RefusesTransformedCodesWithoutWhatUndoesThem) {
  recipe const turned{.format = format_of<halfstep::int8_axis>, .bases = {halfstep::incoherent()}};
  for (auto const style : {marker_style::none, marker_style::comfyui, marker_style::fork}) {
    sound_file sound(turned, style);
    auto const number = [](auto value) { return std::string(reinterpret_cast<char const*>(&value), sizeof(value)); };
    sound.bytes.set("p.hadamard_quip", dtype::i8, {}, number(std::int8_t{1}));
    sound.bytes.set("p.hadamard_size_out", dtype::i32, {}, number(std::int32_t{256}));
    sound.bytes.set("p.hadamard_size_in", dtype::i32, {}, number(std::int32_t{512}));
    sound.bytes.set_scales("p.sign_row", {256}, 1.0f);
    sound.bytes.set_scales("p.sign_col", {512}, -1.0f);
    EXPECT_NO_THROW(sound.bytes.check(sound.expected));
    for (std::string const ending : {".hadamard_quip", ".hadamard_size_out", ".hadamard_size_in", ".sign_row", ".sign_col"}) {
      sound_file f = sound;
      f.bytes.tensors.erase("p" + ending);
      f.expect_fault("it has no tensor `p" + ending + "`");
    }
    sound_file f = sound;
    f.bytes.set("p.hadamard_quip", dtype::i8, {}, number(std::int8_t{0}));
    f.expect_fault("`p.hadamard_quip` is 0, not 1");
    f = sound;
    f.bytes.set("p.hadamard_size_in", dtype::i32, {}, number(std::int32_t{256}));
    f.expect_fault("`p.hadamard_size_in` is 256, not 512");
    f = sound;
    f.bytes.set_scales("p.sign_col", {512}, 0.5f);
    f.expect_fault("`p.sign_col` holds the sign 0.5");
  }
}

TEST(Contract, RefusesLostAndStaleMetadata) {
  sound_file lost(axis);
  lost.bytes.metadata.clear();
  lost.expect_fault("metadata 'config': it was not carried over");
  sound_file stale(axis);
  stale.bytes.metadata.emplace_back("_quantization_metadata", "{}");
  stale.expect_fault("stale");
  stale.expected.saved = quant_metadata::save;
  stale.expect_fault("it differs from the markers");
}

}  // namespace
