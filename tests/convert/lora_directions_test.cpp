// Second moments from a LoRA's down matrices, in every basis that layers are stored in.
#include <halfstep/convert/lora_directions.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/core/random.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/transform/basis.hpp>
#include <halfstep/transform/hadamard.hpp>
#include <halfstep/transform/smoothing.hpp>
#include <halfstep/transform/two_sided_hadamard.hpp>

#include "scene.hpp"

namespace {

using namespace halfstep_test;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::lora_directions;
using halfstep::serial;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr index_t rank = 6;
constexpr index_t columns = 192;

struct LoraDirections : testing::Test {
  LoraDirections() {
    write_model(model, {weight<float>("diffusion_model.blocks.0.attn.weight", {32, columns}, 1),
                        weight<float>("diffusion_model.blocks.1.attn.weight", {32, 64}, 2)});
    write_model(lora, {weight<float>("lora_unet_blocks_0_attn.lora_down.weight", {rank, columns}, 3),
                       weight<float>("lora_unet_blocks_0_attn.lora_up.weight", {32, rank}, 4),
                       weight<float>("text.lora_down.weight", {2, 8}, 5), weight<float>("text.lora_up.weight", {8, 2}, 6)});
  }
  lora_directions open() const { return lora_directions(lora, halfstep::safetensors::reader(model).head()); }

  scratch_folder folder;
  std::string const model = folder.file("model.safetensors");
  std::string const lora = folder.file("lora.safetensors");
  std::string const layer = "diffusion_model.blocks.0.attn";
  host_buffer<float> const down = noise({rank, columns}, 3);
};

/// I + rho A^T A / mean diag(A^T A), written out.
std::vector<double> dense(std::span<float const> a, index_t n) {
  double mean = 0.0;
  for (float const x : a) mean += static_cast<double>(x) * static_cast<double>(x) / static_cast<double>(n);
  std::vector<double> h(static_cast<std::size_t>(n * n));
  for (index_t i = 0; i < n; ++i)
    for (index_t j = 0; j < n; ++j) {
      double sum = 0.0;
      for (index_t k = 0; k < rank; ++k)
        sum += static_cast<double>(a[static_cast<std::size_t>(k * n + i)]) *
               static_cast<double>(a[static_cast<std::size_t>(k * n + j)]);
      h[static_cast<std::size_t>(i * n + j)] = (i == j ? 1.0 : 0.0) + halfstep::lora_share * sum / mean;
    }
  return h;
}

void expect_equal(halfstep::low_rank_hessian const& h, std::vector<double> const& expected) {
  index_t const n = h.columns();
  ASSERT_EQ(static_cast<std::size_t>(n * n), expected.size());
  for (index_t i = 0; i < n; ++i)
    for (index_t j = 0; j < n; ++j) {
      double sum = i == j ? static_cast<double>(h.lambda()[static_cast<std::size_t>(i)]) : 0.0;
      for (index_t k = 0; k < h.rank(); ++k) sum += static_cast<double>(h.v()(i, k)) * static_cast<double>(h.v()(j, k));
      ASSERT_NEAR(sum, expected[static_cast<std::size_t>(i * n + j)], 1e-4) << i << ", " << j;
    }
}

TEST_F(LoraDirections, WeighTogetherAsMuchAsTheWholeSpace) {
  auto const h = open().moments(serial{}, layer, {});
  ASSERT_TRUE(h);
  expect_equal(*h, dense({down.data(), static_cast<std::size_t>(down.size())}, columns));
  double trace = 0.0;
  for (float const x : h->diagonal()) trace += x;
  EXPECT_NEAR(trace, 2.0 * columns, 1e-2);
}

TEST_F(LoraDirections, FollowSmoothingAndRotation) {
  std::vector<float> factors;
  for (index_t j = 0; j < columns; ++j) factors.push_back(0.5f + 0.01f * static_cast<float>(j));
  host_buffer<float> a(down.size());
  for (index_t i = 0; i < a.size(); ++i) a[i] = down[i] / factors[static_cast<std::size_t>(i % columns)];
  halfstep::hadamard_regular(serial{}, host_view<float const>(a.view({rank, columns})), a.view({rank, columns}), 64);
  halfstep::basis in;
  in.append(halfstep::smoothing(factors));
  in.append(halfstep::regular_hadamard{64});
  auto const h = open().moments(halfstep::threads(2), layer, in);
  ASSERT_TRUE(h);
  expect_equal(*h, dense({a.data(), static_cast<std::size_t>(a.size())}, columns));
}

TEST_F(LoraDirections, FollowTheTransformOfStoredQuip) {
  halfstep::two_sided_hadamard const quip(halfstep::philox(7), {32, columns});
  host_buffer<float> a(rank * 256);
  std::fill(a.begin(), a.end(), 0.0f);
  for (index_t k = 0; k < rank; ++k) std::copy_n(down.data() + k * columns, columns, a.data() + k * 256);
  quip.apply_to_input(serial{}, a.view({rank, 256}));
  halfstep::basis in;
  in.append(quip);
  auto const h = open().moments(serial{}, layer, in);
  ASSERT_TRUE(h);
  EXPECT_EQ(h->columns(), 256);
  expect_equal(*h, dense({a.data(), static_cast<std::size_t>(a.size())}, 256));
}

TEST_F(LoraDirections, AreThereForLayersThatTheFileNamesAlone) {
  auto const found = open();
  EXPECT_TRUE(found.has(layer));
  EXPECT_FALSE(found.has("diffusion_model.blocks.1.attn"));
  EXPECT_FALSE(found.moments(serial{}, "diffusion_model.blocks.1.attn", {}));
  EXPECT_THAT(found.unmatched(), ElementsAre("text.lora_down.weight"));
}

TEST_F(LoraDirections, AreNoneWhereTheMatrixIsZeroAndRefusedWhereItDoesNotFit) {
  host_buffer<float> zero(4 * columns);
  std::fill(zero.begin(), zero.end(), 0.0f);
  EXPECT_FALSE(halfstep::lora_informed(host_view<float const>(zero.view({4, columns}))));
  write_model(lora, {weight<float>("blocks.0.attn.lora_A.weight", {rank, 64}, 3),
                     weight<float>("blocks.0.attn.lora_B.weight", {32, rank}, 4)});
  try {
    open();
    FAIL();
  } catch (halfstep::format_error const& e) {
    EXPECT_THAT(e.what(), HasSubstr("[6, 64] does not fit 'diffusion_model.blocks.0.attn.weight' of the shape [32, 192]"));
  }
}

}  // namespace
