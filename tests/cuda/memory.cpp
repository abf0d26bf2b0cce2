// Memory resources, on memory that the fake runtime counts.
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include <gtest/gtest.h>

#include <halfstep/core/cuda_buffer.hpp>
#include <halfstep/exec/cuda_pooled_memory.hpp>
#include <halfstep/exec/cuda_stream.hpp>

#include "fake_runtime.hpp"

namespace {

using namespace halfstep;

class Memory : public testing::Test {
 protected:
  Memory() { fake() = {}; }
  ~Memory() override { EXPECT_EQ(fake().wrong_releases, 0); }
};

cudaStream_t stream_number(int i) { return reinterpret_cast<cudaStream_t>(static_cast<std::uintptr_t>(16 * i)); }

TEST_F(Memory, OfAStreamIsPlainWhereTheDeviceHasNoPools) {
  fake().has_pools = false;
  {
    auto const memory = cuda_stream{}.allocate<float>(100);
    EXPECT_EQ(fake().memory.size(), 1u);
    EXPECT_EQ(fake().last_error, cudaSuccess) << "that there are no pools is no error of anybody's";
  }
  EXPECT_TRUE(fake().memory.empty());
  EXPECT_EQ(fake().last_error, cudaSuccess);
}

TEST_F(Memory, ThatIsPooledGoesToWhoAsksForAsMuchOnTheSameStream) {
  pooled_memory pool(1 << 20);
  void* const first = pool.allocate(1000, stream_number(1));
  pool.deallocate(first, 1000, stream_number(1));
  EXPECT_EQ(pool.held(), 1024u);
  int const calls = fake().calls;
  void* const second = pool.allocate(900, stream_number(1));
  EXPECT_EQ(second, first) << "the same size when rounded";
  EXPECT_EQ(fake().calls, calls) << "no call of the runtime";
  EXPECT_EQ(pool.held(), 0u);
  pool.deallocate(second, 900, stream_number(1));
  void* const other_stream = pool.allocate(1000, stream_number(2));
  void* const other_size = pool.allocate(2000, stream_number(1));
  EXPECT_NE(other_stream, first) << "nothing orders the work of two streams";
  EXPECT_NE(other_size, first);
  pool.deallocate(other_stream, 1000, stream_number(2));
  pool.deallocate(other_size, 2000, stream_number(1));
}

TEST_F(Memory, ThatIsPooledKeepsToItsCapAndLetsGoOfTheOldestFirst) {
  {
    pooled_memory pool(3 * 512);
    void* block[4];
    for (void*& b : block) b = pool.allocate(512, nullptr);
    for (int const i : {2, 0, 3}) pool.deallocate(block[i], 512, nullptr);
    EXPECT_EQ(fake().memory.size(), 4u);
    pool.deallocate(block[1], 512, nullptr);
    EXPECT_EQ(pool.held(), 3u * 512);
    EXPECT_EQ(fake().memory.count(block[2]), 0u) << "came back first";
    EXPECT_EQ(fake().memory.count(block[0]) + fake().memory.count(block[3]) + fake().memory.count(block[1]), 3u);
    pool.deallocate(pool.allocate(512 * 8, nullptr), 512 * 8, nullptr);
    EXPECT_EQ(pool.held(), 0u) << "larger than the cap: nothing older is left when its turn comes";
  }
  EXPECT_TRUE(fake().memory.empty());
}

TEST_F(Memory, ThatIsPooledGivesBackAllItKeepsBeforeItFails) {
  fake().limit = 4096;
  pooled_memory pool(1 << 20);
  void* const small = pool.allocate(1024, nullptr);
  pool.deallocate(small, 1024, nullptr);
  void* const large = pool.allocate(4096, nullptr);
  EXPECT_EQ(fake().memory.size(), 1u);
  EXPECT_EQ(fake().last_error, cudaSuccess);
  try {
    static_cast<void>(pool.allocate(512, nullptr));
    FAIL() << "allocated";
  } catch (cuda_error const& e) {
    EXPECT_EQ(e.code(), cudaErrorMemoryAllocation);
  }
  pool.deallocate(large, 4096, nullptr);
}

TEST_F(Memory, ThatIsPooledForgetsAStreamThatWillBeDestroyed) {
  pooled_memory pool(1 << 20);
  pool.deallocate(pool.allocate(512, stream_number(1)), 512, stream_number(1));
  pool.deallocate(pool.allocate(512, stream_number(2)), 512, stream_number(2));
  pool.forget(stream_number(1));
  EXPECT_EQ(pool.held(), 512u);
  EXPECT_EQ(fake().memory.size(), 1u);
}

TEST_F(Memory, ThatIsPooledRoundsUpByAnEighthAtMost) {
  pooled_memory pool(std::size_t{1} << 40);
  for (std::size_t bytes = 4096; bytes < 10000000; bytes += bytes / 3 + 1) {
    void* const p = pool.allocate(bytes, nullptr);
    EXPECT_GE(fake().memory.at(p), bytes);
    EXPECT_LE(fake().memory.at(p), bytes + bytes / 8);
    pool.deallocate(p, bytes, nullptr);
  }
}

/// The least that a resource is.
struct counted_memory {
  int blocks = 0;

  void* allocate(std::size_t bytes, cudaStream_t) {
    ++blocks;
    return ::operator new(bytes);
  }
  void deallocate(void* p, std::size_t, cudaStream_t) noexcept {
    --blocks;
    ::operator delete(p);
  }
};

TEST_F(Memory, OfAnExecutorIsThatOfItsResource) {
  counted_memory resource;
  {
    cuda_stream const ex = cuda_stream{}.with(resource);
    auto a = ex.allocate<float>(10);
    auto const b = std::move(a);
    auto const c = ex.allocate<double>(3);
    EXPECT_EQ(resource.blocks, 2);
    EXPECT_EQ(ex.allocate<float>(0).data(), nullptr);
  }
  EXPECT_EQ(resource.blocks, 0);
  EXPECT_EQ(fake().calls, 0);
}

}  // namespace
