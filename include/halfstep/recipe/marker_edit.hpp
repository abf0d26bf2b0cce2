// Changes to what markers say.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace halfstep {

/// What to change in a marker.
struct marker_edit {
  std::vector<std::string> remove = {};                       ///< keys
  std::vector<std::pair<std::string, std::string>> set = {};  ///< keys and their values as JSON, in place of what is there
};

}  // namespace halfstep
