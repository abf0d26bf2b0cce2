// INT8 products by every instruction set that the compiler targets, and what becomes of their sums.
#include <halfstep/kernel/linear_int8.hpp>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/core/bfloat16.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/core/float16.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/kernel/gelu.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>

#include "../support/weights.hpp"

namespace {

using halfstep::bfloat16;
using halfstep::extents2;
using halfstep::float16;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::product_ending;
using halfstep::serial;
using halfstep::threads;
using halfstep_test::message_of;
using halfstep_test::noise;

/// Every byte that a code can be, -128 too, in an order without a pattern, in memory that ends with the last one.
std::vector<std::int8_t> codes(index_t count, std::uint32_t seed) {
  std::vector<std::int8_t> v(static_cast<std::size_t>(count));
  for (auto& q : v) {
    seed = seed * 1664525u + 1013904223u;
    q = static_cast<std::int8_t>(seed >> 24);
  }
  return v;
}

/// Operands of a product with `inputs` rows, whose inputs have `input_groups` scales each.
template <class Layout>
struct problem {
  index_t inputs;
  extents2 e;
  index_t input_groups = 1;
  std::vector<std::int8_t> x = codes(inputs * e.columns, 1), w = codes(e.count(), 2);
  host_buffer<float> x_scales = noise({inputs, input_groups}, 3), groups = noise(Layout::groups(e), 4);

  halfstep::detail::int8_operands<Layout, halfstep::host_space> operands() const {
    return {{x.data(), {inputs, e.columns}}, x_scales.view({inputs, input_groups}), {w.data(), e}, groups.view(Layout::groups(e))};
  }
  extents2 out() const { return {inputs, e.rows}; }
};

/// Where a product writes its sums for a test.
struct results {
  std::vector<float> values;
  index_t columns;

