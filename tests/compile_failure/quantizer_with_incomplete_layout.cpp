// expect: halfstep: a layout needs group_type fit(value_range)
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_FIT
#endif
#include "small_layout.hpp"

#include <halfstep/exec/serial.hpp>
#include <halfstep/tensor/quantizer.hpp>

void use(halfstep::host_view<float const> weight, halfstep::host_view<float> groups, halfstep::host_view<std::int8_t> codes) {
  halfstep::quantizer<small_layout>()(halfstep::serial{}, weight, groups, codes);
}
