// Error feedback: codes of GPTQ, objectives that fall after rounding, and no layer that gets worse.
#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/kernel/hadamard.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/solver/error_feedback.hpp>
#include <halfstep/tensor/quantizer.hpp>

#include "../support/weights.hpp"

namespace {

using halfstep::coded_matrix;
using halfstep::column_order;
using halfstep::error_feedback;
using halfstep::extents2;
using halfstep::feedback_settings;
using halfstep::hessian;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::low_rank_hessian;
using halfstep::serial;
using halfstep::threads;
using halfstep_test::noise;

using grid = halfstep::symmetric_grid<127>;
using square_matrix = halfstep::detail::dense<double>;

/// Inputs whose channels go together and differ in size.
host_buffer<float> inputs(extents2 e, std::uint64_t seed) {
  auto x = noise(e, seed);
  for (index_t r = 0; r < e.rows; ++r)
    for (index_t j = 1; j < e.columns; ++j) x[r * e.columns + j] += 0.8f * x[r * e.columns + j - 1];
  for (index_t r = 0; r < e.rows; ++r)
    for (index_t j = 0; j < e.columns; ++j) x[r * e.columns + j] *= 1.0f + static_cast<float>(j * 37 % 11);
  return x;
}

hessian hessian_of(host_buffer<float> const& x, extents2 e) {
  host_buffer<float> h(e.columns * e.columns);
  std::fill(h.begin(), h.end(), 0.0f);
  halfstep::add_gram(serial{}, host_view<float const>(x.view(e)), h.view({e.columns, e.columns}));
  return {serial{}, std::move(h), e.columns};
}

/// A Hessian given element by element.
hessian hessian_from(index_t n, std::function<double(index_t, index_t)> const& f) {
  host_buffer<float> h(n * n);
  for (index_t i = 0; i < n; ++i)
    for (index_t j = 0; j < n; ++j) h[i * n + j] = static_cast<float>(f(i, j));
  return {serial{}, std::move(h), n};
}

square_matrix wide(hessian const& h) { return halfstep::detail::eigen_map(h.view()).cast<double>(); }

double loss_of(host_view<float const> w, coded_matrix<grid> const& q, square_matrix const& h) {
  square_matrix e(w.rows(), w.columns());
  for (index_t i = 0; i < w.rows(); ++i)
    for (index_t j = 0; j < w.columns(); ++j)
      e(i, j) = static_cast<double>(w(i, j)) - static_cast<double>(grid::decode(q.codes(i, j), q.step(i, j)));
  return std::sqrt((e * h).cwiseProduct(e).sum());
}

/// GPTQ as its paper has it, in FP64: the Cholesky factor of the inverse, every error spread over all columns to come.
std::vector<std::int8_t> textbook(host_view<float const> weight, coded_matrix<grid> const& q, square_matrix h, double damping,
                                  column_order order) {
  index_t const n = weight.columns();
  std::vector<index_t> place(static_cast<std::size_t>(n));
  for (index_t j = 0; j < n; ++j) place[static_cast<std::size_t>(j)] = j;
  if (order == column_order::activations)
    std::stable_sort(place.begin(), place.end(), [&](index_t a, index_t b) { return h(a, a) > h(b, b); });
  h.diagonal().array() += damping * h.diagonal().mean();
  square_matrix turned(n, n), w(weight.rows(), n);
  for (index_t i = 0; i < n; ++i)
    for (index_t j = 0; j < n; ++j) turned(i, j) = h(place[static_cast<std::size_t>(i)], place[static_cast<std::size_t>(j)]);
  for (index_t i = 0; i < weight.rows(); ++i)
    for (index_t j = 0; j < n; ++j) w(i, j) = static_cast<double>(weight(i, place[static_cast<std::size_t>(j)]));
  square_matrix const inverse = turned.llt().solve(square_matrix::Identity(n, n));
  square_matrix const upper = inverse.llt().matrixU();
  std::vector<std::int8_t> codes(static_cast<std::size_t>(weight.extents().count()));
  for (index_t j = 0; j < n; ++j)
    for (index_t i = 0; i < weight.rows(); ++i) {
      index_t const column = place[static_cast<std::size_t>(j)];
      auto const s = q.step(i, column);
      auto const code = grid::locate_far(static_cast<float>(w(i, j)), s).nearer;
      codes[static_cast<std::size_t>(i * n + column)] = code;
      double const error = (w(i, j) - static_cast<double>(grid::decode(code, s))) / upper(j, j);
      w.row(i).tail(n - j - 1) -= error * upper.row(j).tail(n - j - 1);
    }
  return codes;
}

double differing(std::vector<std::int8_t> const& a, host_view<std::int8_t const> b) {
  double count = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) count += a[i] != b.data()[i] ? 1.0 : 0.0;
  return count / static_cast<double>(a.size());
}

