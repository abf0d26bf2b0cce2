// Whether a call waits is what its name says, and what a graph is to capture neither waits nor allocates.
#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/cuda.cuh>

#include "fake_runtime.hpp"

namespace {

using namespace halfstep;

struct do_nothing {
  HALFSTEP_HD void operator()(index_t) const {}
};

/// One operation under both of its names.
struct operation {
  std::string name;
  std::function<void(cuda_stream)> plain;
  std::function<void(cuda_stream)> async;
};

/// Every operation on views of one small layer.
std::vector<operation> const& operations() {
  static constexpr extents2 e{64, 256}, g{64, 1};
  using layout = int8_axis;
  auto const matrix = [](extents2 shape) { return device_view<float>(nullptr, shape); };
  auto const numbers = [](extents2 shape) { return device_view<float const>(nullptr, shape); };
  auto const codes = [](extents2 shape) { return device_view<std::int8_t>(nullptr, shape); };
  auto const read_codes = [](extents2 shape) { return device_view<std::int8_t const>(nullptr, shape); };
  auto const ranges = [] { return device_view<value_range>(nullptr, g); };
  static std::vector<operation> const all = {
      {"dequantize", [=](cuda_stream ex) { dequantize<layout>(ex, read_codes(e), numbers(g), matrix(e)); },
       [=](cuda_stream ex) { dequantize_async<layout>(ex, read_codes(e), numbers(g), matrix(e)); }},
      {"quantize", [=](cuda_stream ex) { quantize<layout>(ex, numbers(e), numbers(g), codes(e), nearest{}); },
       [=](cuda_stream ex) { quantize_async<layout>(ex, numbers(e), numbers(g), codes(e), nearest{}); }},
      {"fit_quantize", [=](cuda_stream ex) { fit_quantize<layout>(ex, numbers(e), ranges(), matrix(g), codes(e), nearest{}); },
       [=](cuda_stream ex) { fit_quantize_async<layout>(ex, numbers(e), ranges(), matrix(g), codes(e), nearest{}); }},
      {"group_range", [=](cuda_stream ex) { group_range<layout>(ex, numbers(e), ranges()); },
       [=](cuda_stream ex) { group_range_async<layout>(ex, numbers(e), ranges()); }},
      {"fit_groups", [=](cuda_stream ex) { fit_groups<layout>(ex, device_view<value_range const>(ranges()), matrix(g)); },
       [=](cuda_stream ex) { fit_groups_async<layout>(ex, device_view<value_range const>(ranges()), matrix(g)); }},
      {"for_each_index", [=](cuda_stream ex) { for_each_index(ex, 9, do_nothing{}); },
       [=](cuda_stream ex) { for_each_index_async(ex, 9, do_nothing{}); }},
      {"gelu", [=](cuda_stream ex) { gelu(ex, numbers(e), matrix(e)); },
       [=](cuda_stream ex) { gelu_async(ex, numbers(e), matrix(e)); }},
      {"hadamard", [=](cuda_stream ex) { hadamard(ex, matrix(e), 256); },
       [=](cuda_stream ex) { hadamard_async(ex, matrix(e), 256); }},
      {"hadamard_regular", [=](cuda_stream ex) { hadamard_regular(ex, numbers(e), matrix(e), 64); },
       [=](cuda_stream ex) { hadamard_regular_async(ex, numbers(e), matrix(e), 64); }},
      {"linear_int8",
       [=](cuda_stream ex) {
         linear_int8<layout>(ex, read_codes(e), numbers(g), read_codes(e), numbers(g), {}, matrix({64, 64}));
       },
       [=](cuda_stream ex) {
         linear_int8_async<layout>(ex, read_codes(e), numbers(g), read_codes(e), numbers(g), {}, matrix({64, 64}));
       }},
      {"widen", [=](cuda_stream ex) { widen(ex, numbers(e), matrix(e)); },
       [=](cuda_stream ex) { widen_async(ex, numbers(e), matrix(e)); }},
      {"narrow", [=](cuda_stream ex) { narrow(ex, numbers(e), matrix(e)); },
       [=](cuda_stream ex) { narrow_async(ex, numbers(e), matrix(e)); }},
      {"gemm",
       [=](cuda_stream ex) {
         gemm(ex, numbers(e), numbers({256, 64}), matrix({64, 64}));
       },
       [=](cuda_stream ex) {
         gemm_async(ex, numbers(e), numbers({256, 64}), matrix({64, 64}));
       }},
      {"linear",
       [=](cuda_stream ex) {
         linear(ex, numbers(e), numbers(e), {}, matrix({64, 64}));
       },
       [=](cuda_stream ex) {
         linear_async(ex, numbers(e), numbers(e), {}, matrix({64, 64}));
       }},
  };
  return all;
}

TEST(Names, WithoutAsyncAreOfCallsThatAreDoneWhenTheyReturn) {
  for (auto const& [name, plain, async] : operations()) {
    fake() = {};
    plain(cuda_stream{});
    EXPECT_GT(fake().launches, 0) << name;
    EXPECT_GT(fake().waits, 0) << name;
    EXPECT_EQ(fake().unfinished, 0) << name;
  }
}

/// Calls `work`, which queues something on `ex`, as if a graph captured it.
template <class Work>
void expect_captured(cuda_stream ex, std::string const& name, Work const& work) {
  fake().allocations = fake().waits = fake().launches = 0;
  ASSERT_EQ(cudaStreamBeginCapture(ex.handle(), cudaStreamCaptureModeGlobal), cudaSuccess);
  work();
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(ex.handle(), &graph), cudaSuccess);
  EXPECT_GT(fake().launches, 0) << name;
  EXPECT_EQ(fake().waits, 0) << name;
  EXPECT_EQ(fake().allocations, 0) << name;
}

