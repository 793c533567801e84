# SPDX-License-Identifier: MIT
# A job list that is wrong somewhere is told by file and line, and nothing of it runs.
. "$SOURCE/tests/tool/run_lib.sh"

# refused <what> <line> : ./jobs
refused() {
	run 255 jobs --limit gpu=2
	holds "$1" err "^jobs:$2: "
	[ ! -e ran ] || fail "$1: something ran"
	rm -f ran
}

: >jobs
refused 'an empty file' 1
printf '\n# nothing\n' >jobs
refused 'comments alone' 2
printf 'touch ran\n\000\001\002\377\n' >jobs
refused 'binary' 2
printf 'touch ran\ncores=2 touch ran\n' >jobs
refused 'no separator' 2
printf 'touch ran\n\ncores=2 --\n' >jobs
refused 'no command' 3
for demand in cores=x cores=-1 cores=1e999 cores=nan memory=1Q memory=99999999999G gpu=1.5 gpu=-1 class=urgent node=x \
	corse=1 licence=1 'cores=1 memory'; do
	printf 'touch ran\n%s -- touch ran\n' "$demand" >jobs
	refused "$demand" 2
done
{
	echo 'touch ran'
	head -c 200000 /dev/zero | tr '\0' x
} >jobs
refused 'a very long line' 2
head -c 100000 /dev/urandom >jobs
run 255 jobs
holds 'noise' err '^jobs:[0-9]+: '

run 255 none
holds 'no such file' err '^weir run: none: cannot be read: No such file'
run 255 .
holds 'a folder' err '^weir run: \.: cannot be read: '

# From standard input; the default demand goes where a line is silent.
printf 'echo a $WEIR_CORES\ncores=1 -- echo b $WEIR_CORES\n' | run 0 -k --default-demand cores=2 --machine "$four_cores"
same 'default demand' 'a 2,b 1,' "$(tr '\n' ',' <out)"
printf 'echo a' | run 0 -
same 'a last line without an end' 'a' "$(cat out)"
printf 'true\nx=\n' | run 0
printf 'cores=x -- true\n' | run 255 -
holds 'standard input' err '^standard input:1: '
finish
