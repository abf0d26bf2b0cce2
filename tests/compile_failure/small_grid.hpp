// A grid whose members can be left out one by one, by defining WITHOUT_<MEMBER>.
#pragma once

#include <cstdint>
#include <string_view>

#include <halfstep/layout/grid.hpp>

struct small_grid {
#ifndef WITHOUT_NAME
  static constexpr std::string_view name = "small";
#endif
#ifndef WITHOUT_LAST
  static constexpr float last = 1.0f;
#endif
#ifndef WITHOUT_CODE_TYPE
  using code_type = std::int8_t;
#endif
#ifndef WITHOUT_STEP_TYPE
  using step_type = float;
#endif
#ifndef WITHOUT_UNPACK
  static float unpack(float scale) { return scale; }
#endif
#ifndef WITHOUT_LOCATE
  static halfstep::bracket<std::int8_t> locate(float, float) { return {0, 1, 0.0f}; }
#endif
#ifndef WITHOUT_DECODE
  static float decode(std::int8_t code, float s) { return code * s; }
#endif
};