template <class Tensor>
std::vector<std::int8_t> codes_of(Tensor const& q) {
  return {q.codes().data(), q.codes().data() + q.extents().count()};
}

template <class Layout>
auto rounded(host_view<float const> w) {
  return halfstep::quantizer<Layout>()(serial{}, w);
}
template <class Layout, class Tensor>
coded_matrix<grid> coded(Tensor& q) {
  return {q.codes(), q.groups(), halfstep::geometry_of<Layout>(q.extents())};
}

template <class Layout>
class ErrorFeedback : public testing::Test {};

using layouts = testing::Types<halfstep::int8_block<32>, halfstep::int8_axis, halfstep::int8_tensor>;
TYPED_TEST_SUITE(ErrorFeedback, layouts);

TYPED_TEST(ErrorFeedback, GivesTheCodesOfTextbookGptqInFp64) {
  extents2 const e{96, 352};
  auto const w = noise(e, 1);
  auto const h = hessian_of(inputs({500, e.columns}, 2), {500, e.columns});
  for (auto const order : {column_order::stored, column_order::activations})
    for (double const damping : {0.01, 0.1}) {
      auto q = rounded<TypeParam>(w.view(e));
      auto const expected = textbook(w.view(e), coded<TypeParam>(q), wide(h), damping, order);
      error_feedback<double>({.factor = {damping, order}}).refine(threads(2), w.view(e), coded<TypeParam>(q), h);
      EXPECT_EQ(differing(expected, q.codes()), 0.0);
    }
}

TYPED_TEST(ErrorFeedback, InFp32DiffersInFewCodesAtEqualLoss) {
  extents2 const e{128, 512};
  auto const w = noise(e, 3);
  auto const h = hessian_of(inputs({700, e.columns}, 4), {700, e.columns});
  auto narrow = rounded<TypeParam>(w.view(e)), exact = rounded<TypeParam>(w.view(e));
  error_feedback<float>().refine(serial{}, w.view(e), coded<TypeParam>(narrow), h);
  error_feedback<double>().refine(serial{}, w.view(e), coded<TypeParam>(exact), h);
  EXPECT_LE(differing(codes_of(exact), narrow.codes()), 1e-3);
  double const ratio =
      loss_of(w.view(e), coded<TypeParam>(narrow), wide(h)) / loss_of(w.view(e), coded<TypeParam>(exact), wide(h));
  EXPECT_LE(std::fabs(20.0 * std::log10(ratio)), 0.01);
}

TYPED_TEST(ErrorFeedback, ReportsTheLossesThatTheCodesHave) {
  extents2 const e{96, 288};
  auto const w = noise(e, 5);
  auto const h = hessian_of(inputs({400, e.columns}, 6), {400, e.columns});
  for (int const polish : {0, 3}) {
    auto q = rounded<TypeParam>(w.view(e));
    auto const start = codes_of(q);
    double const before = loss_of(w.view(e), coded<TypeParam>(q), wide(h));
    auto const report = error_feedback<>({.polish = polish}).refine(threads(2), w.view(e), coded<TypeParam>(q), h);
    double const after = loss_of(w.view(e), coded<TypeParam>(q), wide(h));
    EXPECT_NEAR(report.loss_before / before, 1.0, 1e-4);
    EXPECT_NEAR(report.loss_after / after, 1.0, 1e-4);
    EXPECT_GT(report.gain_db(), 3.0);
    EXPECT_GT(report.cost_db(), 0.0);
    EXPECT_EQ(report.damping, 0.01);
    EXPECT_EQ(static_cast<double>(report.moved), std::round(differing(start, q.codes()) * static_cast<double>(e.count())));
    EXPECT_EQ(report.iterations, 1 + polish);
  }
}

