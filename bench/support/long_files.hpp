// Large files of numbers that look like weights, made quickly.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <halfstep/core/bfloat16.hpp>
#include <halfstep/core/random.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/safetensors/writer.hpp>

namespace halfstep_bench {

/// Bell-shaped BF16 numbers, the same ones over and over.
inline std::vector<halfstep::bfloat16> const& numbers() {
  using namespace halfstep;
  static std::vector<bfloat16> const all = [] {
    std::vector<bfloat16> x(std::size_t{1} << 22);
    philox const random(1);
    for (std::size_t i = 0; i < x.size(); ++i) {
      auto const words = random(i);
      x[i] = narrow<bfloat16>((unit_float(words.word[0]) + unit_float(words.word[1]) - 1.0f) * 0.05f);
    }
    return x;
  }();
  return all;
}

/// Writes a file of BF16 tensors.
inline void write_numbers(std::string const& path, std::vector<halfstep::safetensors::tensor_spec> specs) {
  namespace safetensors = halfstep::safetensors;
  safetensors::writer file(path, safetensors::arrange(std::move(specs), {}), halfstep::file::overwrite::replace, {});
  auto const bytes = std::as_bytes(std::span(numbers()));
  for (auto const& to : file.slots())
    for (std::uint64_t first = 0, all = to.entry().bytes(); first < all; first += bytes.size())
      file.write(to, first, bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), all - first))));
  file.commit();
}

}  // namespace halfstep_bench
