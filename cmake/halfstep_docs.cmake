# The target `docs`: the reference, by Doxygen, into <build>/docs.

find_program(HALFSTEP_DOXYGEN doxygen DOC "For the target docs")
if(HALFSTEP_DOXYGEN)
  configure_file("${PROJECT_SOURCE_DIR}/docs/Doxyfile.in" "${PROJECT_BINARY_DIR}/Doxyfile" @ONLY)
  set(halfstep_docs_command "${PROJECT_SOURCE_DIR}/docs/generate.sh" "${HALFSTEP_DOXYGEN}" "${PROJECT_BINARY_DIR}/Doxyfile")
  add_custom_target(docs COMMAND ${halfstep_docs_command} VERBATIM)
endif()
