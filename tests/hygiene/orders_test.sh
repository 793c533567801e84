# SPDX-License-Identifier: MIT
# Invariant: every memory order stronger than relaxed has an ORDER(edge) comment in the same function, naming the edge that
# the operation names, and a row in docs/memory-order.md; no row is about an edge that is not there. Fails on each.
. "$(dirname "$0")/rule.sh"

rule() {
	(
		for file in $(sources "$1" include runtime numa); do
			echo "@@FILE $file"
			awk -v orders=1 -f "$here/code.awk" "$1/$file"
		done
		echo "@@FILE docs/memory-order.md"
		sed -n 's/^| *`\{0,1\}\([a-z0-9_]*\)`\{0,1\} *|.*/@@ROW \1/p' "$1/docs/memory-order.md"
	) | awk -f "$here/orders.awk"
}

holds
catches "an order without an argument" append runtime/error.c \
	'void f(_Atomic(int) *n);' 'void f(_Atomic(int) *n)' '{' '	at_store(n, (1, 2),' '		release, thread_index);' '}'
catches "an order with another edge's argument" append runtime/error.c \
	'void f(_Atomic(int) *n);' 'void f(_Atomic(int) *n)' '{' '	/* ORDER(other): x */' '	at_store(n, 1, release, thread_index);' '}'
catches "an order without an edge" append runtime/error.c \
	'void f(_Atomic(int) *n);' 'void f(_Atomic(int) *n)' '{' '	/* ORDER(none) */' '	at_store(n, 1, release, none);' '}'
catches "a row about no edge" append docs/memory-order.md '| `nothing` | a | b | c |'
catches "an edge without a row" sed -i '/thread_index/d' docs/memory-order.md
