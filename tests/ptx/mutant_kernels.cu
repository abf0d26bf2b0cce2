// The kernels that mutants.sh spoils, as the GPU tests use them: HALFSTEP_KERNELS names one of the sets below.
#include <halfstep/core/bfloat16.hpp>
#include <halfstep/exec/cuda_stream.hpp>
#include <halfstep/kernel/dequantize.cuh>
#include <halfstep/kernel/fit_quantize.cuh>
#include <halfstep/kernel/group_range.cuh>
#include <halfstep/kernel/hadamard.cuh>
#include <halfstep/kernel/linear_int8.cuh>
#include <halfstep/kernel/quantize.cuh>
#include <halfstep/kernel/residual_statistics.cuh>
#include <halfstep/kernel/rotate_quantize.cuh>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>

namespace mutants {

using namespace halfstep;

// Templates, so that the compiler makes code of the set that is named alone.

template <class Executor>
void fits(Executor ex) {
  fit_quantize_async<int8_axis>(ex, device_view<bfloat16 const>(), device_view<value_range>(), device_view<float>(),
                                device_view<std::int8_t>(), nearest{});
}

template <class Executor>
void ranges(Executor ex) {
  group_range_async<int8_tensor>(ex, device_view<bfloat16 const>(), device_view<value_range>());
}

template <class Executor>
void codes(Executor ex) {
  quantize_async<int8_block<128>>(ex, device_view<bfloat16 const>(), device_view<float const>(), device_view<std::int8_t>(),
                                  nearest{});
}

template <class Executor>
void numbers(Executor ex) {
  dequantize_async<int8_axis>(ex, device_view<std::int8_t const>(), device_view<float const>(), device_view<bfloat16>());
  dequantize_async<int8_block<128>>(ex, device_view<std::int8_t const>(), device_view<float const>(), device_view<bfloat16>());
}

template <class Executor>
void rotations(Executor ex) {
  rotate_quantize_async<int8_axis>(ex, device_view<bfloat16 const>(), device_view<value_range>(), device_view<float>(),
                                   device_view<std::int8_t>(), 256);
}

template <class Executor>
void transforms(Executor ex) {
  hadamard_async(ex, device_view<float>(), 256);
}

template <class Executor>
void products(Executor ex) {
  linear_int8_async<int8_axis>(ex, device_view<std::int8_t const>(), device_view<float const>(), device_view<std::int8_t const>(),
                               device_view<float const>(), device_view<float const>(), device_view<float>());
}

template <class Executor>
void residuals(Executor ex) {
  static_cast<void>(measure_residual<int8_axis>(ex, device_view<bfloat16 const>(), device_view<std::int8_t const>(),
                                                device_view<float const>()));
}

void use(cuda_stream ex) { HALFSTEP_KERNELS(ex); }

}  // namespace mutants
