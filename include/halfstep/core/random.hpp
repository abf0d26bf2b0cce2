// Random numbers that are a function of a key and a counter: the same on every executor, in any order.
#pragma once

#include <cstdint>
#include <string_view>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/ieee_float.hpp>

namespace halfstep {

/// Philox 4x32-10 as a function from a 64-bit key and a 64-bit counter to four 32-bit words.
///
/// Source: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
class philox {
 public:
  /// Four words of one counter.
  struct block {
    std::uint32_t word[4];
  };

  HALFSTEP_HD constexpr explicit philox(std::uint64_t key = 0) : key_(key) {}

  /// Returns the words of `counter`, whose upper 64 bits are 0.
  HALFSTEP_HD constexpr block operator()(std::uint64_t counter) const {
    block b{{static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32), 0, 0}};
    auto key0 = static_cast<std::uint32_t>(key_);
    auto key1 = static_cast<std::uint32_t>(key_ >> 32);
    for (int round = 0; round < 10; ++round) {
      std::uint64_t const p0 = std::uint64_t{0xD2511F53u} * b.word[0];
      std::uint64_t const p1 = std::uint64_t{0xCD9E8D57u} * b.word[2];
      b = {{static_cast<std::uint32_t>(p1 >> 32) ^ b.word[1] ^ key0, static_cast<std::uint32_t>(p1),
            static_cast<std::uint32_t>(p0 >> 32) ^ b.word[3] ^ key1, static_cast<std::uint32_t>(p0)}};
      key0 += 0x9E3779B9u;
      key1 += 0xBB67AE85u;
    }
    return b;
  }

 private:
  std::uint64_t key_;
};

/// Returns a float in [0, 1), a multiple of 2^-24, from 32 random bits.
HALFSTEP_HD constexpr float unit_float(std::uint32_t word) {
  return static_cast<float>(ieee_float{static_cast<float>(word >> 8)} * 0x1p-24f);
}

/// Returns the key of the random numbers of one tensor: FNV-1a of its name, mixed with the seed.
constexpr std::uint64_t random_key(std::uint64_t seed, std::string_view tensor_name) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (char const c : tensor_name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  hash ^= seed + 0x9E3779B97F4A7C15u + (hash << 6) + (hash >> 2);
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdu;
  return hash ^ (hash >> 33);
}

}  // namespace halfstep
