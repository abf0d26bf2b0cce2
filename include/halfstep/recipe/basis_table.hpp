// Bases by their runtime names: what a program chooses from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/recipe/basis_row.hpp>

namespace halfstep {

/// Bases by their names: a value that a program builds from the parts it wants.
class basis_table {
 public:
  /// Holds `rows`, such as `make_basis<my_transform>()`.
  template <class... Rows>
  explicit basis_table(Rows const&... rows) : rows_{rows...} {}

  /// Returns the basis called `name`, with its number. Throws unknown_option with all names where there is none.
  basis_choice at(std::string_view name, double number = 0.0) const {
    std::vector<std::string> known;
    for (basis_row const& row : rows_) {
      if (row.name == name) return {row, number};
      known.emplace_back(row.name);
    }
    throw unknown_option(stated("table.no_basis", "no basis '{name}': this build has {known}",
                                {{"name", name}, {"known", known.empty() ? "none" : joined(known, ", ")}}));
  }

 private:
  std::vector<basis_row> rows_;
};

}  // namespace halfstep
