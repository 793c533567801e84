# SPDX-License-Identifier: MIT
# Invariant: every public header compiles alone, as C17 and as C++17; every private header as C17. Fails on a header that
# leans on what its includer included before, or that C++ does not understand.
. "$(dirname "$0")/rule.sh"
CC=${CC:-cc}
command -v c++ >/dev/null || exit 77
foreign=$(pkg-config --cflags liburcu-memb hwloc ck)

# alone TREE HEADER LANGUAGE COMPILER FLAG...
alone() {
	name=$2 language=$3
	# In a copy, only what differs can be otherwise.
	[ "$1" != "$SOURCE" ] && cmp -s "$1/$2" "$SOURCE/$2" && return
	cd "$1" || exit 1
	shift 3
	# Not the file itself as input: in a source of its own, an unused static inline function is warned of.
	echo "#include \"$name\"" | "$@" -fsyntax-only -x "$language" -Wall -Wextra -Werror -Iinclude -I. - >"$scratch/why" 2>&1 ||
		echo "$name alone as $language: $(grep -m1 error "$scratch/why")"
}

rule() {
	for header in $(sources "$1" include/weir | grep '\.h$'); do
		(alone "$1" "$header" c "$CC" -std=c17 -pedantic)
		(alone "$1" "$header" c++ c++ -std=c++17)
	done
	for header in $(sources "$1" include/private runtime numa | grep '\.h$'); do
		# shellcheck disable=SC2086
		(alone "$1" "$header" c "$CC" -std=gnu17 -D_GNU_SOURCE -DCK_USE_CC_BUILTINS=1 $foreign)
	done
}

holds
catches "a header that forgets <stdint.h>" append include/weir/base_alone.h 'extern uint64_t x;'
catches "a private header that forgets one" append include/private/alone.h 'extern uint64_t x;'
catches "C++ keywords in a public header" append include/weir/strategy.h 'int class_of(int class);'
