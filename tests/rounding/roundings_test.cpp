// Which of two codes each policy chooses.

#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/rounding/decided.hpp>
#include <halfstep/rounding/nearest.hpp>
#include <halfstep/rounding/stochastic.hpp>
#include <halfstep/tensor/quantizer.hpp>

namespace {

using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;

static_assert(halfstep::check_rounding<halfstep::nearest>() && halfstep::check_rounding<halfstep::stochastic>() &&
              halfstep::check_rounding<halfstep::decided>());

constexpr halfstep::bracket<std::int8_t> at(float t) { return {4, 5, t}; }

TEST(Nearest, TakesTheNearerCode) {
  EXPECT_EQ(halfstep::nearest{}(at(0.0f), 0), 4);
  EXPECT_EQ(halfstep::nearest{}(at(0.5f), 7), 4);
}

TEST(Decided, TakesTheFartherCodeWhereTheBitIsSet) {
  std::uint32_t const bits[2] = {1u << 31, 1u << 2};
  halfstep::decided const decided{bits};
  for (index_t element = 0; element < 64; ++element)
    EXPECT_EQ(decided(at(0.1f), element), element == 31 || element == 34 ? 5 : 4) << element;
}

/// Codes of `count` weights that all lie `steps` steps from zero.
std::vector<int> codes_of(float steps, index_t count, std::uint64_t seed) {
  host_buffer<float> weight(count);
  for (float& x : weight) x = steps * 0.25f;
  float const scale = 0.25f;
  halfstep::quantizer<halfstep::int8_tensor, halfstep::stochastic> const quantize(
      halfstep::stochastic{halfstep::philox(halfstep::random_key(seed, "layer.weight"))});
  auto const q = quantize.with_groups(halfstep::threads(2), weight.view({1000, count / 1000}), {&scale, {1, 1}});
  return {q.codes().data(), q.codes().data() + count};
}

TEST(Stochastic, IsUnbiased) {
  constexpr index_t count = 1000000;
  for (float const steps : {0.0f, 0.1f, 3.25f, -3.25f, 7.5f, -0.9f, 126.99f, 1e-4f}) {
    double sum = 0;
    for (int const code : codes_of(steps, count, 42)) {
      ASSERT_LT(std::fabs(static_cast<float>(code) - steps), 1.0f);
      sum += code;
    }
    double const up = static_cast<double>(steps) - std::floor(static_cast<double>(steps));
    double const deviation = std::sqrt(up * (1 - up) / count);
    EXPECT_LE(std::fabs(sum / count - static_cast<double>(steps)), 4.5 * deviation) << steps;  // 1 in 150,000 by chance
  }
}

TEST(Stochastic, IsTheSameForTheSameSeedAndAnotherForAnother) {
  auto const first = codes_of(0.5f, 100000, 1);
  EXPECT_EQ(first, codes_of(0.5f, 100000, 1));
  auto const second = codes_of(0.5f, 100000, 2);
  index_t equal = 0;
  for (std::size_t i = 0; i < first.size(); ++i) equal += first[i] == second[i] ? 1 : 0;
  EXPECT_NEAR(static_cast<double>(equal), 50000.0, 4.5 * std::sqrt(25000.0));
}

TEST(Stochastic, IsUnbiasedBetweenFp16Numbers) {
  float const x = 1.0f + 0.3f * 0x1p-10f;
  halfstep::stochastic const round{halfstep::philox(9)};
  constexpr index_t count = 200000;
  double sum = 0;
  for (index_t i = 0; i < count; ++i) sum += static_cast<double>(widen(round(halfstep::fp16::locate(x, {}), i)) - 1.0f) * 1024.0;
  double const up = static_cast<double>(x - 1.0f) * 1024.0;
  EXPECT_NEAR(sum / count, up, 4.5 * std::sqrt(up * (1 - up) / count));
}

}  // namespace
