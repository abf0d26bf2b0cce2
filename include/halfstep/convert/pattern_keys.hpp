// Keys of an adapter's patterns that are expressions.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include <boost/regex.hpp>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/lora/scale_statement.hpp>
#include <halfstep/plan/pattern_scope.hpp>

namespace halfstep {

/// Returns PEFT's rule for a key of alpha_pattern or rank_pattern: an expression for the end of a layer's name, from behind a dot
/// or from its start on. What it returns throws format_error for what is no expression, is too long, or takes too long.
inline name_matcher expression_keys() {
  return [](std::string const& key, std::string_view name) {
    if (key.size() > max_pattern_bytes)
      throw format_error(stated("pattern.too_long", "the key {'pattern} has {bytes} bytes, an expression has at most {limit}",
                                {{"pattern", key}, {"bytes", key.size()}, {"limit", max_pattern_bytes}}));
    try {
      boost::regex const expression("(?:.*\\.)?(?:" + key + ")", boost::regex::perl);
      return boost::regex_match(name.begin(), name.end(), expression);
    } catch (std::runtime_error const& why) {
      throw format_error(stated("pattern.broken", "the key {'pattern} is no regular expression, or takes too long: {reason}",
                                {{"pattern", key}, {"reason", why.what()}}));
    }
  };
}

}  // namespace halfstep
