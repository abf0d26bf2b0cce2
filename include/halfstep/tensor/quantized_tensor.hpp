// A quantized matrix that owns its codes and groups.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/dtype.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/space.hpp>
#include <halfstep/layout/concept.hpp>
#include <halfstep/transform/identity.hpp>
#include <halfstep/transform/whole_basis.hpp>

namespace halfstep {

/// Codes [M, N] and groups of `Layout` in the memory `Space`, in the basis of a transform or of one that mixes rows, with the
/// type that the weights had.
///
/// The layout says what the bytes mean; what must be undone beyond that travels in the transform's value. Moved, never copied.
template <class Layout, class Space = host_space, class Transform = identity>
class quantized_tensor {
  static_assert(check_layout<Layout>());
  static_assert(check_basis<Transform>());

 public:
  using layout_type = Layout;
  using space = Space;
  using transform_type = Transform;
  using code_type = typename Layout::code_type;
  using group_type = typename Layout::group_type;

  quantized_tensor() = default;

  /// Allocates codes and groups for a matrix of shape `e`, uninitialized. Throws shape_error where the layout or the transform
  /// cannot take the shape.
  explicit quantized_tensor(extents2 e, Transform transform = {}, dtype source_type = dtype::f32)
      : quantized_tensor(e, buffer<code_type, Space>(checked(e, transform).count()),
                         buffer<group_type, Space>(Layout::groups(e).count()), transform, source_type) {}

  /// Takes codes and groups that are there already. Throws shape_error where their sizes do not fit the shape.
  quantized_tensor(extents2 e, buffer<code_type, Space> codes, buffer<group_type, Space> groups, Transform transform = {},
                   dtype source_type = dtype::f32)
      : extents_(checked(e, transform)),
        codes_(std::move(codes)),
        groups_(std::move(groups)),
        transform_(std::move(transform)),
        source_type_(source_type) {
    require_extents({1, codes_.size()}, {1, e.count()}, "halfstep: the codes of a quantized tensor");
    require_extents({1, groups_.size()}, {1, Layout::groups(e).count()}, "halfstep: the groups of a quantized tensor");
  }

  /// Returns the shape of the matrix.
  extents2 extents() const { return extents_; }

  /// Returns the codes [M, N], as they go into a file.
  matrix_view<code_type const, Space> codes() const { return {codes_.data(), extents_}; }
  matrix_view<code_type, Space> codes() { return {codes_.data(), extents_}; }

  /// Returns the groups (scales), shaped as `Layout::groups` says, as they go into a file.
  matrix_view<group_type const, Space> groups() const { return {groups_.data(), Layout::groups(extents_)}; }
  matrix_view<group_type, Space> groups() { return {groups_.data(), Layout::groups(extents_)}; }

  /// Returns codes and groups as buffers; what is left is empty.
  std::pair<buffer<code_type, Space>, buffer<group_type, Space>> release() && {
    extents_ = {};
    return {std::move(codes_), std::move(groups_)};
  }

  /// Returns the basis that the codes are in.
  Transform const& transform() const { return transform_; }

  /// Returns the type that the weights had before.
  dtype source_type() const { return source_type_; }

 private:
  static extents2 checked(extents2 e, Transform const& transform) {
    if (e.rows < 0 || e.columns < 0 || !Layout::fits(e)) refuse(e, Layout::name);
    if (!transform.fits(e)) refuse(e, Transform::name);
    return e;
  }

  [[noreturn]] static void refuse(extents2 e, std::string_view by) {
    throw shape_error(stated("shape.misfit", "halfstep: a matrix of {rows} x {columns} does not fit {layout}",
                             {{"rows", e.rows}, {"columns", e.columns}, {"layout", by}}));
  }

  extents2 extents_{};
  buffer<code_type, Space> codes_;
  buffer<group_type, Space> groups_;
  Transform transform_{};
  dtype source_type_ = dtype::f32;
};

}  // namespace halfstep
