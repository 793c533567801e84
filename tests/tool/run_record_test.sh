# SPDX-License-Identifier: MIT
# --record writes what was run as a workload that weir replay reads.
. "$SOURCE/tests/tool/run_lib.sh"

cat >jobs <<'EOF'
cores=2 memory=10M -- sleep 0.1
cores=0.5 -- exit 3
cores=99 -- true
memory=64M -- dd if=/dev/zero of=/dev/null bs=32M count=1 2>/dev/null
EOF
run 2 jobs --record out.swf --limit-cpu 4 --limit-memory 1G --machine "$four_cores"
same 'jobs' 4 "$(grep -vc '^;' out.swf)"
same 'fields' 18 "$(grep -v '^;' out.swf | awk '{ print NF }' | sort -u)"
holds 'header' out.swf '^; Version: 2.2$'
holds 'header' out.swf '^; MaxProcs: 4$'
holds 'header' out.swf '^; WeirMachineMemory: 1048576$'

# field <number>: of all jobs
field() {
	grep -v '^;' out.swf | awk -v at="$1" '{ print $at }' | tr '\n' ' '
}

same 'numbers' '1 2 3 4 ' "$(field 1)"
same 'processors' '2 1 -1 1 ' "$(field 5)"
same 'requested processors' '2 1 99 1 ' "$(field 8)"
same 'requested memory, KB a processor' '5120 -1 -1 65536 ' "$(field 10)"
same 'status' '1 0 5 1 ' "$(field 11)"
same 'the run times are known but of what never ran' '1 1 0 1 ' \
	"$(field 4 | awk '{ for (i = 1; i <= NF; i++) printf "%d ", ($i > 0) }')"
same 'used memory of a buffer of 32 MB' 1 "$(field 7 | awk '{ print ($4 >= 32768) }')"

"$WEIR" replay out.swf --machine "$four_cores" --limit-memory 1G --json >report 2>err || fail "weir replay: $(cat err)"
holds 'replay' report '"completed": *3'
finish
