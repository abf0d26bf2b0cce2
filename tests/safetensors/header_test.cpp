#include <halfstep/safetensors/header.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/files.hpp"

namespace {

using halfstep::dtype;
using halfstep_test::thrown;
using testing::HasSubstr;
namespace st = halfstep::safetensors;

std::string arrange_refusal(std::vector<st::tensor_spec> specs, st::metadata_list metadata = {}) {
  return thrown<halfstep::format_error>([&] { st::arrange(specs, metadata); });
}

TEST(Arrange, OrdersByTypeFromTheLastThenByName) {
  auto const h = st::arrange(
      {{"b", dtype::f32, {2}}, {"a", dtype::f32, {}}, {"c", dtype::u64, {0}}, {"d", dtype::boolean, {3}}, {"e", dtype::f64, {1}}},
      {{"z", "1"}, {"a", "2"}});
  std::vector<std::string> names;
  for (auto const& t : h.tensors()) names.push_back(t.name);
  EXPECT_THAT(names, testing::ElementsAre("c", "e", "a", "b", "d"));
  EXPECT_EQ(h.data_bytes(), 8u + 4 + 8 + 3);
  EXPECT_EQ(h.metadata()[0].first, "a");
}

TEST(Arrange, KeepsTheWritersOrderAmongEmptyTensorsOfOnePlace) {
  auto const h = st::arrange({{"a", dtype::f32, {0}}, {"z", dtype::f64, {0}}, {"b", dtype::f32, {0}}}, {});
  EXPECT_EQ(st::serialize(h).substr(0, 4), "{\"z\"");
  EXPECT_EQ(h.tensors()[1].name, "a");
}

TEST(Arrange, WritesTheReferencesBytes) {
  auto const h = st::arrange({{"b", dtype::u8, {1}}, {"a", dtype::i64, {}}}, {{"k", "v"}});
  EXPECT_EQ(st::serialize(h), R"({"__metadata__":{"k":"v"},"a":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
                              R"("b":{"dtype":"U8","shape":[1],"data_offsets":[8,9]}})"
                              "      ");
  EXPECT_EQ(st::serialize(st::arrange({}, {})), "{}      ");
}

TEST(Arrange, RefusesWhatTheReaderWouldRefuse) {
  EXPECT_THAT(arrange_refusal({{"a", dtype::u8, {1}}, {"a", dtype::f32, {1}}}), HasSubstr("two tensors are called 'a'"));
  EXPECT_THAT(arrange_refusal({{"__metadata__", dtype::u8, {1}}}), HasSubstr("reserved"));
  EXPECT_THAT(arrange_refusal({{"a\n", dtype::u8, {1}}}), HasSubstr("'a\\x0a' holds a control character"));
  EXPECT_THAT(arrange_refusal({{"\xff", dtype::u8, {1}}}), HasSubstr("not UTF-8"));
  EXPECT_THAT(arrange_refusal({{std::string(4097, 'n'), dtype::u8, {1}}}), HasSubstr("4097 bytes"));
  EXPECT_THAT(arrange_refusal({{"a", dtype::u8, std::vector<std::uint64_t>(65, 1)}}), HasSubstr("65 dimensions"));
  EXPECT_THAT(arrange_refusal({{"a", dtype::f4, {3}}}), HasSubstr("inside a byte"));
  EXPECT_THAT(arrange_refusal({{"a", dtype::f64, {1ull << 61}}}), HasSubstr("overflows"));
  EXPECT_THAT(
      arrange_refusal({{"a", dtype::u8, {1ull << 60}}, {"b", dtype::u64, std::vector<std::uint64_t>(1, (1ull << 58) - 1)}}), "");
  EXPECT_THAT(arrange_refusal(std::vector<st::tensor_spec>{{"a", dtype::u8, {(1ull << 61) - 1}}}), "");
  EXPECT_THAT(arrange_refusal({}, {{"k", "1"}, {"k", "2"}}), HasSubstr("given twice"));
  EXPECT_THAT(arrange_refusal({}, {{"k", "\xc3"}}), HasSubstr("not UTF-8"));
}

TEST(Arrange, RefusesSizesWhoseSumOverflows) {
  std::vector<st::tensor_spec> specs;
  for (char const name : {'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'}) specs.push_back({{name}, dtype::u8, {(1ull << 61) - 1}});
  EXPECT_THAT(arrange_refusal(specs), HasSubstr("2^64"));
}

TEST(Serialize, EscapesAsTheReferenceDoes) {
  auto const h =
      st::arrange({{"a\"\\/\xc3\xa9\xe2\x80\xa8", dtype::u8, {0}}}, {{"k\x7f", std::string("\0\x01\x1f\b\f\n\r\t", 8)}});
  EXPECT_THAT(st::serialize(h), testing::StartsWith("{\"__metadata__\":{\"k\x7f\":\"\\u0000\\u0001\\u001f\\b\\f\\n\\r\\t\"},"
                                                    "\"a\\\"\\\\/\xc3\xa9\xe2\x80\xa8\":{"));
}

TEST(Serialize, RefusesAHeaderThatNoReaderTakes) {
  auto const h = st::arrange({}, {{"k", std::string(100'000'000, 'v')}});
  EXPECT_THAT(thrown<halfstep::format_error>([&] { st::serialize(h); }), HasSubstr("longer than the 100000000"));
}

TEST(Header, ChecksTensorsGivenDirectly) {
  EXPECT_THROW(st::header({{"a", dtype::u8, {4}, 0, 5}}, {}), halfstep::format_error);
  EXPECT_THROW(st::header({{"a", dtype::u8, {4}, 1, 5}}, {}), halfstep::format_error);
  EXPECT_EQ(st::header({{"b", dtype::u8, {4}, 4, 8}, {"a", dtype::u8, {4}, 0, 4}}, {}).tensors()[0].name, "a");
}

TEST(Header, PutsShuffledTensorsInOrder) {
  for (std::uint64_t const stride : {1u, 7u, 13u, 100u}) {
    std::vector<st::tensor> tensors;
    for (std::uint64_t i = 0; i < 101; ++i) {
      std::uint64_t const at = i * stride % 101;
      tensors.push_back({"t" + std::to_string(at), dtype::u8, {1}, at, at + 1});
    }
    st::header const h(tensors, {});
    for (std::uint64_t i = 0; i < 101; ++i) ASSERT_EQ(h.tensors()[i].name, "t" + std::to_string(i)) << stride;
  }
}

TEST(TensorBytes, CountsWholeBytesWithoutOverflow) {
  using shape = std::vector<std::uint64_t>;
  EXPECT_EQ(st::tensor_bytes(dtype::bf16, shape{3, 5}), 30u);
  EXPECT_EQ(st::tensor_bytes(dtype::f64, shape{}), 8u);
  EXPECT_EQ(st::tensor_bytes(dtype::f6_e2m3, shape{4}), 3u);
  EXPECT_EQ(st::tensor_bytes(dtype::f6_e2m3, shape{3}), std::nullopt);
  EXPECT_EQ(st::tensor_bytes(dtype::u8, shape{1ull << 32, 1ull << 32}), std::nullopt);
  EXPECT_EQ(st::tensor_bytes(dtype::u8, shape{0, 1ull << 63}), std::nullopt);
  EXPECT_EQ(st::tensor_bytes(dtype::u8, shape{1ull << 60, 0}), 0u);
}

}  // namespace
