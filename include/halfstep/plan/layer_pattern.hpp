// Regular expressions over tensor names.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include <boost/regex.hpp>

#include <halfstep/core/error.hpp>
#include <halfstep/recipe/artifact.hpp>
#include <halfstep/safetensors/text.hpp>

namespace halfstep {

/// A Perl expression that picks layers by name.
class layer_pattern {
 public:
  /// Compiles `text`, which the user gave to `flag`. Throws usage_error where it is no expression.
  layer_pattern(std::string_view flag, std::string text) : flag_(flag), text_(std::move(text)) {
    try {
      expression_.assign(text_, boost::regex::perl);
    } catch (std::runtime_error const& why) {
      throw usage_error(source() + " is no regular expression: " + why.what());
    }
  }

  /// Returns whether the expression is found in the name of `tensor`, or in it without its `.weight`.
  ///
  /// The work is bounded: an expression that would take exponentially long throws usage_error.
  bool matches(std::string_view tensor) const {
    return found_in(tensor) || (!layer_of(tensor).empty() && found_in(layer_of(tensor)));
  }

  /// Returns the flag and the expression, as messages show them.
  std::string source() const { return flag_ + " " + safetensors::quoted(text_); }

 private:
  bool found_in(std::string_view name) const {
    try {
      return boost::regex_search(name.begin(), name.end(), expression_);
    } catch (std::runtime_error const& why) {
      throw usage_error(source() + " takes too long on the name " + safetensors::quoted(name) + ": " + why.what());
    }
  }

  std::string flag_;
  std::string text_;
  boost::regex expression_;
};

}  // namespace halfstep
