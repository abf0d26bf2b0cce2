// Quantizes with a rounding policy that the library has never heard of, and looks at what it does to errors.

#include <cmath>
#include <cstdio>

#include <halfstep/halfstep.hpp>

#include "ordered_dither.hpp"

namespace {

struct errors {
  float largest;  ///< in steps
  double mean;    ///< in steps
};

template <class Rounding>
errors errors_of(halfstep::host_view<float const> weight) {
  using layout = halfstep::int8_axis;
  auto const q = halfstep::quantizer<layout, Rounding>()(halfstep::threads(), weight);
  errors found{0.0f, 0.0};
  for (halfstep::index_t row = 0; row < weight.rows(); ++row)
    for (halfstep::index_t column = 0; column < weight.columns(); ++column) {
      auto const step = layout::unpack(q.groups()(row, 0));
      float const error = (weight(row, column) - layout::decode(q.codes()(row, column), step)) / step.scale;
      found.largest = std::fmax(found.largest, std::fabs(error));
      found.mean += static_cast<double>(error) / static_cast<double>(weight.extents().count());
    }
  std::printf("%-14s no weight off by more than %.3f steps, of %.1f allowed; %+.4f on average\n", Rounding::name.data(),
              static_cast<double>(found.largest), static_cast<double>(Rounding::max_error_steps), found.mean);
  return found;
}

}  // namespace

int main() {
  // Every weight lies 0.3 steps above a code: round to nearest is off by that everywhere, the pattern is right on average.
  constexpr halfstep::extents2 shape{16, 128};
  halfstep::host_buffer<float> weights(shape.count());
  for (halfstep::index_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i % 100) + 0.3f;
  for (halfstep::index_t row = 0; row < shape.rows; ++row) weights[row * shape.columns] = 127.0f;
  errors const nearest = errors_of<halfstep::nearest>(weights.view(shape));
  errors const dither = errors_of<ordered_dither>(weights.view(shape));
  return dither.largest <= ordered_dither::max_error_steps && std::fabs(dither.mean) < 0.3 * std::fabs(nearest.mean) ? 0 : 1;
}
