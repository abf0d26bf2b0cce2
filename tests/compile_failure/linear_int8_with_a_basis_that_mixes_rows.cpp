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

void use(halfstep::host_view<float const> x, tensor const& w, halfstep::host_view<float> y) {
  halfstep::linear(halfstep::serial{}, x, w, {}, y, halfstep::int8_activations{});
}
