# SPDX-License-Identifier: MIT
# Several nodes, in a guest of four with two cores each and one of memory alone: threads run where they are bound, memory is
# on the node of the grant, page by page, whoever touches it, also on the node without cores; without overcommit, with few
# mappings; a cpuset, a binding and a CPU quota are kept; where the kernel refuses to bind memory, it is where it is touched
# first. Then the unit tests that touch the topology.
# Fails where weir says one thing of nodes and the kernel another; on a host of one node nothing of this can be seen.
set -u
: "${SOURCE:?the source tree}" "${BUILD:?the build tree}"
tests="topology_test pin_test arena_test leftover_test host_test limits_test ledger_test strategy_test pool_test admission_test"
along=
for test in nodes $tests; do
	along="$along -f $BUILD/tests/$test"
done
exec "$SOURCE/tests/vm/guest" -t 600 -x 96 $along -f "$SOURCE/tests/data" -f "$SOURCE/tests/vm/nodes_inside.sh=/nodes_inside.sh" -- \
	sh /nodes_inside.sh "$BUILD" "$SOURCE" $tests
