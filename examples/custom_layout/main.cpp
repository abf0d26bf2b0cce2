// Quantizes, dequantizes and multiplies with a layout that the library has never heard of.

#include <cmath>
#include <cstdio>

#include <halfstep/halfstep.hpp>

#include "int8_group32.hpp"

int main() {
  constexpr halfstep::extents2 shape{64, 256};
  halfstep::host_buffer<float> weights(shape.count());
  for (halfstep::index_t i = 0; i < weights.size(); ++i) weights[i] = std::sin(static_cast<float>(i) * 0.37f) * 0.05f;

  halfstep::threads const ex;
  auto const q = halfstep::quantizer<int8_group32>()(ex, weights.view(shape));
  auto const plain = halfstep::dequantize(ex, q);
  float largest = 0;
  for (halfstep::index_t i = 0; i < plain.size(); ++i) largest = std::fmax(largest, std::fabs(plain[i] - weights[i]));

  halfstep::host_buffer<float> x(shape.columns), y(shape.rows);
  for (halfstep::index_t i = 0; i < x.size(); ++i) x[i] = 1.0f;
  halfstep::linear(ex, x.view({1, shape.columns}), q, {}, y.view({1, shape.rows}));
  std::printf("%s: %lld scales, no weight off by more than %.2e, first output %.5f\n", int8_group32::name.data(),
              static_cast<long long>(q.groups().extents().count()), static_cast<double>(largest), static_cast<double>(y[0]));
}
