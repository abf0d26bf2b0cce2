// Rounds a few weights to INT8 on a grid of their own and prints the worst error, in steps.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include <halfstep/exec/serial.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/rounding/nearest.hpp>

int main() {
  std::array const weights{0.31f, -0.62f, 0.05f, 1.27f, -0.9f, 0.0f};
  using layout = halfstep::int8_axis;
  auto const step = layout::unpack(layout::fit({1.27f}));
  halfstep::nearest const round;

  float worst = 0.0f;
  for (float const x : weights) {
    auto const code = round(layout::locate(x, step), 0);
    worst = std::max(worst, std::fabs(layout::decode(code, step) - x) / step.scale);
  }
  std::printf("%s: off by at most %.3f steps\n", layout::name.data(), static_cast<double>(worst));
  return worst <= halfstep::nearest::max_error_steps ? 0 : 1;
}
