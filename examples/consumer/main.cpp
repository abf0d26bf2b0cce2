// Quantizes a small matrix to INT8, one scale a row, and prints how far the worst weight moved, in steps of its row.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <vector>

#include <halfstep/halfstep.hpp>

int main() {
  halfstep::extents2 const shape{24, 96};
  std::vector<float> weights(static_cast<std::size_t>(shape.count()));
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = std::sin(std::numbers::sqrt2_v<float> * static_cast<float>(i));

  halfstep::threads const executor;
  auto const quantized = halfstep::quantizer<halfstep::int8_axis>()(executor, halfstep::host_view<float>(weights.data(), shape));

  std::vector<float> back(weights.size());
  halfstep::dequantize(executor, quantized, halfstep::host_view<float>(back.data(), shape));

  float worst = 0.0f;
  for (halfstep::index_t row = 0; row < shape.rows; ++row)
    for (halfstep::index_t column = 0; column < shape.columns; ++column) {
      auto const i = static_cast<std::size_t>(row * shape.columns + column);
      worst = std::max(worst, std::fabs(back[i] - weights[i]) / quantized.groups()(row, 0));
    }
  std::printf("%lld weights, off by at most %.4f steps\n", static_cast<long long>(shape.count()), static_cast<double>(worst));
  return worst <= 0.5001f ? 0 : 1;
}
