#include <halfstep/tensor/quantizer.hpp>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/exec/threads.hpp>
#include <halfstep/kernel/dequantize.hpp>
#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/rounding/stochastic.hpp>
#include <halfstep/transform/hadamard.hpp>

namespace {

using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;

host_buffer<float> noise(extents2 e, std::uint64_t seed = 1) {
  host_buffer<float> x(e.count());
  halfstep::philox const random(seed);
  for (index_t i = 0; i < x.size(); ++i) {
    auto const block = random(static_cast<std::uint64_t>(i));
    x[i] = (halfstep::unit_float(block.word[0]) + halfstep::unit_float(block.word[1]) - 1.0f) * 0.1f;
  }
  return x;
}

template <class Call>
std::string message_of(Call const& call) {
  try {
    call();
  } catch (halfstep::error const& e) {
    return e.what();
  }
  return "nothing thrown";
}

TEST(Quantizer, GivesEachRowAScaleAndRoundsTiesToEven) {
  std::vector<float> const weight{127.0f, 0.5f, 1.5f, -2.5f, 0.0f, 254.0f, 1.0f, 3.0f, -5.0f, -254.0f};
  halfstep::quantizer<halfstep::int8_axis> const quantize;
  auto const q = quantize(halfstep::serial{}, host_view<float const>(weight.data(), {2, 5}));
  EXPECT_THAT(std::vector(q.groups().data(), q.groups().data() + 2), testing::ElementsAre(1.0f, 2.0f));
  EXPECT_THAT(std::vector<int>(q.codes().data(), q.codes().data() + 10),
              testing::ElementsAre(127, 0, 2, -2, 0, 127, 0, 2, -2, -127));
}

TEST(Quantizer, NamesTheFirstWeightThatIsNotFinite) {
  for (float const bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    extents2 const e{700, 300};
    auto x = noise(e);
    x[650 * 300 + 7] = bad;
    x[690 * 300 + 1] = bad;
    host_view<float const> const weight(x.data(), e, 1000);
    std::string const expected = "row 1650, column 7 (element " + std::to_string(1650 * 300 + 7) + " of its tensor) is " +
                                 (std::isnan(bad) ? "NaN" : "infinite");
    auto const refused = [&](auto const& quantize, auto const& ex) {
      EXPECT_THAT(message_of([&] { quantize(ex, weight); }), testing::HasSubstr(expected));
    };
    for (int count : {1, 2, 3}) {
      refused(halfstep::quantizer<halfstep::int8_axis>(), halfstep::threads(count));
      refused(halfstep::quantizer<halfstep::int8_tensor>(), halfstep::threads(count));
      refused(halfstep::quantizer<halfstep::fp16>(), halfstep::threads(count));
      refused(halfstep::quantizer<halfstep::int8_axis, halfstep::nearest, halfstep::regular_hadamard>({}, {4}),
              halfstep::threads(count));
    }
    refused(halfstep::quantizer<halfstep::int8_tensor>(), halfstep::serial{});
  }
}

template <class Layout>
void expect_steps_make_the_whole(extents2 e) {
  auto const x = noise(e);
  host_view<float const> const weight(x.data(), e, 4096);
  halfstep::threads const ex(3);
  halfstep::quantizer<Layout, halfstep::stochastic> const quantize(halfstep::stochastic{halfstep::philox(5)});
  auto const whole = quantize(ex, weight);
  halfstep::quantized_tensor<Layout> steps(e);
  quantize.fit(ex, weight, steps.groups());
  quantize.encode(ex, weight, host_view<typename Layout::group_type const>(steps.groups()), steps.codes());
  extents2 const groups = steps.groups().extents();
  std::vector<halfstep::value_range> ranges(static_cast<std::size_t>(groups.count()));
  quantize.range(ex, weight, host_view<halfstep::value_range>(ranges.data(), groups));
  for (index_t i = 0; i < groups.count(); ++i) {
    ASSERT_EQ(steps.groups().data()[i], whole.groups().data()[i]) << i;
    ASSERT_EQ(Layout::fit(ranges[static_cast<std::size_t>(i)]), whole.groups().data()[i]) << i;
  }
  for (index_t i = 0; i < e.count(); ++i) ASSERT_EQ(steps.codes().data()[i], whole.codes().data()[i]) << i;
}

TEST(Quantizer, DoesInStepsWhatItDoesAtOnce) {
  expect_steps_make_the_whole<halfstep::int8_axis>({700, 300});
  expect_steps_make_the_whole<halfstep::int8_tensor>({700, 300});
  expect_steps_make_the_whole<halfstep::int8_tensor>({3, 5});
  expect_steps_make_the_whole<halfstep::int8_block<64>>({640, 320});
}

TEST(Quantizer, RefusesWeightsThatAreNotFiniteInEachOfItsStepsThatLooksAtThem) {
  extents2 const e{700, 300};
  auto x = noise(e);
  x[e.count() - 1] = std::numeric_limits<float>::infinity();
  host_view<float const> const weight(x.data(), e);
  halfstep::quantizer<halfstep::int8_tensor> const tensor;
  halfstep::quantizer<halfstep::fp16> const half;
  host_buffer<float> scale(1);
  host_buffer<halfstep::value_range> range(1);
  host_buffer<halfstep::no_group> none(0);
  EXPECT_THROW(tensor.fit(halfstep::serial{}, weight, scale.view({1, 1})), halfstep::not_finite);
  EXPECT_THROW(tensor.range(halfstep::serial{}, weight, range.view({1, 1})), halfstep::not_finite);
  EXPECT_THROW(half.fit(halfstep::serial{}, weight, none.view({0, 0})), halfstep::not_finite);
}

TEST(Quantizer, RefusesAShapeThatTheLayoutCannotStore) {
  auto const x = noise({130, 128});
  halfstep::quantizer<halfstep::int8_block<128>> const quantize;
  EXPECT_THAT(message_of([&] {
                quantize(halfstep::serial{}, x.view({130, 128}));
              }),
              testing::HasSubstr("130 x 128 does not fit int8_blockwise"));
  halfstep::quantizer<halfstep::int8_axis, halfstep::nearest, halfstep::regular_hadamard> const rotate({}, {256});
  EXPECT_THAT(message_of([&] {
                rotate(halfstep::serial{}, x.view({130, 128}));
              }),
              testing::HasSubstr("130 x 128 does not fit convrot"));
}

TEST(Quantizer, GivesAPieceOfATensorTheCodesOfTheWhole) {
  extents2 const e{1024, 384};
  auto const x = noise(e);
  halfstep::stochastic const rounding{halfstep::philox(7)};
  halfstep::quantizer<halfstep::int8_block<64>, halfstep::stochastic> const quantize(rounding);
  auto const whole = quantize(halfstep::threads(2), x.view(e));
  for (index_t first = 0; first < e.rows; first += 256) {
    auto const piece = quantize(halfstep::serial{}, x.view(e).rows(first, 256));
    for (index_t i = 0; i < 256 * e.columns; ++i) ASSERT_EQ(piece.codes().data()[i], whole.codes().row(first)[i]);
    for (index_t i = 0; i < piece.groups().extents().count(); ++i)
      ASSERT_EQ(piece.groups().data()[i], whole.groups().row(first / 64)[i]);
  }
}

TEST(Quantizer, SaturatesWhereAGivenScaleIsTooSmall) {
  std::vector<float> const weight{1.0f, -1e30f, 3e38f, 1e-40f, -1e-41f, 0.0f};
  for (float const scale : {1e-3f, 1e-20f, 1.1754944e-38f, 1e-45f}) {
    halfstep::quantizer<halfstep::int8_tensor> const quantize;
    auto const q = quantize.with_groups(halfstep::serial{}, host_view<float const>(weight.data(), {2, 3}), {&scale, {1, 1}});
    for (std::size_t i = 0; i < weight.size(); ++i) {
      double const exact = std::nearbyint(static_cast<double>(weight[i]) / static_cast<double>(scale));
      EXPECT_EQ(q.codes().data()[i], std::fmin(std::fmax(exact, -127.0), 127.0)) << weight[i] << " / " << scale;
    }
  }
}

/// A layout that wrongly accepts shapes its 16-row groups do not divide.
struct ragged : halfstep::int8_block<16> {
  static constexpr bool fits(extents2) { return true; }
  static constexpr extents2 groups(extents2 e) { return {(e.rows + 15) / 16, (e.columns + 15) / 16}; }
};

TEST(Quantizer, RefusesGroupsThatDoNotDivideTheRows) {
  auto const x = noise({70, 32});
  EXPECT_THAT(message_of([&] {
                halfstep::quantizer<ragged>()(halfstep::serial{}, x.view({70, 32}));
              }),
              testing::HasSubstr("5 rows of groups for 70 rows"));
  halfstep::host_buffer<halfstep::value_range> ranges(10);
  host_view<float const> const weight = x.view({70, 32});
  EXPECT_THROW(halfstep::group_range<ragged>(halfstep::serial{}, weight, ranges.view({5, 2})), halfstep::shape_error);
}

TEST(Quantizer, RefusesAGivenScaleThatIsNotPositive) {
  auto const x = noise({1, 4});
  halfstep::quantizer<halfstep::int8_tensor> const quantize;
  for (float const scale : {0.0f, -1.0f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()})
    EXPECT_THAT(message_of([&] {
                  quantize.with_groups(halfstep::serial{}, x.view({1, 4}), {&scale, {1, 1}});
                }),
                testing::HasSubstr("a scale is positive and finite"));
}

}  // namespace
