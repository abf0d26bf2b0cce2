// Where shared memory, local memory and parameters lie among generic addresses: far from all that a host has.
#pragma once

#include <cstdint>

namespace ptx {

inline constexpr std::uint64_t window_bytes = std::uint64_t{1} << 32;
inline constexpr std::uint64_t shared_window = std::uint64_t{1} << 60;
inline constexpr std::uint64_t local_window = std::uint64_t{2} << 60;
inline constexpr std::uint64_t parameter_window = std::uint64_t{3} << 60;

/// The state spaces of loads and stores.
enum class space { generic, global, shared, local, parameter, constant };

/// A generic address, resolved.
struct place {
  space where;
  std::uint64_t address;
};

/// Returns where a generic address leads.
constexpr place resolve(std::uint64_t address) {
  switch (address >> 60) {
    case 1:
      return {space::shared, address - shared_window};
    case 2:
      return {space::local, address - local_window};
    case 3:
      return {space::parameter, address - parameter_window};
    default:
      return {space::global, address};
  }
}

}  // namespace ptx
