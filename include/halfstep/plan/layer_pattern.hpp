// Regular expressions over tensor names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <boost/regex.hpp>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/plan/pattern_scope.hpp>
#include <halfstep/recipe/artifact.hpp>

namespace halfstep {

/// A Perl expression that picks layers by name.
class layer_pattern {
 public:
  /// Compiles `text`, which the user gave to `flag`. Throws usage_error where it is no expression, or too long.
  layer_pattern(std::string_view flag, std::string text, pattern_scope scope = pattern_scope::part_of_name)
      : flag_(flag), text_(std::move(text)), scope_(scope) {
    if (text_.size() > max_pattern_bytes)
      throw usage_error(stated("pattern.too_long", "{pattern} has {bytes} bytes, an expression has at most {limit}",
                               {{"pattern", source()}, {"bytes", text_.size()}, {"limit", max_pattern_bytes}}));
    try {
      expression_.assign(text_, boost::regex::perl);
    } catch (std::runtime_error const& why) {
      throw usage_error(stated("pattern.broken", "{pattern} is no regular expression: {reason}",
                               {{"pattern", source()}, {"reason", why.what()}}));
    }
  }

  /// Returns whether the expression is found in the name of `tensor`, where its scope says.
  ///
  /// The work is bounded: an expression that would take exponentially long throws usage_error.
  bool matches(std::string_view tensor) const {
    std::string_view const layer = layer_of(tensor).empty() ? tensor : layer_of(tensor);
    if (scope_ != pattern_scope::part_of_name) return found_in(layer);
    return found_in(tensor) || (layer.size() != tensor.size() && found_in(layer));
  }

  std::string const& text() const { return text_; }

  /// Returns the flag and the expression, as messages show them.
  std::string source() const { return flag_ + " " + quoted(text_); }

 private:
  bool found_in(std::string_view name) const {
    try {
      return scope_ == pattern_scope::whole_layer ? boost::regex_match(name.begin(), name.end(), expression_)
                                                  : boost::regex_search(name.begin(), name.end(), expression_);
    } catch (std::runtime_error const& why) {
      throw usage_error(stated("pattern.too_slow", "{pattern} takes too long on the name {'name}: {reason}",
                               {{"pattern", source()}, {"name", name}, {"reason", why.what()}}));
    }
  }

  std::string flag_;
  std::string text_;
  pattern_scope scope_;
  boost::regex expression_;
};

}  // namespace halfstep
