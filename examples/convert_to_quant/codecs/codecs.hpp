// The converter's layouts, one translation unit each.
#pragma once

#include <vector>

#include <halfstep/recipe/codec_table.hpp>

namespace convert_to_quant {

std::vector<halfstep::codec> int8_block_codecs();
std::vector<halfstep::codec> int8_axis_codecs();
std::vector<halfstep::codec> int8_tensor_codecs();
std::vector<halfstep::codec> fp16_codecs();
std::vector<halfstep::codec> fp8_tensor_codecs();
std::vector<halfstep::codec> fp8_block_codecs();

/// Returns every composition this program was built with.
inline halfstep::codec_table all_codecs() {
  halfstep::codec_table table;
  table.add(int8_block_codecs());
  table.add(int8_axis_codecs());
  table.add(int8_tensor_codecs());
  table.add(fp16_codecs());
  table.add(fp8_tensor_codecs());
  table.add(fp8_block_codecs());
  return table;
}

}  // namespace convert_to_quant
