// The converter's formats, a translation unit for each family of layouts.
#pragma once

#include <vector>

#include <halfstep/recipe/format_table.hpp>

namespace convert_to_quant {

std::vector<halfstep::format_row> int8_block_formats();
std::vector<halfstep::format_row> int8_axis_formats();
std::vector<halfstep::format_row> int8_tensor_formats();
std::vector<halfstep::format_row> fp16_formats();
std::vector<halfstep::format_row> fp8_tensor_formats();
std::vector<halfstep::format_row> fp8_block_formats();

/// Returns every composition this program was built with.
inline halfstep::format_table all_formats() {
  return halfstep::format_table(int8_block_formats(), int8_axis_formats(), int8_tensor_formats(), fp16_formats(),
                                fp8_tensor_formats(), fp8_block_formats());
}

}  // namespace convert_to_quant
