// The signs of QuIP's basis in device memory.
#pragma once

#include <halfstep/core/cuda_buffer.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/space.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/exec/scratch.hpp>
#include <halfstep/transform/two_sided_hadamard.hpp>

namespace halfstep {

/// What a device needs of a `two_sided_hadamard`, uploaded once for all products with its tensor.
class two_sided_signs {
 public:
  /// Allocates a float for each padded row and column, copies them there, and waits. Throws cuda_error.
  template <device_executor Executor>
  two_sided_signs(Executor const& ex, two_sided_hadamard const& basis)
      : original_(basis.original()),
        padded_(basis.padded()),
        rows_(detail::result_buffer<float>(ex, padded_.rows)),
        columns_(detail::result_buffer<float>(ex, padded_.columns)) {
    ex.write(basis.row_signs().data(), rows_.data(), padded_.rows);
    ex.write(basis.column_signs().data(), columns_.data(), padded_.columns);
  }

  extents2 original() const { return original_; }
  extents2 padded() const { return padded_; }
  float const* rows() const { return rows_.data(); }
  float const* columns() const { return columns_.data(); }

 private:
  extents2 original_;
  extents2 padded_;
  buffer<float, device_space> rows_;
  buffer<float, device_space> columns_;
};

}  // namespace halfstep
