// What an engine does with the device half, compiled without a flag of its own and with every warning an error.
#include <halfstep/cuda.cuh>

namespace {

struct scaled_index {
  float* to;
  float by;
  HALFSTEP_HD void operator()(halfstep::index_t i) const { to[i] = by * static_cast<float>(i); }
};

}  // namespace

/// Quantizes a weight, multiplies with it and activates the result: every type of the library's that an engine names.
template <class Layout, class Transform>
float run_layer(halfstep::extents2 shape, Transform transform) {
  using namespace halfstep;
  owned_cuda_stream const stream;
  pooled_memory pool(1 << 28);
  cuda_stream const ex = stream.get().with(pool);
  auto const weight = ex.allocate<bfloat16>(shape.count());
  auto const input = ex.allocate<float>(8 * shape.columns), output = ex.allocate<float>(8 * shape.rows);
  device_view<float> const x(input.data(), {8, shape.columns}), y(output.data(), {8, shape.rows});
  for_each_index_async(ex, input.size(), scaled_index{input.data(), 0.01f});
  auto const w = quantize_on_device<Layout>(ex, device_view<bfloat16 const>(weight.view(shape)), nearest{}, transform);
  linear(ex, device_view<float const>(x), w, {}, y);
  std::size_t const bytes = workspace_bytes(8, w, int8_activations{});
  auto const memory = ex.allocate<std::byte>(static_cast<index_t>(bytes));
  linear_async(ex, device_view<float const>(x), w, {}, y, int8_activations{}, device_workspace(memory.data(), bytes));
  gelu_async(ex, device_view<float const>(y), y, gelu_tanh{});
  auto const back = dequantize(ex, w);
  dequantize_async(ex, w, weight.view(shape));
  float result = 0.0f;
  ex.read(output.data(), &result, 1);
  return result + static_cast<float>(sum(ex, device_view<float const>(back.view(shape))));
}

template float run_layer<halfstep::int8_axis>(halfstep::extents2, halfstep::identity);
template float run_layer<halfstep::int8_block<128>>(halfstep::extents2, halfstep::regular_hadamard);
