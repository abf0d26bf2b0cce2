// What the kernels that memory should bind move: of every sector of 32 bytes that a warp's request touches nearly all is needed.
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/core/bfloat16.hpp>
#include <halfstep/kernel/dequantize.cuh>
#include <halfstep/kernel/fit_quantize.cuh>
#include <halfstep/kernel/hadamard.cuh>
#include <halfstep/kernel/quantize.cuh>
#include <halfstep/kernel/residual_statistics.cuh>
#include <halfstep/kernel/rotate_quantize.cuh>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>

#include "../kernel/gpu_machine.hpp"
#include "ptx_device.hpp"

namespace {

using namespace halfstep;

constexpr double enough = 0.95;

std::uint64_t sectors_so_far() {
  std::uint64_t sectors = 0;
  for (auto const& [name, counted] : ptx::this_device().machine().counted())
    sectors += counted.loads.sectors + counted.stores.sectors;
  return sectors;
}

/// Returns how much of what `call` moves are the `bytes` that it needs at least.
template <class F>
double needed_share(index_t bytes, F const& call) {
  std::uint64_t const before = sectors_so_far();
  call();
  return static_cast<double>(bytes) / (32.0 * static_cast<double>(sectors_so_far() - before));
}

template <class T>
std::vector<T> ones(index_t count) {
  return std::vector<T>(static_cast<std::size_t>(count), narrow<T>(1.0f));
}

/// A matrix of ones in the memory of the machine, with its codes.
template <class Layout>
class sample {
 public:
  explicit sample(extents2 e, index_t shift = 0)
      : e_(e),
        weight_(machine_.upload(ones<bfloat16>(e.count()), shift)),
        codes_(machine_.upload(std::vector<std::int8_t>(static_cast<std::size_t>(e.count()), 1), 0)),
        ranges_(machine_.upload(std::vector<value_range>(count_of_groups()), 0)),
        groups_(machine_.upload(std::vector<float>(count_of_groups(), 1.0f), 0)) {}

  auto ex() const { return machine_.executor(); }
  gpu_machine const& machine() const { return machine_; }
  device_view<bfloat16 const> weight() const { return {weight_.data(), e_}; }
  device_view<bfloat16> numbers() const { return {weight_.data(), e_}; }
  device_view<std::int8_t> codes() const { return {codes_.data(), e_}; }
  device_view<value_range> ranges() const { return {ranges_.data(), Layout::groups(e_)}; }
  device_view<float> groups() const { return {groups_.data(), Layout::groups(e_)}; }
  index_t groups_bytes() const { return 4 * static_cast<index_t>(count_of_groups()); }

 private:
  std::size_t count_of_groups() const { return static_cast<std::size_t>(Layout::groups(e_).count()); }

  gpu_machine machine_;
  extents2 e_;
  gpu_memory<bfloat16> weight_;
  gpu_memory<std::int8_t> codes_;
  gpu_memory<value_range> ranges_;
  gpu_memory<float> groups_;
};

template <class Layout>
double share_of_fit_quantize(extents2 e, index_t shift = 0) {
  sample<Layout> const x(e, shift);
  return needed_share(3 * e.count() + 2 * x.groups_bytes(),
                      [&] { fit_quantize<Layout>(x.ex(), x.weight(), x.ranges(), x.groups(), x.codes(), nearest{}); });
}

TEST(Traffic, OfQuantizeFillsItsSectors) {
  for (index_t const columns : {64, 1024, 3072, 4096, 8192, 12288, 16384, 18944})
    EXPECT_GE(share_of_fit_quantize<int8_axis>({16, columns}), enough) << columns;
  EXPECT_GE(share_of_fit_quantize<int8_block<128>>({128, 384}), enough);
  extents2 const e{128, 384};
  sample<int8_block<128>> const x(e);
  EXPECT_GE(
      needed_share(
          3 * e.count() + x.groups_bytes(),
          [&] { quantize<int8_block<128>>(x.ex(), x.weight(), device_view<float const>(x.groups()), x.codes(), nearest{}); }),
      enough);
}

template <class Layout, class Target>
double share_of_dequantize(extents2 e) {
  sample<Layout> const x(e);
  auto const out = x.machine().upload(ones<Target>(e.count()), 0);
  return needed_share((1 + index_t{sizeof(Target)}) * e.count() + x.groups_bytes(), [&] {
    dequantize<Layout>(x.ex(), device_view<std::int8_t const>(x.codes()), device_view<float const>(x.groups()),
                       device_view<Target>(out.data(), e));
  });
}

TEST(Traffic, OfDequantizeFillsItsSectors) {
  EXPECT_GE((share_of_dequantize<int8_axis, bfloat16>({16, 4096})), enough);
  EXPECT_GE((share_of_dequantize<int8_tensor, bfloat16>({16, 1000})), enough);
  EXPECT_GE((share_of_dequantize<int8_block<128>, bfloat16>({128, 384})), enough);
  EXPECT_GE((share_of_dequantize<int8_axis, float>({16, 4096})), enough);
}

TEST(Traffic, OfRotationAndRoundingFillsItsSectors) {
  for (index_t const columns : {1024, 4096, 8192, 16384, 18944}) {
    extents2 const e{4, columns};
    sample<int8_axis> const x(e);
    bool is_done = false;
    EXPECT_GE(needed_share(3 * e.count() + 2 * x.groups_bytes(),
                           [&] {
                             is_done =
                                 rotate_quantize_async<int8_axis>(x.ex(), x.weight(), x.ranges(), x.groups(), x.codes(), 256);
                             x.ex().wait();
                           }),
              enough)
        << columns;
    EXPECT_TRUE(is_done) << columns;
  }
}

TEST(Traffic, OfTransformsFillsItsSectors) {
  gpu_machine const machine;
  for (int const group : {128, 256, 1024, 4096, 8192, 16384}) {
    extents2 const e{2, 16384};
    auto const x = machine.upload(ones<float>(e.count()), 0);
    EXPECT_GE(needed_share(8 * e.count(), [&] { hadamard(machine.executor(), device_view<float>(x.data(), e), group); }), enough)
        << group;
  }
}

TEST(Traffic, OfResidualsFillsItsSectors) {
  extents2 const e{32, 4096};
  sample<int8_axis> const x(e);
  EXPECT_GE(
      needed_share(3 * e.count(),
                   [&] {
                     static_cast<void>(measure_residual<int8_axis>(x.ex(), x.weight(), device_view<std::int8_t const>(x.codes()),
                                                                   device_view<float const>(x.groups())));
                   }),
      enough);
}

TEST(Traffic, ThatFillsNoSectorsIsSeen) { EXPECT_LT(share_of_fit_quantize<int8_axis>({16, 4096}, 1), 0.8); }

}  // namespace
