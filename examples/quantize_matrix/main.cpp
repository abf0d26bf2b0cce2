// Quantizes one BF16 matrix in every layout, and says how close each comes and what a layer's output loses.

#include <cmath>
#include <cstdio>
#include <string>

#include <halfstep/halfstep.hpp>

namespace {

constexpr halfstep::extents2 shape{768, 3072};
constexpr halfstep::extents2 input_shape{16, 3072};

/// Bell-shaped weights in BF16, every hundredth column five times as large.
halfstep::host_buffer<halfstep::bfloat16> trained_like_weights() {
  halfstep::host_buffer<halfstep::bfloat16> weights(shape.count());
  halfstep::philox const random(halfstep::random_key(0, "weights"));
  for (halfstep::index_t i = 0; i < weights.size(); ++i) {
    auto const words = random(static_cast<std::uint64_t>(i));
    float sum = -2.0f;
    for (std::uint32_t const word : words.word) sum += halfstep::unit_float(word);
    weights[i] = halfstep::to_bfloat16(sum * (i % shape.columns % 100 == 0 ? 0.1f : 0.02f));
  }
  return weights;
}

double distance(halfstep::host_view<float const> a, halfstep::host_view<float const> b) {
  double square = 0, reference = 0;
  for (halfstep::index_t i = 0; i < a.extents().count(); ++i) {
    square += std::pow(static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i]), 2);
    reference += std::pow(static_cast<double>(b.data()[i]), 2);
  }
  return 10 * std::log10(square / reference);
}

template <class Layout, class Transform = halfstep::identity>
void show(halfstep::host_view<halfstep::bfloat16 const> weights, Transform transform = {}) {
  halfstep::threads const ex;
  halfstep::quantizer<Layout, halfstep::nearest, Transform> const quantize({}, transform);
  auto const q = quantize(ex, weights);

  halfstep::host_buffer<float> plain(shape.count()), x(input_shape.count());
  halfstep::widen(ex, weights, plain.view(shape));
  for (halfstep::index_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i));
  halfstep::extents2 const output_shape{input_shape.rows, shape.rows};
  halfstep::host_buffer<float> expected(output_shape.count()), actual(output_shape.count());
  halfstep::host_view<float const> const w = plain.view(shape), input = x.view(input_shape);
  halfstep::linear(ex, input, w, {}, expected.view(output_shape));
  halfstep::linear(ex, input, q, {}, actual.view(output_shape));

  std::string const name = std::string(Layout::name) + (Transform::name == "identity" ? "" : ", " + std::string(Transform::name));
  std::printf("%-26s %8.2f dB SQNR %8.2f dB output error\n", name.c_str(), -distance(halfstep::dequantize(ex, q).view(shape), w),
              distance(actual.view(output_shape), expected.view(output_shape)));
}

}  // namespace

int main() {
  auto const weights = trained_like_weights();
  auto const view = weights.view(shape);
  show<halfstep::int8_tensor>(view);
  show<halfstep::int8_block<128>>(view);
  show<halfstep::int8_axis>(view);
  show<halfstep::int8_axis>(view, halfstep::regular_hadamard{256});
  show<halfstep::fp16>(view);
}
