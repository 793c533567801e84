# SPDX-License-Identifier: MIT
# Invariant: a file includes only what stands at or below its own layer (docs/layers.txt); tools/ and bench/ see
# include/weir alone. Fails on an include that climbs, a file without a layer, and a layer without a file.
. "$(dirname "$0")/rule.sh"

rule() {
	(
		sources "$1" include runtime numa | sed 's/^/FILE /'
		sed 's/^/LAYER /' "$1/docs/layers.txt"
		for file in $(sources "$1" include runtime numa tools bench); do
			code "$1/$file" | sed -n 's/^[ \t]*#[ \t]*include[ \t]*\([<"][^>"]*\).*/\1/p' |
				sed "s,^,INCLUDE $file ,"
		done
		sources "$1" tools bench | sed 's/^/USER /'
	) | awk -f "$here/layers.awk"
}

holds
catches "the ledger's layer including the pool's" append runtime/error.c '#include "runtime/pool.h"'
catches "a public header including a private one" append include/weir/status.h '#include "private/error.h"'
catches "a file without a layer" append runtime/nowhere.c '/* */'
catches "a tool that looks inside" sh -c "mkdir -p tools/x && echo '#include \"private/error.h\"' >tools/x/x.c"
catches "a layer without a file" append docs/layers.txt '3 runtime/ghost.*'
