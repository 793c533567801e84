/* SPDX-License-Identifier: MIT */
/* limits_say_test.c - what bounds this process is said once, in the log, from recorded hosts of either cgroup version: the
 * quota, the group, what others use, the ranks, the mask, or who gave a limit; and the limits are those that are said. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <weir/log.h>
#include <weir/tracker.h>

#include "fixture.h"
#include "invented.h"
#include "private/compiler.h"
#include "runtime/limits_say.h"

enum { TEXT_BYTES = 16384 };

struct heard {
	char text[TEXT_BYTES];
	size_t length;
	int lines;
};

static void hear(weir_log_level level, const char *line, void *context)
{
	struct heard *heard = context;
	(void)level;
	heard->lines++;
	if (heard->length + strlen(line) + 2 < TEXT_BYTES)
		heard->length += (size_t)sprintf(heard->text + heard->length, "%s\n", line);
}

static void says(const struct heard *heard, const char *what)
{
	if (!strstr(heard->text, what))
		fail_msg("\"%s\" is not in\n%s", what, heard->text);
}

/* Resolve what was given on a machine, and hear what is said of it. */
static struct heard *said_of(const weir_machine *machine, const weir_limits *given, struct limits *limits)
{
	static struct heard heard;
	heard = (struct heard){.length = 0};
	assert_int_equal(limits_resolve(limits, machine, given), WEIR_OK);
	assert_int_equal(weir_log_set(WEIR_LOG_INFO, hear, &heard, 1000), WEIR_OK);
	limits_say(limits, machine, given);
	assert_int_equal(weir_log_set(WEIR_LOG_OFF, NULL, NULL, 0), WEIR_OK);
	return &heard;
}

/* This machine with another host's files. */
static weir_machine *machine_with(const struct fixture *f, const char *ranks)
{
	weir_machine *machine;
	if (ranks)
		setenv("OMPI_COMM_WORLD_LOCAL_SIZE", ranks, 1);
	weir_status status = machine_create(&machine, "this", f->root);
	unsetenv("OMPI_COMM_WORLD_LOCAL_SIZE");
	assert_int_equal(status, WEIR_OK);
	return machine;
}

static uint64_t memory_of(const struct limits *limits)
{
	uint64_t sum = 0;
	for (uint32_t n = 0; n < limits->nodes; n++)
		sum += limits_amount(limits, limits->node[n]).memory_bytes;
	return sum;
}

/* A share, less what is kept back of it: of what the machine has the same, of less no less, of more at most as much more. */
static void is_share(const struct limits *limits, const weir_machine *machine, uint64_t share)
{
	uint64_t back = machine->facts.kept_back_bytes;
	assert_true(back > 0);
	uint64_t least = share > 4 * back ? share - 4 * back : share / 2;
	assert_in_range(memory_of(limits), least - 65536, share - (back < share / 2 ? back : share / 2));
}

static void version_two_bounds_by_quota_and_group(void **state)
{
	(void)state;
	struct fixture f;
	struct limits limits;
	fixture_create(&f);
	fixture_text(&f, "/proc/self/cgroup", "0::/job/step\n");
	fixture_text(&f, "/proc/self/mountinfo", "30 20 0:26 / /cg rw - cgroup2 cgroup2 rw\n");
	fixture_text(&f, "/cg/job/cpu.max", "50000 100000\n");
	fixture_text(&f, "/cg/job/step/memory.max", "268435456\n");
	fixture_text(&f, "/cg/job/step/memory.current", "134217728\n");
	fixture_text(&f, "/cg/job/step/memory.stat", "inactive_file 67108864\n");
	weir_machine *machine = machine_with(&f, "3");
	const struct heard *heard = said_of(machine, NULL, &limits);
	says(heard, "0.5 cores in all: CPU quota of control group /cg/job\n");
	says(heard,
	     "control group /cg/job/step may take 192 MiB more, for 3 ranks on this host (the launcher's variables)");
	is_share(&limits, machine, 64 << 20);
	limits_fini(&limits);
	/* Who knows better says so. */
	heard = said_of(machine, WEIR_LIMITS(.local_ranks = 6), &limits);
	says(heard, "for 6 ranks on this host (limits.local_ranks)");
	is_share(&limits, machine, 32 << 20);
	limits_fini(&limits);
	heard = said_of(machine, WEIR_LIMITS(.local_ranks = 1), &limits);
	assert_null(strstr(heard->text, "ranks"));
	is_share(&limits, machine, 192 << 20);
	limits_fini(&limits);
	weir_machine_destroy(machine);
	fixture_destroy(&f);
}

static void version_one_bounds_too(void **state)
{
	(void)state;
	struct fixture f;
	struct limits limits;
	fixture_create(&f);
	fixture_text(&f, "/proc/self/cgroup", "4:memory:/m\n3:cpu,cpuacct:/c\n");
	fixture_text(&f, "/proc/self/mountinfo",
		     "30 20 0:26 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
		     "31 20 0:27 / /cg/memory rw - cgroup cgroup rw,memory\n");
	fixture_text(&f, "/cg/cpu/c/cpu.cfs_quota_us", "25000\n");
	fixture_text(&f, "/cg/cpu/c/cpu.cfs_period_us", "100000\n");
	fixture_text(&f, "/cg/memory/m/memory.limit_in_bytes", "134217728\n");
	fixture_text(&f, "/cg/memory/m/memory.usage_in_bytes", "67108864\n");
	weir_machine *machine = machine_with(&f, NULL);
	const struct heard *heard = said_of(machine, NULL, &limits);
	says(heard, "0.25 cores in all: CPU quota of control group /cg/cpu/c\n");
	says(heard, "MiB in all: control group /cg/memory/m may take 64 MiB more, less ");
	is_share(&limits, machine, 64 << 20);
	assert_null(strstr(heard->text, "ranks"));
	limits_fini(&limits);
	weir_machine_destroy(machine);
	fixture_destroy(&f);
}

