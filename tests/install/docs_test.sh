# SPDX-License-Identifier: MIT
# Invariant: README.md's program is at most 25 lines, compiles against the installed package and runs; each block of
# docs/ marked "c compile" compiles; each example of docs/examples/ compiles, and runs if it takes no arguments. Fails on
# documentation that the library has left behind, and on an example that docs/api.md does not list.
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$CMAKE" --install "$BUILD" --prefix "$scratch/prefix" >/dev/null
lib=$(dirname "$(find "$scratch/prefix" -name libweir.a)")
export PKG_CONFIG_PATH="$lib/pkgconfig"
cflags="-std=c11 -Wall -Wextra -Wpedantic -Werror $(pkg-config --cflags weir)"

awk '/^```c$/ { on = 1; next } on && /^```/ { exit } on' "$SOURCE/README.md" >"$scratch/readme.c"
lines=$(wc -l <"$scratch/readme.c")
if [ "$lines" -eq 0 ] || [ "$lines" -gt 25 ]; then
	echo "README.md: its program has $lines lines"
	exit 1
fi
# shellcheck disable=SC2046,SC2086
"$CC" $cflags "$scratch/readme.c" -o "$scratch/readme" $(pkg-config --libs weir) -Wl,-rpath,"$lib"
"$scratch/readme"

for page in "$SOURCE"/docs/*.md; do
	awk -v out="$scratch/$(basename "$page" .md)" '/^```c compile$/ { on = 1; n++; next } /^```/ { on = 0 } on { print > (out "-" n ".c") }' "$page"
done
for block in "$scratch"/*-*.c; do
	[ -e "$block" ] || continue
	# shellcheck disable=SC2086
	"$CC" $cflags -c "$block" -o "$scratch/block.o" || {
		echo "$(basename "$block"): does not compile"
		exit 1
	}
done

for example in "$SOURCE"/docs/examples/*.c; do
	name=$(basename "$example" .c)
	grep -q "^| \`$name.c\` |" "$SOURCE/docs/api.md" || {
		echo "docs/examples/$name.c: not in the list of docs/api.md"
		exit 1
	}
	# shellcheck disable=SC2046,SC2086
	"$CC" $cflags "$example" -o "$scratch/$name" $(pkg-config --libs weir) -pthread -Wl,-rpath,"$lib" || exit 1
	case $name in
	pipeline) continue ;;
	esac
	timeout 60 "$scratch/$name" >"$scratch/out" || {
		echo "docs/examples/$name.c: ends with $?"
		cat "$scratch/out"
		exit 1
	}
done
