// Launch shapes by compute capability. They change speed, never results.
#pragma once

namespace halfstep {

/// How element-wise kernels are cut.
struct element_tuning {
  int threads;  ///< of a block
  int rounds;   ///< how often a thread takes its four vectors of 16 bytes
};

/// Returns the cut of element-wise kernels for a compute capability such as 90.
///
/// Four loads of 16 bytes a thread: 1024 resident threads keep 64 KiB in flight on a multiprocessor. Capability 8.0 and 12.0
/// have less bandwidth to cover and more blocks to balance, so their blocks are smaller.
constexpr element_tuning tune_elements(int capability) {
  bool const wide = capability >= 90 && capability < 120;
  return wide ? element_tuning{512, 1} : element_tuning{256, 1};
}

/// Returns the cut of kernels that reduce: longer pieces, so that fewer results of blocks meet in memory.
constexpr element_tuning tune_reductions(int capability) {
  bool const wide = capability >= 90 && capability < 120;
  return wide ? element_tuning{512, 2} : element_tuning{256, 2};
}

}  // namespace halfstep
