# SPDX-License-Identifier: MIT
# Invariant: the table "Options of a pool" in docs/api.md lists exactly the fields of weir_options. Fails on an option that
# nobody can know of, and on one that is gone.
. "$(dirname "$0")/rule.sh"

rule() {
	sed -n '/^## Options of a pool/,/^## From/s/^| `\([a-z_]*\)` |.*/\1/p' "$1/docs/api.md" | LC_ALL=C sort >"$scratch/told"
	# Without comments the struct is type and name before each semicolon; `size` and `layout` are set by WEIR_OPTIONS().
	sed -n '/^typedef struct weir_options {/,/^} weir_options;/p' "$1/include/weir/pool.h" | tr '\n' ' ' |
		awk '{ while (match($0, /\/\*([^*]|\*[^\/])*\*\//)) $0 = substr($0, 1, RSTART - 1) substr($0, RSTART + RLENGTH); print }' |
		sed 's/.*{\(.*\)}.*/\1/' | tr ';' '\n' | sed -n 's/.*[ \t*]\([a-z_]\{1,\}\)[ \t]*$/\1/p' |
		grep -vx -e size -e layout | LC_ALL=C sort >"$scratch/there"
	LC_ALL=C comm -23 "$scratch/told" "$scratch/there" | sed 's/$/: in docs\/api.md, no option/'
	LC_ALL=C comm -13 "$scratch/told" "$scratch/there" | sed 's/$/: an option, not in docs\/api.md/'
	[ -s "$scratch/there" ] || echo "include/weir/pool.h: weir_options was not found"
}

holds
catches "an option that is not told" sed -i 's/^\tbool no_environment;/\tbool zzz;\n&/' include/weir/pool.h
catches "an option that is gone" sed -i 's/^| `idle` |/| `zzz` | nothing | |\n&/' docs/api.md
catches "a struct that is not found" sed -i 's/^typedef struct weir_options {/typedef struct weir_option {/' include/weir/pool.h
