// The texts that are asked for instead of work.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "option_table.hpp"

namespace convert_to_quant {

/// A page of the help, and the flags that ask for it.
struct page_entry {
  std::string_view flags;
  std::string_view name;
  help_page page;
};

inline constexpr std::array<page_entry, 4> pages{{{"-h,--help", "main", help_page::main},
                                                  {"-he,--help-experimental", "experimental", help_page::experimental},
                                                  {"-hf,--help-filters", "filters", help_page::filters},
                                                  {"-ha,--help-advanced", "advanced", help_page::advanced}}};

/// Returns the page of the help called `name`: main, experimental, filters or advanced.
std::string help_text(std::string_view name);

/// Returns version, build options and instruction set.
std::string version_text();

}  // namespace convert_to_quant
