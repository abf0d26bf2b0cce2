// The basis that a layer's weight is stored in, whichever transforms make it: one type for all of them.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/any_host.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/transform/basis_link.hpp>
#include <halfstep/transform/whole_basis.hpp>

namespace halfstep {

/// The transforms that a weight W [M, N] goes through before it is quantized, one after the other; none: its own basis.
///
/// A value: copies share what the transforms hold. Those that work row by row come first, as many as there are; one that mixes
/// rows may follow them, and a layer's inputs and outputs are looked at before it, in `rows_alone()`. What is done is what each
/// transform does: the same bits as by the transforms themselves, on every executor.
///
/// Any `transform` becomes a part of a basis, and so does a `whole_basis`, which mixes rows. A transform may offer more:
/// `column_group()`, how many neighbouring columns of an input go together (else all of them); `apply_to_input(ex, first, x)`,
/// which takes whole groups of columns from `first` on, where it does not do the same to each; `apply_to_maxima(span)` and
/// `apply_to_squares(span)`, what becomes of figures of the inputs' columns; and ==.
class basis {
 public:
  basis() = default;

  /// Adds a transform behind the others. Throws value_error where it works row by row and one before it mixes them.
  template <class Transform>
  void append(Transform transform) {
    static_assert(check_basis<Transform>());
    if (mixes_rows() && !halfstep::mixes_rows<Transform>)
      throw value_error(stated("basis.order", "halfstep: a transform of rows cannot follow one that mixes them"));
    links_.push_back(std::make_shared<detail::erased_transform<Transform> const>(std::move(transform)));
  }

  /// Adds the transforms of `further` behind these. Throws value_error as above.
  void then(basis const& further) {
    if (mixes_rows() && !further.rows_alone().is_plain())
      throw value_error(stated("basis.order", "halfstep: a transform of rows cannot follow one that mixes them"));
    links_.insert(links_.end(), further.links_.begin(), further.links_.end());
  }

  /// Returns whether there is no transform.
  bool is_plain() const { return links_.empty(); }

  /// Returns whether a row of W' depends on several rows of W.
  bool mixes_rows() const {
    return std::ranges::any_of(links_, [](auto const& link) { return link->mixes_rows(); });
  }

  /// Returns the shape of W' for W of shape `e`.
  extents2 stored(extents2 e) const {
    for (auto const& link : links_) e = link->stored(e);
    return e;
  }

  /// Returns whether every transform takes a weight of shape `e`.
  bool fits(extents2 e) const {
    return std::ranges::all_of(links_, [&](auto const& link) {
      bool const fits = link->fits(e);
      e = link->stored(e);
      return fits;
    });
  }

  /// Returns the basis that the transforms before the first that mixes rows make.
  basis rows_alone() const {
    basis part;
    for (auto const& link : links_)
      if (!link->mixes_rows()) part.links_.push_back(link);
    return part;
  }

  /// Returns what leads from `rows_alone()` to this basis.
  basis beyond_rows() const {
    basis part;
    for (auto const& link : links_)
      if (link->mixes_rows()) part.links_.push_back(link);
    return part;
  }

  /// Stores rows of W of the type `type`, changed into this basis, in `to`. Throws shape_error where the basis mixes rows.
  template <host_executor Executor>
  void apply(Executor const& ex, dtype type, void const* rows, host_view<float> to) const {
    require_rows();
    any_host const team(ex);
    if (links_.empty()) return detail::widen_rows(team, type, rows, to);
    links_.front()->apply(team, type, rows, to);
    for (std::size_t i = 1; i < links_.size(); ++i) links_[i]->apply(team, to);
  }

  /// Changes rows of W into this basis, in place. Throws shape_error where the basis mixes rows.
  template <host_executor Executor>
  void apply(Executor const& ex, host_view<float> rows) const {
    require_rows();
    any_host const team(ex);
    for (auto const& link : links_) link->apply(team, rows);
  }

  /// Changes W [M, N], the first numbers of `memory`, into W', which takes `stored({M, N}).count()` of them.
  template <host_executor Executor>
  void apply_whole(Executor const& ex, float* memory, extents2 e) const {
    any_host const team(ex);
    for (auto const& link : links_) {
      extents2 const to = link->stored(e);
      detail::pad_in_place(memory, e, to);
      link->apply(team, host_view<float>(memory, to));
      e = to;
    }
  }

  /// Changes W' of a weight [M, N], the first numbers of `memory`, back into W.
  template <host_executor Executor>
  void invert_whole(Executor const& ex, float* memory, extents2 e) const {
    any_host const team(ex);
    std::vector<extents2> shapes{e};
    for (auto const& link : links_) shapes.push_back(link->stored(shapes.back()));
    for (std::size_t i = links_.size(); i-- > 0;) {
      links_[i]->invert(team, host_view<float>(memory, shapes[i + 1]));
      detail::crop_in_place(memory, shapes[i + 1], shapes[i]);
    }
  }

