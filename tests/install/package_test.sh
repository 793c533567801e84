# SPDX-License-Identifier: MIT
# Invariant: what is installed is enough to use weir, found by CMake and by pkg-config, shared and static, from C and C++;
# and linking does to malloc what README.md says. Fails on a file, symbol or dependency that is missing in the package.
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
consumer=$SOURCE/tests/install/consumer
prefix=$scratch/prefix
"$CMAKE" --install "$BUILD" --prefix "$scratch/elsewhere" >/dev/null
mv "$scratch/elsewhere" "$prefix" # a package does not know where it will stand
lib=$(dirname "$(find "$prefix" -name libweir.a)")

static_malloc=jemalloc
[ "$JEMALLOC" = ON ] || static_malloc=libc

# expect WHAT COMMAND...
expect() {
	what=$1
	shift
	if ! "$@" >"$scratch/out" 2>&1; then
		cat "$scratch/out"
		echo "not so: $what"
		exit 1
	fi
}

expect "configure with find_package" "$CMAKE" -S "$consumer" -B "$scratch/cmake" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$CC"
expect "build with find_package" "$CMAKE" --build "$scratch/cmake"
expect "weir::weir runs, with the C library's malloc" "$scratch/cmake/with_weir" libc
expect "weir::weir_static runs, with $static_malloc's malloc" "$scratch/cmake/with_weir_static" "$static_malloc"

export PKG_CONFIG_PATH="$lib/pkgconfig"
flags="-std=c17 -Wall -Wextra -Wpedantic -Werror"
# shellcheck disable=SC2046,SC2086
{
	expect "build with pkg-config weir" "$CC" $flags "$consumer/main.c" -o "$scratch/shared" \
		$(pkg-config --cflags --libs weir) -Wl,-rpath,"$lib"
	expect "build with pkg-config weir-static" "$CC" $flags "$consumer/main.c" -o "$scratch/static" \
		$(pkg-config --cflags --libs weir-static)
	expect "build C++20, macros in place" c++ -std=c++20 -Wall -Wextra -Wpedantic -Werror "$consumer/demand.cc" -o "$scratch/demand" \
		$(pkg-config --cflags --libs weir) -Wl,-rpath,"$lib"
	expect "build C++" c++ -std=c++17 -Wall -Wextra -Wpedantic -Werror "$consumer/fork.cc" -o "$scratch/fork" \
		$(pkg-config --cflags --libs weir) -Wl,-rpath,"$lib"
}
expect "shared runs" "$scratch/shared" libc
expect "static runs" "$scratch/static" "$static_malloc"
expect "C++ runs" "$scratch/fork"
expect "C++20 runs" "$scratch/demand"
expect "static needs no libweir.so" sh -c "! objdump -p '$scratch/static' | grep -q 'NEEDED.*libweir'"

version=$(pkg-config --modversion weir)
expect "SONAME is the major version" sh -c "objdump -p '$lib/libweir.so' | grep -q 'SONAME *libweir.so.${version%%.*}\$'"
# --static would also ask for what hwloc itself was built with, and Debian has no libudev.a: weir-static is the way.
expect "weir.pc names what libweir.a stands on" sh -c "pkg-config --print-requires-private weir | grep -q hwloc"
expect "no private header is installed" sh -c "! find '$prefix/include' -type f | grep -v '^$prefix/include/weir/'"
if [ -x "$WEIR" ]; then
	expect "the installed program finds its library" "$prefix/bin/weir" --version
fi

# As part of another project, by add_subdirectory(): the libraries, and neither tests nor examples of which nobody asked.
mkdir "$scratch/part"
printf 'cmake_minimum_required(VERSION 3.16)\nproject(whole C)\nadd_subdirectory("%s" weir)\n' "$SOURCE" >"$scratch/part/CMakeLists.txt"
expect "configure with add_subdirectory" "$CMAKE" -S "$scratch/part" -B "$scratch/part/build" -DCMAKE_C_COMPILER="$CC"
"$CMAKE" --build "$scratch/part/build" --target help >"$scratch/targets"
expect "add_subdirectory brings the library" grep -qw weir_static "$scratch/targets"
expect "add_subdirectory brings no examples and no tests" sh -c "! grep -E 'example_|_test' '$scratch/targets'"
