# SPDX-License-Identifier: MIT
# Invariant: each source says its licence, no file of the library is over 600 lines, each top-level folder says in at most
# 20 lines what it holds, nothing is left to do.
. "$(dirname "$0")/rule.sh"

rule() {
	(
		cd "$1" || exit
		find CMakeLists.txt include runtime numa bench tests tools docs -name build -prune -o -type f \( -name '*.[ch]' -o \
			-name '*.cc' -o -name '*.sh' -o -name '*.awk' -o -name '*.cmake' -o -name CMakeLists.txt \) -print |
			while read -r file; do
				sed -n 1,3p "$file" | grep -q 'SPDX-License-Identifier: MIT' || echo "$file: no SPDX line"
			done
		find runtime numa -name '*.[ch]' -exec wc -l {} + | awk '$2 != "total" && $1 > 600 { print $2 ": " $1 " lines" }'
		for page in $(grep -o '`[a-z-]*\.[a-z]*`' docs/README.md | tr -d '`'); do
			[ -e "docs/$page" ] || echo "docs/README.md: there is no docs/$page"
		done
		for folder in */; do
			[ "$folder" = build/ ] && continue
			[ "$(cat "$folder/README.md" 2>/dev/null | wc -l)" -gt 0 ] || echo "$folder: no README.md"
			[ "$(cat "$folder/README.md" 2>/dev/null | wc -l)" -le 20 ] || echo "$folder: README.md over 20 lines"
			case $folder in
			runtime/ | include/ | numa/ | bench/ | tests/ | tools/ | docs/) ;;
			*) echo "$folder: no folder of the design" ;;
			esac
		done
		# Spelled so that this line is none.
		grep -rnE "TO""DO|FIX""ME|(^|[^X])XX""X([^X]|$)" CMakeLists.txt README.md include runtime numa bench tests tools docs || :
	)
}

holds
catches "a source without a licence" sh -c 'echo "int x;" >runtime/new.c'
catches "a file of 601 lines" sh -c 'yes "/* SPDX-License-Identifier: MIT */" | head -601 >runtime/long.c'
catches "a folder without a README" rm runtime/README.md
catches "a long README" sh -c 'yes "" | head -21 >>tests/README.md'
catches "a new top-level folder" mkdir misc
catches "something left to do" sh -c 'echo "/* TO""DO: more */" >>runtime/error.c'
catches "a page that is not there" rm docs/testing.md
