// Element math in a kernel of the consumer's own; without a device it is compiled, not run.
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/rounding/nearest.hpp>

namespace {

HALFSTEP_KERNEL void round_one(float x, float scale, std::int8_t* code) {
  using layout = halfstep::int8_axis;
  *code = halfstep::nearest{}(layout::locate(x, layout::unpack(scale)), 0);
}

}  // namespace

int main() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) return 0;
  std::int8_t* code = nullptr;
  if (cudaMallocManaged(&code, 1) != cudaSuccess) return 1;
  round_one<<<1, 1>>>(0.7f, 0.25f, code);
  bool const right = cudaDeviceSynchronize() == cudaSuccess && *code == 3;
  cudaFree(code);
  return right ? 0 : 1;
}
