# SPDX-License-Identifier: MIT
# Output is whole per command, in order where that is asked for, and never lost.
. "$SOURCE/tests/tool/run_lib.sh"

# Two commands that print in turns: a says 1, b says 1, a says 2, ...
cat >turns <<'EOF'
#!/bin/sh
# turns <own name> <whose turn it must be> <whose turn it is then>
i=0
while [ $i -lt 5 ]; do
	until [ "$(cat turn)" = "$2" ]; do sleep 0.01; done
	i=$((i + 1))
	echo "$1 $i"
	echo "$1 e" >&2
	echo "$3" >turn.$1 && mv turn.$1 turn
done
EOF
chmod +x turns
together=$(printf 'a 1,a 2,a 3,a 4,a 5,')
mixed=$(printf 'a 1,b 1,a 2,b 2,a 3,b 3,a 4,b 4,a 5,b 5,')
printf './turns a a b\n./turns b b a\n' >jobs

echo a >turn
run 0 jobs --machine "$four_cores" --timeout 60
same 'grouped: a' "$together" "$(tr '\n' ',' <out | grep -o 'a 1,a 2,a 3,a 4,a 5,')"
same 'grouped: lines' 10 "$(wc -l <out)"
same 'grouped: standard error' 5 "$(grep -c '^b e$' err)"

echo a >turn
run 0 jobs --machine "$four_cores" --timeout 60 --ungroup
same 'ungrouped' "$mixed" "$(tr '\n' ',' <out)"

# The first ends last, when the job log has the two others; without an order it is printed last.
cat >jobs <<'EOF'
until [ "$(wc -l <log)" = 3 ]; do sleep 0.01; done; echo first
cores=99 -- echo never
echo second; echo second error >&2
echo third
EOF
run 1 jobs -k --machine "$four_cores" --timeout 60 --joblog log
same 'kept in order' 'first,second,third,' "$(tr '\n' ',' <out)"
holds 'kept in order' err '^second error$'
run 1 jobs --machine "$four_cores" --timeout 60 --joblog log
same 'the last without order' 'first' "$(tail -n 1 out)"

# More than any buffer, from many at once, and each whole.
for c in a b c d; do
	printf '%s\n' "head -c 300000 /dev/zero | tr '\\0' $c; echo"
done >jobs
for order in '' -k; do
	# shellcheck disable=SC2086
	run 0 jobs $order --machine "$four_cores"
	same "whole $order" '300000 300000 300000 300000 ' "$(awk '{ print length($0) }' out | tr '\n' ' ')"
	same "unmixed $order" 'a b c d ' "$(grep -oE '^(a+|b+|c+|d+)$' out | cut -c 1 | sort | tr '\n' ' ')"
done

# Nobody reads any more: no more commands, and an error.
i=0
while [ $i -lt 50 ]; do
	echo 'until [ -e closed ]; do sleep 0.01; done; echo x >>count; echo output'
	i=$((i + 1))
done >jobs
rm -f count
mkfifo pipe
(exec 3<pipe; exec 3<&-; : >closed) &
"$WEIR" run jobs -j 1 --machine "$four_cores" >pipe 2>err
same 'status when standard output is closed' 255 $?
holds 'closed output' err 'standard output: Broken pipe'
[ "$(wc -l <count)" -lt 50 ] || fail 'all commands ran though nobody read'
wait

# A line on a terminal says how far it is; without a terminal there is none.
printf 'true\ntrue\n' >jobs
run 0 jobs --progress -q
same 'progress without a terminal' '' "$(cat err)"
if script -qec true /dev/null >/dev/null 2>&1; then
	script -qec "$WEIR run jobs --progress -q" /dev/null >out 2>&1 </dev/null
	holds 'progress' out '2 of 2 done'
fi
finish
