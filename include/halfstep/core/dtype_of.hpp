// What files call a C++ type.
#pragma once

#include <cstdint>

#include <halfstep/core/dtype.hpp>
#include <halfstep/core/source.hpp>

namespace halfstep {

namespace detail {

template <class T>
consteval dtype dtype_of_source() {
  static_assert(
      requires { source_traits<T>::type; }, "halfstep: files have no name for this type: specialize dtype_of for it");
  return source_traits<T>::type;
}

}  // namespace detail

/// The element type that files call `T` by; specialize it for codes or scales of a type of your own.
template <class T>
inline constexpr dtype dtype_of = detail::dtype_of_source<T>();
template <>
inline constexpr dtype dtype_of<std::int8_t> = dtype::i8;
template <>
inline constexpr dtype dtype_of<std::uint8_t> = dtype::u8;
template <>
inline constexpr dtype dtype_of<std::int16_t> = dtype::i16;
template <>
inline constexpr dtype dtype_of<std::int32_t> = dtype::i32;

}  // namespace halfstep
