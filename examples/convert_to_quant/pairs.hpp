// The pairs of --add-keys, as a person types them.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace convert_to_quant {

/// Returns the pairs of `text`, such as `'per_row': true, "group_size": 64`, each value as JSON: names and strings in single or
/// double quotes, values of JSON, or True, False and None. Braces around them may be there. Throws halfstep::usage_error where it
/// is anything else.
std::vector<std::pair<std::string, std::string>> parse_pairs(std::string_view text);

}  // namespace convert_to_quant
