#include <halfstep/plan/set_metadata.hpp>

#include <string>

#include <gtest/gtest.h>

#include <halfstep/layout/int8_block.hpp>
#include <halfstep/plan/plan.hpp>

namespace {

halfstep::plan planned(std::string const& seed, std::uint64_t max_shard_bytes) {
  halfstep::plan_options options;
  options.target.format = halfstep::format_of<halfstep::int8_block<64>>;
  options.rules = halfstep::rule_source::none;
  options.added_metadata = {{"seed", seed}};
  options.max_shard_bytes = max_shard_bytes;
  auto const input = halfstep::safetensors::arrange(
      {{"a.weight", halfstep::dtype::bf16, {128, 128}}, {"b.weight", halfstep::dtype::bf16, {128, 128}}}, {{"format", "pt"}});
  return make_plan(input, options);
}

TEST(SetMetadata, GivesThePlanThatTheValueWouldHaveGiven) {
  for (std::uint64_t const most : {0, 20'000}) {
    auto changed = planned("1", most);
    auto const wanted = planned("1234567890123", most);
    EXPECT_EQ(changed.shards.empty(), most == 0);
    halfstep::set_metadata(changed, "seed", "1234567890123");
    EXPECT_EQ(changed.metadata, wanted.metadata);
    EXPECT_EQ(changed.output, wanted.output);
    EXPECT_EQ(changed.shards, wanted.shards);
    EXPECT_EQ(changed.output_bytes, wanted.output_bytes);
    halfstep::set_metadata(changed, "missing", "x");
    EXPECT_EQ(changed.output, wanted.output);
  }
}

}  // namespace
