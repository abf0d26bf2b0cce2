// The formats that the converter has, without their kernels.
#pragma once

#include <vector>

#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/fp8_block.hpp>
#include <halfstep/layout/fp8_tensor.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/recipe/format.hpp>

namespace halfstep_test {

/// Returns them in the order of the converter's table.
inline std::vector<halfstep::format> const& known_formats() {
  using namespace halfstep;
  static std::vector<format> const all{
      format_of<int8_block<16>>,  format_of<int8_block<32>>, format_of<int8_block<64>>, format_of<int8_block<128>>,
      format_of<int8_block<256>>, format_of<int8_axis>,      format_of<int8_tensor>,    format_of<fp16>,
      format_of<fp8_tensor>,      format_of<fp8_block<16>>,  format_of<fp8_block<32>>,  format_of<fp8_block<64>>,
      format_of<fp8_block<128>>,  format_of<fp8_block<256>>};
  return all;
}

}  // namespace halfstep_test
