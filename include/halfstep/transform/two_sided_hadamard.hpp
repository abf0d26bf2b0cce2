// Random rotations of a weight's rows and columns by Hadamard matrices, zeros added: QuIP's transformed storage.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/random.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/hadamard.hpp>
#include <halfstep/transform/random_signs.hpp>

namespace halfstep {

/// W' = H diag(s_u) W diag(s_v) H, where W [M, N] has zeros added up to powers of two and H / sqrt(size) is Sylvester's matrix.
///
/// Its matrices are the padded ones, W in their first M rows and N columns. Rows mix: it is a
/// `whole_basis`, and its tensors have operations of their own, in tensor/incoherent.hpp. Orthonormal; the same bits on every
/// executor. Source: A. Tseng et al., "QuIP#", ICML 2024.
class two_sided_hadamard {
 public:
  static constexpr std::string_view name = "quip";

  two_sided_hadamard() = default;

  /// Draws signs for a weight of shape `original`.
  two_sided_hadamard(philox const& random, extents2 original)
      : two_sided_hadamard(original, signs_of(random, padded_to_powers_of_two(original).rows),
                           signs_of(random, padded_to_powers_of_two(original).columns, std::uint64_t{1} << 32)) {}

  /// Takes signs that were drawn before, as many as the padded weight has rows and columns. Throws shape_error and value_error.
  two_sided_hadamard(extents2 original, std::vector<float> row_signs, std::vector<float> column_signs)
      : original_(original), rows_(std::move(row_signs)), columns_(std::move(column_signs)) {
    require_extents({static_cast<index_t>(rows_.signs().size()), static_cast<index_t>(columns_.signs().size())},
                    padded_to_powers_of_two(original), "halfstep: the signs of a transform");
  }

  extents2 original() const { return original_; }
  extents2 padded() const { return {static_cast<index_t>(rows_.signs().size()), static_cast<index_t>(columns_.signs().size())}; }
  std::span<float const> row_signs() const { return rows_.signs(); }
  std::span<float const> column_signs() const { return columns_.signs(); }

  bool fits(extents2 e) const { return e == padded(); }

  template <host_executor Executor>
  void apply(Executor const& ex, host_view<float> w) const {
    require_extents(w.extents(), padded(), "halfstep: a matrix given to a transform");
    negate_rows(ex, w);
    apply_to_input(ex, w);
    hadamard_columns(ex, w);
  }

  template <host_executor Executor>
  void invert(Executor const& ex, host_view<float> w) const {
    require_extents(w.extents(), padded(), "halfstep: a matrix given to a transform");
    hadamard_columns(ex, w);
    hadamard(ex, w, static_cast<int>(w.columns()));
    columns_.apply(ex, w);
    negate_rows(ex, w);
  }

  /// Turns rows x, padded with zeros, into x diag(s_v) H.
  template <host_executor Executor>
  void apply_to_input(Executor const& ex, host_view<float> x) const {
    columns_.apply(ex, x);
    hadamard(ex, x, static_cast<int>(x.columns()));
  }

  /// Turns rows y' = x' W'^T into y = x W^T, padded.
  template <host_executor Executor>
  void invert_output(Executor const& ex, host_view<float> y) const {
    hadamard(ex, y, static_cast<int>(y.columns()));
    rows_.apply(ex, y);
  }

 private:
  template <class Executor>
  void negate_rows(Executor const& ex, host_view<float> w) const {
    ex.for_each(w.rows(), [&](index_t row) {
      float const sign = rows_.signs()[static_cast<std::size_t>(row)];
      for (index_t k = 0; k < w.columns(); ++k) w(row, k) *= sign;
    });
  }

  extents2 original_{};
  random_signs rows_;
  random_signs columns_;
};

}  // namespace halfstep