TYPED_TEST(ErrorFeedback, GivesTheSameCodesForEveryNumberOfThreadsAndEveryChunk) {
  extents2 const e{288, 416};
  auto const w = noise(e, 7);
  auto const h = hessian_of(inputs({300, e.columns}, 8), {300, e.columns});
  auto alone = rounded<TypeParam>(w.view(e));
  error_feedback<>({.polish = 2}).refine(serial{}, w.view(e), coded<TypeParam>(alone), h);
  for (auto const& [count, chunk] : std::vector<std::pair<int, index_t>>{{2, 1024}, {3, 64}, {5, 1}, {1, 200}}) {
    auto q = rounded<TypeParam>(w.view(e));
    error_feedback<>({.polish = 2, .piece_rows = chunk}).refine(threads(count), w.view(e), coded<TypeParam>(q), h);
    EXPECT_EQ(differing(codes_of(alone), q.codes()), 0.0);
  }
}

TYPED_TEST(ErrorFeedback, OfLowRankGivesTheCodesOfTheDenseHessian) {
  extents2 const e{64, 160};
  index_t const k = 12;
  auto const w = noise(e, 9);
  // Few digits, so that the dense H is exact in FP32.
  host_buffer<float> v(e.columns * k);
  std::vector<float> lambda;
  auto const x = noise({e.columns, k}, 10);
  for (index_t i = 0; i < v.size(); ++i) v[i] = std::round(x[i] * 200.0f);
  for (index_t j = 0; j < e.columns; ++j) lambda.push_back(static_cast<float>(50 + j % 7));
  auto const dense = hessian_from(e.columns, [&](index_t i, index_t j) {
    double sum = i == j ? static_cast<double>(lambda[static_cast<std::size_t>(i)]) : 0.0;
    for (index_t a = 0; a < k; ++a) sum += static_cast<double>(v[i * k + a]) * static_cast<double>(v[j * k + a]);
    return sum;
  });
  low_rank_hessian const h(lambda, std::move(v), k);
  EXPECT_EQ(h.diagonal(), dense.diagonal());
  for (auto const order : {column_order::stored, column_order::activations}) {
    feedback_settings const settings{.factor = {0.01, order}};
    auto low = rounded<TypeParam>(w.view(e)), full = rounded<TypeParam>(w.view(e));
    auto const report = error_feedback<double>(settings).refine(threads(2), w.view(e), coded<TypeParam>(low), h);
    auto const reference = error_feedback<double>(settings).refine(serial{}, w.view(e), coded<TypeParam>(full), dense);
    EXPECT_EQ(differing(codes_of(full), low.codes()), 0.0);
    EXPECT_GT(report.gain_db(), 0.5);
    EXPECT_NEAR(report.loss_after, reference.loss_after, 1e-6 * reference.loss_after);
    EXPECT_NEAR(report.loss_before, reference.loss_before, 1e-6 * reference.loss_before);
  }
}

TYPED_TEST(ErrorFeedback, PolishingLowersTheLossFurther) {
  extents2 const e{64, 256};
  auto const w = noise(e, 11);
  auto const h = hessian_of(inputs({600, e.columns}, 12), {600, e.columns});
  auto plain = rounded<TypeParam>(w.view(e)), polished = rounded<TypeParam>(w.view(e));
  auto const before = error_feedback<>().refine(serial{}, w.view(e), coded<TypeParam>(plain), h);
  auto const after = error_feedback<>({.polish = 4}).refine(serial{}, w.view(e), coded<TypeParam>(polished), h);
  EXPECT_LT(after.loss_after, before.loss_after);
}

