# SPDX-License-Identifier: MIT
# What `cmake --install` puts where: headers, both libraries, the CMake package, the pkg-config files. The program weir
# is installed by tools/CMakeLists.txt.
include(CMakePackageConfigHelpers)

string(JOIN " " WEIR_FOREIGN_LIST ${WEIR_FOREIGN})
string(JOIN ", " WEIR_REQUIRES ${WEIR_FOREIGN})
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/weir)

install(DIRECTORY include/weir TYPE INCLUDE FILES_MATCHING PATTERN "*.h")
install(TARGETS weir EXPORT weirTargets)
install(TARGETS weir_static EXPORT weirStaticTargets)
install(EXPORT weirTargets NAMESPACE weir:: DESTINATION ${package_dir})
install(EXPORT weirStaticTargets NAMESPACE weir:: DESTINATION ${package_dir})

configure_package_config_file(tools/package/weirConfig.cmake.in weirConfig.cmake INSTALL_DESTINATION ${package_dir})
# Before 1.0 each minor version may break.
write_basic_package_version_file(weirConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/weirConfig.cmake ${PROJECT_BINARY_DIR}/weirConfigVersion.cmake
	DESTINATION ${package_dir})

# Found from where the .pc file stands, so that an installed tree can be moved.
file(RELATIVE_PATH WEIR_PC_TO_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" WEIR_PC_TO_PREFIX "${WEIR_PC_TO_PREFIX}")
foreach(name weir weir-static)
	configure_file(tools/package/${name}.pc.in ${name}.pc @ONLY)
	install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
