#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/fp8_block.hpp>
#include <halfstep/layout/fp8_tensor.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/recipe/bases.hpp>
#include <halfstep/recipe/marker.hpp>

#include <gtest/gtest.h>

namespace {

using halfstep::format_of;
using halfstep::marker_style;
using halfstep::marker_text;
using halfstep::matmul_precision;
using halfstep::recipe;

TEST(Marker, NamesTheBlockSize) {
  EXPECT_EQ(marker_text({.format = format_of<halfstep::int8_block<64>>}, marker_style::comfyui),
            R"({"format": "int8_blockwise", "group_size": 64})");
}

TEST(Marker, NamesFp8AsTorchDoes) {
  EXPECT_EQ(marker_text({.format = format_of<halfstep::fp8_tensor>}, marker_style::comfyui), R"({"format": "float8_e4m3fn"})");
  EXPECT_EQ(marker_text({.format = format_of<halfstep::fp8_block<64>>}, marker_style::comfyui),
            R"({"format": "float8_e4m3fn_blockwise", "group_size": 64})");
}

TEST(Marker, CallsAxisScalesTensorwisePerRowForStockComfyui) {
  EXPECT_EQ(marker_text({.format = format_of<halfstep::int8_axis>}, marker_style::comfyui),
            R"({"format": "int8_tensorwise", "per_row": true})");
}

TEST(Marker, CallsAxisScalesAxiswiseForTheFork) {
  EXPECT_EQ(marker_text({.format = format_of<halfstep::int8_axis>}, marker_style::fork), R"({"format": "int8_axiswise"})");
}

TEST(Marker, PutsRotationBehindPerRowAndPrecisionLast) {
  recipe const r{.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(256)}, .matmul = matmul_precision::full};
  EXPECT_EQ(marker_text(r, marker_style::comfyui),
            R"({"format": "int8_tensorwise", "per_row": true, "convrot": true, "convrot_groupsize": 256, )"
            R"("full_precision_matrix_mult": true})");
}

TEST(Marker, SaysNothingMoreOfATensorsScale) {
  EXPECT_EQ(marker_text({.format = format_of<halfstep::int8_tensor>}, marker_style::comfyui), R"({"format": "int8_tensorwise"})");
}

TEST(Marker, IsEmptyForFp16) { EXPECT_TRUE(marker_text({.format = format_of<halfstep::fp16>}, marker_style::comfyui).empty()); }

}  // namespace
