/* SPDX-License-Identifier: MIT */
/* monitor_big_test.c - M3 on an invented host of 1024 nodes and 8192 CPUs, with files of the size that such a host has: what
 * each reading costs is printed; that it does not grow with the machine means that a reading renews only some of the nodes,
 * and that in the end all of them are renewed. Fails if each reading reads all, or if some node is never read again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "numa/monitor_host.h"
#include "numa/topology.h"
#include "private/clock.h"
#include "roots.h"

enum { NODES = 1024, CPUS_PER_NODE = 8, CPUS = NODES * CPUS_PER_NODE, READINGS_MAX = 1000000 };

static void write_cpus(const struct fixture *f, unsigned tick)
{
	static char text[CPUS * 96];
	size_t length = (size_t)sprintf(text, "cpu  %u 0 0 %u 0 0 0 0 0 0\n", tick, tick);
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		length += (size_t)sprintf(text + length, "cpu%u %u 12345 6789012 %u 34567 0 8901 0 0 0\n", cpu,
					  100000000 + cpu + tick, 200000000 + cpu + tick);
	length += (size_t)sprintf(text + length, "intr 123456 1 2 3\nctxt 1\n");
	fixture_bytes(f, "/proc/stat", text, length);
}

static void write_nodes(const struct fixture *f)
{
	for (unsigned n = 0; n < NODES; n++) {
		char path[64], text[2048];
		int length = 0;
		static const char *const key[] = {
			"MemTotal",	"MemFree",	  "MemUsed",	  "SwapCached",	    "Active",	   "Inactive",
			"Active(anon)", "Inactive(anon)", "Active(file)", "Inactive(file)", "Unevictable", "Mlocked",
			"Dirty",	"Writeback",	  "FilePages",	  "Mapped",	    "AnonPages",   "Shmem",
			"KernelStack",	"PageTables",	  "Slab",	  "SReclaimable"};
		for (size_t k = 0; k < sizeof(key) / sizeof(key[0]); k++)
			length += sprintf(text + length, "Node %u %s: %15u kB\n", n, key[k],
					  k == 0 ? 67108864 : 1048576 + n);
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/meminfo", n);
		fixture_bytes(f, path, text, (size_t)length);
	}
}

/* Nothing but what the monitor looks at. */
struct big {
	struct weir_machine machine;
	struct machine_node node[NODES];
	uint32_t thread[CPUS], first_thread[CPUS + 1];
};

static void invent_big(struct big *big)
{
	*big = (struct big){.machine = {.is_this = true, .nodes = NODES, .cores = CPUS}};
	for (uint32_t n = 0; n < NODES; n++)
		big->node[n] =
			(struct machine_node){.physical = n, .cores = CPUS_PER_NODE, .first_core = n * CPUS_PER_NODE};
	for (uint32_t t = 0; t < CPUS; t++)
		big->thread[t] = big->first_thread[t] = t;
	big->first_thread[CPUS] = CPUS;
	big->machine.node = big->node;
	big->machine.thread = big->thread;
	big->machine.first_thread = big->first_thread;
}

static void a_reading_of_a_big_machine_costs_no_more(void **state)
{
	(void)state;
	static struct big big;
	static weir_node_reading node[NODES];
	struct fixture f;
	weir_reading r = {.size = sizeof(r), .node = node, .nodes_capacity = NODES};
	fixture_create(&f);
	root_write(&f, root_v2, ROOT_V2_FILES);
	write_nodes(&f);
	write_cpus(&f, 0);
	invent_big(&big);
	struct monitor_host *host = monitor_host_create(&big.machine, f.root);
	assert_non_null(host);
	uint64_t begun = clock_thread_cpu_ns();
	assert_int_equal(monitor_host_read(host, &r), WEIR_OK);
	uint64_t first_ns = clock_thread_cpu_ns() - begun, whole_ns = r.taken_at_ns;
	for (uint32_t n = 0; n < NODES; n++)
		assert_int_equal(node[n].memory_read_at_ns, whole_ns);
	write_cpus(&f, 50);

	uint32_t readings = 0, most = 0;
	uint64_t worst_ns = 0, sum_ns = 0;
	bool all_again = false;
	while (!all_again || !(r.known & WEIR_KNOWN_CPU)) {
		begun = clock_thread_cpu_ns();
		assert_int_equal(monitor_host_read(host, &r), WEIR_OK);
		uint64_t took_ns = clock_thread_cpu_ns() - begun;
		sum_ns += took_ns;
		worst_ns = took_ns > worst_ns ? took_ns : worst_ns;
		uint32_t renewed = 0;
		all_again = true;
		for (uint32_t n = 0; n < NODES; n++) {
			renewed += node[n].memory_read_at_ns == r.taken_at_ns;
			all_again &= node[n].memory_read_at_ns > whole_ns;
		}
		most = renewed > most ? renewed : most;
		assert_int_equal(r.read_at_ns[WEIR_PART_NODE_MEMORY] > whole_ns, all_again);
		assert_true(++readings < READINGS_MAX);
	}
	assert_true(most < NODES); /* 16 us never do for all of them */
	assert_true(node[NODES - 1].cpu_busy == 0.5);
	printf("%u nodes, %u CPUs: first reading %.1f ms; then %u readings of %.1f us on average until all was "
	       "renewed, at most "
	       "%u nodes at once, the longest %.1f ms (all of /proc/stat)\n",
	       NODES, CPUS, (double)first_ns / 1e6, readings, (double)sum_ns / readings / 1e3, most,
	       (double)worst_ns / 1e6);
	monitor_host_destroy(host);
	fixture_destroy(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_reading_of_a_big_machine_costs_no_more)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
