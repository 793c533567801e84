# SPDX-License-Identifier: MIT
# prepare.sh - what tools/check, demo and vm-tests share: the packages of Debian 12 that weir needs, and quiet steps.
# Sourced in the root of the source tree.

packages="gcc g++ libc6-dev cmake ninja-build pkg-config
	liburcu-dev libhwloc-dev libjemalloc-dev libck-dev libxxhash-dev libjansson-dev libcmocka-dev libbenchmark-dev spin"
guest_packages="qemu-system-x86 busybox-static cpio lz4" # for tests/vm
bench_packages="libtbb-dev clang libomp-dev libstarpu-dev golang-go nettle-dev" # peers of tools/bench

# takes_nothing "$@": who is given options or arguments says so, before it installs or builds anything.
takes_nothing() {
	[ $# -eq 0 ] || {
		echo "usage: tools/${0##*/}" >&2
		exit 2
	}
}

missing_packages() {
	command -v dpkg-query >/dev/null || return 0 # not a Debian: CMake says what it misses
	for package in $packages; do
		[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || printf '%s ' "$package"
	done
}

install_packages() {
	missing=$(missing_packages)
	[ -z "$missing" ] && return
	echo "-- installing $missing"
	mkdir -p build
	# The lists of a fresh image may be missing or old.
	step apt-update apt update && step apt-install apt install --yes --no-install-recommends $missing
}

apt() {
	if [ "$(id -u)" = 0 ]; then
		sudo=
	else
		sudo=sudo
	fi
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get "$@"
}

# step NAME COMMAND...: quiet if it succeeds, all of its output if it does not.
step() {
	name=$1
	shift
	log=build/$name.log
	true >"$log" || return # or an older run's would be shown
	if ! "$@" >"$log" 2>&1; then
		cat "$log"
		echo "-- $name failed; the above is $log"
		return 1
	fi
}

jobs() {
	nproc # those that this process may use
}

# build PRESET: configure and compile; of a failing build only what failed is told.
build() {
	mkdir -p build
	step "configure-$1" cmake --preset "$1" && step "build-$1" cmake --build --preset "$1" --parallel "$(jobs)" -- --quiet
}
