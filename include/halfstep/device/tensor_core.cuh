// What feeds tensor cores with bytes, from compute capability 8.0 on: copies that do not wait, loads of fragments, the product.
#pragma once

#include <cstdint>

#include <cuda_runtime.h>

namespace halfstep::detail {

/// Returns the address of shared memory as the instructions here take it.
__device__ __forceinline__ std::uint32_t shared_address(void const* p) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(p));
}

/// Begins to copy `count` bytes, 16 or 0, from `from` to shared memory, where zeros fill up 16. Both are multiples of 16.
__device__ __forceinline__ void copy_16_async(std::uint32_t to, void const* from, int count) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(count) : "memory");
}

/// Ends a group of copies of this thread.
__device__ __forceinline__ void end_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/// Waits until at most `Open` of this thread's groups of copies are under way.
template <int Open>
__device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Open) : "memory");
}

/// Loads four matrices of 8 rows of 16 bytes; thread i of the warp gives the address of row i % 8 of matrix i / 8.
__device__ __forceinline__ void load_fragments(std::uint32_t (&to)[4], std::uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(row)
               : "memory");
}

/// Adds to sums [16, 8] the products of codes a [16, 32] with the transpose of codes b [8, 32], spread over the warp.
__device__ __forceinline__ void add_byte_products(int (&sums)[4], std::uint32_t const (&a)[4], std::uint32_t b0,
                                                  std::uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+r"(sums[0]), "+r"(sums[1]), "+r"(sums[2]), "+r"(sums[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

}  // namespace halfstep::detail
