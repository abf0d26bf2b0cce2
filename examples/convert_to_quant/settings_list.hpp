// What a run was asked for and what it chose, one by one, for the quality report.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <halfstep/convert/fact_list.hpp>
#include <halfstep/plan/planned.hpp>

#include "options.hpp"

namespace convert_to_quant {

/// Returns the settings of a run as names and values: the command line, the rules, the seed where it matters, and so on.
std::vector<std::pair<std::string, std::string>> settings_list(options const& o, halfstep::plan const& p, std::uint64_t seed,
                                                               int threads);

/// Returns the flags of the command line that decide what is made, and their values, sorted.
halfstep::fact_list asked_list(options const& o);

}  // namespace convert_to_quant
