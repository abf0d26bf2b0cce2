// What can be done to a layer beside rounding to nearest: solvers, scale searches and what grids offer, found by name.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/random.hpp>
#include <halfstep/exec/any_host.hpp>
#include <halfstep/layout/group_geometry.hpp>
#include <halfstep/objective/factor_settings.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/recipe/solve_options.hpp>
#include <halfstep/solver/concept.hpp>

namespace halfstep {

class hessian;
template <class Real>
class hessian_factor;
class low_rank_hessian;

/// A layer in memory, in the basis of its codes: weight [M, N] in FP32, codes of the grid that the stage was looked up for, and
/// the scales of their groups.
struct layer_matrices {
  host_view<float const> weight;
  void* codes;  ///< [M, N] of the grid's code type
  host_view<float> scales;
  group_geometry geometry;

  /// Returns the codes, which are those of `Grid`, with their scales.
  template <class Grid>
  coded_matrix<Grid> coded() const {
    return {{static_cast<typename Grid::code_type*>(codes), weight.extents()}, scales, geometry};
  }
};

/// What a solver is told.
struct stage_context {
  any_host const& team;
  solve_options const& options;
  philox random;                           ///< of the layer
  std::function<bool(int, double)> watch;  ///< as `keep_going` describes; may throw
  hessian const* moments = nullptr;        ///< of the inputs, for solvers that want them
  hessian_factor<float> const* factor = nullptr;
  low_rank_hessian const* directions = nullptr;  ///< in their place, where a LoRA tells what matters
};

/// A solver under its name, for codes on one grid.
struct solver_row {
  std::string_view name;
  std::string_view grid;
  solve_report (*refine)(layer_matrices const& layer, stage_context const& context);
  hessian_factor<float> (*factorize)(any_host const& team, hessian const& moments,
                                     factor_settings const& how) = nullptr;   ///< of solvers that take moments, by their factor
  std::string (*remark)(solve_options const& options, extents2 e) = nullptr;  ///< what reports say beside the name

  /// Returns whether it works from the second moments of a layer's inputs, and does nothing where they are not known.
  bool takes_moments() const { return factorize != nullptr; }
};

/// What columns count by in the search for scales.
enum class column_weight : std::uint8_t {
  energy,  ///< their part of the weight
  inputs   ///< the mean squares of their inputs, where these are known; else all count alike
};

/// A search for scales under its name, for one grid.
struct scale_row {
  std::string_view name;
  std::string_view grid;
  void (*search)(any_host const& team, layer_matrices const& layer, std::span<float const> column_weights);
  column_weight by;
  std::string_view words;            ///< what reports say of it
  std::string_view words_by_inputs;  ///< and where inputs are known
};

/// What a grid offers for layers whose mean input is known.
struct grid_row {
  std::string_view grid;
  std::vector<double> (*residual_mean)(any_host const& team, layer_matrices const& layer, std::span<float const> mean);
  solve_report (*flip_means)(any_host const& team, layer_matrices const& layer, std::span<float const> mean);
};

/// Solvers, scale searches and grids by their names: a value that a program builds from the parts it wants.
class stage_table {
 public:
  stage_table() = default;

  /// Holds the rows that each of `parts` gives, such as `make_grid<e4m3_grid>()`.
  template <class First, class... More>
  explicit stage_table(First const& first, More const&... more) {
    add(first);
    (add(more), ...);
  }

  void add(std::span<solver_row const> rows) { solvers_.insert(solvers_.end(), rows.begin(), rows.end()); }
  void add(std::span<scale_row const> rows) { searches_.insert(searches_.end(), rows.begin(), rows.end()); }
  void add(std::span<grid_row const> rows) { grids_.insert(grids_.end(), rows.begin(), rows.end()); }

  std::span<solver_row const> solvers() const { return solvers_; }
  std::span<scale_row const> scale_searches() const { return searches_; }

  /// Returns the names of solvers that take moments, and "auto" where there are any.
  std::vector<std::string> moment_solvers() const {
    std::vector<std::string> names;
    for (auto const& row : solvers_)
      if (row.takes_moments() && std::find(names.begin(), names.end(), row.name) == names.end()) names.emplace_back(row.name);
    if (!names.empty()) names.emplace_back(suitable);
    return names;
  }

  /// Returns whether there is anything for layers whose mean input is known.
  bool has_grid(std::string_view grid) const {
    return std::any_of(grids_.begin(), grids_.end(), [=](grid_row const& row) { return row.grid == grid; });
  }

  /// Returns what can be done on a grid. Throws unknown_option where there is nothing.
  grid_row const& grid(std::string_view grid) const {
    auto const found = std::find_if(grids_.begin(), grids_.end(), [=](grid_row const& row) { return row.grid == grid; });
    if (found == grids_.end())
      throw unknown_option(stated("table.no_bias_correction",
                                  "no bias can be corrected on the grid '{grid}': this build has no row for it",
                                  {{"grid", grid}}));
    return *found;
  }

  /// Returns the solver that `name` means for codes on `grid`, null for none.
  ///
  /// "auto" is the first that takes moments, or none. Throws unknown_option with all names for one that is not here.
  solver_row const* solver(std::string_view name, std::string_view grid) const {
    if (name == no_solver) return nullptr;
    for (auto const& row : solvers_)
      if (row.grid == grid && (name == suitable ? row.takes_moments() : row.name == name)) return &row;
    if (name == suitable) return nullptr;
    throw unknown_option(stated("table.no_solver", "no solver '{name}': this build has {known}",
                                {{"name", name}, {"known", names_for(solvers_, grid)}}));
  }

  /// Returns the search that `name` means for scales of codes on `grid` where `by` is what is known; null for scales that stay as
  /// the largest magnitudes give them.
  ///
  /// "auto" is the first whose columns count by what is known, or none. Throws unknown_option with all names for one that is not
  /// here.
  scale_row const* scale_search(std::string_view name, std::string_view grid, column_weight by) const {
    if (name == absmax_scales) return nullptr;
    for (auto const& row : searches_)
      if (row.grid == grid && (name == suitable ? row.by == by : row.name == name)) return &row;
    if (name == suitable) return nullptr;
    throw unknown_option(stated("table.no_scale_search", "no scale search '{name}': this build has {known}",
                                {{"name", name}, {"known", names_for(searches_, grid)}}));
  }

 private:
  template <class Rows>
  static std::string names_for(Rows const& rows, std::string_view grid) {
    std::string known;
    for (auto const& row : rows)
      if (row.grid == grid) known += (known.empty() ? "" : ", ") + std::string(row.name);
    return known.empty() ? "none" : known;
  }

  std::vector<grid_row> grids_;
  std::vector<scale_row> searches_;
  std::vector<solver_row> solvers_;
};

}  // namespace halfstep
