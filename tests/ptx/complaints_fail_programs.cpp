// A program without tests that runs on the machine ends with 1 where the machine complains.
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "ptx_device.hpp"

namespace {

std::terminate_handler before;

/// Prints what the machine complains of; returns whether it does.
bool complains() {
  ptx::complaints& found = ptx::this_device().machine().found();
  if (found.empty()) return false;
  std::fprintf(stderr, "the PTX machine complains:\n%s\n", found.text().c_str());
  std::fflush(nullptr);
  return true;
}

[[maybe_unused]] bool const is_watching = [] {
  ptx::this_device();  // lives longer than what is called at the end
  std::atexit([] {
    if (complains()) std::_Exit(1);
  });
  before = std::set_terminate([] {
    complains();
    before();
  });
  return true;
}();

}  // namespace
