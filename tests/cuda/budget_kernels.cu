// The kernels that memory should bind, for the types that most models come in: what budgets.sh counts.
#include <halfstep/core/bfloat16.hpp>
#include <halfstep/exec/cuda_stream.hpp>
#include <halfstep/kernel/dequantize.cuh>
#include <halfstep/kernel/fit_quantize.cuh>
#include <halfstep/kernel/hadamard.cuh>
#include <halfstep/kernel/residual_statistics.cuh>
#include <halfstep/kernel/rotate_quantize.cuh>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>

namespace budgets {

using namespace halfstep;

template <class Layout>
void use_layout(cuda_stream ex) {
  fit_quantize_async<Layout>(ex, device_view<bfloat16 const>(), device_view<value_range>(), device_view<float>(),
                             device_view<std::int8_t>(), nearest{});
  dequantize_async<Layout>(ex, device_view<std::int8_t const>(), device_view<float const>(), device_view<bfloat16>());
  static_cast<void>(
      measure_residual<Layout>(ex, device_view<bfloat16 const>(), device_view<std::int8_t const>(), device_view<float const>()));
}

void use_kernels(cuda_stream ex) {
  use_layout<int8_axis>(ex);
  use_layout<int8_block<128>>(ex);
  use_layout<int8_tensor>(ex);
  rotate_quantize_async<int8_axis>(ex, device_view<bfloat16 const>(), device_view<value_range>(), device_view<float>(),
                                   device_view<std::int8_t>(), 256);
  hadamard_async(ex, device_view<float>(), 256);
}

}  // namespace budgets