TEST(ErrorFeedbackOnAutoregressiveInputs, GainsNineDecibelAndMostOfTheBoundWhenRotated) {
  // tr(E H E^T) of round to nearest is about |E|^2 tr H / N; of error feedback |E|^2 det(H)^(1/N).
  index_t const n = 1024;
  extents2 const e{128, n};
  auto const w = noise(e, 13);
  auto h = hessian_from(n, [](index_t i, index_t j) { return std::pow(0.95, std::abs(static_cast<double>(i - j))); });
  auto q = rounded<halfstep::int8_axis>(w.view(e));
  feedback_settings const settings{.factor = {1e-4, column_order::activations}};
  EXPECT_GE(error_feedback<>(settings).refine(threads(2), w.view(e), coded<halfstep::int8_axis>(q), h).gain_db(), 9.0);
  double const bound = -10.0 * static_cast<double>(n - 1) / static_cast<double>(n) * std::log10(1.0 - 0.95 * 0.95);

  host_buffer<float> turned(n * n), back(n * n), rotated(e.count());
  halfstep::hadamard_regular(serial{}, h.view(), turned.view({n, n}), 1024);
  for (index_t i = 0; i < n; ++i)
    for (index_t j = 0; j < n; ++j) back[j * n + i] = turned[i * n + j];
  halfstep::hadamard_regular(serial{}, host_view<float const>(back.view({n, n})), turned.view({n, n}), 1024);
  halfstep::hadamard_regular(serial{}, host_view<float const>(w.view(e)), rotated.view(e), 1024);
  hessian const in_turned_basis(serial{}, std::move(turned), n);
  auto in_basis = rounded<halfstep::int8_axis>(rotated.view(e));
  auto const report =
      error_feedback<>(settings).refine(threads(2), rotated.view(e), coded<halfstep::int8_axis>(in_basis), in_turned_basis);
  EXPECT_GE(report.gain_db(), 0.85 * bound);
  EXPECT_LE(report.gain_db(), bound + 0.1);
}

/// Error feedback on a Hessian that is no good; its report, and whether the loss that it promises to lower did not rise.
halfstep::solve_report on_bad(hessian const& h, feedback_settings const& settings = {}) {
  extents2 const e{48, h.columns()};
  auto const w = noise(e, 15);
  auto q = rounded<halfstep::int8_axis>(w.view(e));
  auto const start = codes_of(q);
  auto const report = error_feedback<>(settings).refine(threads(2), w.view(e), coded<halfstep::int8_axis>(q), h);
  auto before = rounded<halfstep::int8_axis>(w.view(e));
  double const rises = loss_of(w.view(e), coded<halfstep::int8_axis>(q), wide(h)) /
                       loss_of(w.view(e), coded<halfstep::int8_axis>(before), wide(h));
  EXPECT_FALSE(rises > 1.0 + 1e-6);
  EXPECT_TRUE(std::isfinite(report.loss_before) && std::isfinite(report.loss_after) && std::isfinite(report.error_after));
  EXPECT_LE(report.loss_after, report.loss_before);
  return report;
}

TEST(ErrorFeedbackOnBadHessians, DampsASingularOneAndGains) {
  // Fewer samples than columns, some columns equal, one without inputs.
  extents2 const e{40, 192};
  auto x = inputs(e, 16);
  for (index_t r = 0; r < e.rows; ++r) {
    x[r * e.columns + 7] = x[r * e.columns + 8];
    x[r * e.columns + 100] = 0.0f;
  }
  auto const report = on_bad(hessian_of(x, e));
  EXPECT_EQ(report.damping, 0.01);
  EXPECT_GT(report.gain_db(), 6.0);
}

TEST(ErrorFeedbackOnBadHessians, DampsAnIndefiniteOneMoreAndSaysSo) {
  auto const h = hessian_from(64, [](index_t i, index_t j) { return i == j ? 1.0 : 0.5 * std::cos(static_cast<double>(i + j)); });
  auto const report = on_bad(h);
  EXPECT_GT(report.damping, 0.05);
  EXPECT_GT(report.gain_db(), 0.01);
  // Nothing but its trace is right: still numbers, still no worse.
  on_bad(hessian_from(64, [](index_t i, index_t j) { return i == j ? 1e-3 : i % 2 == j % 2 ? 1.0 : -2.0; }));
  on_bad(hessian_from(64, [](index_t i, index_t j) { return i == j ? (i == 5 ? -1.0 : 1.0) : 0.0; }));
}

