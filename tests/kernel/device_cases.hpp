// What device kernels must do, whichever machine plays the device: the same bits as `serial`.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/core/bits.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/dequantize.cuh>
#include <halfstep/kernel/fit_quantize.cuh>
#include <halfstep/kernel/gelu.cuh>
#include <halfstep/kernel/group_range.cuh>
#include <halfstep/kernel/hadamard.cuh>
#include <halfstep/kernel/quantize.cuh>
#include <halfstep/kernel/residual_statistics.cuh>
#include <halfstep/kernel/rotate_quantize.cuh>
#include <halfstep/kernel/sum.cuh>
#include <halfstep/kernel/widen.cuh>
#include <halfstep/linalg/gemm.cuh>
#include <halfstep/linalg/gemm.hpp>
#include <halfstep/linalg/linear.cuh>
#include <halfstep/linalg/linear.hpp>
#include <halfstep/rounding/decided.hpp>
#include <halfstep/rounding/nearest.hpp>
#include <halfstep/rounding/stochastic.hpp>

#include "verdict.hpp"

namespace device_cases {

using namespace halfstep;

template <class T>
std::vector<T> filled(index_t count) {
  std::vector<T> v(static_cast<std::size_t>(count));
  std::memset(static_cast<void*>(v.data()), 0x5a, v.size() * sizeof(T));
  return v;
}

template <class T>
bool same_bits(std::vector<T> const& a, std::vector<T> const& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

/// Weights of many magnitudes, zeros, ties of the largest, and subnormal numbers, all of them times `factor`; rows and blocks
/// of 64 x 64 beside each other have other scales.
template <class Source>
std::vector<Source> weights(extents2 e, std::uint32_t seed = 7, float factor = 1.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 0.02f);
  auto v = filled<Source>(e.count());
  for (std::size_t i = 0; i < v.size(); ++i) {
    unsigned const kind = random() % 64;
    float const x = kind == 0   ? 0.0f
                    : kind == 1 ? 1e-39f
                    : kind == 2 ? -0.25f
                    : kind == 3 ? 0.25f
                    : kind == 4 ? 3.0f
                                : normal(random);
    auto const at = static_cast<index_t>(i);
    index_t const row = at / e.columns, block = row / 64 * 2 + at % e.columns / 64;
    float const share = (1.0f - 0.25f * static_cast<float>(row % 3)) * (1.0f - 0.2f * static_cast<float>(block % 4));
    v[i] = narrow<Source>(x * share * factor);
  }
  return v;
}

template <class Source>
host_view<Source const> view_of(std::vector<Source> const& v, extents2 e, index_t first_row = 0) {
  return {v.data(), e, first_row};
}

/// Ranges, groups and codes, all from the host's kernels.
template <class Layout>
struct quantized {
  std::vector<value_range> ranges;
  std::vector<typename Layout::group_type> groups;
  std::vector<typename Layout::code_type> codes;
};

template <class Layout, class Rounding, class Source>
quantized<Layout> quantize_on_host(host_view<Source const> weight, Rounding rounding) {
  extents2 const e = weight.extents();
  extents2 const g = Layout::groups(e);
  quantized<Layout> q{filled<value_range>(g.count()), filled<typename Layout::group_type>(g.count()),
                      filled<typename Layout::code_type>(e.count())};
  group_range<Layout>(serial{}, weight, host_view<value_range>(q.ranges.data(), g));
  if constexpr (has_groups<Layout>)
    fit_groups<Layout>(host_view<value_range const>(q.ranges.data(), g),
                       host_view<typename Layout::group_type>(q.groups.data(), g));
  quantize<Layout>(serial{}, weight, host_view<typename Layout::group_type const>(q.groups.data(), g),
                   host_view<typename Layout::code_type>(q.codes.data(), e), rounding);
  return q;
}

/// The rounding policy `Rounding` with what it needs on `machine`; `words` is borrowed by `decided`.
template <class Rounding>
Rounding make_rounding(std::uint32_t const* words) {
  if constexpr (std::is_same_v<Rounding, decided>)
    return decided{words};
  else if constexpr (std::is_same_v<Rounding, stochastic>)
    return stochastic{philox(random_key(42, "layer.weight"))};
  else
    return Rounding{};
}

/// By how many elements weights and codes miss an aligned address.
struct misalignment {
  index_t weights;
  index_t codes;
};

inline constexpr misalignment misalignments[] = {{0, 0}, {1, 0}, {0, 1}};

/// Every kernel that takes a layout, against the host, for one shape and one misalignment; what is dequantized misses as the
/// weights do.
template <class Layout, class Rounding, class Source, class Machine>
testing::AssertionResult layout_kernels_agree(Machine& machine, extents2 e, index_t first_row, misalignment shift,
                                              float factor = 1.0f) {
  verdict found(testing::Message() << Layout::name << " " << e.rows << " x " << e.columns << " first row " << first_row
                                   << " shifts " << shift.weights << " and " << shift.codes);
  using group = typename Layout::group_type;
  using code = typename Layout::code_type;
  auto const& ex = machine.executor();
  std::mt19937 random(3);
  bool const is_decided = std::is_same_v<Rounding, decided>;
  std::vector<std::uint32_t> words(static_cast<std::size_t>(is_decided ? ((first_row + e.rows) * e.columns + 31) / 32 : 1));
  for (auto& word : words) word = random();
  std::vector<Source> const w = weights<Source>(e, 7, factor);
  auto const expected = quantize_on_host<Layout>(view_of(w, e, first_row), make_rounding<Rounding>(words.data()));
  extents2 const g = Layout::groups(e);

  auto const device_words = machine.upload(words, 0);
  auto const rounding = make_rounding<Rounding>(device_words.data());
  auto const device_w = machine.upload(w, shift.weights);
  auto ranges = machine.upload(filled<value_range>(g.count()), 0);
  auto groups = machine.upload(filled<group>(g.count()), 0);
  auto codes = machine.upload(filled<code>(e.count()), shift.codes);
  device_view<Source const> const weight(device_w.data(), e, first_row);
  device_view<value_range> const r(ranges.data(), g);
  device_view<group> const s(groups.data(), g);
  device_view<code> const q(codes.data(), e);

  group_range<Layout>(ex, weight, r);
  found.require(same_bits(machine.download(ranges), expected.ranges), "group_range");
  if constexpr (has_groups<Layout>) {
    fit_groups<Layout>(ex, device_view<value_range const>(r), s);
    found.require(same_bits(machine.download(groups), expected.groups), "fit_groups");
  }
  quantize<Layout>(ex, weight, device_view<group const>(s), q, rounding);
  found.require(same_bits(machine.download(codes), expected.codes), "quantize");

  machine.assign(ranges, filled<value_range>(g.count()));
  machine.assign(groups, filled<group>(g.count()));
  machine.assign(codes, filled<code>(e.count()));
  fit_quantize<Layout>(ex, weight, r, s, q, rounding);
  found.require(same_bits(machine.download(ranges), expected.ranges), "ranges of fit_quantize");
  if constexpr (has_groups<Layout>) {
    found.require(same_bits(machine.download(groups), expected.groups), "groups of fit_quantize");
  }
  found.require(same_bits(machine.download(codes), expected.codes), "codes of fit_quantize");

  auto numbers = filled<Source>(e.count());
  host_view<group const> const host_groups(expected.groups.data(), g);
  dequantize<Layout>(serial{}, view_of(expected.codes, e), host_groups, host_view<Source>(numbers.data(), e));
  auto device_numbers = machine.upload(filled<Source>(e.count()), shift.weights);
  dequantize<Layout>(ex, device_view<code const>(q), device_view<group const>(s), device_view<Source>(device_numbers.data(), e));
  found.require(same_bits(machine.download(device_numbers), numbers), "dequantize");

  auto const off = total(measure_residual<Layout>(serial{}, view_of(w, e), view_of(expected.codes, e), host_groups));
  auto const off_here = total(measure_residual<Layout>(ex, weight, device_view<code const>(q), device_view<group const>(s)));
  found.require(std::fabs(off_here.weight_square - off.weight_square) <= 1e-5 * off.weight_square, "weight_square");
  // The host may fuse x - code * scale: each error is off by up to half a unit in the last place of x.
  double const unit = 0x1p-23;
  double const both = std::sqrt(off.weight_square * std::max(off.error_square, off_here.error_square));
  found.require(std::fabs(off_here.error_square - off.error_square) <=
                    1e-5 * off.error_square + 2 * unit * both + unit * unit * off.weight_square,
                "error_square");
  found.require(std::fabs(off_here.product - off.product) <= 1e-5 * both + unit * off.weight_square, "product");
  found.require(std::fabs(off_here.max_error - off.max_error) <= 4 * unit, "max_error");
  found.require(off_here.clipped == off.clipped, "clipped");
  return found;
}

/// The rotation fused with fit and rounding, against one after the other on the host; `fuses`: whether there is such a pass.
template <class Layout, class Source, class Machine>
testing::AssertionResult rotate_quantize_agrees(Machine& machine, extents2 e, int group, misalignment shift, bool fuses) {
  verdict found(testing::Message() << e.rows << " x " << e.columns << " group " << group << " shifts " << shift.weights << ", "
                                   << shift.codes);
  std::vector<Source> const w = weights<Source>(e);
  std::vector<float> rotated(w.size());
  hadamard_regular(serial{}, view_of(w, e), host_view<float>(rotated.data(), e), group);
  auto const expected = quantize_on_host<Layout>(view_of(rotated, e), nearest{});
  extents2 const g = Layout::groups(e);
  auto const device_w = machine.upload(w, shift.weights);
  auto ranges = machine.upload(filled<value_range>(g.count()), 0);
  auto groups = machine.upload(filled<float>(g.count()), 0);
  auto codes = machine.upload(filled<std::int8_t>(e.count()), shift.codes);
  bool const is_done = rotate_quantize_async<Layout>(
      machine.executor(), device_view<Source const>(device_w.data(), e), device_view<value_range>(ranges.data(), g),
      device_view<float>(groups.data(), g), device_view<std::int8_t>(codes.data(), e), group);
  found.require(is_done == fuses, "whether there is such a pass");
  if (!fuses) {
    found.require(same_bits(machine.download(codes), filled<std::int8_t>(e.count())), "stored nothing");
    return found;
  }
  found.require(same_bits(machine.download(ranges), expected.ranges), "ranges");
  found.require(same_bits(machine.download(groups), expected.groups), "groups");
  found.require(same_bits(machine.download(codes), expected.codes), "codes");
  return found;
}

/// The kernels that take an element type alone.
template <class Source, class Machine>
testing::AssertionResult source_kernels_agree(Machine& machine, extents2 e, index_t shift, float factor = 1.0f) {
  verdict found(testing::Message() << e.rows << " x " << e.columns << " shift " << shift);
  auto const& ex = machine.executor();
  std::vector<Source> const w = weights<Source>(e, 7, factor);
  auto const device_w = machine.upload(w, shift);
  device_view<Source const> const weight(device_w.data(), e);

  std::vector<float> wide(w.size());
  widen(serial{}, view_of(w, e), host_view<float>(wide.data(), e));
  auto device_wide = machine.upload(filled<float>(e.count()), shift);
  widen(ex, weight, device_view<float>(device_wide.data(), e));
  found.require(same_bits(machine.download(device_wide), wide), "widen");

  std::vector<Source> back(w.size());
  narrow(serial{}, view_of(wide, e), host_view<Source>(back.data(), e));
  auto device_back = machine.upload(filled<Source>(e.count()), shift);
  narrow(ex, device_view<float const>(device_wide.data(), e), device_view<Source>(device_back.data(), e));
  found.require(same_bits(machine.download(device_back), back), "narrow");

  found.require(bits(sum(ex, weight)) == bits(sum(serial{}, view_of(w, e))), "sum");
  found.require(bits(sum_of_squares(ex, weight)) == bits(sum_of_squares(serial{}, view_of(w, e))), "sum_of_squares");

  for (int const group : {4, 16, 64, 256, 1024}) {
    if (e.columns % group != 0) continue;
    std::vector<float> rotated(w.size());
    hadamard_regular(serial{}, view_of(w, e), host_view<float>(rotated.data(), e), group);
    auto device_rotated = machine.upload(filled<float>(e.count()), shift);
    hadamard_regular(ex, weight, device_view<float>(device_rotated.data(), e), group);
    found.require(same_bits(machine.download(device_rotated), rotated), "hadamard_regular " + std::to_string(group));
  }
  return found;
}

/// The Sylvester transform, in place.
template <class Machine>
testing::AssertionResult hadamard_agrees(Machine& machine, extents2 e, int group, float factor = 1.0f, index_t shift = 0) {
  verdict found(testing::Message() << e.rows << " x " << e.columns << " group " << group << " shift " << shift);
  std::vector<float> x = weights<float>(e, 7, factor);
  auto device_x = machine.upload(x, shift);
  hadamard(serial{}, host_view<float>(x.data(), e), group);
  hadamard(machine.executor(), device_view<float>(device_x.data(), e), group);
  found.require(same_bits(machine.download(device_x), x), "hadamard");
  return found;
}

/// The largest difference between two results, relative to the largest magnitude of the second.
inline double relative_difference(std::vector<float> const& a, std::vector<float> const& b) {
  double largest = 1e-30, off = 0.0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    largest = std::max(largest, std::fabs(static_cast<double>(b[i])));
    off = std::max(off, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return off / largest;
}

/// Products of a [M, K] with matrices of N columns: sums, so within a tolerance.
template <class Machine>
testing::AssertionResult products_agree(Machine& machine, index_t m, index_t n, index_t k) {
  verdict found(testing::Message() << m << " x " << n << " x " << k);
  auto const& ex = machine.executor();
  std::vector<float> const a = weights<float>({m, k}, 1), w = weights<float>({n, k}, 2), b = weights<float>({k, n}, 3);
  std::vector<float> const bias = weights<float>({1, n}, 4);
  std::vector<float> expected(static_cast<std::size_t>(m * n));
  auto const device_a = machine.upload(a, 0);
  auto const device_w = machine.upload(w, 0);
  auto const device_b = machine.upload(b, 0);
  auto const device_bias = machine.upload(bias, 0);
  auto y = machine.upload(filled<float>(m * n), 0);
  device_view<float const> const x(device_a.data(), {m, k});
  device_view<float> const out(y.data(), {m, n});

  linear(serial{}, view_of(a, {m, k}), view_of(w, {n, k}), view_of(bias, {1, n}), host_view<float>(expected.data(), {m, n}));
  linear(ex, x, device_view<float const>(device_w.data(), {n, k}), device_view<float const>(device_bias.data(), {1, n}), out);
  found.require(relative_difference(machine.download(y), expected) < 1e-6 + 2e-7 * std::sqrt(static_cast<double>(k)), "linear");

  linear(serial{}, view_of(a, {m, k}), view_of(w, {n, k}), host_view<float const>(), host_view<float>(expected.data(), {m, n}));
  linear(ex, x, device_view<float const>(device_w.data(), {n, k}), device_view<float const>(), out);
  found.require(relative_difference(machine.download(y), expected) < 1e-6 + 2e-7 * std::sqrt(static_cast<double>(k)),
                "linear, no bias");

  gemm(serial{}, view_of(a, {m, k}), view_of(b, {k, n}), host_view<float>(expected.data(), {m, n}));
  gemm(ex, x, device_view<float const>(device_b.data(), {k, n}), out);
  found.require(relative_difference(machine.download(y), expected) < 1e-6 + 2e-7 * std::sqrt(static_cast<double>(k)), "gemm");
  return found;
}

/// Both forms of the activation.
template <class Machine>
testing::AssertionResult gelu_agrees(Machine& machine, extents2 e) {
  verdict found(testing::Message() << "gelu of " << e.rows << " x " << e.columns);
  std::vector<float> x = weights<float>(e);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] *= 3.0f;
  auto const device_x = machine.upload(x, 0);
  auto y = machine.upload(filled<float>(e.count()), 0);
  auto const compare = [&](auto form, std::string const& name) {
    std::vector<float> expected(x.size());
    gelu(serial{}, view_of(x, e), host_view<float>(expected.data(), e), form);
    gelu(machine.executor(), device_view<float const>(device_x.data(), e), device_view<float>(y.data(), e), form);
    found.require(same_bits(machine.download(y), expected), name);
  };
  compare(gelu_erf{}, "gelu_erf");
  compare(gelu_tanh{}, "gelu_tanh");
  return found;
}

}  // namespace device_cases
