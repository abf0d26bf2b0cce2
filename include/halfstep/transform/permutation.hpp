// Another order of a weight's columns.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>

namespace halfstep {

/// Puts column order[j] at place j. Exact; an input goes through the same order.
class permutation {
 public:
  static constexpr std::string_view name = "permutation";

  permutation() = default;

  /// Takes the columns in their new order. Throws value_error unless every column occurs once.
  explicit permutation(std::vector<index_t> order) : order_(std::move(order)) {
    std::vector<char> seen(order_.size(), 0);
    for (index_t const column : order_) {
      bool const known = column >= 0 && column < static_cast<index_t>(order_.size());
      if (!known || std::exchange(seen[static_cast<std::size_t>(column)], char{1}) != 0)
        throw value_error(stated("basis.no_permutation", "halfstep: a permutation of {columns} columns holds each of them once",
                                 {{"columns", order_.size()}}));
    }
  }

  std::span<index_t const> order() const { return order_; }

  bool fits(extents2 e) const { return e.columns == static_cast<index_t>(order_.size()); }

  template <host_executor Executor>
  void apply(Executor const& ex, host_view<float> w) const {
    for_each_row(ex, w, [&](float const* from, float* to) {
      for (std::size_t j = 0; j < order_.size(); ++j) to[j] = from[order_[j]];
    });
  }

  template <host_executor Executor>
  void invert(Executor const& ex, host_view<float> w) const {
    for_each_row(ex, w, [&](float const* from, float* to) {
      for (std::size_t j = 0; j < order_.size(); ++j) to[order_[j]] = from[j];
    });
  }

  template <host_executor Executor>
  void apply_to_input(Executor const& ex, host_view<float> x) const {
    apply(ex, x);
  }

 private:
  template <class Executor, class F>
  void for_each_row(Executor const& ex, host_view<float> w, F const& f) const {
    require_extents({1, w.columns()}, {1, static_cast<index_t>(order_.size())}, "halfstep: the columns of a permuted matrix");
    ex.for_each(w.rows(), [&](index_t row) {
      std::vector<float> const before(w.row(row), w.row(row) + w.columns());
      f(before.data(), w.row(row));
    });
  }

  std::vector<index_t> order_;
};

}  // namespace halfstep
