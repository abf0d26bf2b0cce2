#include <halfstep/convert/resume/finished_record.hpp>

#include <limits>
#include <string>

#include <gtest/gtest.h>

namespace {

using halfstep::finished_tensor;

/// A layer of which every figure is another number.
halfstep::layer_quality known_layer() {
  halfstep::layer_quality q;
  double next = 1.0 / 3.0;
  auto const number = [&] { return next += 1.0 / 7.0; };
  q.error = {number(), number(), number(), static_cast<float>(number()), 11};
  q.scale_min = std::numeric_limits<float>::denorm_min();
  q.scale_max = std::numeric_limits<float>::infinity();
  q.seconds = number();
  q.method = "bounded scales, \"gptq\"";
  q.solved = {number(), number(), number(), number(), 12, 13, number()};
  q.output_error = number();
  q.output_error_8bit = number();
  q.bias = halfstep::bias_state::corrected;
  for (std::size_t i = 0; i < q.error_steps.size(); ++i) q.error_steps[i] = static_cast<halfstep::index_t>(100 + i);
  return q;
}

TEST(FinishedRecord, ComesBackBitForBit) {
  finished_tensor const done{"a \"layer\"\n\xc3\xa4.weight",
                             {{"a.weight", {{0, 1u << 20, std::numeric_limits<std::uint64_t>::max()}, {1u << 20, 5, 6}}},
                              {"a.weight_scale\xe9", {{4, 8, 0}}}},
                             known_layer()};
  auto const record = serialize(done);
  EXPECT_EQ(record.find('\n'), std::string::npos) << "a record is a line";
  auto back = halfstep::parse_finished_tensor(record);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->name, done.name);
  ASSERT_EQ(back->ranges.size(), 2u);
  auto const& codes = back->ranges["a.weight"];
  ASSERT_EQ(codes.size(), 2u);
  EXPECT_EQ(codes[0].bytes, 1u << 20);
  EXPECT_EQ(codes[0].digest, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(codes[1].offset, 1u << 20);
  EXPECT_EQ(codes[1].bytes, 5u);
  EXPECT_EQ(codes[1].digest, 6u);
  ASSERT_EQ(back->ranges["a.weight_scale\xe9"].size(), 1u) << "names need not be UTF-8";
  ASSERT_TRUE(back->quality);
  auto const& q = *done.quality;
  auto const& b = *back->quality;
  EXPECT_EQ(b.error.weight_square, q.error.weight_square);
  EXPECT_EQ(b.error.error_square, q.error.error_square);
  EXPECT_EQ(b.error.product, q.error.product);
  EXPECT_EQ(b.error.max_error, q.error.max_error);
  EXPECT_EQ(b.error.clipped, q.error.clipped);
  EXPECT_EQ(b.scale_min, q.scale_min);
  EXPECT_EQ(b.scale_max, q.scale_max);
  EXPECT_EQ(b.seconds, q.seconds);
  EXPECT_EQ(b.method, q.method);
  ASSERT_TRUE(b.solved);
  EXPECT_EQ(b.solved->loss_before, q.solved->loss_before);
  EXPECT_EQ(b.solved->loss_after, q.solved->loss_after);
  EXPECT_EQ(b.solved->error_before, q.solved->error_before);
  EXPECT_EQ(b.solved->error_after, q.solved->error_after);
  EXPECT_EQ(b.solved->moved, q.solved->moved);
  EXPECT_EQ(b.solved->iterations, q.solved->iterations);
  EXPECT_EQ(b.solved->damping, q.solved->damping);
  EXPECT_EQ(b.output_error, q.output_error);
  EXPECT_EQ(b.output_error_8bit, q.output_error_8bit);
  EXPECT_EQ(b.bias, q.bias);
  EXPECT_EQ(b.error_steps, q.error_steps);
}

TEST(FinishedRecord, LeavesOutWhatIsNotKnown) {
  auto const copy = halfstep::parse_finished_tensor(serialize(finished_tensor{"bias", {}, {}}));
  ASSERT_TRUE(copy);
  EXPECT_FALSE(copy->quality);
  auto const plain = halfstep::parse_finished_tensor(serialize(finished_tensor{"w", {}, halfstep::layer_quality{}}));
  ASSERT_TRUE(plain && plain->quality);
  EXPECT_FALSE(plain->quality->solved);
  EXPECT_FALSE(plain->quality->output_error);
  EXPECT_FALSE(plain->quality->output_error_8bit);
}

TEST(FinishedRecord, IsNothingElse) {
  auto const record = serialize(finished_tensor{"w", {{"w", {{0, 1, 2}}}}, known_layer()});
  for (std::string const text :
       {"", "[]", "{}", "{\"tensor\": 1}", "{\"tensor\": \"w\"}", "{\"tensor\": \"w\", \"ranges\": {\"w\": [[0, 1]]}}",
        "{\"tensor\": \"w\", \"ranges\": {\"w\": [[0, -1, 2]]}}", "{\"tensor\": \"w\", \"ranges\": [[\"w\", 0, 1, 2]]}"})
    EXPECT_FALSE(halfstep::parse_finished_tensor(text)) << text;
  EXPECT_FALSE(halfstep::parse_finished_tensor(record.substr(0, record.size() - 1)));
  auto other = record;
  other.replace(other.find("product"), 7, "produce");
  EXPECT_FALSE(halfstep::parse_finished_tensor(other)) << "a figure is missing";
  other = record;
  other.replace(other.find("\"bias\":2"), 8, "\"bias\":3");
  EXPECT_FALSE(halfstep::parse_finished_tensor(other)) << "no such state of a bias";
}

}  // namespace
