// What tells a file from every other, in words.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>

#include <halfstep/file/file_identity.hpp>

namespace halfstep {

/// Returns what tells a file from every other without reading it: "345 bytes of 2026-11-21 20:15:03.000000001 UTC".
inline std::string file_fact(file::file_identity const& file) {
  namespace chrono = std::chrono;
  chrono::sys_time<chrono::nanoseconds> const written{chrono::nanoseconds(file.modified_ns)};
  auto const day = chrono::floor<chrono::days>(written);
  chrono::year_month_day const date{day};
  chrono::hh_mm_ss const time{written - day};
  auto const digits = [](auto number, int count) {
    auto const text = std::to_string(number);
    return std::string(static_cast<std::size_t>(std::max(0, count - static_cast<int>(text.size()))), '0') + text;
  };
  return std::to_string(file.size) + " bytes of " + digits(static_cast<int>(date.year()), 4) + '-' +
         digits(static_cast<unsigned>(date.month()), 2) + '-' + digits(static_cast<unsigned>(date.day()), 2) + ' ' +
         digits(time.hours().count(), 2) + ':' + digits(time.minutes().count(), 2) + ':' + digits(time.seconds().count(), 2) +
         '.' + digits(time.subseconds().count(), 9) + " UTC";
}

}  // namespace halfstep
