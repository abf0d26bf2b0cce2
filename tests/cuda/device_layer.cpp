// Layers that are loaded into device memory, which is host memory of the fake runtime.
#include <halfstep/recipe/load_layer_cuda.hpp>

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include <gtest/gtest.h>

#include <halfstep/exec/cuda_stream.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/recipe/store_layer.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/tensor/quantizer.hpp>
#include <halfstep/transform/hadamard.hpp>

#include "../support/files.hpp"
#include "../support/weights.hpp"
#include "fake_runtime.hpp"

namespace {

using namespace halfstep;
namespace st = halfstep::safetensors;

constexpr layer_table<type_list<int8_block<64>, int8_axis>, type_list<identity, regular_hadamard>> table;
constexpr extents2 shape{192, 128};

using rotated = quantized_tensor<int8_axis, host_space, regular_hadamard>;

class DeviceLayer : public testing::Test {
 protected:
  DeviceLayer() {
    auto const specs = layer_specs("layer", layer);
    st::writer output(path, st::arrange(specs, {}), file::overwrite::replace, {});
    store_layer(output, "layer", layer);
    output.commit();
    fake() = {};
  }

  halfstep_test::temporary_folder folder;
  std::string path = folder.path("model.safetensors");
  rotated layer = quantizer<int8_axis, nearest, regular_hadamard>({}, {64})(serial{}, halfstep_test::noise(shape).view(shape));
};

TEST_F(DeviceLayer, HoldsWhatTheFileHolds) {
  bool const is_rotated = load_layer(cuda_stream{}, st::reader(path), "layer", table, [&]<class Found>(Found const& found) {
    static_assert(std::is_same_v<typename Found::space, device_space>);
    if constexpr (std::is_same_v<Found, quantized_tensor<int8_axis, device_space, regular_hadamard>>) {
      EXPECT_EQ(found.transform().group, 64);
      EXPECT_TRUE(std::equal(layer.codes().data(), layer.codes().data() + shape.count(), found.codes().data()));
      EXPECT_TRUE(std::equal(layer.groups().data(), layer.groups().data() + shape.rows, found.groups().data()));
      return true;
    }
    return false;
  });
  EXPECT_TRUE(is_rotated);
  EXPECT_TRUE(fake().memory.empty()) << "the visitor's tensor is gone with it";
}

TEST_F(DeviceLayer, LeaksNothingWhicheverCallFails) {
  int failures = 0;
  for (int call = 1;; ++call) {
    fake() = {};
    fake().failing_call = call;
    try {
      load_layer(cuda_stream{}, st::reader(path), "layer", table, [](auto const&) {});
    } catch (cuda_error const&) {
      ++failures;
    }
    EXPECT_TRUE(fake().memory.empty() || fake().failed_release) << "after call " << call;
    if (fake().calls < call) break;
  }
  EXPECT_GE(failures, 5) << "two allocations, two copies, a wait";
}

}  // namespace
