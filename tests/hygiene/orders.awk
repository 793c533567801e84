# SPDX-License-Identifier: MIT
# The rule of orders_test.sh. Input: the sources with comments blanked but for "@ORDER(edge)", file by file, then the edges
# of docs/memory-order.md. A function ends at a closing brace in the first column.
function trim(text) {
	gsub(/^[ \t\\]+|[ \t\\]+$/, "", text)
	return text
}
# The arguments of the call that `text` begins with, into argument[1..]; returns how many, 0 if it does not end in `text`.
function arguments(text, i, c, depth, count, from) {
	depth = 0
	count = 0
	for (i = index(text, "("); i <= length(text); i++) {
		c = substr(text, i, 1)
		if (c == "(" || c == "[" || c == "{") {
			if (++depth == 1)
				from = i + 1
		} else if (c == ")" || c == "]" || c == "}") {
			if (--depth == 0) {
				argument[++count] = trim(substr(text, from, i - from))
				return count
			}
		} else if (c == "," && depth == 1) {
			argument[++count] = trim(substr(text, from, i - from))
			from = i + 1
		}
	}
	return 0
}
function end_function(text, rest, n, i, strong, edge) {
	split("", argued)
	rest = body
	while (match(rest, /@ORDER\([a-z0-9_, ]+\)/)) {
		n = split(substr(rest, RSTART + 7, RLENGTH - 8), list, /[, ]+/)
		for (i = 1; i <= n; i++) {
			argued[list[i]] = 1
			if (!(list[i] in where) && list[i] != "none")
				where[list[i]] = file
		}
		rest = substr(rest, RSTART + RLENGTH)
	}
	gsub(/@ORDER\([a-z0-9_, ]+\)/, "", body)
	rest = body
	while (match(rest, /(^|[^a-zA-Z0-9_])at_[a-z_]+\(/)) {
		text = substr(rest, RSTART)
		rest = substr(rest, RSTART + RLENGTH)
		n = arguments(text)
		strong = ""
		for (i = 1; i < n; i++)
			if (argument[i] ~ /^(acquire|release|acq_rel|seq_cst|consume)$/)
				strong = argument[i]
		if (strong == "")
			continue
		edge = argument[n]
		if (edge == "none")
			print file ": near line " start ": " strong " without an edge"
		else if (!(edge in argued))
			print file ": near line " start ": " strong " on " edge " without an ORDER(" edge ") comment in its function"
		if (edge != "none" && !(edge in where))
			where[edge] = file
	}
	body = ""
}
/^@@FILE / {
	end_function()
	file = $2
	line = 0
	start = 1
	next
}
/^@@ROW / {
	if ($2 != "edge")
		row[$2] = 1
	next
}
{
	line++
	if (file ~ /private\/atomics\.h$/)
		next
	body = body " " $0
	if ($0 ~ /^}/) {
		end_function()
		start = line + 1
	}
}
END {
	for (edge in where)
		if (!(edge in row))
			print where[edge] ": edge " edge " has no row in docs/memory-order.md"
	for (edge in row)
		if (!(edge in where))
			print "docs/memory-order.md: " edge " is no edge of the code"
}
