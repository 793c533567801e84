# SPDX-License-Identifier: MIT
# The driver beside programs that only print rows: table, JSON, page, what is kept, and two reports compared. Fails if a row
# or a verdict is lost, if a promise is judged by fewer than three rounds, or if a regression is overlooked or invented.
. tests/bench/driver_lib.sh

run 0 "good slow"
holds "rows" report.json '"workload": "fib"'
holds "a ratio" report.json '"ratio": 0.25'
holds "a peer that is missing" report.json '"state": "not run"'
holds "a table" table '^  slow .* 8.00 .* 0.25 <=0.5 kept'
holds "a missed promise" table 'fib +1 thread +at most 1 ns: 2.00, missed'
holds "a promise beside a missing peer" table 'at most 1 x lace: not judged \(not given\)'
holds "a page" report.html '</html>'
# A line of links without blanks between them cannot break, and ran out of the page.
holds "links that can be broken" report.html '^<a href="#uts">uts</a>$'
if grep -Eq 'https?:|<script|<link|@import|url\(' report.html; then fail "the page loads something"; fi
[ ! -e "$(echo *-bench.json)" ] || fail "kept without --keep"
cp report.json before.json

# With no time left, what is promised is run in 3 rounds by weir and whom the promise names; who else there is, once.
program other "echo >>other_runs; $(row other 4)"
run 0 "good slow other" --only fib --threads 1 --budget 1
[ "$(wc -l <other_runs)" = 1 ] || fail "no time: who is not judged ran $(wc -l <other_runs) times"
holds "no time: who is judged" table '^  slow .* 0.25 <=0.5 kept'
holds "no time: who is not judged" table '^  other +4.00 +0.50$'
run 0 "good slow" --only fib --rounds 2
holds "two rounds" table 'at most 0.5 x slow: not judged \(fewer than 3 rounds\)'
if grep -Eq 'kept$|missed$' table; then fail "two rounds are judged: $(cat table)"; fi

run 1 "good slow" --strict --only fib --threads 1
holds "only one count" table '^fib, ns +1 thread +weir / it( +\(noisy\))?$'
if grep -q uts table; then fail "--only fib: uts was run"; fi

run 0 "good slow" --keep --only fib
[ -s "$(echo *-bench.json)" ] && [ -s "$(echo *-bench.txt)" ] || fail "--keep: nothing is kept"

# A finished program from outside takes the place of what is missing.
program outside "$(row lace 2)"
run 0 "good slow" --peer "lace=$scratch/outside" --only uts
holds "a peer from outside" table '^  lace .* 1.00 <=1 kept'

# A name as long as can be stays in the picture.
program a_name_of_thirty_letters_and_1 "$(row a_name_of_thirty_letters_and_1 4)"
run 0 "good a_name_of_thirty_letters_and_1" --only uts
holds "a long name" report.html 'textLength="120" .*>a_name_of_thirty_letters_and_1<'
# ... and does not push its column out of line: every number ends where weir's does.
awk '/^uts/ { block = 1; next } /^$/ { block = 0 } block && match($0, /[0-9]+\.[0-9][0-9] /) {
	if (!end) end = RSTART + RLENGTH
	lines++
	if (RSTART + RLENGTH != end) bad = 1
} END { exit bad || lines != 2 }' table || fail "a long name: numbers are not below each other: $(cat table)"

# Nobody reads the table: the files are written all the same.
rm report.json report.html
rm table
mkfifo table
(exec 3<table) &
run 2 "good"
holds "nobody reads" told '^bench: standard output: Broken pipe'
grep -q "</html>" report.html && [ -s report.json ] || fail "nobody reads: no report was written"
wait
rm table

# compare: two reports, the second slower.
sed 's/"weir_ns": 2.0/"weir_ns": 3.0/' before.json >after.json
"$DRIVER" compare before.json after.json >table 2>told
[ $? = 1 ] || fail "compare: a regression is not status 1: $(cat table told)"
holds "a regression" table '^fib +1 ns .* SLOWER'
"$DRIVER" compare after.json before.json >table || fail "compare: what is faster is no regression"
"$DRIVER" compare before.json before.json >table || fail "compare: the same is no regression"
sed 's/"machine": "/&another /' after.json >elsewhere.json
"$DRIVER" compare before.json elsewhere.json >table || fail "compare: on another machine times do not count"
sed 's/"weir_spread": [0-9.]*/"weir_spread": null/' before.json >once.json
"$DRIVER" compare once.json once.json >table || fail "compare: one round is no regression"
holds "one round" table '^fib +1 ns .* - +one round says nothing'
if grep -q nan table; then fail "one round: a spread that is no number is shown: $(cat table)"; fi
"$DRIVER" compare before.json elsewhere.json >table
holds "another machine" table '^Not the same machine'
sed 's/"workload": "uts"/"workload": "sort"/' before.json >renamed.json
"$DRIVER" compare before.json renamed.json >table || fail "compare: what is new or gone is no regression"
holds "gone" table '^uts +1 ns +2.00 +- +gone$'
holds "new" table '^sort +1 ns +- +2.00 +new$'
holds "how many" table '; 1 gone \(in A alone\), 1 new \(in B alone\)$'
echo '{' >broken.json
"$DRIVER" compare before.json broken.json >table 2>told
[ $? = 2 ] || fail "compare: a broken file is not status 2"
holds "a broken file" told '^bench: compare: broken.json:'
sed 's/"weir_ns": 2.0/"weir_ns": "2.0"/' before.json >broken.json
"$DRIVER" compare before.json broken.json >table 2>told
[ $? = 2 ] || fail "compare: a value that is no number is not status 2: $(cat table)"
holds "a value that is no number" told '^bench: compare: broken.json: row [0-9]+ has a weir_ns'
sed 's/"weir_ns": 2.0/"weir_ns": -2.0/' before.json >broken.json
"$DRIVER" compare before.json broken.json >table 2>told
[ $? = 2 ] || fail "compare: a value below 0 is not status 2: $(cat table)"
"$DRIVER" compare before.json before.json >/dev/full 2>told
[ $? = 2 ] || fail "compare: a full disk is not status 2"
holds "a full disk" told '^bench: standard output: '
"$DRIVER" compare before.json 2>told
[ $? = 2 ] || fail "compare: one file is not status 2"
exit $((failures > 0))
