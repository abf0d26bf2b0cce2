// The types of PTX's instructions.
#pragma once

#include <optional>
#include <string_view>

namespace ptx {

/// A type such as .s32 or .bf16x2.
struct scalar {
  enum class kind { bits, unsigned_integer, signed_integer, real, predicate };
  enum class form { ieee, bf16, e4m3, e5m2, tf32 };  ///< of reals

  kind is = kind::bits;
  int bits = 0;   ///< of one number
  int count = 1;  ///< numbers in a register
  form real_form = form::ieee;

  int width() const { return bits * count; }
  bool is_real() const { return is == kind::real; }
  bool is_signed() const { return is == kind::signed_integer; }
  bool operator==(scalar const&) const = default;
};

/// Returns the type of that name, without the dot; nothing where the name is not that of a type.
inline std::optional<scalar> scalar_named(std::string_view name) {
  using k = scalar::kind;
  using f = scalar::form;
  struct row {
    std::string_view name;
    scalar type;
  };
  static constexpr row rows[] = {{"pred", {k::predicate, 1}},
                                 {"b8", {k::bits, 8}},
                                 {"b16", {k::bits, 16}},
                                 {"b32", {k::bits, 32}},
                                 {"b64", {k::bits, 64}},
                                 {"u8", {k::unsigned_integer, 8}},
                                 {"u16", {k::unsigned_integer, 16}},
                                 {"u32", {k::unsigned_integer, 32}},
                                 {"u64", {k::unsigned_integer, 64}},
                                 {"u16x2", {k::unsigned_integer, 16, 2}},
                                 {"s8", {k::signed_integer, 8}},
                                 {"s16", {k::signed_integer, 16}},
                                 {"s32", {k::signed_integer, 32}},
                                 {"s64", {k::signed_integer, 64}},
                                 {"s16x2", {k::signed_integer, 16, 2}},
                                 {"f16", {k::real, 16}},
                                 {"f32", {k::real, 32}},
                                 {"f64", {k::real, 64}},
                                 {"f16x2", {k::real, 16, 2}},
                                 {"bf16", {k::real, 16, 1, f::bf16}},
                                 {"bf16x2", {k::real, 16, 2, f::bf16}},
                                 {"tf32", {k::real, 32, 1, f::tf32}},
                                 {"e4m3x2", {k::real, 8, 2, f::e4m3}},
                                 {"e5m2x2", {k::real, 8, 2, f::e5m2}},
                                 {"e4m3", {k::real, 8, 1, f::e4m3}},
                                 {"e5m2", {k::real, 8, 1, f::e5m2}}};
  for (row const& r : rows)
    if (r.name == name) return r.type;
  return std::nullopt;
}

}  // namespace ptx
