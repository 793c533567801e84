# SPDX-License-Identifier: MIT
# Wrong options of the driver are told with what to give instead, before anything runs; --help names no option that there is
# not.
. tests/bench/driver_lib.sh

run 2 "good" --only nothing
holds "an unknown workload, and those there are" told '^bench: --only nothing: no program has that workload; there are fib uts$'
run 2 "good" --threads 7
run 2 "good" --rounds 0
holds "rounds" told '^bench: --rounds 0: give a whole number from 1 to 64'
run 2 "good" --threads 1,x
run 2 "good" --peer lace
holds "a peer without a prefix" told '^bench: --peer lace: give NAME=PREFIX'
run 2 "good" --peer lace=/nowhere
holds "a prefix that is not there" told '/nowhere: No such file'
run 2 "good" --peer mine=/tmp
holds "a peer without a program" told 'there is no program to compile for a peer of that name'
run 2 "good" --no-such-option
run 2 "good" compile
"$DRIVER" --help >help || fail "--help"
for option in $(grep -oE '^ +-?-?,? *--[a-z]+' help | tr -d ' ,'); do
	"$DRIVER" "$option=x" >/dev/null 2>told || :
	if grep -q unrecognized told; then fail "--help names $option, which there is not"; fi
done
exit $((failures > 0))
