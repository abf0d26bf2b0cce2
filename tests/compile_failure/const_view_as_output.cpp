// expect: no matching function for call to
// errors: 1
#include <cstdint>

#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/quantize.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/rounding/nearest.hpp>

#ifdef HALFSTEP_MISTAKE
using code = std::int8_t const;
#else
using code = std::int8_t;
#endif

void use(halfstep::host_view<float> weight, halfstep::host_view<float> groups, halfstep::host_view<code> codes) {
  halfstep::quantize<halfstep::int8_axis>(halfstep::serial{}, weight, groups, codes, halfstep::nearest{});
}
