// How a conversion runs, apart from what it makes: nothing here changes a byte of the output.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include <halfstep/core/error.hpp>

namespace halfstep {

/// How much of the finished file is read again and decoded before it is published.
enum class verification : std::uint8_t {
  header,   ///< the contract of every layer
  sampled,  ///< and some rows of each
  full      ///< and every row, and every byte that was copied
};

/// In which order pieces are worked on.
enum class piece_order : std::uint8_t {
  overlapped,  ///< the next tensor begins while the last pieces of one are under way
  one_tensor   ///< a tensor is finished before the next one begins
};

/// How a conversion runs.
struct convert_settings {
  std::uint64_t seed = 0;                              ///< of stochastic rounding; each tensor's name is mixed in
  std::uint64_t piece_bytes = std::uint64_t{2} << 20;  ///< of input read at once by each thread, at least one row of groups
  piece_order order = piece_order::overlapped;
  verification verify = verification::sampled;
};

/// Who watches a conversion. All are called from working threads, several at a time, and may be empty.
struct observer {
  using progress = std::function<void(std::string_view tensor, std::uint64_t input_bytes)>;

  progress advanced;                ///< so much of the input is done
  std::function<bool()> cancelled;  ///< true stops within one piece: `cancelled` is thrown
  progress taken_over = {};         ///< so much was done by an interrupted run; told before the first of the rest
};

/// Throws `cancelled` when the observer says so.
inline void require_going(observer const& watcher) {
  if (watcher.cancelled && watcher.cancelled())
    throw cancelled(stated("run.stopped", "stopped on request: nothing was published"));
}

}  // namespace halfstep
