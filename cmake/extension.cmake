# The Python extension mmcore._core, included only under scikit-build-core.
#   mmcore.h --gen_cdef.py--> core.cdef.txt --cffi.gen_src--> _core.c --> _core.abi3.so
find_package(Python 3.11 REQUIRED COMPONENTS Interpreter Development.Module ${SKBUILD_SABI_COMPONENT})

set(_header "${CMAKE_CURRENT_SOURCE_DIR}/csrc/include/mmcore.h")
set(_prelude "${CMAKE_CURRENT_SOURCE_DIR}/csrc/core.csrc.c")
set(_gen_cdef "${CMAKE_CURRENT_SOURCE_DIR}/tools/gen_cdef.py")
set(_cdef "${CMAKE_CURRENT_BINARY_DIR}/core.cdef.txt")
set(_core_c "${CMAKE_CURRENT_BINARY_DIR}/_core.c")

add_custom_command(OUTPUT "${_cdef}" VERBATIM
  COMMAND Python::Interpreter "${_gen_cdef}" "${_header}" "${_cdef}"
  DEPENDS "${_gen_cdef}" "${_header}")
add_custom_command(OUTPUT "${_core_c}" VERBATIM
  COMMAND Python::Interpreter -m cffi.gen_src read-sources mmcore._core "${_cdef}" "${_prelude}" "${_core_c}"
  DEPENDS "${_cdef}" "${_prelude}")

if(SKBUILD_SABI_VERSION)
  python_add_library(_core MODULE USE_SABI ${SKBUILD_SABI_VERSION} WITH_SOABI "${_core_c}")
else()
  python_add_library(_core MODULE WITH_SOABI "${_core_c}")
  target_compile_definitions(_core PRIVATE _CFFI_NO_LIMITED_API)
endif()
# The generated file is cffi's, and not written to our warnings; it gets the hardening and nothing else.
target_compile_options(_core PRIVATE -fvisibility=hidden -fstack-protector-strong -O2
  $<$<CONFIG:Release>:-U_FORTIFY_SOURCE> $<$<CONFIG:Release>:-D_FORTIFY_SOURCE=3>)
target_link_options(_core PRIVATE $<$<PLATFORM_ID:Linux>:-Wl,-z,relro,-z,now,-z,noexecstack>)
target_link_libraries(_core PRIVATE mmcore_objects)
install(TARGETS _core DESTINATION mmcore)
