// The same layout on a CUDA device: not a line of it is written for one.

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <halfstep/cuda.cuh>

#include "int8_group32.hpp"

int main() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::printf("no CUDA device here: nothing to show\n");
    return 0;
  }
  constexpr halfstep::extents2 shape{64, 256};
  halfstep::host_buffer<float> weights(shape.count());
  for (halfstep::index_t i = 0; i < weights.size(); ++i) weights[i] = std::sin(static_cast<float>(i) * 0.37f) * 0.05f;
  halfstep::host_view<float const> const here = weights.view(shape);

  halfstep::cuda_stream const ex;
  halfstep::device_buffer<float> there(shape.count());
  halfstep::copy(ex, here, there.view(shape));
  auto const q = halfstep::quantize_on_device<int8_group32>(ex, halfstep::device_view<float const>(there.view(shape)));

  auto const on_host = halfstep::quantizer<int8_group32>()(halfstep::serial{}, here);
  auto const back = halfstep::copy_to_host(ex, q);
  bool const equal = std::equal(back.codes().data(), back.codes().data() + shape.count(), on_host.codes().data());

  halfstep::host_buffer<float> x(shape.columns), y(shape.rows);
  for (halfstep::index_t i = 0; i < x.size(); ++i) x[i] = 1.0f;
  halfstep::extents2 const in{1, shape.columns}, out{1, shape.rows};
  halfstep::device_buffer<float> input(in.count()), output(out.count());
  halfstep::copy(ex, x.view(in), input.view(in));
  halfstep::linear(ex, halfstep::device_view<float const>(input.view(in)), q, {}, output.view(out));
  halfstep::copy(ex, halfstep::device_view<float const>(output.view(out)), y.view(out));
  ex.wait();
  std::printf("%s: the device's codes are %s the host's, first output %.5f\n", int8_group32::name.data(),
              equal ? "equal to" : "NOT equal to", static_cast<double>(y[0]));
  return equal ? 0 : 1;
}
