// expect: halfstep: this basis mixes rows
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/tensor/dequantize.hpp>
#include <halfstep/tensor/linear.hpp>
#include <halfstep/tensor/linear_int8.hpp>
#include <halfstep/tensor/quantizer.hpp>
#include <halfstep/transform/two_sided_hadamard.hpp>
#ifndef HALFSTEP_MISTAKE
#include <halfstep/tensor/incoherent.hpp>
#endif

using tensor = halfstep::quantized_tensor<halfstep::int8_axis, halfstep::host_space, halfstep::two_sided_hadamard>;

tensor use(halfstep::host_view<float const> w, halfstep::two_sided_hadamard const& basis) {
  return halfstep::quantizer<halfstep::int8_axis, halfstep::nearest, halfstep::two_sided_hadamard>({}, basis)(halfstep::serial{}, w);
}
