// Extents, names, random numbers, views and buffers.

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <new>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/core/as_view.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/core/dtype.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/magnitude.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/random.hpp>
#include <halfstep/core/scratch_pool.hpp>

#include "../support/weights.hpp"

namespace {

using halfstep::extents2;
using halfstep::host_view;
using halfstep::index_t;

TEST(CheckedProduct, RefusesWhat64BitsCannotHold) {
  EXPECT_EQ(halfstep::checked_product(1u << 31, 2), std::uint64_t{1} << 32);
  EXPECT_EQ(halfstep::checked_product(0, ~std::uint64_t{0}), 0u);
  EXPECT_FALSE(halfstep::checked_product(std::uint64_t{1} << 32, std::uint64_t{1} << 32));
  std::array<std::uint64_t, 3> const hidden{std::uint64_t{1} << 32, std::uint64_t{1} << 32, 0};
  EXPECT_FALSE(halfstep::checked_product(hidden));
  EXPECT_EQ(halfstep::checked_product(std::span<std::uint64_t const>()), 1u);
}

TEST(Dtype, IsFoundByItsName) {
  for (int i = 0; i <= static_cast<int>(halfstep::dtype::u64); ++i) {
    auto const type = static_cast<halfstep::dtype>(i);
    EXPECT_EQ(halfstep::dtype_named(halfstep::name_of(type)), type);
  }
  EXPECT_FALSE(halfstep::dtype_named("f32"));
  EXPECT_EQ(halfstep::bits_of(halfstep::dtype::f6_e2m3), 6);
}

TEST(Philox, HasThePublishedWords) {
  auto const words = halfstep::philox(0)(0);  // Random123's known answer for counter and key 0
  EXPECT_THAT(words.word, testing::ElementsAre(0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u));
}

TEST(Philox, DependsOnEveryBitOfKeyAndCounter) {
  std::set<std::uint64_t> seen;
  for (int bit = 0; bit < 64; ++bit)
    for (auto const& words : {halfstep::philox(std::uint64_t{1} << bit)(0), halfstep::philox(0)(std::uint64_t{1} << bit)})
      seen.insert(std::uint64_t{words.word[0]} << 32 | words.word[1]);
  EXPECT_EQ(seen.size(), 128u);
}

TEST(RandomKey, TellsTensorsAndSeedsApart) {
  std::set<std::uint64_t> keys;
  for (std::uint64_t seed = 0; seed < 50; ++seed)
    for (char const* const name : {"a.weight", "b.weight", ""}) keys.insert(halfstep::random_key(seed, name));
  EXPECT_EQ(keys.size(), 150u);
}

TEST(UnitFloat, IsInTheHalfOpenUnitInterval) {
  EXPECT_EQ(halfstep::unit_float(0), 0.0f);
  EXPECT_EQ(halfstep::unit_float(~0u), 1.0f - 0x1p-24f);
}

TEST(MatrixView, KnowsItsPlaceInTheTensor) {
  std::vector<float> const data(40);
  host_view<float const> const whole(data.data(), {10, 4});
  auto const piece = whole.rows(3, 5).rows(2, 2);
  EXPECT_EQ(piece.extents(), (extents2{2, 4}));
  EXPECT_EQ(piece.first_row(), 5);
  EXPECT_EQ(piece.index_in_tensor(1, 3), 27);
  EXPECT_EQ(&piece(1, 3), data.data() + 27);
}

/// What an algorithm that reads deduces of its argument.
template <class T>
T read_type(host_view<T const>);

TEST(MatrixView, OfMutableElementsIsOneOfConstantElements) {
  using mutable_view = host_view<float>;
  using constant_view = host_view<float const>;
  static_assert(std::is_convertible_v<mutable_view, constant_view> && !std::is_constructible_v<mutable_view, constant_view>);
  static_assert(!std::is_convertible_v<mutable_view, halfstep::device_view<float const>>);
  static_assert(std::is_same_v<decltype(read_type(mutable_view())), float>);
  static_assert(std::is_same_v<decltype(read_type(constant_view())), float>);
  static_assert(std::is_same_v<mutable_view::value_type, float> && std::is_same_v<constant_view::value_type, float>);
  static_assert(std::is_trivially_copyable_v<mutable_view> && std::is_standard_layout_v<mutable_view>);
  static_assert(sizeof(mutable_view) == sizeof(constant_view));
  std::vector<float> data(40);
  mutable_view const whole(data.data(), {10, 4});
  mutable_view const piece = whole.rows(3, 5).rows(2, 2);
  piece(1, 3) = 2.0f;
  *piece.row(1) = 1.0f;
  constant_view const seen = piece;
  EXPECT_EQ(&seen(1, 3), data.data() + 27);
  EXPECT_EQ(seen(1, 3), 2.0f);
  EXPECT_EQ(seen(1, 0), 1.0f);
  EXPECT_EQ(seen.first_row(), 5);
  EXPECT_EQ(piece.rows(), 2);
}

TEST(RequireExtents, SaysWhatWasExpected) {
  EXPECT_EQ(halfstep_test::message_of([] {
              halfstep::require_extents({1, 2}, {3, 4}, "here");
            }),
            "here: expected 3 x 4, got 1 x 2");
}

TEST(Buffer, IsAlignedAndMoves) {
  halfstep::host_buffer<char> a(100);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a.data()) % 64, 0u);
  char* const p = a.data();
  auto const b = std::move(a);
  EXPECT_EQ(b.data(), p);
  EXPECT_EQ(b.view({10, 10}).rows(), 10);
  EXPECT_THROW(b.view({10, 11}), halfstep::shape_error);
  for (index_t const size : {index_t{-1}, std::numeric_limits<index_t>::max()})
    EXPECT_THROW(static_cast<void>(halfstep::host_buffer<double>(size)), std::bad_alloc);
}

