#include <halfstep/recipe/marker.hpp>

#include <gtest/gtest.h>

namespace {

using halfstep::marker_style;
using halfstep::marker_text;
using halfstep::matmul_precision;
using halfstep::recipe;
using halfstep::scheme;

TEST(Marker, NamesTheBlockSize) {
  EXPECT_EQ(marker_text({.format = scheme::int8_block, .block_size = 64}, marker_style::comfyui),
            R"({"format": "int8_blockwise", "group_size": 64})");
}

TEST(Marker, NamesFp8AsTorchDoes) {
  EXPECT_EQ(marker_text({.format = scheme::fp8_tensor}, marker_style::comfyui), R"({"format": "float8_e4m3fn"})");
  EXPECT_EQ(marker_text({.format = scheme::fp8_block, .block_size = 64}, marker_style::comfyui),
            R"({"format": "float8_e4m3fn_blockwise", "group_size": 64})");
}

TEST(Marker, CallsAxisScalesTensorwisePerRowForStockComfyui) {
  EXPECT_EQ(marker_text({.format = scheme::int8_axis}, marker_style::comfyui),
            R"({"format": "int8_tensorwise", "per_row": true})");
}

TEST(Marker, CallsAxisScalesAxiswiseForTheFork) {
  EXPECT_EQ(marker_text({.format = scheme::int8_axis}, marker_style::fork), R"({"format": "int8_axiswise"})");
}

TEST(Marker, PutsRotationBehindPerRowAndPrecisionLast) {
  recipe const r{.format = scheme::int8_axis, .rotation_group = 256, .matmul = matmul_precision::full};
  EXPECT_EQ(marker_text(r, marker_style::comfyui),
            R"({"format": "int8_tensorwise", "per_row": true, "convrot": true, "convrot_groupsize": 256, )"
            R"("full_precision_matrix_mult": true})");
}

TEST(Marker, SaysNothingMoreOfATensorsScale) {
  EXPECT_EQ(marker_text({.format = scheme::int8_tensor}, marker_style::comfyui), R"({"format": "int8_tensorwise"})");
}

TEST(Marker, IsEmptyForFp16) { EXPECT_TRUE(marker_text({.format = scheme::fp16}, marker_style::comfyui).empty()); }

}  // namespace
