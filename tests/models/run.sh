# SPDX-License-Identifier: MIT
# run.sh - check one model: `sh run.sh MODEL`. MODEL.checks says how: the code's protocol must hold in every scene of
# MODEL.pml, and each variant, which leaves one thing out, must be found out. Skips (77) without spin or a C compiler.
set -eu
models=$(cd "$(dirname "$0")" && pwd)
name=${1:?which model}
compiler=${CC:-cc}
command -v spin >/dev/null && command -v "$compiler" >/dev/null || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
failed=0
looked=0
# A file of checks may say otherwise.
checks=-DSAFETY # what the checker is compiled with, and called with
looks=
scene_code=-Og # a variant is found out soon: to compile it takes longer than to run it

# errors VARIANT SCENE: how many the checker found; empty if it did not get to the end.
errors() {
	code=-O0
	[ "$1" != 0 ] || code=$scene_code
	rm -f pan*
	spin -a -DVAR="$1" -DSCENE="$2" "$models/$name.pml" >spin.log 2>&1 &&
		"$compiler" $code -w $checks -DCOLLAPSE -o pan pan.c 2>>spin.log || {
		cat spin.log >&2
		return 1
	}
	./pan $looks -m100000 -w24 >pan.log 2>&1 || true
	! grep -q 'Search not completed' pan.log || [ -e "$name.pml.trail" ] || return 1
	sed -n 's/^State-vector.*errors: //p' pan.log
	rm -f ./*.trail
}

scene() {
	looked=$((looked + 1))
	found=$(errors 0 "$1")
	[ "$found" = 0 ] && echo "ok: scene $1: $2" && return
	echo "FAILED: scene $1: $2: the code's protocol does not hold" && failed=1
}

variant() {
	looked=$((looked + 1))
	found=$(errors "$1" "$2")
	[ "${found:-0}" -gt 0 ] && echo "ok: found out: $3" && return
	echo "FAILED: scene $2 does not notice: $3" && failed=1
}

. "$models/$name.checks"
[ $looked -gt 0 ] || { echo "FAILED: $name.checks checks nothing" && failed=1; }
exit $failed
