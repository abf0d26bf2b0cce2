// Weights for tests, and what an exception says.
#pragma once

#include <string>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/random.hpp>
#include <halfstep/core/source.hpp>

namespace halfstep_test {

/// Bell-shaped numbers of about +-0.1, a function of the seed alone.
template <class Source = float>
halfstep::host_buffer<Source> noise(halfstep::extents2 e, std::uint64_t seed = 1) {
  halfstep::host_buffer<Source> x(e.count());
  halfstep::philox const random(seed);
  for (halfstep::index_t i = 0; i < x.size(); ++i) {
    auto const words = random(static_cast<std::uint64_t>(i));
    x[i] = halfstep::narrow<Source>((halfstep::unit_float(words.word[0]) + halfstep::unit_float(words.word[1]) - 1.0f) * 0.1f);
  }
  return x;
}

template <class Call>
std::string message_of(Call const& call) {
  try {
    call();
  } catch (halfstep::error const& e) {
    return e.what();
  }
  return "nothing thrown";
}

}  // namespace halfstep_test
