// The device half: every kernel's device overload, device memory, streams and copies. The one CUDA include, for nvcc.
//
// Compile without -use_fast_math: nvcc tells headers nothing of it, and codes would differ from the host's.
#pragma once

#include <halfstep/core/cuda_buffer.hpp>
#include <halfstep/core/cuda_error.hpp>
#include <halfstep/device/byte_products.cuh>
#include <halfstep/device/divider.cuh>
#include <halfstep/device/element_tile.cuh>
#include <halfstep/device/launch.cuh>
#include <halfstep/device/tuning.cuh>
#include <halfstep/device/vector_access.cuh>
#include <halfstep/device/warp_max.cuh>
#include <halfstep/exec/cuda_stream.hpp>
#include <halfstep/halfstep.hpp>
#include <halfstep/kernel/dequantize.cuh>
#include <halfstep/kernel/fit_quantize.cuh>
#include <halfstep/kernel/for_each_index.cuh>
#include <halfstep/kernel/gelu.cuh>
#include <halfstep/kernel/group_range.cuh>
#include <halfstep/kernel/hadamard.cuh>
#include <halfstep/kernel/linear_int8.cuh>
#include <halfstep/kernel/quantize.cuh>
#include <halfstep/kernel/residual_statistics.cuh>
#include <halfstep/kernel/sum.cuh>
#include <halfstep/kernel/widen.cuh>
#include <halfstep/linalg/gemm.cuh>
#include <halfstep/linalg/linear.cuh>
#include <halfstep/linalg/product_tile.cuh>
#include <halfstep/tensor/copy_cuda.hpp>
#include <halfstep/tensor/incoherent.cuh>
#include <halfstep/tensor/linear_int8.cuh>
#include <halfstep/tensor/quantizer.cuh>
