# How our own programs, tests and benches are compiled; consumers see none of this.

include_guard(GLOBAL)

option(HALFSTEP_WARNINGS_ARE_ERRORS "Treat warnings in our own programs as errors" OFF)

add_library(halfstep_program_flags INTERFACE)
target_compile_options(halfstep_program_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;$<IF:$<CXX_COMPILER_ID:GNU>,-Wshadow=local,-Wshadow>>
  $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra;--extended-lambda;--expt-relaxed-constexpr>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # gcc bug 105651: g++ 12 sees overlaps inside std::string's own operator+
  target_compile_options(halfstep_program_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>
                                                          $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wno-restrict>)
endif()
if(HALFSTEP_WARNINGS_ARE_ERRORS)
  target_compile_options(halfstep_program_flags INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Werror> $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Werror;--Werror=all-warnings>)
endif()
if(NOT HALFSTEP_PORTABLE)
  target_compile_options(halfstep_program_flags INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-march=native> $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-march=native>)
endif()

# halfstep_program(TARGET [LIBRARY..]): warnings, instruction set and libraries of one of our programs.
function(halfstep_program target)
  target_link_libraries(${target} PRIVATE ${ARGN} halfstep_program_flags)
endfunction()
