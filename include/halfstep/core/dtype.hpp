// The element types a safetensors file can name.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace halfstep {

/// An element type, in the order of the reference safetensors library.
enum class dtype : std::uint8_t {
  boolean, f4, f6_e2m3, f6_e3m2, u8, i8, f8_e5m2, f8_e4m3, f8_e8m0, f8_e4m3fnuz, f8_e5m2fnuz,
  i16, u16, f16, bf16, i32, u32, f32, c64, f64, i64, u64
};

namespace detail {

struct dtype_entry {
  std::string_view name;
  int bits;
};

inline constexpr std::array<dtype_entry, 22> dtype_table{{
    {"BOOL", 8}, {"F4", 4}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8}, {"I8", 8}, {"F8_E5M2", 8}, {"F8_E4M3", 8},
    {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16}, {"U16", 16}, {"F16", 16}, {"BF16", 16},
    {"I32", 32}, {"U32", 32}, {"F32", 32}, {"C64", 64}, {"F64", 64}, {"I64", 64}, {"U64", 64}}};

}  // namespace detail

/// Returns the name that files use, such as "BF16".
constexpr std::string_view name_of(dtype t) { return detail::dtype_table[static_cast<std::size_t>(t)].name; }

/// Returns the bits of one element.
constexpr int bits_of(dtype t) { return detail::dtype_table[static_cast<std::size_t>(t)].bits; }

/// Returns the element type called `name`, case sensitive, or nothing.
constexpr std::optional<dtype> dtype_named(std::string_view name) {
  for (std::size_t i = 0; i < detail::dtype_table.size(); ++i)
    if (detail::dtype_table[i].name == name) return static_cast<dtype>(i);
  return std::nullopt;
}

}  // namespace halfstep
