// Facts of a run by name, in words.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace halfstep {

/// Names and their values, in words.
using fact_list = std::vector<std::pair<std::string, std::string>>;

}  // namespace halfstep
