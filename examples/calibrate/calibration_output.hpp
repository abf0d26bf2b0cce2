// What every calibration file that is written here has in common.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <halfstep/safetensors/header.hpp>

namespace calibrate {

/// Prints a line to standard error.
void say(std::string const& line);

/// Returns "37.7 MB".
std::string megabytes(std::uint64_t bytes);

/// Returns the metadata of a file whose statistics come from `source`.
halfstep::safetensors::metadata_list metadata_of(std::string const& source,
                                                 std::vector<std::pair<std::string, std::string>> const& aliases);

}  // namespace calibrate
