# SPDX-License-Identifier: MIT
# rule.sh - how a rule about the sources is tested, and how the test itself is: sourced by each *_test.sh.
#
# A test defines
#   rule TREE       prints one line for each violation in the tree, nothing if there is none
# and calls
#   holds           the rule prints nothing for the project's own tree
#   catches NAME COMMAND...   in a copy of the tree COMMAND plants a violation, and the rule prints one more line than before

set -u
: "${SOURCE:?the source tree}" "${BUILD:?the build tree}"
here=$SOURCE/tests/hygiene
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Source files of a tree below the named folders: sources TREE FOLDER...
sources() {
	tree=$1
	shift
	(cd "$tree" && find "$@" -name build -prune -o -type f \( -name '*.c' -o -name '*.h' -o -name '*.cc' \) -print 2>/dev/null | sort)
}

# A file with comments and string contents blanked, line for line.
code() {
	awk -f "$here/code.awk" "$1"
}

copy_tree() {
	rm -rf "$scratch/tree"
	mkdir "$scratch/tree"
	(cd "$SOURCE" && tar cf - --exclude=./build --exclude=./.git .) | (cd "$scratch/tree" && tar xf -)
}

holds() {
	rule "$SOURCE" >"$scratch/found" 2>&1 || echo "the rule itself failed" >>"$scratch/found"
	if [ -s "$scratch/found" ]; then
		cat "$scratch/found"
		echo "$(wc -l <"$scratch/found") violations"
		exit 1
	fi
}

catches() {
	what=$1
	shift
	copy_tree
	(cd "$scratch/tree" && "$@") || {
		echo "could not plant: $what"
		exit 1
	}
	if [ -z "$(rule "$scratch/tree")" ]; then
		echo "the rule does not notice: $what"
		exit 1
	fi
}

# append FILE LINE...: the usual way to plant something.
append() {
	file=$1
	shift
	printf '%s\n' "$@" >>"$file"
}