TEST(Buffer, HasConstantElementsWhereItIsConstant) {
  using numbers = halfstep::host_buffer<float>;
  static_assert(std::is_same_v<decltype(std::declval<numbers const&>().view({})), host_view<float const>>);
  static_assert(std::is_same_v<decltype(std::declval<numbers&>().view({})), host_view<float>>);
  static_assert(std::is_same_v<decltype(std::declval<numbers const&>().data()), float const*>);
  static_assert(std::is_same_v<decltype(std::declval<numbers const&>()[0]), float const&>);
  static_assert(std::is_same_v<decltype(std::declval<numbers const&>().begin()), float const*>);
  static_assert(std::is_same_v<decltype(std::declval<numbers&>().begin()), float*>);
  numbers x(4);
  std::fill(x.begin(), x.end(), 0.0f);
  x.view({2, 2})(1, 0) = 3.0f;
  numbers const& constant = x;
  EXPECT_EQ(constant.view({2, 2})(1, 0), 3.0f);
  EXPECT_EQ(constant.end() - constant.begin(), 4);
}

TEST(ScratchPool, HandsOutNoMoreBuffersThanAreBorrowedAtOnce) {
  halfstep::scratch_pool<float> pool(64);
  using lease = halfstep::scratch_pool<float>::lease;
  std::set<float*> seen;
  for (int i = 0; i < 10; ++i) {
    lease one(pool), two(pool);
    EXPECT_NE(one.data(), two.data());
    seen.insert({one.data(), two.data()});
  }
  EXPECT_EQ(seen.size(), 2u);
}

template <class T>
void expect_ordered() {
  using magnitude = halfstep::magnitude<T>;
  for (std::uint32_t p = 0; p < 1u << (8 * sizeof(T)); ++p) {
    T const x = static_cast<T>(p);
    float const wide = widen(x);
    float const back = magnitude::value(magnitude::of(x));
    if (wide != wide)
      EXPECT_GT(magnitude::of(x), magnitude::of(halfstep::narrow<T>(1e30f))) << p;
    else
      ASSERT_EQ(back, std::fabs(wide)) << p;
  }
}

