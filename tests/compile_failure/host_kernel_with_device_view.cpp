// expect: no matching function for call to
// errors: 1
#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/quantize.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/rounding/nearest.hpp>

#ifdef HALFSTEP_MISTAKE
using weight_space = halfstep::device_space;
#else
using weight_space = halfstep::host_space;
#endif

void use(halfstep::matrix_view<float const, weight_space> weight, halfstep::host_view<float const> groups,
         halfstep::host_view<std::int8_t> codes) {
  halfstep::quantize<halfstep::int8_axis>(halfstep::serial{}, weight, groups, codes, halfstep::nearest{});
}
