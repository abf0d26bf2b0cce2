// Random weights with the statistics of trained ones.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <utility>

#include <halfstep/core/random.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/safetensors/header.hpp>

/// Gives any element of a tensor, a function of the seed, the tensor's name and the element's place alone.
///
/// A matrix: normal numbers of variance near 1 / columns, rows 0.5 to 1.5 and columns 0.7 to 1.3 times as large as the mean, and
/// one element in 4096 eight times as large. A vector of a norm: near 1. Any other vector: near 0.
class trained_statistics {
 public:
  trained_statistics(std::uint64_t seed, halfstep::safetensors::tensor const& t)
      : random_(halfstep::random_key(seed, t.name)),
        columns_(t.shape.back()),
        size_(t.shape.size() == 2 ? 0.6f / std::sqrt(static_cast<float>(columns_)) : 0.05f),
        center_(t.name.find("norm") != t.name.npos ? 1.0f : 0.0f),
        is_matrix_(t.shape.size() == 2) {}

  /// Stores `count` elements from `first` on; both are even.
  void fill(std::uint64_t first, std::uint64_t count, halfstep::bfloat16* into) const {
    for (std::uint64_t i = first; i < first + count; i += 2) {
      auto const draw = random_(i / 2);
      auto const [a, b] = normal_pair(draw.word[0], draw.word[1]);
      into[i - first] = halfstep::to_bfloat16(element(i, a, draw.word[2]));
      into[i - first + 1] = halfstep::to_bfloat16(element(i + 1, b, draw.word[3]));
    }
  }

 private:
  static std::pair<float, float> normal_pair(std::uint32_t u, std::uint32_t v) {
    float const radius = std::sqrt(-2.0f * std::log(1.0f - halfstep::unit_float(u)));
    float const angle = 2.0f * std::numbers::pi_v<float> * halfstep::unit_float(v);
    return {radius * std::cos(angle), radius * std::sin(angle)};
  }

  float element(std::uint64_t i, float normal, std::uint32_t luck) const {
    if (!is_matrix_) return center_ + size_ * normal;
    float const outlier = luck % 4096 == 0 ? 8.0f : 1.0f;
    return size_ * outlier * normal * unevenness(i / columns_, 0.25f) * unevenness((i % columns_) | std::uint64_t{1} << 40, 0.15f);
  }

  /// Returns the size of a row or column relative to the mean, from 1 - 2 spread to 1 + 2 spread.
  float unevenness(std::uint64_t line, float spread) const {
    auto const hash = static_cast<std::uint32_t>((line + 1) * 0x9E3779B97F4A7C15u >> 32);
    return 1.0f + spread * (halfstep::unit_float(hash) + halfstep::unit_float(hash * 0x85EBCA6Bu) - 1.0f) * 2.0f;
  }

  halfstep::philox random_;
  std::uint64_t columns_;
  float size_;
  float center_;
  bool is_matrix_;
};
