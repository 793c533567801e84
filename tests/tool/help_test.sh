#!/bin/sh
# SPDX-License-Identifier: MIT
# Help is laid out for a terminal of 80 columns: fails by a line that is longer, one of blanks alone, or a command's line that
# goes on at the left edge.
set -u
unset ARGP_HELP_FMT
faults=0

fault()
{
	echo "$*"
	faults=$((faults + 1))
}

for command in '' run replay host; do
	# shellcheck disable=SC2086
	help=$("$WEIR" $command --help) || fault "weir $command --help: status $?"
	echo "$help" | grep -qE '^.{80}' && fault "weir $command --help is wider than 79"
	echo "$help" | grep -nE '^ +$' && fault "weir $command --help has a line of blanks"
	echo "$help" | grep -qE '^Usage: weir' || fault "weir $command --help does not say how it is used"
done
[ "$("$WEIR" --help | sed -n '/^Commands:/,/^$/p' | grep -c '^[^ ]')" = 1 ] || fault "a command's line goes on at the left edge"
[ "$faults" = 0 ]