  explicit results(extents2 e) : values(static_cast<std::size_t>(e.count()), -1.0f), columns(e.columns) {}
  auto writer() {
    return [this](float sum, float scale, index_t row, index_t column) {
      values[static_cast<std::size_t>(row * columns + column)] = halfstep::detail::finished(sum, scale, nullptr, column);
    };
  }
  bool operator==(results const& other) const {
    return std::memcmp(values.data(), other.values.data(), values.size() * sizeof(float)) == 0;
  }
};

template <class Layout>
void check_every_way(problem<Layout> const& p) {
  auto const in = p.operands();
  std::string const what = std::string(Layout::name) + " " + std::to_string(p.inputs) + " x " + std::to_string(p.e.rows) + " x " +
                           std::to_string(p.e.columns) + ", " + std::to_string(p.input_groups);
  results expected(p.out());
  halfstep::detail::plain_product(serial{}, in, expected.writer());
  [[maybe_unused]] auto const compare = [&](char const* name, auto const& product) {
    results alone(p.out()), parallel(p.out());
    product(serial{}, alone.writer());
    product(threads(3), parallel.writer());
    EXPECT_TRUE(alone == expected) << name << ": " << what;
    EXPECT_TRUE(parallel == expected) << name << " on threads: " << what;
  };
  compare("chosen", [&](auto const& ex, auto const& write) { halfstep::detail::int8_product(ex, in, write); });
  [[maybe_unused]] auto const compare_vnni = [&]<class Vnni>(char const* name, std::type_identity<Vnni>) {
    using panels = halfstep::detail::vnni_panels<Vnni>;
    compare(name, [&](auto const& ex, auto const& write) { halfstep::detail::row_product<Vnni>(ex, in, write); });
    if (in.is_cut_at(panels::granule))
      compare(name, [&](auto const& ex, auto const& write) { halfstep::detail::panel_product<panels>(ex, in, write); });
  };
#if defined(__AVX512VNNI__)
  compare_vnni("AVX-512 VNNI", std::type_identity<halfstep::detail::avx512_vnni>());
#endif
#if defined(__AVXVNNI__)
  compare_vnni("AVX-VNNI", std::type_identity<halfstep::detail::avx_vnni>());
#endif
#if defined(__AMX_INT8__) && defined(__AMX_TILE__)
  using tiles = halfstep::detail::amx_panels;
  if (in.is_cut_at(tiles::granule) && halfstep::file::may_use_matrix_registers())
    compare("AMX", [&](auto const& ex, auto const& write) { halfstep::detail::panel_product<tiles>(ex, in, write); });
#endif
}

TEST(LinearInt8, GivesTheSameBitsByEveryInstructionSet) {
  for (extents2 const e : {extents2{1, 1}, {7, 63}, {16, 64}, {33, 65}, {37, 301}, {49, 512}, {50, 515}, {97, 1025}, {130, 1600}})
    for (index_t const inputs : {1, 2, 4, 5, 16, 17, 48, 63, 259}) check_every_way(problem<halfstep::int8_axis>{inputs, e});
  for (index_t const inputs : {1, 3, 33}) {
    check_every_way(problem<halfstep::int8_tensor>{inputs, {70, 400}});
    check_every_way(problem<halfstep::int8_block<16>>{inputs, {48, 80}});
    check_every_way(problem<halfstep::int8_block<32>>{inputs, {96, 544}});
    check_every_way(problem<halfstep::int8_block<64>>{inputs, {64, 1088}});
    check_every_way(problem<halfstep::int8_block<128>>{inputs, {256, 1152}});
  }
}

TEST(LinearInt8, GivesTheSameBitsWithScalesForPartsOfInputs) {
  for (index_t const inputs : {1, 4, 40}) {
    check_every_way(problem<halfstep::int8_axis>{inputs, {37, 384}, 3});
    check_every_way(problem<halfstep::int8_axis>{inputs, {37, 60}, 20});
    check_every_way(problem<halfstep::int8_block<64>>{inputs, {64, 256}, 8});
    check_every_way(problem<halfstep::int8_block<64>>{inputs, {64, 512}, 2});
  }
}

TEST(LinearInt8, GivesTheSameBitsInRowsLongerThanAnIntegerHolds) {
  for (index_t const columns : {65536, 65537, 140000, 200064}) {
    check_every_way(problem<halfstep::int8_axis>{2, {3, columns}});
    check_every_way(problem<halfstep::int8_axis>{6, {7, columns}});
  }
  problem<halfstep::int8_axis> worst{6, {2, 65536}};
  worst.x.assign(worst.x.size(), -128);
  worst.w.assign(worst.w.size(), -128);
  check_every_way(worst);
}

TEST(LinearInt8, TakesNoInputsNoRowsAndNoColumns) {
  check_every_way(problem<halfstep::int8_axis>{0, {5, 64}});
  check_every_way(problem<halfstep::int8_axis>{5, {0, 64}});
  check_every_way(problem<halfstep::int8_axis>{9, {5, 0}});
}

/// A result in FP64, and the sum of the magnitudes of what its groups add to it, on which the error of FP32 sums depends.
struct exact_result {
  double value, size;
};

/// Returns the results without any ending. Precondition: groups of inputs do not reach beyond those of the weight.
template <class Layout>
std::vector<exact_result> exact(problem<Layout> const& p) {
  std::vector<exact_result> y;
  index_t const part = p.e.columns / p.input_groups;
  for (index_t b = 0; b < p.inputs; ++b)
    for (index_t row = 0; row < p.e.rows; ++row) {
      double sum = 0.0, size = 0.0, in_group = 0.0;
      for (index_t k = 0; k < p.e.columns; ++k) {
        in_group += static_cast<double>(p.x[static_cast<std::size_t>(b * p.e.columns + k)]) *
               p.w[static_cast<std::size_t>(row * p.e.columns + k)] *
               static_cast<double>(p.groups[Layout::group_of(p.e, row, k)]) *
               static_cast<double>(p.x_scales[b * p.input_groups + k / part]);
        if ((k + 1) % part != 0) continue;
        sum += in_group, size += std::fabs(in_group), in_group = 0.0;
      }
      y.push_back({sum, size});
    }
  return y;
}

double gelu(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }
double tanh_gelu(double x) { return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / std::acos(-1.0)) * (x + 0.044715 * x * x * x))); }

template <class Layout, class Output, class Form, class Exact>
void check_ending(problem<Layout> const& p, Form form, Exact const& exact_form, double precision) {
  auto const bias = noise({1, p.e.rows}, 5);
  auto const residual = noise<bfloat16>(p.out(), 6);
  auto const expected = exact(p);
  auto const in = p.operands();
  host_buffer<Output> y(p.out().count());
  halfstep::linear_int8<Layout>(threads(2), in.x, in.x_scales, in.weight, in.groups,
                                product_ending<halfstep::host_space, Form, bfloat16>{bias.view({1, p.e.rows}), form,
                                                                                     residual.view(p.out())},
                                y.view(p.out()));
  for (index_t i = 0; i < y.size(); ++i) {
    auto const [sum, size] = expected[static_cast<std::size_t>(i)];
    double const value = sum + static_cast<double>(bias[i % p.e.rows]);
    double const right = exact_form(value) + static_cast<double>(halfstep::widen(residual[i]));
    ASSERT_NEAR(static_cast<double>(halfstep::widen(y[i])), right, precision * (std::fabs(value) + std::fabs(right)) + 3e-7 * size + 1e-7) << i;
  }
}

