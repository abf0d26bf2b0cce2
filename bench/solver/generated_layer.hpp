// Weights with the traits of trained layers, each a function of its seed alone.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/random.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/linalg/gemm.hpp>

namespace halfstep_bench {

/// How the weights of a generated layer are spread.
enum class layer_kind : std::uint8_t {
  scaled_gaussian,  ///< Gaussian, rows and columns scaled by log-normal factors of sigma 0.5
  student_t,        ///< Student's t with 4 degrees of freedom
  low_rank,         ///< a product of rank 32 and as much Gaussian noise
  outlier_columns   ///< Gaussian, every hundredth column 10 times as large
};

inline constexpr std::array all_layer_kinds{layer_kind::scaled_gaussian, layer_kind::student_t, layer_kind::low_rank,
                                            layer_kind::outlier_columns};

constexpr std::string_view name_of(layer_kind kind) {
  switch (kind) {
    case layer_kind::scaled_gaussian:
      return "Gaussian, scaled rows and columns";
    case layer_kind::student_t:
      return "Student-t 4";
    case layer_kind::low_rank:
      return "low rank + noise";
    case layer_kind::outlier_columns:
      return "outlier columns";
  }
  return "unknown";
}

/// Four numbers of one counter: a Gaussian one, and its quotient as Student's t with 4 degrees of freedom has it.
struct random_sample {
  double gaussian;
  double student_t;

  random_sample(halfstep::philox const& random, halfstep::index_t counter) {
    auto const words = random(static_cast<std::uint64_t>(counter));
    auto const log_of = [&](int i) { return std::log(1.0 - static_cast<double>(halfstep::unit_float(words.word[i]))); };
    gaussian =
        std::sqrt(-2.0 * log_of(0)) * std::cos(6.283185307179586 * static_cast<double>(halfstep::unit_float(words.word[1])));
    student_t = gaussian / std::sqrt(-0.5 * (log_of(2) + log_of(3)));
  }
};

/// Returns a layer of about 0.02 rms.
inline halfstep::host_buffer<float> generated_layer(layer_kind kind, halfstep::extents2 e, std::uint64_t seed = 1) {
  using halfstep::index_t;
  constexpr index_t rank = 32;
  constexpr double rms = 0.02;
  halfstep::threads const team;
  halfstep::philox const random(seed), of_rows(seed + 1000), of_columns(seed + 2000);
  halfstep::host_buffer<float> w(e.count());
  if (kind == layer_kind::low_rank) {
    halfstep::host_buffer<float> left(e.rows * rank), right(rank * e.columns);
    for (index_t i = 0; i < left.size(); ++i) left[i] = static_cast<float>(random_sample(of_rows, i).gaussian);
    for (index_t i = 0; i < right.size(); ++i) right[i] = static_cast<float>(random_sample(of_columns, i).gaussian * rms / 8.0);
    halfstep::gemm(team, halfstep::host_view<float const>(left.view({e.rows, rank})),
                   halfstep::host_view<float const>(right.view({rank, e.columns})), w.view(e));
  }
  auto const factors = [](halfstep::philox const& of, index_t count) {
    std::vector<double> all;
    for (index_t i = 0; i < count; ++i) all.push_back(std::exp(0.5 * random_sample(of, i).gaussian));
    return all;
  };
  auto const rows = factors(of_rows, e.rows), columns = factors(of_columns, e.columns);
  team.for_each(e.rows, [&](index_t row) {
    for (index_t column = 0; column < e.columns; ++column) {
      index_t const i = row * e.columns + column;
      random_sample const sample(random, i);
      double x = sample.gaussian;
      if (kind == layer_kind::scaled_gaussian)
        x *= rows[static_cast<std::size_t>(row)] * columns[static_cast<std::size_t>(column)] / 1.3;
      if (kind == layer_kind::student_t) x = sample.student_t / 1.4;
      if (kind == layer_kind::outlier_columns) x *= column % 100 == 50 ? 10.0 : 0.7;
      w[i] = static_cast<float>(x * rms) + (kind == layer_kind::low_rank ? w[i] : 0.0f);
    }
  });
  return w;
}

}  // namespace halfstep_bench