/* No group limits anything: what others use does, and the mask. */
static void what_others_use_bounds(void **state)
{
	(void)state;
	struct fixture f;
	struct limits limits;
	cpu_set_t before, one;
	fixture_create(&f);
	weir_machine *machine = machine_with(&f, NULL);
	says(said_of(machine, NULL, &limits), "use unknown, taken for free: ");
	limits_fini(&limits);
	for (uint32_t n = 0; n < machine->nodes; n++) {
		char path[64], text[256];
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/meminfo", machine->node[n].physical);
		snprintf(text, sizeof(text), "Node 0 MemTotal: 200000 kB\nNode 0 MemFree: 102400 kB\n");
		fixture_text(&f, path, text);
	}
	uint32_t nodes = machine->nodes, cpu = machine->cpu[0], threads = machine->facts.threads_bound;
	weir_machine_destroy(machine);
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	machine = machine_with(&f, NULL);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	const struct heard *heard = said_of(machine, NULL, &limits);
	char free_mib[64];
	snprintf(free_mib, sizeof(free_mib), ": free or reclaimable are %u MiB of", nodes * 100);
	says(heard, free_mib);
	says(heard, threads > 1 ? "1 cores in all: this process's CPU mask, 1 of " : "1 cores in all: ");
	limits_fini(&limits);
	weir_machine_destroy(machine);
	fixture_destroy(&f);
}

static void what_was_given_is_said_to_be(void **state)
{
	(void)state;
	struct invented invented;
	struct limits limits;
	const weir_node_limit node[] = {{.cores = 1.5}, {.memory_bytes = 64 << 20}};
	const weir_machine *machine = invent(&invented, 4, 4, 128 << 20);
	const struct heard *heard =
		said_of(machine, WEIR_LIMITS(.cores = 3, .memory_bytes = 96 << 20, .node = node, .nodes = 2), &limits);
	assert_int_equal(heard->lines, 5);
	says(heard, "node 0: 1.5 cores (given by limits.node), 96 MiB\n");
	says(heard, "node 1: 3 cores, 64 MiB (given by limits.node)\n");
	says(heard, "nodes 2-3: 3 cores each, 96 MiB each\n");
	says(heard, "3 cores in all: given by limits.cores\n");
	says(heard, "96 MiB in all: given by limits.memory_bytes\n");
	limits_fini(&limits);
}

/* A large machine takes few lines: equal nodes share one, and unlike ones are cut. */
static void many_nodes_do_not_fill_the_log(void **state)
{
	(void)state;
	weir_machine *machine;
	struct limits limits;
	static weir_node_limit node[1024];
	assert_int_equal(weir_machine_create(&machine, "numa:1024(memory=1GiB) core:2 pu:1"), WEIR_OK);
	const struct heard *heard = said_of(machine, NULL, &limits);
	assert_int_equal(heard->lines, 3);
	says(heard, "nodes 0-1023: 2 cores each, 1024 MiB each\n");
	says(heard, "2048 cores in all: the machine's\n");
	limits_fini(&limits);
	for (int i = 0; i < 1024; i++)
		node[i].cores = 1 + i % 2;
	heard = said_of(machine, WEIR_LIMITS(.node = node, .nodes = 1024), &limits);
	assert_int_equal(heard->lines, 16 + 1 + 2);
	says(heard, "and 1008 more unlike nodes\n");
	limits_fini(&limits);
	weir_machine_destroy(machine);
}

/* A tracker says it when it is made, and only then. */
static void a_tracker_says_it_once(void **state)
{
	(void)state;
	static struct heard heard;
	weir_tracker *tracker;
	assert_int_equal(weir_log_set(WEIR_LOG_INFO, hear, &heard, 1000), WEIR_OK);
	assert_int_equal(weir_tracker_create(&tracker, WEIR_TRACKER_OPTIONS(.machine = "numa:2 core:2 pu:1")), WEIR_OK);
	assert_true(weir_tracker_can_allocate(tracker, WEIR_DEMAND(.cores = 1)));
	assert_int_equal(weir_log_set(WEIR_LOG_OFF, NULL, NULL, 0), WEIR_OK);
	says(&heard, "limits: 4 cores in all");
	assert_int_equal(heard.lines, 3);
	assert_int_equal(weir_tracker_destroy(tracker), WEIR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_two_bounds_by_quota_and_group),
		cmocka_unit_test(version_one_bounds_too),
		cmocka_unit_test(what_others_use_bounds),
		cmocka_unit_test(what_was_given_is_said_to_be),
		cmocka_unit_test(many_nodes_do_not_fill_the_log),
		cmocka_unit_test(a_tracker_says_it_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
