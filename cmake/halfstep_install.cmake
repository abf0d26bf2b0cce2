# The install tree: headers, config package.

install(DIRECTORY include/halfstep DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.hpp" PATTERN "*.cuh")