  /// Changes rows x of a layer's inputs, or their mean, into x' with x' W'^T = x W^T, in place. Throws shape_error where W' has
  /// more columns than W.
  template <host_executor Executor>
  void apply_to_input(Executor const& ex, host_view<float> x) const {
    require_extents({1, stored({1, x.columns()}).columns}, {1, x.columns()}, "halfstep: inputs that a basis changes in place");
    any_host const team(ex);
    for (auto const& link : links_) link->apply_to_input(team, x);
  }

  /// Returns rows x of a layer's inputs in this basis, zeros added where W' has more columns than W.
  template <host_executor Executor>
  host_buffer<float> inputs(Executor const& ex, host_view<float const> x) const {
    extents2 e = x.extents();
    extents2 const last{e.rows, stored({1, e.columns}).columns};
    host_buffer<float> memory(std::max(e.count(), last.count()));
    std::copy_n(x.data(), e.count(), memory.data());
    any_host const team(ex);
    for (auto const& link : links_) {
      extents2 const to{e.rows, link->stored({1, e.columns}).columns};
      detail::pad_in_place(memory.data(), e, to);
      link->apply_to_input(team, host_view<float>(memory.data(), to));
      e = to;
    }
    return memory;
  }

  /// Changes the largest magnitudes of the inputs' columns; false where they do not follow from those of other columns.
  bool apply_to_maxima(std::span<float> maxima) const {
    return std::ranges::all_of(links_, [&](auto const& link) { return link->apply_to_maxima(maxima); });
  }

  /// Changes the mean squares of the inputs' columns; false where they do not follow from those of other columns.
  bool apply_to_squares(std::span<float> squares) const {
    return std::ranges::all_of(links_, [&](auto const& link) { return link->apply_to_squares(squares); });
  }

  /// Returns how many neighbouring columns go together in inputs of `columns` columns: in blocks of that many on its diagonal,
  /// counted from the first column, a Hessian changes by itself.
  index_t column_group(index_t columns) const {
    index_t group = 1;
    for (auto const& link : links_) group = std::lcm(group, std::clamp<index_t>(link->column_group(columns), 1, columns));
    return columns % group == 0 ? group : columns;
  }

  /// Changes a symmetric `block` of X^T X, X being inputs: rows and columns from `first` on, whole column groups. It is
  /// transposed as often as not, which is nothing to a symmetric one; `other` is as large.
  template <host_executor Executor>
  void apply_to_moments(Executor const& ex, index_t first, host_view<float> block, host_view<float> other) const {
    any_host const team(ex);
    for (auto const& link : links_) {
      link->apply_to_input_columns(team, first, block);
      detail::store_transpose(team, block, other);
      link->apply_to_input_columns(team, first, other);
      std::copy_n(other.data(), other.extents().count(), block.data());
    }
  }

  /// Returns X'^T X' [N', N'] for a symmetric X^T X [N, N], both triangles stored. Zeros that are added make it singular.
  template <host_executor Executor>
  host_buffer<float> moments(Executor const& ex, host_buffer<float> square, index_t columns) const {
    any_host const team(ex);
    for (auto const& link : links_) {
      index_t const size = link->stored({1, columns}).columns;
      extents2 const from{columns, columns}, to{size, size};
      host_buffer<float> wide = std::move(square);
      if (to != from) {
        host_buffer<float> padded(to.count());
        std::copy_n(wide.data(), from.count(), padded.data());
        detail::pad_in_place(padded.data(), from, to);
        wide = std::move(padded);
      }
      host_buffer<float> turned(to.count());
      link->apply_to_input(team, wide.view(to));
      detail::store_transpose(team, wide.view(to), turned.view(to));
      link->apply_to_input(team, turned.view(to));
      square = std::move(turned);
      columns = size;
    }
    return square;
  }

  /// Returns whether both have the same transforms: equal values, or copies of one where the transform cannot be compared.
  friend bool operator==(basis const& a, basis const& b) {
    return std::ranges::equal(a.links_, b.links_, [](auto const& x, auto const& y) { return x == y || x->is_equal(*y); });
  }

  /// Returns the transform of type `Transform`; null where there is none.
  template <class Transform>
  Transform const* find() const {
    for (auto const& link : links_)
      if (auto const* held = dynamic_cast<detail::erased_transform<Transform> const*>(link.get())) return &held->held();
    return nullptr;
  }

 private:
  void require_rows() const {
    if (mixes_rows()) throw shape_error(stated("basis.mixes_rows", "halfstep: single rows of a weight whose basis mixes rows"));
  }

  std::vector<std::shared_ptr<detail::basis_link const>> links_;
};

}  // namespace halfstep
