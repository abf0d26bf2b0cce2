// How one definition serves host and device compilers.
#pragma once

#if defined(__CUDACC__)
#define HALFSTEP_HD __host__ __device__
#else
/// Marks a function that host and device share.
#define HALFSTEP_HD
#endif

/// Marks a kernel: hidden, so that two libraries built from different versions of a header never share one.
#define HALFSTEP_KERNEL __attribute__((visibility("hidden"))) __global__

#if defined(__CUDA_ARCH__)
#define HALFSTEP_UNROLL _Pragma("unroll")
#else
/// Unrolls the loop after it on the device, where an array that a loop indexes leaves the registers.
#define HALFSTEP_UNROLL
#endif

#if defined(__CUDACC__)
#define HALFSTEP_UNROLL_VECTORS
#elif defined(__clang__)
#define HALFSTEP_UNROLL_VECTORS _Pragma("unroll")
#elif defined(__GNUC__)
#define HALFSTEP_UNROLL_VECTORS _Pragma("GCC unroll 8")
#else
/// Unrolls the loop after it, over an array of vectors that is to stay in registers on the host; nvcc has no pragma for it.
#define HALFSTEP_UNROLL_VECTORS
#endif
