// What a device must find of a matrix's codes, whichever machine plays the device.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/core/bits.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/residual_statistics.cuh>
#include <halfstep/rounding/nearest.hpp>

#include "device_cases.hpp"
#include "verdict.hpp"

namespace residual_cases {

using namespace halfstep;

/// Whether two figures have the same bits, NaN being equal to NaN.
inline bool same(double a, double b) { return (std::isnan(a) && std::isnan(b)) || a == b; }

/// Whether all figures of all tiles have.
inline bool same(std::vector<residual_statistics> const& a, std::vector<residual_statistics> const& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](residual_statistics const& x, residual_statistics const& y) {
    return same(x.weight_square, y.weight_square) && same(x.error_square, y.error_square) && same(x.product, y.product) &&
           bits(x.max_error) == bits(y.max_error) && x.clipped == y.clipped;
  });
}

/// The definition, in FP64, for errors that are rounded to FP32 after the product, as the device's are.
template <class Layout, class Source>
std::vector<residual_statistics> by_definition(host_view<Source const> weight, host_view<typename Layout::code_type const> codes,
                                               typename Layout::group_type const* groups) {
  extents2 const e = weight.extents();
  std::vector<residual_statistics> parts(static_cast<std::size_t>((e.rows + residual_tile_rows - 1) / residual_tile_rows));
  for (index_t row = 0; row < e.rows; ++row)
    for (index_t column = 0; column < e.columns; ++column) {
      residual_statistics& part = parts[static_cast<std::size_t>(row / residual_tile_rows)];
      auto const step = step_at<Layout>(groups, e, row, column);
      float const x = widen(weight(row, column));
      float const volatile y = Layout::decode(codes(row, column), step);  // not fused with the difference
      float const error = x - y;
      part.weight_square += static_cast<double>(x) * static_cast<double>(x);
      part.error_square += static_cast<double>(error) * static_cast<double>(error);
      part.product += static_cast<double>(x) * static_cast<double>(error);
      if (std::isfinite(error)) part.max_error = std::max(part.max_error, std::fabs(error));
      if constexpr (requires { Layout::clips(x, step); }) part.clipped += Layout::clips(x, step) ? 1 : 0;
    }
  return parts;
}

/// What is uploaded once for every misalignment.
template <class Layout, class Source>
struct example {
  extents2 e;
  std::vector<Source> weights;
  device_cases::quantized<Layout> q;
};

template <class Layout, class Source, class Machine>
std::vector<residual_statistics> measure(Machine& machine, example<Layout, Source> const& x, device_cases::misalignment shift) {
  using code = typename Layout::code_type;
  using group = typename Layout::group_type;
  auto const w = machine.upload(x.weights, shift.weights);
  auto const codes = machine.upload(x.q.codes, shift.codes);
  auto const groups = machine.upload(x.q.groups, 0);
  return measure_residual<Layout>(machine.executor(), device_view<Source const>(w.data(), x.e),
                                  device_view<code const>(codes.data(), x.e),
                                  device_view<group const>(groups.data(), Layout::groups(x.e)));
}

/// Whether the figures of every tile of rows are those of the definition, and the same bits wherever weights and codes lie.
/// `spoil` changes the example at will.
template <class Layout, class Source, class Machine, class Spoil>
testing::AssertionResult agrees(Machine& machine, extents2 e, float factor, Spoil const& spoil) {
  verdict found(testing::Message() << Layout::name << " " << e.rows << " x " << e.columns << " times " << factor);
  example<Layout, Source> x{e, device_cases::weights<Source>(e, 7, factor), {}};
  x.q = device_cases::quantize_on_host<Layout>(device_cases::view_of(x.weights, e), nearest{});
  spoil(x);
  auto const expected =
      by_definition<Layout>(device_cases::view_of(x.weights, e), device_cases::view_of(x.q.codes, e), x.q.groups.data());
  auto const aligned = measure<Layout>(machine, x, {0, 0});
  found.require(aligned.size() == expected.size(), "how many tiles");
  for (std::size_t i = 0; i < std::min(aligned.size(), expected.size()); ++i) {
    residual_statistics const &there = aligned[i], &here = expected[i];
    auto const require_near = [&](double a, double b, double within, std::string const& what) {
      found.require(same(a, b) || std::fabs(a - b) <= within,
                    what + " of tile " + std::to_string(i) + ": " + std::to_string(a) + " and not " + std::to_string(b));
    };
    require_near(there.weight_square, here.weight_square, 1e-6 * here.weight_square, "weight_square");
    require_near(there.error_square, here.error_square, 1e-6 * here.error_square, "error_square");
    require_near(there.product, here.product, 1e-6 * std::sqrt(here.weight_square * here.error_square), "product");
    found.require(bits(there.max_error) == bits(here.max_error), "max_error of tile " + std::to_string(i));
    found.require(there.clipped == here.clipped, "clipped of tile " + std::to_string(i));
  }
  for (device_cases::misalignment const shift : {device_cases::misalignment{1, 0}, {0, 1}, {4, 4}})
    found.require(same(measure<Layout>(machine, x, shift), aligned),
                  "other bits with shifts " + std::to_string(shift.weights) + " and " + std::to_string(shift.codes));
  return found;
}

template <class Layout, class Source, class Machine>
testing::AssertionResult agrees(Machine& machine, extents2 e, float factor = 1.0f) {
  return agrees<Layout, Source>(machine, e, factor, [](auto&) {});
}

/// Halves every other scale: the largest weights of its group clip.
struct halve_some_scales {
  template <class Example>
  void operator()(Example& x) const {
    for (std::size_t i = 0; i < x.q.groups.size(); i += 2) x.q.groups[i] *= 0.5f;
  }
};

/// Makes the scale of the last group infinite.
struct lose_a_scale {
  template <class Example>
  void operator()(Example& x) const {
    x.q.groups.back() = std::numeric_limits<float>::infinity();
  }
};

}  // namespace residual_cases