TEST(Names, WithAsyncAreOfCallsThatAGraphCanCapture) {
  for (auto const& [name, plain, async] : operations()) {
    fake() = {};
    expect_captured(cuda_stream{}, name, [&] { async(cuda_stream{}); });
  }
}

struct fresh_fake {
  fresh_fake() { fake() = {}; }
};

class LayerInAGraph : public testing::Test {
 protected:
  fresh_fake const before_everything_else;
  static constexpr index_t batch = 3;
  owned_cuda_stream const stream;
  cuda_stream const ex = stream.get();
  device_buffer<float> const x{batch * 256}, y{batch * 64}, bias{64};
  device_view<float const> const inputs{x.data(), {batch, 256}}, addend{bias.data(), {1, 64}};
  device_view<float> const outputs{y.data(), {batch, 64}};
};

TEST_F(LayerInAGraph, OfRoundedInputsTakesAWorkspace) {
  auto const check = [&]<class Transform>(Transform const& transform) {
    quantized_tensor<int8_axis, device_space, Transform> const w({64, 256}, transform);
    std::size_t const bytes = workspace_bytes(batch, w, int8_activations{});
    device_buffer<std::byte> const memory(static_cast<index_t>(bytes));
    expect_captured(ex, std::string(Transform::name), [&] {
      linear_async(ex, inputs, w, addend, outputs, int8_activations{}, device_workspace(memory.data(), bytes));
    });
    EXPECT_THROW(linear_async(ex, inputs, w, addend, outputs, int8_activations{}, device_workspace(memory.data(), bytes - 64)),
                 value_error);
  };
  check(identity{});
  check(regular_hadamard{64});
}

TEST_F(LayerInAGraph, InTwoSidedBasisTakesItsSignsFromTheDevice) {
  two_sided_hadamard const basis(philox(1), {64, 256});
  quantized_tensor<int8_axis, device_space, two_sided_hadamard> const w(basis.padded(), basis);
  two_sided_signs const signs(ex, basis);
  std::size_t const rounded = workspace_bytes(batch, w, int8_activations{}), plain = workspace_bytes(batch, w);
  device_buffer<std::byte> const memory(static_cast<index_t>(std::max(rounded, plain)));
  expect_captured(ex, "rounded inputs", [&] {
    linear_async(ex, inputs, w, signs, addend, outputs, int8_activations{}, device_workspace(memory.data(), rounded));
  });
  expect_captured(ex, "inputs as given",
                  [&] { linear_async(ex, inputs, w, signs, addend, outputs, device_workspace(memory.data(), plain)); });
  EXPECT_THROW(linear_async(ex, inputs, w, signs, addend, outputs, device_workspace(memory.data(), plain - 64)), value_error);
}

}  // namespace
