// What tells a file from every other without reading it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include <halfstep/file/file_identity.hpp>

namespace halfstep {

/// Size and time of a file: what another run, which may see it under another number, can compare.
struct file_stamp {
  std::uint64_t bytes = 0;
  std::int64_t modified_ns = 0;  ///< since 1970

  bool operator==(file_stamp const&) const = default;
};

/// Returns size and time of a file.
inline file_stamp stamp_of(file::file_identity const& file) { return {file.size, file.modified_ns}; }

/// Returns "345 bytes of 2026-11-21 20:15:03.000000001 UTC".
inline std::string to_string(file_stamp const& file) {
  namespace chrono = std::chrono;
  chrono::sys_time<chrono::nanoseconds> const written{chrono::nanoseconds(file.modified_ns)};
  auto const day = chrono::floor<chrono::days>(written);
  chrono::year_month_day const date{day};
  chrono::hh_mm_ss const time{written - day};
  auto const digits = [](auto number, int count) {
    auto const text = std::to_string(number);
    return std::string(static_cast<std::size_t>(std::max(0, count - static_cast<int>(text.size()))), '0') + text;
  };
  return std::to_string(file.bytes) + " bytes of " + digits(static_cast<int>(date.year()), 4) + '-' +
         digits(static_cast<unsigned>(date.month()), 2) + '-' + digits(static_cast<unsigned>(date.day()), 2) + ' ' +
         digits(time.hours().count(), 2) + ':' + digits(time.minutes().count(), 2) + ':' + digits(time.seconds().count(), 2) +
         '.' + digits(time.subseconds().count(), 9) + " UTC";
}

}  // namespace halfstep
