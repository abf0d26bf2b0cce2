// The records of a journal: JSON on one line.
#pragma once

#include <string_view>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/parse_options.hpp>

namespace halfstep::detail {

/// Parses a record: flags and names may hold bytes that are not UTF-8. Throws what Boost.JSON throws.
inline boost::json::object parse_record(std::string_view record) {
  boost::json::parse_options options;
  options.allow_invalid_utf8 = true;
  return boost::json::parse({record.data(), record.size()}, {}, options).as_object();
}

}  // namespace halfstep::detail
