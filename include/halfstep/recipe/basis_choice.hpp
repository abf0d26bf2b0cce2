// A basis under its runtime name: how it is made for a layer, and what files hold of it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/recipe/basis_record.hpp>

namespace halfstep {

class basis;

/// What a basis follows from.
enum class basis_need : std::uint8_t {
  shape,  ///< the shape of the weight, a number and a seed
  maxima  ///< and the largest magnitudes of its columns and of the inputs'
};

/// What a layer gives a basis to be made of.
struct basis_request {
  extents2 weight{};                       ///< as it comes out of the transforms before
  double number = 0.0;                     ///< such as the columns of a group
  std::uint64_t key = 0;                   ///< of the layer's random numbers
  std::span<float const> weight_max = {};  ///< by column
  std::span<float const> input_max = {};   ///< by column
};

/// A basis under its name.
struct basis_row {
  std::string_view name;
  basis_need need;
  bool mixes_rows;
  std::string_view method;    ///< what reports say of a layer in this basis; empty for nothing
  std::string_view overflow;  ///< of weights that are not finite in it, as the end of a sentence
  void (*append)(basis_request const& of, basis& to);
  basis_record (*record)(basis const& in);                ///< of a layer in this basis
  basis_record (*blank_record)(basis_request const& of);  ///< the same, the bytes of its tensors apart
  void (*restore)(basis_request const& of, std::span<companion const> parts, basis& to);
  bool (*fits)(basis_request const& of);  ///< whether a weight of the request's shape can be stored in it
};

/// A basis that somebody chose, with its number.
struct basis_choice {
  basis_row row;
  double number = 0.0;

  /// Returns whether both are the same basis.
  friend bool operator==(basis_choice const& a, basis_choice const& b) {
    return a.row.name == b.row.name && a.number == b.number;
  }
};

/// Returns the basis in words, such as "mirrored" or "convrot 64".
inline std::string to_string(basis_choice const& choice) {
  auto text = std::to_string(choice.number);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return std::string(choice.row.name) + (choice.number == 0.0 ? "" : " " + text);
}

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
    throw unknown_option("no basis '" + std::string(name) + "': this build has " +
                         (known.empty() ? "none" : joined(known, ", ")));
  }

 private:
  std::vector<basis_row> rows_;
};

}  // namespace halfstep
