// What a person sees while a conversion runs.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include <halfstep/plan/planned.hpp>

#include "messages.hpp"
#include "options.hpp"

namespace convert_to_quant {

/// Shows progress: a bar on a terminal, one line a tensor, or a JSON object now and then and for each tensor.
///
/// The log gets one line a tensor whatever is shown.
class progress {
 public:
  /// `style` is not automatic; `what` says how many bytes each tensor has. `to` is borrowed.
  progress(progress_style style, halfstep::plan const& what, messages& to);

  /// Takes note of `bytes` more of `tensor`. Several threads may call.
  void advance(std::string_view tensor, std::uint64_t bytes);

  /// Takes note of `bytes` of `tensor` that an interrupted run did: they count as done, and the clock starts after them.
  void take_over(std::string_view tensor, std::uint64_t bytes);

  /// Clears the bar.
  void finish();

 private:
  void draw(std::string_view tensor);
  void report(std::string_view tensor);
  double seconds() const;
  double rate() const;
  double seconds_left() const;

  progress_style style_;
  messages& to_;
  std::map<std::string, std::uint64_t, std::less<>> left_;  ///< bytes of each tensor
  std::size_t tensors_ = 0;
  std::size_t tensors_done_ = 0;
  std::uint64_t total_ = 0;
  std::uint64_t done_ = 0;
  std::uint64_t taken_over_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point drawn_{};
  std::size_t width_ = 0;  ///< of what the bar's line shows now
  std::mutex guard_;
};

/// Returns the style that `asked` means here: automatic is a bar on a terminal, else plain lines.
progress_style settled(progress_style asked, verbosity level);

}  // namespace convert_to_quant
