// The bar is redrawn at most ten times a second; plain lines are printed when a tensor is done.
#include "console.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include <boost/json.hpp>

namespace convert_to_quant {

namespace {

std::size_t terminal_columns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

std::string text_of(char const* format, auto... values) {
  char text[160];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

}  // namespace

progress_style settled(progress_style asked, verbosity level) {
  if (level == verbosity::minimal) return progress_style::none;
  if (asked != progress_style::automatic) return asked;
  return isatty(STDERR_FILENO) == 1 ? progress_style::bar : progress_style::plain;
}

progress::progress(progress_style style, halfstep::plan const& what, messages& to) : style_(style), to_(to) {
  for (auto const& tensor : what.tensors) {
    if (tensor.what == halfstep::action::remove || tensor.input.bytes() == 0) continue;
    left_[tensor.input.name] = tensor.input.bytes();
    total_ += tensor.input.bytes();
  }
  tensors_ = left_.size();
}

double progress::seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

double progress::rate() const { return static_cast<double>(done_ - taken_over_) / std::max(seconds(), 1e-6); }

double progress::seconds_left() const { return static_cast<double>(total_ - done_) / std::max(rate(), 1.0); }

void progress::take_over(std::string_view tensor, std::uint64_t bytes) {
  std::scoped_lock const lock(guard_);
  done_ += bytes;
  taken_over_ += bytes;
  start_ = std::chrono::steady_clock::now();
  if (left_.erase(std::string(tensor)) > 0) ++tensors_done_;
}

void progress::advance(std::string_view tensor, std::uint64_t bytes) {
  if (bytes == 0) return;
  std::scoped_lock const lock(guard_);
  done_ += bytes;
  auto const entry = left_.find(tensor);
  if (entry == left_.end()) return;
  entry->second -= std::min(entry->second, bytes);
  bool const ended = entry->second == 0;
  if (ended) {
    ++tensors_done_;
    std::string const line = text_of("[%zu/%zu] %3.0f %% ", tensors_done_, tensors_,
                                     100.0 * static_cast<double>(done_) / static_cast<double>(total_)) +
                             std::string(tensor);
    if (style_ == progress_style::plain)
      to_.say(line);
    else
      to_.log(line);
  }
  if (style_ != progress_style::bar && style_ != progress_style::json) return;
  auto const now = std::chrono::steady_clock::now();
  bool const is_step = ended && style_ == progress_style::json;
  if (!is_step && now - drawn_ < std::chrono::milliseconds(100)) return;
  drawn_ = now;
  if (style_ == progress_style::bar)
    draw(tensor);
  else
    report(tensor);
}

void progress::report(std::string_view tensor) {
  to_.show(boost::json::serialize(boost::json::object{{"event", "progress"},
                                                      {"tensor", tensor},
                                                      {"tensors_done", tensors_done_},
                                                      {"tensors", tensors_},
                                                      {"bytes_done", done_},
                                                      {"bytes", total_},
                                                      {"seconds", seconds()},
                                                      {"seconds_left", seconds_left()}}));
}

void progress::draw(std::string_view tensor) {
  double const part = static_cast<double>(done_) / static_cast<double>(std::max<std::uint64_t>(total_, 1));
  std::string line = "[";
  auto const filled = static_cast<int>(part * 20.0);
  for (int i = 0; i < 20; ++i) line += i < filled ? '=' : i == filled ? '>' : ' ';
  line += text_of("] %3.0f %% %.1f/%.1f GB %.0f MB/s ETA %.0f s ", 100.0 * part, static_cast<double>(done_) / 1e9,
                  static_cast<double>(total_) / 1e9, rate() / 1e6, seconds_left());
  line += tensor;
  line.resize(std::min(line.size(), terminal_columns() - 1));
  std::size_t const shown = line.size();
  if (width_ > shown) line.append(width_ - shown, ' ');
  width_ = shown;
  std::fputs(("\r" + line).c_str(), stderr);
}

void progress::finish() {
  std::scoped_lock const lock(guard_);
  if (style_ == progress_style::bar && width_ > 0) std::fputs(("\r" + std::string(width_, ' ') + "\r").c_str(), stderr);
  width_ = 0;
}

}  // namespace convert_to_quant
