# SPDX-License-Identifier: MIT
# Blanks comments and the contents of strings and character constants, line for line. With -v orders=1, ORDER(edge) in
# a comment stays, as "@ORDER(edge)".
function keep_orders(text, out) {
	out = ""
	while (match(text, /ORDER\([a-z0-9_, ]+\)/)) {
		out = out " @" substr(text, RSTART, RLENGTH)
		text = substr(text, RSTART + RLENGTH)
	}
	return out
}
{
	line = $0
	out = ""
	while (line != "") {
		if (in_comment) {
			end = index(line, "*/")
			text = end ? substr(line, 1, end - 1) : line
			if (orders)
				out = out keep_orders(text)
			if (!end)
				break
			line = substr(line, end + 2)
			in_comment = 0
			continue
		}
		if (!match(line, /\/\*|\/\/|"|'/)) {
			out = out line
			break
		}
		out = out substr(line, 1, RSTART - 1)
		mark = substr(line, RSTART, RLENGTH)
		line = substr(line, RSTART + RLENGTH)
		if (mark == "/*") {
			in_comment = 1
			out = out " "
		} else if (mark == "//") {
			if (orders)
				out = out keep_orders(line)
			break
		} else {
			# An #include keeps its file's name.
			include = out ~ /^[ \t]*#[ \t]*include/
			out = out mark
			while (line != "") {
				c = substr(line, 1, 1)
				if (c == "\\") {
					line = substr(line, 3)
					continue
				}
				line = substr(line, 2)
				if (c == mark)
					break
				if (include)
					out = out c
			}
			out = out mark
		}
	}
	print out
}
