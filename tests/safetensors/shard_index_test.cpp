#include <halfstep/safetensors/shard_index.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/files.hpp"

namespace {

using halfstep::format_error;
using halfstep_test::thrown;
using testing::HasSubstr;
namespace st = halfstep::safetensors;

st::shard_index parse(std::string_view json) { return st::parse_shard_index(std::span(json.data(), json.size())); }
std::string refusal(std::string_view json) {
  return thrown<format_error>([&] { parse(json); });
}
std::string mapped_to(std::string const& file) { return R"({"weight_map":{"a":")" + file + R"("}})"; }

TEST(ShardIndex, GivesTheFileOfEachTensor) {
  auto const index =
      parse(R"({"metadata":{"total_size":123,"x":[{"y":null}]},"weight_map":{"b":"2.safetensors","a":"1.safetensors",)"
            R"("c":"2.safetensors"},"other":[1.5,true]})");
  EXPECT_EQ(index.total_size, 123u);
  EXPECT_THAT(index.weight_map, testing::ElementsAre(testing::Pair("a", "1.safetensors"), testing::Pair("b", "2.safetensors"),
                                                     testing::Pair("c", "2.safetensors")));
  EXPECT_THAT(index.files(), testing::ElementsAre("1.safetensors", "2.safetensors"));
}

TEST(ShardIndex, DoesNotNeedATotalSize) {
  EXPECT_EQ(parse(R"({"weight_map":{}})").total_size, std::nullopt);
  EXPECT_EQ(parse(R"({"metadata":{"total_size":1.5e10},"weight_map":{}})").total_size, std::nullopt);
}

TEST(ShardIndex, RefusesATensorInTwoShards) {
  EXPECT_THAT(refusal(R"({"weight_map":{"a":"1","b":"1","a":"2"}})"), HasSubstr("'a' occurs twice"));
  EXPECT_THAT(refusal(R"({"weight_map":{"a":"1"},"weight_map":{"b":"1"}})"), HasSubstr("occurs twice"));
}

TEST(ShardIndex, RefusesPathsThatLeaveTheFolder) {
  for (std::string const path : {"/etc/passwd", "..", "../a", "a/../../b", "a/..", "", "a/", "/", "a\\u0000b", "a\\nb"})
    EXPECT_THAT(refusal(mapped_to(path)), HasSubstr("own directory")) << path;
  for (std::string const path : {"a", "sub/a.safetensors", "..a", "a..", "a/...b"})
    EXPECT_EQ(refusal(mapped_to(path)), "") << path;
}

TEST(ShardIndex, RefusesWhatIsNoIndex) {
  for (std::string const json : {"{}", "[]", "1", "null", "{\"metadata\":{}}", "{\"weight_map\":null}", "{\"weight_map\":[]}",
                                 "{\"weight_map\":{\"a\":1}}", "{\"weight_map\":{\"a\":{}}}", "{\"weight_map\":{\"a\":[]}}",
                                 "{\"weight_map\":{\"a\":null}}", "{\"weight_map\":\"a\"}"})
    EXPECT_THAT(refusal(json), HasSubstr("weight_map")) << json;
  EXPECT_THAT(refusal("{\"weight_map\":{}"), HasSubstr("broken"));
}

TEST(ShardIndex, IsWrittenAsTheUsualToolsDo) {
  st::shard_index const index{5, {{"b", "2"}, {"a", "1"}}};
  std::string const text = st::serialize(index);
  EXPECT_EQ(
      text,
      "{\n  \"metadata\": {\n    \"total_size\": 5\n  },\n  \"weight_map\": {\n    \"a\": \"1\",\n    \"b\": \"2\"\n  }\n}\n");
  EXPECT_EQ(parse(text).total_size, 5u);
  EXPECT_EQ(parse(text).weight_map.size(), 2u);
  EXPECT_EQ(st::serialize(st::shard_index{}), "{\n  \"metadata\": {},\n  \"weight_map\": {}\n}\n");
  EXPECT_THROW(st::serialize(st::shard_index{{}, {{"a", "../1"}}}), format_error);
  EXPECT_THROW(st::serialize(st::shard_index{{}, {{"a", "1"}, {"a", "2"}}}), format_error);
}

}  // namespace
