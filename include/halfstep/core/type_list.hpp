// A list of types, for tables built from compositions.
#pragma once

#include <cstddef>

namespace halfstep {

/// Types in order.
template <class... Types>
struct type_list {
  static constexpr std::size_t size = sizeof...(Types);

  /// Calls `f.template operator()<Type>()` for each type in order.
  template <class F>
  static constexpr void for_each(F&& f) {
    (f.template operator()<Types>(), ...);
  }
};

}  // namespace halfstep
