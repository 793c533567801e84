# SPDX-License-Identifier: MIT
# Invariant: docs/api.md lists exactly the environment variables that runtime/options.c reads, and names those that it
# leaves to commands. Fails on a variable that nobody can know of, and on one that does nothing.
. "$(dirname "$0")/rule.sh"

rule() {
	sed -n 's/^| `\(WEIR_[A-Z_]*\)` |.*/\1/p' "$1/docs/api.md" | LC_ALL=C sort >"$scratch/told"
	sed -n '/^} variables\[\] = {/,/^};/p' "$1/runtime/options.c" | grep -o '"WEIR_[A-Z_]*"' | tr -d '"' | LC_ALL=C sort >"$scratch/read"
	LC_ALL=C comm -23 "$scratch/told" "$scratch/read" | sed 's/$/: in docs\/api.md, not read/'
	LC_ALL=C comm -13 "$scratch/told" "$scratch/read" | sed 's/$/: read, not in docs\/api.md/'
	[ -s "$scratch/read" ] || echo "runtime/options.c: its table was not found"
	for name in $(sed -n '/others\[\] = {/p' "$1/runtime/options.c" | grep -o 'WEIR_[A-Z_]*'); do
		grep -q "^\`weir run\` sets .*\`$name\`" "$1/docs/api.md" || echo "$name: for commands, not in docs/api.md"
	done
}

holds
catches "a variable that is not told" sed -i 's/{"WEIR_LOG", KIND_LOG}/&, {"WEIR_ZZZ", KIND_LOG}/' runtime/options.c
catches "a variable that is not read" sed -i 's/^| `WEIR_LOG` |/| `WEIR_ZZZ` | nothing | |\n&/' docs/api.md
catches "a table that is not found" sed -i 's/} variables\[\] = {/} variables[9] = {/' runtime/options.c
catches "a variable for commands that is not told" sed -i 's/"WEIR_JOB"}/"WEIR_JOB", "WEIR_ZZZ"}/' runtime/options.c
