// Facts of a run by name, in words.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace halfstep {

/// The name of a fact that is a digest of the plan, which says nothing to a person.
inline constexpr std::string_view plan_name = "the plan";
inline constexpr std::string_view seed_name = "the seed";  ///< The name of the fact that is the seed.

/// Names and their values, in words.
using fact_list = std::vector<std::pair<std::string, std::string>>;

}  // namespace halfstep
