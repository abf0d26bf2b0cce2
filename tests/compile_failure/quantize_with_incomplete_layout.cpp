// expect: halfstep: a layout needs index_t run(extents2)
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_RUN
#endif
#include "small_layout.hpp"

#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/quantize.hpp>
#include <halfstep/rounding/nearest.hpp>

void use(halfstep::host_view<float const> weight, halfstep::host_view<float const> groups, halfstep::host_view<std::int8_t> codes) {
  halfstep::quantize<small_layout>(halfstep::serial{}, weight, groups, codes, halfstep::nearest{});
}
