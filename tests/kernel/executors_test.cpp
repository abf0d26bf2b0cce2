// Every layout and rounding, over random shapes: `threads` gives what `serial` gives, and so does every cut.

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/kernel/dequantize.hpp>
#include <halfstep/kernel/group_range.hpp>
#include <halfstep/kernel/quantize.hpp>
#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/group_rows.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/layout/transposed.hpp>
#include <halfstep/rounding/decided.hpp>
#include <halfstep/rounding/nearest.hpp>
#include <halfstep/rounding/stochastic.hpp>
#include <halfstep/tensor/quantizer.hpp>

#include "../support/weights.hpp"

namespace {

using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::serial;
using halfstep::threads;
using halfstep_test::noise;

template <class Layout, class Rounding, class Source = float>
struct composition {
  using layout = Layout;
  using rounding = Rounding;
  using source = Source;
};

/// Bits for `decided`, enough for every shape here.
std::vector<std::uint32_t> const& decisions() {
  static std::vector<std::uint32_t> const words = [] {
    std::vector<std::uint32_t> made(1 << 16);
    for (std::size_t i = 0; i < made.size(); ++i) made[i] = halfstep::philox(5)(i).word[0];
    return made;
  }();
  return words;
}

template <class Rounding>
Rounding make_rounding() {
  if constexpr (std::is_same_v<Rounding, halfstep::stochastic>)
    return {halfstep::philox(halfstep::random_key(3, "layer.weight"))};
  else if constexpr (std::is_same_v<Rounding, halfstep::decided>)
    return {decisions().data()};
  else
    return {};
}

/// Shapes that are multiples of nothing, but for what the layout itself demands.
template <class Layout>
std::vector<extents2> shapes() {
  std::vector<extents2> all{{0, 0}, {0, 7}, {1, 1}, {1, 1000}, {613, 1}, {3, 2049}, {211, 1237}};
  halfstep::philox const random(17);
  for (std::uint64_t i = 0; i < 12; ++i) all.push_back({1 + random(i).word[0] % 900, 1 + random(i).word[1] % 1300});
  for (extents2& e : all) {
    if (Layout::fits(e)) continue;
    index_t const unit = Layout::run(e);
    e = {(e.rows / unit + 1) * unit, (e.columns / unit + 1) * unit};
  }
  return all;
}

template <class Composition>
class Executors : public testing::Test {
 public:
  using layout = typename Composition::layout;
  using rounding = typename Composition::rounding;
  using source = typename Composition::source;
  using code = typename layout::code_type;
  using group = typename layout::group_type;

  struct result {
    host_buffer<group> groups;
    host_buffer<code> codes;
    host_buffer<halfstep::bfloat16> plain;
  };

  /// The kernels one after the other.
  template <class Executor>
  static result run(Executor const& ex, host_view<source const> weight) {
    extents2 const e = weight.extents(), g = layout::groups(e);
    host_buffer<halfstep::value_range> ranges(g.count());
    result r{host_buffer<group>(g.count()), host_buffer<code>(e.count()), host_buffer<halfstep::bfloat16>(e.count())};
    halfstep::group_range<layout>(ex, weight, ranges.view(g));
    halfstep::fit_groups<layout>(ranges.view(g), r.groups.view(g));
    halfstep::quantize<layout>(ex, weight, r.groups.view(g), r.codes.view(e), make_rounding<rounding>());
    halfstep::dequantize<layout>(ex, r.codes.view(e), r.groups.view(g), r.plain.view(e));
    return r;
  }

