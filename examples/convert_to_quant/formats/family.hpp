// The rows of layouts that are compiled together.
#pragma once

#include <vector>

#include <halfstep/recipe/format_table.hpp>
#include <halfstep/rounding/nearest.hpp>
#include <halfstep/rounding/stochastic.hpp>

namespace convert_to_quant {

/// Returns the rows of each layout, with every rounding that the command line names.
template <class... Layouts>
std::vector<halfstep::format_row> family() {
  std::vector<halfstep::format_row> all;
  auto const add = [&](auto const& rows) { all.insert(all.end(), rows.begin(), rows.end()); };
  (add(halfstep::make_format<Layouts, halfstep::nearest, halfstep::stochastic>()), ...);
  return all;
}

}  // namespace convert_to_quant
