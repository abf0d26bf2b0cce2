// expect: halfstep: a rounding policy needs Code operator()(bracket<Code>, index_t element) const
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_CHOICE
#endif
#include "small_layout.hpp"

#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/quantize.hpp>

void use(halfstep::host_view<float const> weight, halfstep::host_view<float const> groups, halfstep::host_view<std::int8_t> codes) {
  halfstep::quantize<small_layout>(halfstep::serial{}, weight, groups, codes, small_rounding{});
}
