// Statistics of layers' inputs from JSON.
#pragma once

#include <charconv>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/safetensors/json.hpp>

namespace halfstep {

/// One statistic of one layer, by the names that the file uses.
struct json_statistic {
  std::string layer;
  std::string name;  ///< such as "channel_max"
  std::vector<float> values;
};

namespace detail {

class statistic_events {
 public:
  explicit statistic_events(safetensors::allowance& memory) : memory_(&memory) {}

  void begin_object() {
    if (depth_ >= 2 || in_array_) refuse();
    ++depth_;
  }
  void end_object() { --depth_; }
  void begin_array() {
    if (depth_ != 2 || in_array_) refuse();
    in_array_ = true;
    begin_statistic(name_);
  }
  void end_array() { in_array_ = false; }
  bool keeps_keys() const { return false; }
  void key(std::string_view text) { (depth_ == 1 ? layer_ : name_) = text; }
  void number(std::string_view text) {
    if (depth_ == 0) refuse();
    if (!in_array_) begin_statistic(depth_ == 1 ? "input_scale" : name_);
    double value = 0.0;
    auto const [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc{} || end != text.data() + text.size() || std::fabs(value) > std::numeric_limits<float>::max())
      throw format_error(stated("calibration.beyond_fp32", "the number {number} of {'layer} does not fit FP32",
                                {{"number", text}, {"layer", layer_}}));
    memory_->take(2 * sizeof(float));
    found_.back().values.push_back(static_cast<float>(value));
  }
  void string(std::string_view) { refuse(); }
  void boolean() { refuse(); }
  void null() { refuse(); }

  std::vector<json_statistic> finish() { return std::move(found_); }

 private:
  [[noreturn]] void refuse() const {
    throw format_error(stated("calibration.no_statistics",
                              "{place} is neither {\"layer\": {\"statistic\": number or [numbers]}} nor {\"layer\": number}",
                              {{"place", layer_.empty() ? "its content" : "what it says of " + quoted(layer_)}}));
  }
  void begin_statistic(std::string const& name) {
    memory_->take(2 * sizeof(json_statistic) + layer_.size() + name.size());
    found_.push_back({layer_, name, {}});
  }

  safetensors::allowance* memory_;
  int depth_ = 0;
  bool in_array_ = false;
  std::string layer_;
  std::string name_;
  std::vector<json_statistic> found_;
};

}  // namespace detail

/// The longest JSON calibration file that is read, in bytes.
inline constexpr std::size_t max_json_statistics_bytes = 100'000'000;

/// Returns the statistics in `text`: {"layer": {"input_scale": s, "channel_max": [..], ..}}, or {"layer": s} for scales alone.
///
/// Throws format_error for anything else, text that is no JSON, a name that occurs twice in an object and more than
/// `max_json_statistics_bytes`.
inline std::vector<json_statistic> parse_json_statistics(std::string_view text) {
  if (text.size() > max_json_statistics_bytes)
    throw format_error(stated("calibration.too_long",
                              "its {bytes} bytes are more than the {limit} that JSON may have; use a safetensors file",
                              {{"bytes", text.size()}, {"limit", max_json_statistics_bytes}}));
  safetensors::allowance memory(8 * text.size() + 4096);
  detail::statistic_events events(memory);
  safetensors::read_json(text, memory, events);
  return events.finish();
}

}  // namespace halfstep
