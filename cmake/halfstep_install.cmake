# The install tree: headers, config package, pkg-config file.

include(CMakePackageConfigHelpers)
set(package_folder "${CMAKE_INSTALL_LIBDIR}/cmake/halfstep")

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/halfstep" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        FILES_MATCHING PATTERN "*.hpp" PATTERN "*.cuh")

install(TARGETS halfstep halfstep_converter halfstep_cuda EXPORT halfstep_targets)
install(EXPORT halfstep_targets NAMESPACE halfstep:: FILE halfstepTargets.cmake DESTINATION "${package_folder}")
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/halfstepConfig.cmake.in" "${PROJECT_BINARY_DIR}/halfstepConfig.cmake"
                              INSTALL_DESTINATION "${package_folder}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/halfstepConfigVersion.cmake" COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES "${PROJECT_BINARY_DIR}/halfstepConfig.cmake" "${PROJECT_BINARY_DIR}/halfstepConfigVersion.cmake"
              "${PROJECT_SOURCE_DIR}/cmake/halfstep_dependencies.cmake"
        DESTINATION "${package_folder}")

# What was found here is what the pkg-config file asks for there.
if(TARGET Eigen3::Eigen)
  set(pkg_config_requires eigen3)
endif()
if(TARGET Boost::json)
  set(pkg_config_libraries -lboost_json)
endif()
configure_file("${PROJECT_SOURCE_DIR}/cmake/halfstep.pc.in" "${PROJECT_BINARY_DIR}/halfstep.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/halfstep.pc" DESTINATION "${CMAKE_INSTALL_DATAROOTDIR}/pkgconfig")
