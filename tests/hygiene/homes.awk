# SPDX-License-Identifier: MIT
# The rule of homes_test.sh. First input: homes.txt; second: lines "file: code".
function allowed(thing, file, i) {
	for (i = 1; i <= homes; i++)
		if (home_thing[i] == thing && match(file, home[i]) == 1 && RLENGTH == length(file)) {
			used[i] = 1
			return 1
		}
	return 0
}
NR == FNR {
	if ($1 == "thing")
		word[$2] = $3
	else if ($1 !~ /^#/ && NF) {
		home_thing[++homes] = $1
		home_text[homes] = $2
		home[homes] = $2
		gsub(/\./, "\\.", home[homes])
		gsub(/\*/, "[^/]*", home[homes])
		if ($0 !~ /"[^"]+"/ || !($1 in word))
			print "homes.txt:" FNR ": a thing, a file, and the reason in quotes"
	}
	next
}
{
	file = $1
	sub(/:$/, "", file)
	line = substr($0, length($1) + 2)
	for (thing in word)
		if (line ~ ("(^|[^A-Za-z0-9_])(" word[thing] ")") && !allowed(thing, file) && !told[thing, file]++)
			print file ": " thing " has its home elsewhere:" line
}
END {
	for (i = 1; i <= homes; i++)
		if (!(i in used))
			print "homes.txt: " home_text[i] " does not use " home_thing[i]
}
