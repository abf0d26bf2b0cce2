#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/plan/input_check.hpp>
#include <halfstep/recipe/bases.hpp>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models.hpp"

namespace {

using halfstep::dtype;
using halfstep::format_of;
using halfstep::plan_options;
using halfstep::require_consistent;
using halfstep::require_unquantized;
using halfstep::usage_error;
using halfstep_test::header_of;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

TEST(InputCheck, RefusesWhatShowsThatALayerIsQuantized) {
  for (std::string const ending : {".comfy_quant", ".weight_scale", ".scale_weight", ".input_scale", ".scale_input"})
    EXPECT_THAT(
        [&] {
          require_unquantized(header_of({{"a.b" + ending, dtype::f32, {}}, {"a.b.bias", dtype::f32, {4}}}));
        },
        ThrowsMessage<usage_error>(HasSubstr("already quantized: 'a.b';")))
        << ending;
  EXPECT_THAT(
      [] {
        require_unquantized(header_of({{"scaled_fp8", dtype::f8_e4m3, {0}}}));
      },
      ThrowsMessage<usage_error>(HasSubstr("'scaled_fp8'")));
}

TEST(InputCheck, RefusesWeightsOfEightBitsAndFewer) {
  for (auto const type : {dtype::i8, dtype::u8, dtype::f4, dtype::f6_e2m3, dtype::f8_e8m0, dtype::f8_e4m3, dtype::f8_e5m2})
    EXPECT_THAT(
        [&] {
          require_unquantized(header_of({{"a.b.weight", type, {4, 4}}}));
        },
        ThrowsMessage<usage_error>(HasSubstr("'a.b'")));
}

TEST(InputCheck, ListsTheFirstFewLayersOnly) {
  std::vector<halfstep::safetensors::tensor_spec> specs;
  for (int i = 0; i < 9; ++i) specs.push_back({"l." + std::to_string(i) + ".weight_scale", dtype::f32, {}});
  EXPECT_THAT(
      [&] { require_unquantized(header_of(specs)); },
      ThrowsMessage<usage_error>(AllOf(HasSubstr("'l.0', 'l.1', 'l.2', 'l.3' and 5 more layers"), Not(HasSubstr("l.4")))));
}

TEST(InputCheck, RefusesMetadataThatDeclaresQuantizedLayers) {
  auto const input = halfstep::safetensors::arrange({{"a.weight", dtype::f32, {4, 4}}}, {{"_quantization_metadata", "{}"}});
  EXPECT_THAT([&] { require_unquantized(input); }, ThrowsMessage<usage_error>(HasSubstr("_quantization_metadata")));
}

TEST(InputCheck, AcceptsFloatsIntegersAndMasks) {
  EXPECT_NO_THROW(require_unquantized(header_of({{"a.weight", dtype::bf16, {4, 4}},
                                                 {"a.mask.weight", dtype::boolean, {4, 4}},
                                                 {"ids", dtype::i64, {1, 512}},
                                                 {"tekken_model", dtype::u8, {100}},
                                                 {"norm.scale", dtype::f32, {4}}})));
}

void expect_refused(plan_options const& options, std::string const& text) {
  EXPECT_THAT([&] { require_consistent(options); }, ThrowsMessage<usage_error>(HasSubstr(text)));
}

TEST(InputCheck, RefusesOptionsThatContradictEachOther) {
  for (auto const& format : {format_of<halfstep::int8_block<128>>, format_of<halfstep::int8_tensor>, format_of<halfstep::fp16>})
    expect_refused({.target = {.format = format, .bases = {halfstep::convrot(256)}}}, "`rotation` needs `scaling axis`");
  for (int const group : {128, 2, -16, 4096, 16384})
    expect_refused({.target = {.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(group)}}}, "power of four");
  expect_refused({}, "a recipe names no format");
  expect_refused({.target = {.format = format_of<halfstep::int8_axis>},
                  .markers = halfstep::marker_style::none,
                  .metadata = halfstep::quant_metadata::save},
                 "`metadata`");
  EXPECT_NO_THROW(require_consistent({.target = {.format = format_of<halfstep::int8_block<128>>}}));
}

}  // namespace
