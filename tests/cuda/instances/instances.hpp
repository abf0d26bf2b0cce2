// Uses every device kernel that takes a layout, so that the compiler makes code of it.
#pragma once

#include <cstdint>

#include <halfstep/core/source.hpp>
#include <halfstep/exec/cuda_stream.hpp>
#include <halfstep/kernel/dequantize.cuh>
#include <halfstep/kernel/fit_quantize.cuh>
#include <halfstep/kernel/group_range.cuh>
#include <halfstep/kernel/quantize.cuh>
#include <halfstep/kernel/residual_statistics.cuh>
#include <halfstep/rounding/decided.hpp>
#include <halfstep/rounding/nearest.hpp>
#include <halfstep/rounding/stochastic.hpp>

namespace instances {

using namespace halfstep;

template <class Layout, class Source>
void use_ranges_and_numbers(cuda_stream ex) {
  using group = typename Layout::group_type;
  using code = typename Layout::code_type;
  group_range<Layout>(ex, device_view<Source const>(), device_view<value_range>());
  dequantize<Layout>(ex, device_view<code const>(), device_view<group const>(), device_view<Source>());
  static_cast<void>(
      measure_residual<Layout>(ex, device_view<Source const>(), device_view<code const>(), device_view<group const>()));
}

template <class Layout, class Rounding, class Source>
void use_rounding(cuda_stream ex) {
  using group = typename Layout::group_type;
  using code = typename Layout::code_type;
  quantize<Layout>(ex, device_view<Source const>(), device_view<group const>(), device_view<code>(), Rounding{});
  fit_quantize<Layout>(ex, device_view<Source const>(), device_view<value_range>(), device_view<group>(), device_view<code>(),
                       Rounding{});
}

/// Every source type to the nearest code; the types that models come in at random; what solvers hand over, in FP32.
template <class Layout>
void use_layout(cuda_stream ex) {
  source_types::for_each([&]<class Source>() {
    use_ranges_and_numbers<Layout, Source>(ex);
    use_rounding<Layout, nearest, Source>(ex);
  });
  type_list<float, float16, bfloat16>::for_each([&]<class Source>() { use_rounding<Layout, stochastic, Source>(ex); });
  use_rounding<Layout, decided, float>(ex);
}

}  // namespace instances
