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
