// Weights to codes on the device.
#pragma once

#include <cstdint>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/device/element_tile.cuh>
#include <halfstep/device/vector_access.cuh>
#include <halfstep/device/vector_tile.cuh>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/int8_vectors.cuh>
#include <halfstep/kernel/quantize.hpp>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/grid_step.hpp>
#include <halfstep/layout/group_rows.hpp>
#include <halfstep/rounding/concept.hpp>

namespace halfstep {

namespace detail {

template <class Layout, class Rounding, class Source>
struct quantize_op {
  using from_type = Source;
  using to_type = typename Layout::code_type;
  using step_type = typename Layout::step_type;

  typename Layout::group_type const* groups;
  extents2 extents;
  index_t first;  ///< the place in the tensor of the matrix's first element
  Rounding rounding;

  HALFSTEP_HD step_type prepare(index_t row, index_t column) const { return step_at<Layout>(groups, extents, row, column); }
  HALFSTEP_HD to_type operator()(Source x, step_type step, index_t element) const {
    return rounding(Layout::locate(halfstep::widen(x), step), first + element);
  }
};

/// The nearest INT8 codes of whole vectors.
template <class Layout, class Source, code_limits Limits>
struct nearest_codes_op {
  using from_type = Source;
  using to_type = std::int8_t;
  using step_type = grid_step;
  static constexpr int width = 16 / static_cast<int>(sizeof(Source));

  typename Layout::group_type const* groups;
  group_finder<Layout> group;

  HALFSTEP_HD step_type prepare(std::uint32_t row, std::uint32_t column) const {
    return Layout::unpack(groups[group(row, column)]);
  }
  HALFSTEP_HD vector_of<std::int8_t, width> operator()(vector_of<Source, width> const& x, step_type step) const {
    return nearest_codes<Limits>(x, step);
  }
};

/// Stores the codes of `quantize`, knowing where weights lie within their groups' ranges.
template <code_limits Limits, class Layout, class Executor, class Source, class Rounding>
void quantize_within(Executor const& ex, device_view<Source const> weight, device_view<typename Layout::group_type const> groups,
                     device_view<typename Layout::code_type> codes, Rounding rounding, traversal order) {
  extents2 const e = weight.extents();
  if constexpr (packs_codes<Layout, Rounding, Source>) {
    nearest_codes_op<Layout, Source, Limits> const op{groups.data(), group_finder<Layout>(e)};
    if (try_vectors<4>(ex, op, weight.data(), codes.data(), e, Layout::run(e), order)) return;
  }
  quantize_op<Layout, Rounding, Source> const op{groups.data(), e, weight.index_in_tensor(0, 0), rounding};
  for_each_element(ex, op, weight.data(), codes.data(), e, has_groups<Layout> ? Layout::run(e) : 0, order);
}

}  // namespace detail

/// Stores, for every weight, the code that `rounding` chooses from its bracket on the layout's grid.
///
/// weight [M, N] of any type that `widen` reads, a piece of whole rows of its tensor; groups as `Layout::groups` says,
/// already fitted; codes [M, N]. What `rounding` points to lies in device memory. Runs in stream order; the codes of the host
/// overload, whichever end `order` starts from. Throws shape_error, cuda_error.
/// Precondition: that of `Layout::locate`; `quantizer` sees to it.
template <class Layout, class Rounding, device_executor Executor, source Source>
void quantize_async(Executor const& ex, device_view<Source const> weight, device_view<typename Layout::group_type const> groups,
                    device_view<typename Layout::code_type> codes, Rounding rounding, traversal order = traversal::forward) {
  static_assert(check_layout<Layout>());
  static_assert(check_rounding<Rounding, typename Layout::code_type>());
  if constexpr (layout<Layout> && halfstep::rounding<Rounding, typename Layout::code_type>) {
    extents2 const e = weight.extents();
    require_extents(groups.extents(), Layout::groups(e), "halfstep: the groups given to quantize");
    require_extents(codes.extents(), e, "halfstep: the output of quantize");
    detail::quantize_within<detail::code_limits::unknown, Layout>(ex, weight, groups, codes, rounding, order);
  }
}

/// `quantize_async`, and waits for the executor.
template <class Layout, class Rounding, device_executor Executor, source Source>
void quantize(Executor const& ex, device_view<Source const> weight, device_view<typename Layout::group_type const> groups,
              device_view<typename Layout::code_type> codes, Rounding rounding, traversal order = traversal::forward) {
  quantize_async<Layout>(ex, weight, groups, codes, rounding, order);
  ex.wait();
}

}  // namespace halfstep
