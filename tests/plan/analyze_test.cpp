#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/plan/analyze.hpp>
#include <halfstep/recipe/bases.hpp>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/plan/plan.hpp>

#include "models.hpp"

namespace {

using halfstep::analyze;
using halfstep::format_of;
using halfstep::size_in_words;
using halfstep_test::plan_for;
using testing::ContainsRegex;
using testing::HasSubstr;

TEST(Analyze, WritesSizesWithThreeDigits) {
  EXPECT_EQ(size_in_words(0), "0 bytes");
  EXPECT_EQ(size_in_words(999), "999 bytes");
  EXPECT_EQ(size_in_words(1000), "1.00 kB");
  EXPECT_EQ(size_in_words(1'056'000), "1.05 MB");
  EXPECT_EQ(size_in_words(23'802'000'000), "23.8 GB");
  EXPECT_EQ(size_in_words(123'999'999'999), "123 GB");
  EXPECT_EQ(size_in_words(18'446'744'073'709'551'615u), "18.4 EB");
}

TEST(Analyze, ShowsOneRowForEachPatternOfLayers) {
  auto const p = plan_for(halfstep_test::model("flux1_dev"),
                          {.target = {.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(256)}}});
  auto const text = analyze(p);
  EXPECT_THAT(text, HasSubstr("rules of flux1 (recognised from the tensor names)"));
  EXPECT_THAT(text, ContainsRegex("   38  single_blocks\\.\\*\\.linear1\\.weight +BF16 \\[21504, 3072\\] +quantize +"
                                  "int8_tensorwise, per row, ConvRot 256 +no rule keeps it"));
  EXPECT_THAT(text, ContainsRegex("    1  img_in\\.weight +BF16 \\[3072, 64\\] +keep +- +flux1 keeps 'img_in'"));
  EXPECT_THAT(text, HasSubstr("quantize: 304 tensors, 23.6 GB -> 11.8 GB"));
}

TEST(Analyze, GivesTheExactSizeAndWhereTheFileLoads) {
  auto const p = plan_for(halfstep_test::model("t5xxl_encoder"), {});
  auto const text = analyze(p, {.bytes_in_flight = 512'000'000, .bytes_per_second = 100'000'000});
  EXPECT_THAT(text, HasSubstr("output: " + std::to_string(p.output_bytes) + " bytes"));
  EXPECT_THAT(text, HasSubstr("memory: about 512 MB in flight"));
  EXPECT_THAT(text, HasSubstr("the output loads only in ComfyUI forks with the INT8 patch"));
  EXPECT_THAT(text, HasSubstr("time: about " + std::to_string((p.input_data_bytes + p.output_bytes) / 100'000'000 + 1) + " s"));
}

TEST(Analyze, TellsOfTheTimeThatSolversTakeBesides) {
  auto const input = halfstep_test::header_of({{"a.0.x.weight", halfstep::dtype::f32, {256, 256}}});
  EXPECT_THAT(analyze(plan_for(input, {})), HasSubstr(" a second in all\n"));
  EXPECT_THAT(analyze(plan_for(input, {.target = {.solver = "adamw"}})),
              HasSubstr(" a second in all, and more for what a solver does to 1 layer\n"));
}

TEST(Analyze, CountsShards) {
  halfstep::plan_options options;
  options.max_shard_bytes = std::uint64_t{4} << 30;
  auto const p = plan_for(halfstep_test::model("flux1_dev"), options);
  EXPECT_EQ(p.shards.size(), 3u);
  EXPECT_THAT(analyze(p), HasSubstr(" GB) in 3 shards and their index, from 23.8 GB of tensors"));
}

TEST(Analyze, RepeatsWarningsAndNotes) {
  auto const input = halfstep_test::header_of({{"a.0.x.weight", halfstep::dtype::f32, {300, 260}}});
  auto const text = analyze(plan_for(
      input, {.target = {.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(16)}}, .exclude = {"nowhere"}}));
  EXPECT_THAT(text, HasSubstr("warning: `exclude` 'nowhere' matches no tensor\n"));
  EXPECT_THAT(text, HasSubstr("note: no rotation group divides the columns of 1 layer, stored unrotated: 'a.0.x.weight'\n"));
}

}  // namespace
