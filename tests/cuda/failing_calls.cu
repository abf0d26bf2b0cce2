#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/cuda.cuh>

#include "fake_runtime.hpp"

namespace {

using namespace halfstep;

/// A weight goes to the device, is quantized, measured, and comes back: every runtime function that the library calls.
template <class Layout>
void do_everything() {
  extents2 const e{64, 256};
  extents2 const g = Layout::groups(e);
  host_buffer<bfloat16> weight(e.count());
  owned_cuda_stream const stream;
  cuda_stream const ex = stream.get();
  device_buffer<bfloat16> const there = ex.allocate<bfloat16>(e.count());
  device_buffer<value_range> ranges(g.count());
  device_buffer<float> wide(e.count(), ex.handle());
  quantized_tensor<Layout, device_space> q(e);
  copy(ex, host_view<bfloat16 const>(weight.view(e)), there.view(e));
  device_view<bfloat16 const> const w = there.view(e);
  hadamard_regular(ex, w, wide.view(e), 64);
  static_cast<void>(quantize_on_device<Layout>(ex, w, nearest{}, regular_hadamard{64}));
  fit_quantize<Layout>(ex, w, ranges.view(g), q.groups(), q.codes(), nearest{});
  dequantize<Layout>(ex, std::as_const(q).codes(), std::as_const(q).groups(), wide.view(e));
  static_cast<void>(sum(ex, w));
  static_cast<void>(measure_residual<Layout>(ex, w, std::as_const(q).codes(), std::as_const(q).groups()));
  auto const here = copy_to_host(ex, q);
  auto const again = copy_to_device(ex, here);
  two_sided_hadamard const basis(philox(1), {60, 200});
  quantized_tensor<Layout, device_space, two_sided_hadamard> const turned(basis.padded(), basis);
  device_buffer<float> x(3 * 200), y(3 * 60);
  linear(ex, device_view<float const>(x.view({3, 200})), turned, {}, y.view({3, 60}), int8_activations{});
  ex.wait();
}

template <class Layout>
class FailingCalls : public testing::Test {};
using layouts = testing::Types<int8_axis, int8_tensor>;
TYPED_TEST_SUITE(FailingCalls, layouts);

TYPED_TEST(FailingCalls, ThrowAndLeaveNothingBehindWhicheverCallItIs) {
  fake() = {};
  do_everything<TypeParam>();
  int const calls = fake().calls;
  ASSERT_GT(calls, 40);
  ASSERT_GT(fake().launches, 5);
  ASSERT_TRUE(fake().memory.empty());
  for (int failing = 1; failing <= calls; ++failing) {
    SCOPED_TRACE("call " + std::to_string(failing));
    fake() = {};
    fake().failing_call = failing;
    bool thrown = false;
    try {
      do_everything<TypeParam>();
    } catch (cuda_error const& e) {
      thrown = true;
      EXPECT_NE(std::string(e.what()).find("cudaErrorOfTheFake (the fake runtime was told to fail)"), std::string::npos)
          << e.what();
      EXPECT_NE(e.code(), cudaSuccess);
      EXPECT_EQ(fake().last_error, cudaSuccess) << "a handled error would be met again";
    }
    EXPECT_NE(thrown, fake().failed_release);
    EXPECT_TRUE(fake().memory.empty());
    EXPECT_TRUE(fake().streams.empty());
    EXPECT_EQ(fake().wrong_releases, 0);
  }
}

using small_tile = detail::index_tile<detail::clear_ranges>;  // of 256 threads at most

TEST(Launch, RefusesThreadsThatTheKernelWasNotMadeFor) {
  fake() = {};
  for (int const threads : {-32, 0, 16, 48, 257, 288, 1024})
    EXPECT_THROW(launch(cuda_stream{}, small_tile{}, {1, threads}), shape_error) << threads;
  for (index_t const blocks : {index_t{-1}, index_t{1} << 31})
    EXPECT_THROW(launch(cuda_stream{}, small_tile{}, {blocks, 256}), shape_error) << blocks;
  EXPECT_THROW(launch(cuda_stream{}, small_tile{}, {0, 48}), shape_error) << "wrong is wrong even where nothing is launched";
  EXPECT_EQ(fake().calls, 0);
  launch(cuda_stream{}, small_tile{}, {1, 224});
  EXPECT_EQ(fake().launches, 1);
}

TEST(Launch, GoesToTheDeviceOfItsStreamAndLeavesTheCurrentOne) {
  fake() = {};
  fake().device = 1;
  owned_cuda_stream const stream;
  cuda_stream const borrowed(stream.get().handle());
  fake().device = 0;
  for (cuda_stream const ex : {stream.get(), borrowed}) {
    EXPECT_EQ(ex.device(), 1);
    launch(ex, small_tile{}, {1, 256});
    EXPECT_EQ(fake().device, 0);
  }
  EXPECT_EQ(fake().launches, 2);
  fake().calls = 0;
  fake().failing_call = 3;  // after asking for the current device and changing it
  EXPECT_THROW(launch(stream.get(), small_tile{}, {1, 256}), cuda_error);
  EXPECT_EQ(fake().device, 0) << "after a failure too";
}

TEST(CheckCuda, LeavesAnEarlierErrorToWhomItBelongs) {
  fake() = {};
  fake().last_error = cudaErrorInvalidTexture;  // nobody has asked for it yet
  EXPECT_THROW(check_cuda(cudaErrorMemoryAllocation, "a call that does not record its failure"), cuda_error);
  EXPECT_EQ(fake().last_error, cudaErrorInvalidTexture);
  fake().failing_call = 1;
  fake().records = false;
  EXPECT_THROW(cuda_stream{}.wait(), cuda_error);
  EXPECT_EQ(fake().last_error, cudaErrorInvalidTexture);
  fake().last_error = cudaErrorLaunchFailure;
  EXPECT_THROW(check_cuda(cudaErrorLaunchFailure, "its own"), cuda_error);
  EXPECT_EQ(fake().last_error, cudaSuccess);
}

TEST(CudaBuffer, GivesItsMemoryBackOnceWhenMoved) {
  fake() = {};
  {
    device_buffer<float> a(100);
    device_buffer<float> b = std::move(a);
    device_buffer<float> c(50, nullptr);
    c = std::move(b);
    EXPECT_EQ(c.size(), 100);
    EXPECT_EQ(fake().memory.size(), 1u);
  }
  EXPECT_TRUE(fake().memory.empty());
  EXPECT_EQ(fake().wrong_releases, 0);
}

TEST(CudaBuffer, OfNoElementsAsksForNoMemory) {
  fake() = {};
  device_buffer<float> none(0);
  device_buffer<float> none_in_order(0, nullptr);
  EXPECT_EQ(fake().calls, 0);
}

TEST(CudaBuffer, OfTooManyElementsIsOutOfMemoryBeforeTheSizeOverflows) {
  fake() = {};
  try {
    device_buffer<float> large(index_t{1} << 62);
    FAIL() << "allocated";
  } catch (cuda_error const& e) {
    EXPECT_EQ(e.code(), cudaErrorMemoryAllocation);
  }
  EXPECT_EQ(fake().calls, 0);
}

TEST(CopyCuda, RefusesShapesThatDiffer) {
  fake() = {};
  device_buffer<float> there(6);
  host_buffer<float> here(6);
  EXPECT_THROW(copy(cuda_stream{}, host_view<float const>(here.view({2, 3})), there.view({3, 2})), shape_error);
}

}  // namespace