TEST(LinearInt8, EndsWithBiasActivationAndResidual) {
  problem<halfstep::int8_axis> const rows{9, {35, 130}};
  problem<halfstep::int8_block<64>> const blocks{3, {64, 128}, 4};
  auto const same = [](double x) { return x; };
  check_ending<halfstep::int8_axis, float>(rows, halfstep::no_activation{}, same, 1e-6);
  check_ending<halfstep::int8_axis, float>(rows, halfstep::gelu_erf{}, gelu, 1e-6);
  check_ending<halfstep::int8_axis, bfloat16>(rows, halfstep::gelu_tanh{}, tanh_gelu, 0x1p-8);
  check_ending<halfstep::int8_axis, float16>(rows, halfstep::no_activation{}, same, 0x1p-11);
  check_ending<halfstep::int8_block<64>, float>(blocks, halfstep::gelu_tanh{}, tanh_gelu, 1e-6);
  check_ending<halfstep::int8_block<64>, bfloat16>(blocks, halfstep::no_activation{}, same, 0x1p-8);
}

TEST(LinearInt8, StoresCodesOnAGivenGrid) {
  problem<halfstep::int8_axis> const p{4, {40, 100}};
  auto const expected = exact(p);
  auto const in = p.operands();
  for (index_t const count : {index_t{1}, p.inputs}) {
    host_buffer<float> scales(count);
    for (index_t i = 0; i < count; ++i) scales[i] = 0.5f * static_cast<float>(i + 1);
    std::vector<std::int8_t> y(static_cast<std::size_t>(p.out().count()));
    halfstep::linear_int8<halfstep::int8_axis>(
        serial{}, in.x, in.x_scales, in.weight, in.groups,
        product_ending<halfstep::host_space>{{}, {}, {}, scales.view({count, 1})},
        host_view<std::int8_t>(y.data(), p.out()));
    int at_the_ends = 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
      double const quotient = expected[i].value / static_cast<double>(scales[count > 1 ? static_cast<index_t>(i) / p.e.rows : 0]);
      double const right = std::fmin(std::fmax(quotient, -127.0), 127.0);
      ASSERT_LE(std::fabs(y[i] - right), 0.501) << i;
      at_the_ends += y[i] == 127 || y[i] == -127;
    }
    EXPECT_GT(at_the_ends, 0);
    EXPECT_LT(at_the_ends, static_cast<int>(y.size()));
  }
}

TEST(LinearInt8, SaysWhichPartDoesNotFit) {
  problem<halfstep::int8_axis> const p{4, {8, 32}};
  auto const in = p.operands();
  host_buffer<float> y(32), other(32);
  std::vector<std::int8_t> short_y(32);
  auto const message = [&](product_ending<halfstep::host_space> const& ending, auto x_scales) {
    return message_of([&] {
      halfstep::linear_int8<halfstep::int8_axis>(serial{}, in.x, x_scales, in.weight, in.groups, ending, y.view({4, 8}));
    });
  };
  EXPECT_EQ(message({}, in.x_scales), "nothing thrown");
  EXPECT_THAT(message({other.view({1, 32})}, in.x_scales), testing::HasSubstr("the bias of linear_int8: expected 1 x 8, got 1 x 32"));
  EXPECT_THAT(message({{}, {}, other.view({8, 4})}, in.x_scales),
              testing::HasSubstr("the residual of linear_int8: expected 4 x 8, got 8 x 4"));
  EXPECT_THAT(message({{}, {}, {}, other.view({32, 1})}, in.x_scales),
              testing::HasSubstr("the scales of the output of linear_int8: expected none for a type with an exponent, got 32 x 1"));
  EXPECT_THAT(message({}, host_view<float const>(other.data(), {4, 5})),
              testing::HasSubstr("the scales of the input in linear_int8: expected 4 x 1, or as many columns as divide 32, got 4 x 5"));
  EXPECT_THAT(message_of([&] {
                halfstep::linear_int8<halfstep::int8_axis>(serial{}, in.x, in.x_scales, in.weight, in.groups,
                                                           product_ending<halfstep::host_space>{},
                                                           host_view<std::int8_t>(short_y.data(), {4, 8}));
              }),
              testing::HasSubstr("expected 1 x 1 or 4 x 1 for INT8, got 0 x 0"));
}

}  // namespace