TEST(ErrorFeedbackOnBadHessians, TakesDiagonalsOfAllSizes) {
  auto const h = hessian_from(96, [](index_t i, index_t j) {
    return std::pow(10.0, (static_cast<double>(i % 17) + static_cast<double>(j % 17) - 16.0) * 1.0) *
           std::pow(0.9, std::abs(static_cast<double>(i - j)));
  });
  auto const report = on_bad(h);
  EXPECT_EQ(report.damping, 0.01);
  EXPECT_GT(report.gain_db(), 1.0);
  EXPECT_GT(on_bad(h, {.factor = {1e-12, column_order::activations}}).gain_db(), 1.0);
}

TEST(ErrorFeedbackOnBadHessians, LeavesCodesOfAHessianOfZerosAndRefusesNumbersThatAreNone) {
  auto const report = on_bad(hessian_from(32, [](index_t, index_t) { return 0.0; }));
  EXPECT_EQ(report.moved, 0);
  EXPECT_THROW(hessian_from(4, [](index_t i, index_t j) { return i == 2 && j == 1 ? NAN : 1.0; }), halfstep::value_error);
  EXPECT_THROW(hessian(serial{}, host_buffer<float>(12), 4), halfstep::shape_error);
  EXPECT_THROW(low_rank_hessian({1.0f, -1.0f}, host_buffer<float>(0), 0), halfstep::value_error);
}

TEST(ErrorFeedbackOnBadHessians, RoundsColumnsWithoutInputsToNearest) {
  extents2 const e{64, 128};
  auto x = inputs({300, e.columns}, 17);
  for (index_t r = 0; r < 300; ++r) x[r * e.columns + 31] = 0.0f;
  auto const w = noise(e, 18);
  for (double const damping : {0.01, 0.0}) {
    auto q = rounded<halfstep::int8_axis>(w.view(e));
    auto const start = codes_of(q);
    auto const report = error_feedback<>({.factor = {damping, column_order::activations}})
                            .refine(serial{}, w.view(e), coded<halfstep::int8_axis>(q), hessian_of(x, {300, e.columns}));
    EXPECT_GT(report.gain_db(), 3.0);
    for (index_t i = 0; i < e.rows; ++i) EXPECT_EQ(q.codes()(i, 31), start[static_cast<std::size_t>(i * e.columns + 31)]);
  }
}

TEST(ErrorFeedbackOnOneRow, KeepsTheCodesThatCameInWhereItsOwnAreWorse) {
  // Codes that are optimal already: found by error feedback and polishing, given to error feedback without.
  extents2 const e{128, 192};
  auto const w = noise(e, 19);
  auto const h = hessian_of(inputs({400, e.columns}, 20), {400, e.columns});
  auto q = rounded<halfstep::int8_axis>(w.view(e));
  error_feedback<>({.polish = 20}).refine(serial{}, w.view(e), coded<halfstep::int8_axis>(q), h);
  auto const start = codes_of(q);
  auto const report = error_feedback<>().refine(serial{}, w.view(e), coded<halfstep::int8_axis>(q), h);
  EXPECT_LE(report.loss_after, report.loss_before);
  EXPECT_LT(differing(start, q.codes()), 0.2);
}

TEST(ErrorFeedbackWatched, StopsBetweenChunksWhenTheWatcherThrows) {
  extents2 const e{192, 64};
  auto const w = noise(e, 21);
  auto q = rounded<halfstep::int8_axis>(w.view(e));
  auto const h = hessian_of(inputs({100, e.columns}, 22), {100, e.columns});
  int seen = 0;
  auto const watch = [&](int chunk, double) {
    seen = chunk;
    if (chunk == 2) throw halfstep::value_error("stop");
    return true;
  };
  EXPECT_THROW(error_feedback<>({.piece_rows = 64}).refine(serial{}, w.view(e), coded<halfstep::int8_axis>(q), h, watch),
               halfstep::value_error);
  EXPECT_EQ(seen, 2);
  EXPECT_THROW(
      error_feedback<>().refine(serial{}, w.view(e), coded<halfstep::int8_axis>(q), hessian_of(inputs({9, 9}, 1), {9, 9})),
      halfstep::shape_error);
}

}  // namespace
