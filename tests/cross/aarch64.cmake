# SPDX-License-Identifier: MIT
# Cross build for aarch64 with gcc; docs/testing.md, "Other machines", says how it is used.
#   WEIR_SYSROOT   a directory with the libraries: what `tests/cross/sysroot` calls DIR/root
#   WEIR_EMULATED  the tests run in qemu's user emulation, and the library is built for that (emulated.h), not for hardware
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES WEIR_SYSROOT WEIR_EMULATED)
if(NOT EXISTS "${WEIR_SYSROOT}/usr/include")
	message(FATAL_ERROR "WEIR_SYSROOT is \"${WEIR_SYSROOT}\": give a directory that tests/cross/sysroot has made")
endif()
cmake_path(ABSOLUTE_PATH WEIR_SYSROOT NORMALIZE OUTPUT_VARIABLE CMAKE_SYSROOT)

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${CMAKE_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${CMAKE_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${CMAKE_SYSROOT}/usr/share/pkgconfig)

if(WEIR_EMULATED)
	set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L ${CMAKE_SYSROOT})
	set(CMAKE_C_FLAGS_INIT "-include ${CMAKE_CURRENT_LIST_DIR}/emulated.h")
endif()