TEST(Magnitude, OrdersEveryNarrowNumber) {
  expect_ordered<halfstep::bfloat16>();
  expect_ordered<halfstep::float16>();
  expect_ordered<halfstep::float8_e4m3>();
  expect_ordered<halfstep::float8_e5m2>();
  EXPECT_EQ(halfstep::magnitude<double>::value(halfstep::magnitude<double>::of(-0.1)), 0.1f);
  EXPECT_FALSE(halfstep::is_finite(1e300));
  EXPECT_FALSE(halfstep::is_finite(std::numeric_limits<float>::quiet_NaN()));
  EXPECT_TRUE(halfstep::is_finite(std::numeric_limits<float>::max()));
}

TEST(Error, TellsProgramsWhatIsTheMatterBesideItsSentence) {
  using halfstep::error;
  static_assert(std::is_nothrow_copy_constructible_v<halfstep::usage_error>);
  halfstep::usage_error const told(halfstep::message{"layers.already_quantized", "2 layers are quantized", {{"layers", "2"}}});
  error const& seen = told;
  EXPECT_STREQ(seen.what(), "2 layers are quantized");
  EXPECT_EQ(seen.id(), "layers.already_quantized");
  EXPECT_EQ(seen.fact("layers"), "2");
  EXPECT_EQ(seen.fact("file"), "");
  EXPECT_EQ(halfstep::value_error("a text alone").id(), "");
  EXPECT_EQ(halfstep::value_error("a text alone").said().text, "a text alone");
}

TEST(Message, IsMadeOfItsFacts) {
  auto const said = halfstep::stated("header.long_name", R"({'name} has {bytes} bytes, {"not": {bytes}}, {limit})",
                                     {{"name", "a\nb"}, {"bytes", std::uint64_t{18446744073709551615u}}});
  EXPECT_EQ(said.id, "header.long_name");
  EXPECT_EQ(said.text, R"('a\x0ab' has 18446744073709551615 bytes, {"not": 18446744073709551615}, {limit})");
  EXPECT_EQ(said.fact("name"), "a\nb") << "as it is, not as it is shown";
  EXPECT_EQ(halfstep::stated("a.b", "{x} of {y}", {{"x", "{y}"}, {"y", -1}}).text, "{y} of -1") << "facts hold no names of facts";
}

TEST(Message, KeepsItsIdAsThePartOfAnother) {
  auto const part = halfstep::stated("header.gap", "tensor {'tensor} ends late", {{"tensor", "a.weight"}, {"path", "inner"}});
  auto const whole = halfstep::within(part, "cannot read {'path}: {why}; get it again", {{"path", "m.safetensors"}});
  EXPECT_EQ(whole.id, "header.gap");
  EXPECT_EQ(whole.text, "cannot read 'm.safetensors': tensor 'a.weight' ends late; get it again");
  EXPECT_EQ(whole.fact("tensor"), "a.weight");
  EXPECT_EQ(whole.fact("path"), "m.safetensors");
  EXPECT_EQ(whole.fact("why"), "tensor 'a.weight' ends late");
}

TEST(AsView, ShowsVectorsAndSpansAsMatrices) {
  std::vector<float> numbers{1, 2, 3, 4, 5, 6};
  auto const view = halfstep::as_view(numbers, {2, 3});
  static_assert(std::is_same_v<decltype(view), halfstep::host_view<float> const>);
  EXPECT_EQ(view(1, 0), 4.0f);
  view(1, 0) = 7.0f;
  EXPECT_EQ(numbers[3], 7.0f);
  std::vector<float> const& constant = numbers;
  static_assert(std::is_same_v<decltype(halfstep::as_view(constant, {2, 3})), halfstep::host_view<float const>>);
  EXPECT_EQ(halfstep::as_view(std::span(constant).subspan(2), {4, 1})(3, 0), 6.0f);
  EXPECT_THROW(halfstep::as_view(numbers, {2, 2}), halfstep::shape_error);
}

}  // namespace
