// Weights to codes on the device.
#pragma once

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/device/element_tile.cuh>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/quantize.hpp>
#include <halfstep/layout/concept.hpp>
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
    detail::quantize_op<Layout, Rounding, Source> const op{groups.data(), e, weight.index_in_tensor(0, 0), rounding};
    index_t const run = has_groups<Layout> ? Layout::run(e) : 0;
    detail::for_each_element(ex, op, weight.data(), codes.data(), e, run, order);
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
