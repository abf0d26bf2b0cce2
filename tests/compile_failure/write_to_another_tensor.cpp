// expect: slot
#include <halfstep/safetensors/writer.hpp>

inline void copy(halfstep::safetensors::reader const& from, halfstep::safetensors::writer& to, std::span<std::byte const> bytes) {
#ifdef HALFSTEP_MISTAKE
  to.write(*from.head().find("a"), 0, bytes);
#else
  to.write(to.at(from.head().find("a")->name), 0, bytes);
#endif
}
