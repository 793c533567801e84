# SPDX-License-Identifier: MIT
# What the tools bench-* share: build one benchmark in build/bench, run it, keep what it prints. Sourced at the project's root.

# keep_bench <name> [option]...: bench/<name>_bench.c to bench/results/<date>-<name>.txt. Ends with 1 if a promise is missed.
keep_bench() {
	name=$1
	shift
	build=${WEIR_BENCH_BUILD:-build/bench}
	mkdir -p "$build" bench/results
	cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS_RELEASE="-O2 -g -DNDEBUG" -DWEIR_TESTS=OFF \
		-DWEIR_BENCH=ON >"$build.log" 2>&1 || { cat "$build.log"; exit 2; }
	cmake --build "$build" --target "${name}_bench" >>"$build.log" 2>&1 || { tail -n 30 "$build.log"; exit 2; }
	result=bench/results/$(date +%Y-%m-%d)-$name.txt
	status=0
	{
		date -u '+%Y-%m-%d %H:%M UTC'
		printf 'commit %s\n' "$(git describe --always --dirty 2>/dev/null || echo unknown)"
		printf 'load before: %s\n' "$(cut -d' ' -f1-3 /proc/loadavg 2>/dev/null || echo unknown)"
	} >"$result.new"
	"$build/bench/${name}_bench" "$@" >>"$result.new" || status=$?
	cat "$result.new"
	if [ "$status" -gt 1 ]; then
		rm -f "$result.new"
		exit "$status"
	fi
	mv "$result.new" "$result"
	printf '\nkept in %s\n' "$result"
	exit "$status"
}
