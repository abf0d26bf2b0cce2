// INT8 products on a device beside those of the host, for a machine as device_cases.hpp has them.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/core/bfloat16.hpp>
#include <halfstep/core/float16.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/gelu.hpp>
#include <halfstep/kernel/linear_int8.cuh>
#include <halfstep/kernel/linear_int8.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>

namespace int8_product_cases {

using namespace halfstep;

/// Extents of a product, and how many scales a row of inputs has.
struct shape {
  index_t inputs, rows, columns;
  index_t input_groups = 1;
};

/// What a case leaves out of the ending, and how its operands and outputs are aligned.
struct variation {
  bool has_bias, has_residual;
  index_t shift;  ///< elements from an aligned address
};

/// Returns whether y has the bits of the host's for one shape. `Form`, `Residual` and `Output` are those of the ending.
template <class Layout, class Form, class Residual, class Output, class Machine>
testing::AssertionResult agrees(Machine& machine, shape s, variation v) {
  extents2 const e{s.rows, s.columns}, in{s.inputs, s.columns}, out{s.inputs, s.rows};
  extents2 const scales{s.inputs, s.input_groups};
  std::mt19937 random(5);
  auto const codes = [&](index_t count) {
    std::vector<std::int8_t> q(static_cast<std::size_t>(count));
    for (auto& one : q) one = static_cast<std::int8_t>(random() % 256);
    return q;
  };
  auto const numbers = [&](index_t count, float size) {
    std::vector<float> x(static_cast<std::size_t>(count));
    for (auto& one : x) one = size * (static_cast<float>(random() % 20001) - 10000.0f);
    return x;
  };
  auto const x = codes(in.count()), w = codes(e.count());
  auto const x_scales = numbers(scales.count(), 1e-6f), groups = numbers(Layout::groups(e).count(), 1e-6f);
  auto const bias = numbers(v.has_bias ? s.rows : 0, 1e-4f);
  std::vector<Residual> residual;
  if (v.has_residual)
    for (float const one : numbers(out.count(), 1e-4f)) residual.push_back(narrow<Residual>(one));
  std::vector<float> y_scales;
  if constexpr (std::same_as<Output, std::int8_t>) y_scales.assign(static_cast<std::size_t>(s.inputs), 0.01f);

  auto const ending = [&]<class Space>(std::type_identity<Space>, auto const& b, auto const& r, auto const& ys) {
    product_ending<Space, Form, Residual> how;
    if (v.has_bias) how.bias = {b.data(), {1, s.rows}};
    if (v.has_residual) how.residual = {r.data(), out};
    if (std::same_as<Output, std::int8_t>) how.scales = {ys.data(), {s.inputs, 1}};
    return how;
  };
  std::vector<Output> expected(static_cast<std::size_t>(out.count()));
  linear_int8<Layout>(serial{}, host_view<std::int8_t const>(x.data(), in), host_view<float const>(x_scales.data(), scales),
                      host_view<std::int8_t const>(w.data(), e), host_view<float const>(groups.data(), Layout::groups(e)),
                      ending(std::type_identity<host_space>(), bias, residual, y_scales),
                      host_view<Output>(expected.data(), out));

  auto const there = machine.upload(x, v.shift), w_there = machine.upload(w, v.shift);
  auto const x_scales_there = machine.upload(x_scales, 0), groups_there = machine.upload(groups, 0);
  auto const bias_there = machine.upload(bias, 0), y_scales_there = machine.upload(y_scales, 0);
  auto const residual_there = machine.upload(residual, 0);
  auto y = machine.upload(std::vector<Output>(expected.size()), v.shift);
  linear_int8<Layout>(machine.executor(), device_view<std::int8_t const>(there.data(), in),
                      device_view<float const>(x_scales_there.data(), scales), device_view<std::int8_t const>(w_there.data(), e),
                      device_view<float const>(groups_there.data(), Layout::groups(e)),
                      ending(std::type_identity<device_space>(), bias_there, residual_there, y_scales_there),
                      device_view<Output>(y.data(), out));
  auto const found = machine.download(y);
  index_t wrong = 0, first = -1;
  for (std::size_t i = 0; i < found.size(); ++i)
    if (std::memcmp(&found[i], &expected[i], sizeof(Output)) != 0 && wrong++ == 0) first = static_cast<index_t>(i);
  if (wrong == 0) return testing::AssertionSuccess();
  return testing::AssertionFailure() << Layout::name << " " << s.inputs << " x " << s.rows << " x " << s.columns << ", "
                                     << s.input_groups << " scales a row, " << (v.has_bias ? "bias, " : "")
                                     << (v.has_residual ? "residual, " : "") << "shift " << v.shift << ": " << wrong
                                     << " results differ, the first at row " << first / out.columns << ", column "
                                     << first % out.columns;
}

/// Forty shapes: inputs and rows on both sides of each tile's extents, columns that are multiples of nothing, of 16, of slices.
inline std::vector<shape> shapes() {
  std::vector<shape> all;
  for (index_t const columns : {1, 48, 64, 100, 208, 256, 272, 1040})
    for (auto const& [inputs, rows] : {std::pair<index_t, index_t>{1, 33}, {16, 32}, {17, 40}, {65, 130}, {130, 20}})
      all.push_back({inputs, rows, columns});
  return all;
}

}  // namespace int8_product_cases
