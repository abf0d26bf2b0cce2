// The least that a host executor has to be, through everything that takes one. It goes from the last index to the first, so
// whatever depends on the order of calls gives other numbers than `serial`.
#include <algorithm>
#include <cstdint>
#include <exception>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/halfstep.hpp>
#include <halfstep/linalg/cholesky.hpp>
#include <halfstep/linalg/orthonormal.hpp>
#include <halfstep/linalg/singular.hpp>
#include <halfstep/objective/hessian_factor.hpp>
#include <halfstep/solver/error_feedback.hpp>
#include <halfstep/transform/random_orthogonal.hpp>

#include "../support/weights.hpp"

namespace {

using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::int8_axis;
using halfstep::serial;
using halfstep_test::noise;

/// Does one thing before another, from the last to the first.
struct backwards {
  using space = halfstep::host_space;
  void wait() const {}

  template <class F>
  void for_each(index_t count, F const& f) const {
    std::exception_ptr thrown;
    while (count-- > 0) try {
        f(count);
      } catch (...) {
        thrown = std::current_exception();
      }
    if (thrown) std::rethrow_exception(thrown);
  }
};
static_assert(halfstep::host_executor<backwards> && !halfstep::device_executor<backwards>);

constexpr extents2 shape{200, 320};  // several tiles of rows, none of them whole at the end

template <class T>
std::vector<double> numbers(host_view<T const> x) {
  return {x.data(), x.data() + x.extents().count()};
}
std::vector<double> numbers(host_buffer<float> const& x) { return {x.begin(), x.end()}; }

/// Expects of `run(executor)`, a vector of numbers, the same for both.
template <class Run>
void expect_same(char const* what, Run const& run) {
  auto const expected = run(serial{});
  ASSERT_FALSE(expected.empty()) << what;
  EXPECT_EQ(run(backwards{}), expected) << what;
}

/// Expects the same numbers in a matrix of shape `e` that `change(executor, view)` changes, starting from noise.
template <class Change>
void expect_same_change(char const* what, extents2 e, Change const& change) {
  expect_same(what, [&](auto const& ex) {
    auto x = noise(e, 11);
    change(ex, x.view(e));
    return numbers(x);
  });
}

TEST(MinimalExecutor, RunsEveryKernel) {
  auto const x = noise(shape, 1);
  auto const w = x.view(shape);
  expect_same("sum", [&](auto const& ex) {
    return std::vector{halfstep::sum(ex, w), halfstep::sum_of_squares(ex, w),
                       static_cast<double>(halfstep::matrix_range(ex, w).amax)};
  });
  expect_same("column_max", [&](auto const& ex) { return halfstep::column_max(ex, w); });
  expect_same("column_energy", [&](auto const& ex) { return halfstep::column_energy(ex, w); });
  auto const q = halfstep::quantizer<int8_axis>()(serial{}, w);
  expect_same("group_range", [&](auto const& ex) {
    std::vector<halfstep::value_range> found(200);
    halfstep::group_range<int8_axis>(ex, w, halfstep::as_view(found, {200, 1}));
    std::vector<float> largest;
    for (auto const range : found) largest.push_back(range.amax);
    return largest;
  });
  expect_same("quantize", [&](auto const& ex) {
    std::vector<std::int8_t> codes(static_cast<std::size_t>(shape.count()));
    halfstep::quantize<int8_axis>(ex, w, q.groups(), halfstep::as_view(codes, shape), halfstep::stochastic{halfstep::philox(3)});
    return codes;
  });
  expect_same("dequantize", [&](auto const& ex) {
    std::vector<float> back(static_cast<std::size_t>(shape.count()));
    halfstep::dequantize<int8_axis>(ex, q.codes(), q.groups(), halfstep::as_view(back, shape));
    return back;
  });
  expect_same("measure_residual", [&](auto const& ex) {
    auto const s = halfstep::total(halfstep::measure_residual<int8_axis>(ex, w, q.codes(), q.groups()));
    return std::vector{s.weight_square, s.error_square, s.product};
  });
  expect_same("residual_mean", [&](auto const& ex) {
    std::vector<float> const mean(320, 0.25f);
    return halfstep::residual_mean<halfstep::symmetric_grid<127>>(ex, w, q.codes(), q.groups(),
                                                                  halfstep::geometry_of<int8_axis>(shape), mean);
  });
  expect_same("error_histogram", [&](auto const& ex) {
    auto const plain = halfstep::dequantize(serial{}, q);
    auto const bins = halfstep::error_histogram<halfstep::symmetric_grid<127>>(ex, w, plain.view(shape), q.groups(),
                                                                               halfstep::geometry_of<int8_axis>(shape));
    return std::vector(bins.begin(), bins.end());
  });
  expect_same("widen", [&](auto const& ex) {
    host_buffer<halfstep::bfloat16> narrow(shape.count());
    halfstep::narrow(ex, w, narrow.view(shape));
    host_buffer<float> back(shape.count());
    halfstep::widen(ex, narrow.view(shape), back.view(shape));
    return numbers(back);
  });
  expect_same_change("gelu", shape, [](auto const& ex, auto y) { halfstep::gelu(ex, y, y); });
  expect_same_change("hadamard_regular", shape, [](auto const& ex, auto y) { halfstep::hadamard_regular(ex, y, y, 64); });
  expect_same_change("hadamard", shape, [](auto const& ex, auto y) { halfstep::hadamard(ex, y, 32); });
  expect_same_change("hadamard_columns", {256, 40}, [](auto const& ex, auto y) { halfstep::hadamard_columns(ex, y); });
  expect_same_change("add_product", {200, 96}, [&](auto const& ex, auto y) {
    auto const a = noise({200, 16}, 2), b = noise({16, 96}, 3);
    halfstep::add_product(ex, a.view({200, 16}), halfstep::packed_factor(b.view({16, 96})), y);
  });
}

TEST(MinimalExecutor, MultipliesAndFactors) {
  auto const x = noise({300, 320}, 2), w = noise(shape, 1);
  expect_same_change("gemm", {300, 200}, [&](auto const& ex, auto y) {
    halfstep::gemm(ex, x.view({300, 320}), halfstep::operand::plain, w.view(shape), halfstep::operand::transposed, y);
  });
  expect_same_change("linear", {300, 200}, [&](auto const& ex, auto y) {
    halfstep::linear(ex, x.view({300, 320}), w.view(shape), {}, y);
  });
  auto const add_gram = [&](auto const& ex, host_view<float> h) {
    halfstep::add_gram(ex, x.view({300, 320}), h);
    halfstep::mirror_lower(ex, h);
  };
  expect_same_change("add_gram", {320, 320}, add_gram);
  expect_same_change("cholesky", {320, 320}, [&](auto const& ex, auto h) {
    std::fill_n(h.data(), h.extents().count(), 0.0f);
    add_gram(ex, h);
    for (index_t i = 0; i < 320; ++i) h(i, i) += 1.0f;
    EXPECT_TRUE(halfstep::cholesky(ex, h));
  });
  expect_same_change("orthonormalize", {300, 40}, [&](auto const& ex, auto a) {
    auto scratch = noise({300, 40}, 4);
    halfstep::orthonormalize(ex, a, scratch.view({300, 40}));
  });
  expect_same("leading_singular_vectors", [&](auto const& ex) {
    return numbers(halfstep::leading_singular_vectors(ex, w.view(shape), 8, halfstep::philox(1)).u);
  });
  expect_same("exact_singular_vectors",
              [&](auto const& ex) { return numbers(halfstep::exact_singular_vectors(ex, w.view(shape), 8).v); });
}

TEST(MinimalExecutor, ChangesBases) {
  auto const both_ways = [](auto const& transform) {
    return [&transform](auto const& ex, auto w) {
      transform.apply(ex, w);
      transform.apply_to_input(ex, w);
      transform.apply_to_input(ex, w);
      transform.invert(ex, w);
    };
  };
  std::vector<index_t> order;
  for (index_t i = 0; i < 320; ++i) order.push_back(i * 7 % 320);
  expect_same_change("regular_hadamard", shape, both_ways(halfstep::regular_hadamard{64}));
  expect_same_change("kronecker_hadamard", shape, both_ways(halfstep::kronecker_hadamard(320)));
  expect_same_change("random_signs", shape, both_ways(halfstep::random_signs(halfstep::philox(1), 320)));
  expect_same_change("permutation", shape, both_ways(halfstep::permutation(order)));
  expect_same_change("smoothing", shape, both_ways(halfstep::smoothing(std::vector<float>(320, 0.7f))));
  expect_same_change("random_orthogonal", shape, [&](auto const& ex, auto w) {
    both_ways(halfstep::random_orthogonal(ex, halfstep::philox(1), 320))(ex, w);
  });
  expect_same_change("two_sided_hadamard", {256, 512}, [](auto const& ex, auto w) {
    halfstep::two_sided_hadamard const basis(halfstep::philox(1), {200, 320});
    basis.apply(ex, w);
    basis.apply_to_input(ex, w);
    basis.invert(ex, w);
  });
  expect_same_change("basis", shape, [](auto const& ex, auto w) {
    halfstep::basis all;
    all.append(halfstep::random_signs(halfstep::philox(1), 320));
    all.append(halfstep::regular_hadamard{64});
    all.apply(ex, w);
    all.apply_to_input(ex, w);
  });
}

template <class Tensor>
std::vector<double> codes_and_groups(Tensor const& q) {
  auto all = numbers(q.codes());
  auto const groups = numbers(q.groups());
  all.insert(all.end(), groups.begin(), groups.end());
  return all;
}

TEST(MinimalExecutor, RunsEveryOperationOnQuantizedTensors) {
  auto const x = noise(shape, 1);
  auto const w = x.view(shape);
  expect_same("quantizer", [&](auto const& ex) { return codes_and_groups(halfstep::quantizer<int8_axis>()(ex, w)); });
  expect_same("quantizer of groups that span the rows",
              [&](auto const& ex) { return codes_and_groups(halfstep::quantizer<halfstep::int8_tensor>()(ex, w)); });
  expect_same("quantizer in a basis that mixes rows", [&](auto const& ex) {
    halfstep::two_sided_hadamard const basis(halfstep::philox(1), shape);
    return codes_and_groups(halfstep::quantizer<int8_axis, halfstep::nearest, halfstep::two_sided_hadamard>({}, basis)(ex, w));
  });
  auto const q = halfstep::quantizer<int8_axis>()(serial{}, w);
  expect_same("copy", [&](auto const& ex) { return codes_and_groups(halfstep::copy(ex, q)); });
  expect_same("transpose", [&](auto const& ex) { return codes_and_groups(halfstep::transpose(ex, q)); });
  expect_same("gelu", [&](auto const& ex) { return codes_and_groups(halfstep::gelu(ex, q)); });
  expect_same("add_in_place", [&](auto const& ex) {
    auto sum = halfstep::copy(ex, q);
    halfstep::add_in_place(ex, sum, w);
    return codes_and_groups(sum);
  });
  auto const input = noise({5, 320}, 2), other = noise({5, 200}, 3);
  expect_same_change("linear", {5, 200}, [&](auto const& ex, auto y) { halfstep::linear(ex, input.view({5, 320}), q, {}, y); });
  expect_same_change("linear of rounded inputs", {5, 200}, [&](auto const& ex, auto y) {
    halfstep::linear(ex, input.view({5, 320}), q, {}, y, halfstep::int8_activations{});
  });
  expect_same_change("addmm", {5, 320}, [&](auto const& ex, auto y) {
    halfstep::addmm(ex, input.view({5, 320}), other.view({5, 200}), q, y);
  });
}

TEST(MinimalExecutor, RunsEverySolverObjectiveAndOptimizer) {
  using grid = halfstep::symmetric_grid<127>;
  auto const x = noise(shape, 1), rows = noise({400, 320}, 6);
  auto const w = x.view(shape);
  auto const geometry = halfstep::geometry_of<int8_axis>(shape);
  auto const moments = [&](auto const& ex) {
    host_buffer<float> h(320 * 320);
    std::fill(h.begin(), h.end(), 0.0f);
    halfstep::add_gram(ex, rows.view({400, 320}), h.view({320, 320}));
    return halfstep::hessian(ex, std::move(h), 320);
  };
  auto const directions = [&](auto const& ex) {
    auto s = halfstep::leading_singular_vectors(ex, w, 12, halfstep::philox(1));
    return halfstep::principal(std::move(s.u), std::move(s.v), 200, 320, 12);
  };
  auto const solved = [&](char const* what, auto const& solve) {
    expect_same(what, [&](auto const& ex) {
      auto q = halfstep::quantizer<int8_axis>()(ex, w);
      auto const report = solve(ex, halfstep::coded_matrix<grid>{q.codes(), q.groups(), geometry});
      EXPECT_LE(report.loss_after, report.loss_before) << what;
      auto all = numbers<std::int8_t>(q.codes());
      all.push_back(report.loss_after);
      return all;
    });
  };
  auto const descend = [&](auto const& optimizer) {
    return [&](auto const& ex, auto const& codes) {
      halfstep::descent const solver(optimizer, halfstep::constant_rate{0.1f}, {8, 0.5});
      return solver.refine(ex, w, codes, directions(ex));
    };
  };
  solved("coordinate",
         [&](auto const& ex, auto const& codes) { return halfstep::coordinate(0.5).refine(ex, w, codes, directions(ex)); });
  solved("descent by gradient", descend(halfstep::gradient{}));
  solved("descent by adamw", descend(halfstep::adamw{}));
  solved("descent by radam", descend(halfstep::radam{}));
  solved("descent by prodigy", descend(halfstep::prodigy{}));
  solved("descent on a Hessian", [&](auto const& ex, auto const& codes) {
    return halfstep::descent(halfstep::adamw{}, halfstep::constant_rate{0.1f}, {8, 0.5}).refine(ex, w, codes, moments(ex));
  });
  solved("error feedback", [&](auto const& ex, auto const& codes) {
    return halfstep::error_feedback<>({.polish = 1}).refine(ex, w, codes, moments(ex));
  });
  solved("mean flip", [&](auto const& ex, auto const& codes) {
    std::vector<float> const mean(320, 0.2f);
    return halfstep::mean_flip(mean).refine(ex, w, codes);
  });
  expect_same("scale search", [&](auto const& ex) {
    auto q = halfstep::quantizer<int8_axis>()(ex, w);
    std::vector<float> const weights(320, 1.0f);
    halfstep::scale_search<grid>{halfstep::scale_criterion::mse}(ex, w, geometry, weights, q.groups());
    return numbers<float>(q.groups());
  });
  expect_same("low rank Hessian", [&](auto const& ex) {
    auto v = noise({320, 4}, 8);
    halfstep::low_rank_hessian const h(std::vector<float>(320, 0.5f), std::move(v), 4);
    host_buffer<float> slope(shape.count());
    return std::vector{h.loss(ex, w), h.gradient(ex, w, slope.view(shape)), halfstep::mean_square().loss(ex, w)};
  });
}

TEST(MinimalExecutor, GoesThroughTheErasedOne) {
  std::vector<index_t> seen;
  backwards const ex;
  halfstep::any_host(ex).for_each(3, [&](index_t i) { seen.push_back(i); });
  EXPECT_EQ(seen, (std::vector<index_t>{2, 1, 0}));
}

}  // namespace
