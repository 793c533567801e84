# SPDX-License-Identifier: MIT
# The rule of layers_test.sh. Input: LAYER lines of docs/layers.txt, FILE names, USER files (tools, bench), INCLUDE pairs.
function layer_of(file, i) {
	for (i = 1; i <= patterns; i++)
		if (match(file, pattern[i]) == 1 && RLENGTH == length(file)) {
			used[i] = 1
			return layer[i]
		}
	return ""
}
function folder(file) {
	sub(/\/[^\/]*$/, "", file)
	return file
}
$1 == "LAYER" && $2 ~ /^[0-9]+$/ {
	for (f = 3; f <= NF; f++) {
		p = $f
		gsub(/\./, "\\.", p)
		gsub(/\*/, "[^/]*", p)
		pattern[++patterns] = p
		text[patterns] = $f
		layer[patterns] = $2
	}
}
$1 == "FILE" { file[++files] = $2; known[$2] = 1 }
$1 == "USER" { known[$2] = 1 }
$1 == "INCLUDE" { from[++includes] = $2; to[includes] = $3 }
END {
	for (i = 1; i <= files; i++)
		if (layer_of(file[i]) == "")
			print file[i] ": has no layer in docs/layers.txt"
	for (i = 1; i <= includes; i++) {
		name = substr(to[i], 2)
		user = from[i] ~ /^(tools|bench)\//
		if (name ~ /^weir\//)
			target = "include/" name
		else if (substr(to[i], 1, 1) == "<")
			continue # the system's, or a foreign library's: homes_test.sh
		else if (name ~ /^private\//)
			target = "include/" name
		else if (name ~ /^(runtime|numa|include)\//)
			target = name
		else
			target = folder(from[i]) "/" name
		if (user) {
			if (target !~ /^include\/weir\// && target !~ /^(tools|bench)\//)
				print from[i] ": includes " target ", but tools and bench see include/weir alone"
			continue
		}
		if (!(target in known)) {
			print from[i] ": includes " target ", which is not there"
			continue
		}
		mine = layer_of(from[i])
		theirs = layer_of(target)
		if (theirs + 0 > mine + 0)
			print from[i] " (layer " mine ") includes " target " (layer " theirs ")"
		if (from[i] ~ /^include\/weir\// && target !~ /^include\/weir\//)
			print from[i] ": a public header includes " target
	}
	for (i = 1; i <= patterns; i++)
		if (!(i in used))
			print "docs/layers.txt: no file is " text[i]
}
