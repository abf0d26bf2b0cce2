// The table of all flags: what the help prints, what the parser binds, and what is refused by name.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "options.hpp"

namespace CLI {
class App;
}

namespace convert_to_quant {

/// Which page of the help shows a flag.
enum class help_page { main, experimental, filters, advanced };

/// A flag of the command line.
struct option_row {
  using binder = void (*)(CLI::App&, option_row const&, options&);

  help_page page;
  std::string_view names;     ///< as documented, separated by commas
  std::string_view value;     ///< what it takes, empty for a switch
  std::string_view fallback;  ///< its default, in words
  std::string_view meaning;
  binder bind;  ///< null: known, and refused by name until it is built
};

/// Returns every flag of the converter, in the order of the help.
std::span<option_row const> option_table();

/// Returns `flag` with underscores as dashes: the spelling that the parser compares.
std::string canonical(std::string_view flag);

/// Returns the names in a row's list, or in a page's.
std::vector<std::string> split(std::string_view names);

}  // namespace convert_to_quant
