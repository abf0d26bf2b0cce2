// Codes to numbers on the device.
#pragma once

#include <cstdint>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/device/element_tile.cuh>
#include <halfstep/device/vector_access.cuh>
#include <halfstep/device/vector_tile.cuh>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/dequantize.hpp>
#include <halfstep/kernel/int8_vectors.cuh>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/group_rows.hpp>

namespace halfstep {

namespace detail {

template <class Layout, class Target>
struct dequantize_op {
  using from_type = typename Layout::code_type;
  using to_type = Target;
  using step_type = typename Layout::step_type;

  typename Layout::group_type const* groups;
  extents2 extents;

  HALFSTEP_HD step_type prepare(index_t row, index_t column) const { return step_at<Layout>(groups, extents, row, column); }
  HALFSTEP_HD to_type operator()(from_type q, step_type step, index_t) const {
    return halfstep::narrow<Target>(Layout::decode(q, step));
  }
};

/// The numbers of INT8 codes, whole vectors of them: 16 bytes of the target, so that every store fills its sectors.
template <class Layout, class Target>
struct int8_numbers_op {
  using from_type = std::int8_t;
  using to_type = Target;
  using step_type = float;
  static constexpr int width = 16 / static_cast<int>(sizeof(Target));

  typename Layout::group_type const* groups;
  group_finder<Layout> group;

  HALFSTEP_HD step_type prepare(std::uint32_t row, std::uint32_t column) const {
    return Layout::unpack(groups[group(row, column)]).scale;
  }
  HALFSTEP_HD vector_of<Target, width> operator()(vector_of<std::int8_t, width> const& codes, step_type scale) const {
    return numbers_of<Target>(codes, scale);
  }
};

/// How many neighbours share a group, 0 for all elements of the matrix.
template <class Layout>
index_t shared_run(extents2 e) {
  return has_groups<Layout> ? Layout::run(e) : 0;
}

}  // namespace detail

/// Stores the number that every code stands for, rounded to `Target`, ties to even.
///
/// codes [M, N], whole rows of a tensor; groups as `Layout::groups` says; out [M, N]. Runs in stream order; the host overload's
/// bits. Throws shape_error, cuda_error.
template <class Layout, device_executor Executor, source Target>
void dequantize_async(Executor const& ex, device_view<typename Layout::code_type const> codes,
                      device_view<typename Layout::group_type const> groups, device_view<Target> out) {
  if constexpr (check_layout<Layout>()) {
    extents2 const e = codes.extents();
    require_extents(groups.extents(), Layout::groups(e), "halfstep: the groups given to dequantize");
    require_extents(out.extents(), e, "halfstep: the output of dequantize");
    if constexpr (detail::has_int8_codes<Layout> && (sizeof(Target) == 2 || sizeof(Target) == 4)) {
      detail::int8_numbers_op<Layout, Target> const op{groups.data(), detail::group_finder<Layout>(e)};
      if (detail::try_vectors<2 * sizeof(Target)>(ex, op, codes.data(), out.data(), e, Layout::run(e), traversal::forward))
        return;
    }
    detail::dequantize_op<Layout, Target> const op{groups.data(), e};
    detail::for_each_element(ex, op, codes.data(), out.data(), e, detail::shared_run<Layout>(e), traversal::forward);
  }
}

/// `dequantize_async`, and waits for the executor.
template <class Layout, device_executor Executor, source Target>
void dequantize(Executor const& ex, device_view<typename Layout::code_type const> codes,
                device_view<typename Layout::group_type const> groups, device_view<Target> out) {
  dequantize_async<Layout>(ex, codes, groups, out);
  ex.wait();
}

}  // namespace halfstep
