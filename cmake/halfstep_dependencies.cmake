# What the targets link, found here at build time and again on the consumer's machine after installing.
#
# halfstep_dependencies           threads, Eigen and Boost, as far as they are found: each header includes only what it needs
# halfstep_converter_dependencies Boost.JSON and Boost.Regex, the latter header-only
# halfstep_cuda_dependencies      the CUDA runtime and the language standard for nvcc

if(NOT TARGET halfstep_dependencies)
  find_package(Eigen3 3.4 QUIET NO_MODULE)
  find_package(Threads QUIET)
  find_package(Boost 1.81 QUIET COMPONENTS json)
  if(NOT Boost_FOUND)
    find_package(Boost 1.81 QUIET)
  endif()

  add_library(halfstep_dependencies INTERFACE IMPORTED ${halfstep_target_scope})
  add_library(halfstep_converter_dependencies INTERFACE IMPORTED ${halfstep_target_scope})
  if(TARGET Threads::Threads)
    target_link_libraries(halfstep_dependencies INTERFACE Threads::Threads)
  endif()
  if(TARGET Eigen3::Eigen)
    target_link_libraries(halfstep_dependencies INTERFACE Eigen3::Eigen)
  else()
    message(STATUS "halfstep: Eigen 3.4 not found, needed by linalg/linear.hpp (Debian: libeigen3-dev)")
  endif()
  if(TARGET Boost::headers)
    target_link_libraries(halfstep_dependencies INTERFACE Boost::headers)
  endif()
  if(TARGET Boost::json)
    target_link_libraries(halfstep_dependencies INTERFACE Boost::json)
  else()
    message(STATUS "halfstep: Boost.JSON 1.81 not found, needed by safetensors/ and the converter "
                   "(Debian: libboost1.81-dev, then libboost-json1.81-dev)")
  endif()

  add_library(halfstep_cuda_dependencies INTERFACE IMPORTED ${halfstep_target_scope})
  if(HALFSTEP_ENABLE_CUDA OR "cuda" IN_LIST halfstep_FIND_COMPONENTS)
    find_package(CUDAToolkit QUIET)
    if(TARGET CUDA::cudart_static)
      target_link_libraries(halfstep_cuda_dependencies INTERFACE CUDA::cudart_static)
    endif()
    if(CMAKE_VERSION VERSION_LESS 3.25.2)
      target_compile_options(halfstep_cuda_dependencies INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20>)
    else()
      target_compile_features(halfstep_cuda_dependencies INTERFACE cuda_std_20)
    endif()
  endif()
endif()
