// expect: no matching function for call to
// errors: 1
#include <halfstep/core/buffer.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/widen.hpp>

#ifdef HALFSTEP_MISTAKE
using target = halfstep::host_buffer<float> const;
#else
using target = halfstep::host_buffer<float>;
#endif

void use(halfstep::host_view<halfstep::bfloat16> from, target& to) {
  halfstep::widen(halfstep::serial{}, from, to.view(from.extents()));
}
