// The table of all flags: what the help prints, what the parser binds, which job reads them, and what is refused by name.
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

/// What one command line asks for.
enum class job : unsigned {
  conversion = 1,
  legacy = 2,  ///< --convert-legacy
  edit = 4     ///< --edit-quant
};

/// Some of the jobs, joined by `|`.
class job_set {
 public:
  constexpr job_set(job one) : bits_(static_cast<unsigned>(one)) {}
  constexpr bool contains(job one) const { return (bits_ & static_cast<unsigned>(one)) != 0; }
  constexpr job_set operator|(job_set more) const {
    more.bits_ |= bits_;
    return more;
  }
  constexpr bool operator==(job_set const&) const = default;

 private:
  unsigned bits_;
};

/// A flag of the command line.
struct option_row {
  using binder = void (*)(CLI::App&, option_row const&, options&);

  help_page page;
  job_set jobs;               ///< which read it; the others refuse it by name
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

/// Returns the row of `flag`, in its canonical spelling; null where no row has it.
option_row const* row_of(std::string const& flag);

/// Returns the names in a row's list or in a page's, or what stands `between` other characters; nothing of an empty text.
std::vector<std::string> split(std::string_view text, char between = ',');

}  // namespace convert_to_quant
