// Matrices of the elements that a vector, a span or another container holds.
#pragma once

#include <cstddef>
#include <span>

#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>

namespace halfstep {

/// Returns the elements of a span of host memory as a matrix. Throws shape_error unless there are exactly as many.
template <class T, std::size_t Extent>
host_view<T> as_view(std::span<T, Extent> elements, extents2 e) {
  require_extents({1, static_cast<index_t>(elements.size())}, {1, e.count()}, "halfstep: elements viewed as a matrix");
  return {elements.data(), e};
}

/// The same of a std::vector or another contiguous container, which must outlive the view.
template <class Container>
auto as_view(Container& container, extents2 e) {
  return as_view(std::span(container), e);
}

}  // namespace halfstep
