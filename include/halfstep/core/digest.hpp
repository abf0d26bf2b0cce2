// A number that tells bytes apart, at the speed of memory.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace halfstep {

/// Returns a number that changes when any of `bytes` does, but for one chance in 2^64: bytes that a disk or an interruption
/// changed, not bytes that somebody made to collide. It tells files of one machine apart and is no format for exchange.
///
/// Words of eight bytes in four chains of x -> (x ^ word) * prime, as in FNV-1a, each with a shift that carries high bits down.
inline std::uint64_t digest(std::span<std::byte const> bytes) {
  constexpr std::uint64_t prime = 0x9E3779B97F4A7C15u;
  constexpr std::size_t word_bytes = sizeof(std::uint64_t);
  auto const step = [](std::uint64_t hash, std::uint64_t word) {
    hash = (hash ^ word) * prime;
    return hash ^ hash >> 29;
  };
  // Four variables and no array: compilers turn a loop over chains into products of vectors, which take twice as long.
  std::uint64_t a = 0xcbf29ce484222325u, b = 0x84222325cbf29ce4u, c = 0x2325cbf29ce48422u, d = 0xe4842223cbf29c25u;
  std::size_t at = 0;
  for (constexpr std::size_t stride = 4 * word_bytes; at + stride <= bytes.size(); at += stride) {
    std::array<std::uint64_t, 4> words;
    std::memcpy(words.data(), bytes.data() + at, stride);
    a = step(a, words[0]);
    b = step(b, words[1]);
    c = step(c, words[2]);
    d = step(d, words[3]);
  }
  std::uint64_t hash = bytes.size();
  for (std::uint64_t const chain : {a, b, c, d}) hash = step(hash, chain);
  for (; at < bytes.size(); at += word_bytes) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, std::min(word_bytes, bytes.size() - at));
    hash = step(hash, word);
  }
  return step(hash, hash >> 32);
}

}  // namespace halfstep
