// Declarations of variables: `.shared .align 16 .b8 name[64] = {1, 2}`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ptx {

/// A variable as its declaration gives it.
struct declaration {
  std::string space;  ///< such as ".shared"
  std::string name;
  int align = 1;  ///< in bytes, at least that of an element
  int bytes = 0;  ///< in all; 0: an array without a size
  bool is_external = false;
  std::vector<unsigned char> content;  ///< zeros where nothing is given
};

/// Takes a declaration apart. Throws unknown for a directive in it that is not known.
declaration parse_declaration(std::string_view text);

/// Returns the bits of a literal of PTX: decimal, 0x.., 0f.. (FP32), 0d.. (FP64). Throws unknown where it is none.
std::uint64_t parse_literal(std::string_view text);

}  // namespace ptx
