// The converter's work, compiled once for all programs and tests.
#include <halfstep/converter_source.hpp>
