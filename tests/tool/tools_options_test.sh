# SPDX-License-Identifier: MIT
# A wrong option of a tool is told before anything is installed, built or run: fails where it is taken for something else, or
# passed over.
. "$SOURCE/tests/tool/run_lib.sh"
for tool in demo check vm-tests fuzz soak bench-monitor count-instructions count-cores; do
	for wrong in --nonsense '-h' '1 --nonsense' 'a b'; do
		case $tool$wrong in
		'soak1 '* | 'fuzz1 '* | 'bench-monitor1 '* | 'count-coresa '*) continue ;; # the first word is right
		esac
		# shellcheck disable=SC2086
		timeout 60 "$SOURCE/tools/$tool" $wrong >out 2>&1 </dev/null
		same "tools/$tool $wrong: status" 2 $?
		holds "tools/$tool $wrong" out "^usage: tools/$tool"
	done
done
finish