  static void expect_equal(result const& a, result const& b) {
    ASSERT_TRUE(std::equal(a.codes.begin(), a.codes.end(), b.codes.begin(), b.codes.end()));
    ASSERT_TRUE(std::equal(a.plain.begin(), a.plain.end(), b.plain.begin(), b.plain.end()));
    if constexpr (halfstep::has_groups<layout>) {
      ASSERT_TRUE(std::equal(a.groups.begin(), a.groups.end(), b.groups.begin(), b.groups.end()));
    }
  }
};

using halfstep::bfloat16;
using halfstep::decided;
using halfstep::float16;
using halfstep::float8_e4m3;
using halfstep::float8_e5m2;
using halfstep::fp16;
using halfstep::int8_axis;
using halfstep::int8_block;
using halfstep::int8_tensor;
using halfstep::nearest;
using halfstep::stochastic;

using compositions = testing::Types<
    composition<int8_block<16>, nearest>, composition<int8_block<64>, stochastic, bfloat16>,
    composition<int8_block<128>, decided>, composition<int8_axis, nearest, bfloat16>, composition<int8_axis, stochastic>,
    composition<int8_axis, decided, float16>, composition<int8_tensor, nearest, float16>, composition<int8_tensor, stochastic>,
    composition<int8_tensor, decided, double>, composition<fp16, nearest>, composition<fp16, stochastic>,
    composition<fp16, decided, float8_e5m2>, composition<halfstep::transposed<int8_axis>, nearest, float8_e4m3>,
    composition<halfstep::transposed<int8_axis>, stochastic, bfloat16>, composition<int8_block<256>, nearest, double>>;
TYPED_TEST_SUITE(Executors, compositions);

TYPED_TEST(Executors, GiveTheCodesGroupsAndNumbersOfSerial) {
  for (extents2 const e : shapes<typename TestFixture::layout>()) {
    SCOPED_TRACE(std::to_string(e.rows) + " x " + std::to_string(e.columns));
    auto const weight = noise<typename TestFixture::source>(e);
    auto const oracle = TestFixture::run(serial{}, weight.view(e));
    for (int const count : {1, 2, 5}) TestFixture::expect_equal(TestFixture::run(threads(count), weight.view(e)), oracle);
  }
}

TYPED_TEST(Executors, GiveTheQuantizerTheCodesOfTheKernels) {
  for (extents2 const e : shapes<typename TestFixture::layout>()) {
    SCOPED_TRACE(std::to_string(e.rows) + " x " + std::to_string(e.columns));
    auto const weight = noise<typename TestFixture::source>(e);
    auto const oracle = TestFixture::run(serial{}, weight.view(e));
    halfstep::quantizer<typename TestFixture::layout, typename TestFixture::rounding> const quantize(
        make_rounding<typename TestFixture::rounding>());
    auto const q = quantize(threads(2), weight.view(e));
    ASSERT_TRUE(std::equal(oracle.codes.begin(), oracle.codes.end(), q.codes().data()));
    if constexpr (halfstep::has_groups<typename TestFixture::layout>) {
      ASSERT_TRUE(std::equal(oracle.groups.begin(), oracle.groups.end(), q.groups().data()));
    }
  }
}

TYPED_TEST(Executors, GiveEveryPieceTheCodesOfTheWhole) {
  using layout = typename TestFixture::layout;
  for (extents2 const e : shapes<layout>()) {
    SCOPED_TRACE(std::to_string(e.rows) + " x " + std::to_string(e.columns));
    if (e.rows == 0) continue;
    auto const weight = noise<typename TestFixture::source>(e);
    auto const whole = TestFixture::run(serial{}, weight.view(e));
    index_t const shared = halfstep::spans_all_rows<layout>(e) ? 1 : halfstep::rows_per_group<layout>(e);
    host_view<typename TestFixture::group const> const groups = whole.groups.view(layout::groups(e));
    index_t const step = shared * std::max<index_t>(1, e.rows / shared / 3);
    for (index_t first = 0; first < e.rows; first += step) {
      host_view<typename TestFixture::source const> const piece =
          host_view<typename TestFixture::source const>(weight.view(e)).rows(first, std::min(step, e.rows - first));
      bool const shares_all = !halfstep::has_groups<layout> || halfstep::spans_all_rows<layout>(e);
      host_buffer<typename TestFixture::code> codes(piece.extents().count());
      halfstep::quantize<layout>(serial{}, piece, shares_all ? groups : groups.rows(first / shared, piece.rows() / shared),
                                 codes.view(piece.extents()), make_rounding<typename TestFixture::rounding>());
      ASSERT_TRUE(std::equal(codes.begin(), codes.end(), whole.codes.data() + first * e.columns)) << first;
    }
  }
}

TYPED_TEST(Executors, KeepEveryNumberWithinTheBoundOfTheRounding) {
  using layout = typename TestFixture::layout;
  extents2 const e = shapes<layout>().back();
  auto const weight = noise<typename TestFixture::source>(e);
  auto const r = TestFixture::run(serial{}, weight.view(e));
  for (index_t row = 0; row < e.rows; ++row) {
    for (index_t column = 0; column < e.columns; ++column) {
      float const x = halfstep::widen(weight[row * e.columns + column]);
      auto const prepared = halfstep::step_at<layout>(r.groups.data(), e, row, column);
      float const y = layout::decode(r.codes[row * e.columns + column], prepared);
      float step;
      if constexpr (halfstep::has_groups<layout>)
        step = prepared.scale;
      else
        step = std::ldexp(1.0f, std::max(std::ilogb(std::max(std::fabs(x), 1e-30f)), -14) - 10);
      ASSERT_LE(std::fabs(y - x), TestFixture::rounding::max_error_steps * step * 1.00001f) << row << ", " << column;
    }
  }
}

TEST(GroupRange, IsTheLargestMagnitudeAndShowsWhatIsNotFinite) {
  std::vector<float> weight(32 * 64, 0.5f);
  weight[3 * 64 + 20] = -3.0f;
  weight[17 * 64 + 1] = -std::numeric_limits<float>::infinity();
  weight[18 * 64 + 63] = std::numeric_limits<float>::quiet_NaN();
  weight[18 * 64 + 62] = std::numeric_limits<float>::infinity();
  host_buffer<halfstep::value_range> ranges(8);
  halfstep::group_range<int8_block<16>>(serial{}, host_view<float const>(weight.data(), {32, 64}), ranges.view({2, 4}));
  EXPECT_EQ(ranges[0].amax, 0.5f);
  EXPECT_EQ(ranges[1].amax, 3.0f);
  EXPECT_EQ(ranges[4].amax, std::numeric_limits<float>::infinity());
  EXPECT_NE(ranges[7].amax, ranges[7].amax);
}

TEST(Kernels, RefuseViewsOfAnotherShape) {
  auto x = noise({4, 4});
  host_buffer<float> groups(5);
  host_buffer<std::int8_t> codes(16);
  host_buffer<halfstep::value_range> ranges(5);
  host_view<float const> const weight = x.view({4, 4});
  EXPECT_THROW(halfstep::group_range<int8_axis>(serial{}, weight, ranges.view({5, 1})), halfstep::shape_error);
  EXPECT_THROW(halfstep::quantize<int8_axis>(serial{}, weight, groups.view({5, 1}), codes.view({4, 4}), nearest{}),
               halfstep::shape_error);
  EXPECT_THROW(halfstep::quantize<int8_tensor>(serial{}, weight, {groups.data(), {1, 1}}, codes.view({2, 8}), nearest{}),
               halfstep::shape_error);
  EXPECT_THROW(halfstep::dequantize<int8_tensor>(serial{}, codes.view({4, 4}), {groups.data(), {1, 1}}, x.view({2, 8})),
               halfstep::shape_error);
}

}  // namespace
