#include <halfstep/core/compiler.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/cuda_stream.hpp>
#include <halfstep/kernel/for_each_index.cuh>
#include <halfstep/kernel/gelu.cuh>
#include <halfstep/kernel/hadamard.cuh>
#include <halfstep/kernel/sum.cuh>
#include <halfstep/kernel/widen.cuh>
#include <halfstep/linalg/gemm.cuh>
#include <halfstep/linalg/linear.cuh>

namespace {

struct store_index {
  halfstep::index_t* to;
  HALFSTEP_HD void operator()(halfstep::index_t i) const { to[i] = i; }
};

}  // namespace

namespace instances {

using namespace halfstep;

void use_plain_kernels(cuda_stream ex) {
  device_view<float const> const x;
  device_view<float> const y;
  source_types::for_each([&]<class Source>() {
    device_view<Source const> const w;
    widen(ex, w, y);
    narrow(ex, x, device_view<Source>());
    hadamard_regular(ex, w, y, 256);
    static_cast<void>(sum(ex, w) + sum_of_squares(ex, w));
  });
  hadamard(ex, y, 256);
  linear(ex, x, x, x, y);
  gemm(ex, x, x, y);
  gelu(ex, x, y, gelu_erf{});
  gelu(ex, x, y, gelu_tanh{});
  for_each_index(ex, 0, store_index{nullptr});
}

}  // namespace instances
