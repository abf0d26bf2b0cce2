# The targets that a consumer links.

include(GNUInstallDirs)
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)  # so that a project which adds this one as a folder sees what our targets link
set(halfstep_target_scope GLOBAL)
include("${CMAKE_CURRENT_LIST_DIR}/halfstep_dependencies.cmake")

add_library(halfstep INTERFACE)
add_library(halfstep::halfstep ALIAS halfstep)
target_compile_features(halfstep INTERFACE cxx_std_20)
target_include_directories(halfstep INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                              $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(halfstep INTERFACE $<BUILD_INTERFACE:halfstep_dependencies>)

add_library(halfstep_converter INTERFACE)
add_library(halfstep::converter ALIAS halfstep_converter)
set_target_properties(halfstep_converter PROPERTIES EXPORT_NAME converter)
target_link_libraries(halfstep_converter INTERFACE halfstep $<BUILD_INTERFACE:halfstep_converter_dependencies>)

add_library(halfstep_cuda INTERFACE)
add_library(halfstep::cuda ALIAS halfstep_cuda)
set_target_properties(halfstep_cuda PROPERTIES EXPORT_NAME cuda)
target_link_libraries(halfstep_cuda INTERFACE halfstep $<BUILD_INTERFACE:halfstep_cuda_dependencies>)
