/* SPDX-License-Identifier: MIT */
/* monitor_host_test.c - the host's files as readings, from recorded roots of either cgroup version: exact numbers; what is
 * missing, broken or moved; what costs much is read rarely (M3). */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/log.h>

#include "fixture.h"
#include "numa/monitor_host.h"
#include "numa/topology.h"
#include "private/compiler.h"
#include "roots.h"

#define READING(room, nodes)                                                            \
	{                                                                               \
		.size = sizeof(weir_reading), .node = (room), .nodes_capacity = (nodes) \
	}

/* A clock of costs that tests set: waking up takes `wake_ns`, each part `part_ns`. */
static uint64_t cost_now_ns, wake_ns, part_ns;
static bool wakes;

static uint64_t cost_clock(void)
{
	cost_now_ns += wakes ? wake_ns : part_ns;
	wakes = false;
	return cost_now_ns;
}

struct scene {
	struct fixture f;
	weir_machine *machine;
	struct monitor_host *host;
	weir_node_reading node[2];
	weir_reading r;
};

/* The nodes are made up; their threads are 0, 1 and 2, 3. */
static void open_scene(struct scene *s, const struct root_file *files, size_t count, uint64_t each_ns)
{
	*s = (struct scene){.r = READING(s->node, 2)};
	fixture_create(&s->f);
	root_write(&s->f, files, count);
	assert_int_equal(weir_machine_create(&s->machine, "numa:2 core:2 pu:1"), WEIR_OK);
	s->machine->is_this = true;
	s->host = monitor_host_create(s->machine, s->f.root);
	assert_non_null(s->host);
	part_ns = each_ns;
	wake_ns = 1;
	monitor_host_cost_clock(s->host, cost_clock);
	assert_int_equal(monitor_host_start(s->host, 100 * WEIR_NS_PER_MS), WEIR_OK);
}

static void close_scene(struct scene *s)
{
	monitor_host_destroy(s->host);
	weir_machine_destroy(s->machine);
	fixture_destroy(&s->f);
}

static void read_again(struct scene *s)
{
	wakes = true;
	assert_int_equal(monitor_host_read(s->host, &s->r), WEIR_OK);
}

static void version_two_gives_exact_readings(void **state)
{
	(void)state;
	struct scene s;
	open_scene(&s, root_v2, ROOT_V2_FILES, 1);
	read_again(&s);
	const weir_reading *r = &s.r;
	const uint32_t all = (WEIR_KNOWN_TRIGGERS - 1) & ~(uint32_t)(WEIR_KNOWN_CPU | WEIR_KNOWN_QUEUE_DELAY);
	assert_int_equal(r->known, all);
	assert_int_equal(r->memory_total_bytes, 1700 * 1024);
	assert_int_equal(r->memory_free_bytes, 310 * 1024);
	assert_int_equal(r->memory_available_bytes, 205 * 1024);
	assert_int_equal(s.node[0].memory_total_bytes, 800 * 1024);
	assert_int_equal(s.node[0].memory_free_bytes, 300 * 1024);
	assert_int_equal(s.node[0].memory_available_bytes, 200 * 1024); /* half of what is listed, as the host's */
	assert_int_equal(s.node[1].memory_available_bytes, 5 * 1024);
	assert_true(r->pressure[WEIR_STALL_CPU].some == 12.5 && r->pressure[WEIR_STALL_CPU].full == 0);
	assert_true(r->pressure[WEIR_STALL_MEMORY].some == 3.5 && r->pressure[WEIR_STALL_MEMORY].full == 1.25);
	assert_int_equal(r->pressure[WEIR_STALL_IO].full_total_ns, 9000);
	assert_int_equal(r->cgroup_memory_bytes, 12345);
	assert_int_equal(r->cgroup_memory_max_bytes, 99999); /* of the group above */
	assert_int_equal(r->cgroup_memory_high_bytes, 88888);
	assert_int_equal(r->cgroup_memory_available_bytes, 88888 - 12345); /* /job has 84999 left */
	assert_int_equal(r->cgroup_high_events, 2);
	assert_int_equal(r->cgroup_max_events, 3);
	assert_int_equal(r->cgroup_oom_events, 4);
	assert_int_equal(r->cgroup_oom_kills, 5);
	assert_true(r->cgroup_cpu_quota == 1.5);
	assert_int_equal(r->cgroup_cpu_used_ns, 777000);
	assert_int_equal(r->cgroup_periods, 100);
	assert_int_equal(r->cgroup_throttled_periods, 7);
	assert_int_equal(r->cgroup_throttled_ns, 5000000);
	assert_true(r->cgroup_pressure[WEIR_STALL_MEMORY].full == 0.5);
	assert_int_equal(r->cgroup_pressure[WEIR_STALL_MEMORY].full_total_ns, 22000);
	assert_int_equal(r->process_virtual_bytes, 100 * sysconf(_SC_PAGESIZE));
	assert_int_equal(r->process_rss_bytes, 7 * sysconf(_SC_PAGESIZE));
	assert_true(r->process_cpu_ns > 0);
	for (int part = 0; part < WEIR_PARTS; part++)
		assert_int_equal(r->read_at_ns[part], part == WEIR_PART_QUEUE ? 0 : r->taken_at_ns);

	/* Node 0: 60 + 40 busy of 100 + 100; node 1: cpu2 is away, cpu3's idle went back. */
	fixture_text(&s.f, "/proc/stat", "cpu 1 1 1 1\ncpu0 60 0 0 40\ncpu1 60 20 10 110\ncpu3 30 0 0 0\n");
	read_again(&s);
	assert_int_equal(r->known, all | WEIR_KNOWN_CPU);
	assert_true(s.node[0].cpu_busy == 0.5);
	assert_true(s.node[1].cpu_busy == 1);
	/* No tick has passed: the last shares stand. */
	read_again(&s);
	assert_int_equal(r->known, all | WEIR_KNOWN_CPU);
	assert_true(s.node[0].cpu_busy == 0.5);
	/* After a pause the old times say nothing. */
	assert_int_equal(monitor_host_start(s.host, 100 * WEIR_NS_PER_MS), WEIR_OK);
	read_again(&s);
	assert_int_equal(r->known, all);
	close_scene(&s);
}

/* Both at once: the controllers of version 1, and pressure in version 2's hierarchy. */
static void version_one_gives_exact_readings(void **state)
{
	(void)state;
	struct scene s;
	open_scene(&s, root_v1, ROOT_V1_FILES, 1);
	read_again(&s);
	const weir_reading *r = &s.r;
	assert_int_equal(r->known & ~(uint32_t)(WEIR_KNOWN_CPU),
			 WEIR_KNOWN_CGROUP_MEMORY | WEIR_KNOWN_CGROUP_MEMORY_MAX | WEIR_KNOWN_CGROUP_MEMORY_AVAILABLE |
				 WEIR_KNOWN_CGROUP_MEMORY_EVENTS | WEIR_KNOWN_CGROUP_CPU_QUOTA |
				 WEIR_KNOWN_CGROUP_CPU_USE | WEIR_KNOWN_CGROUP_THROTTLING |
				 WEIR_KNOWN_CGROUP_IO_PRESSURE);
	assert_int_equal(r->cgroup_memory_bytes, 4096000);
	assert_int_equal(r->cgroup_memory_max_bytes, 8192000);
	assert_int_equal(r->cgroup_memory_available_bytes, 8192000 - (4096000 - 96000));
	assert_int_equal(r->cgroup_oom_kills, 3);
	assert_int_equal(r->cgroup_max_events, 41);
	assert_true(r->cgroup_cpu_quota == 2);
	assert_int_equal(r->cgroup_cpu_used_ns, 123456789);
	assert_int_equal(r->cgroup_periods, 10);
	assert_int_equal(r->cgroup_throttled_periods, 4);
	assert_int_equal(r->cgroup_throttled_ns, 999);
	assert_true(r->cgroup_pressure[WEIR_STALL_IO].some == 7);
	close_scene(&s);
}

/* Some batch systems move a process after its start; a limit that is lowered above the group binds from then on. */
static void a_move_to_another_group_is_followed(void **state)
{
	(void)state;
	struct scene s;
	open_scene(&s, root_v2, ROOT_V2_FILES, 1);
	read_again(&s);
	fixture_text(&s.f, "/cg/other/memory.current", "777\n");
	fixture_text(&s.f, "/cg/other/memory.max", "1000\n");
	fixture_text(&s.f, "/cg/other/memory.events", "oom_kill 9\n");
	fixture_text(&s.f, "/proc/self/cgroup", "0::/other\n");
	read_again(&s);
	assert_int_equal(s.r.cgroup_memory_bytes, 777);
	assert_int_equal(s.r.cgroup_memory_max_bytes, 1000);
	assert_int_equal(s.r.cgroup_oom_kills, 9);
	assert_false(s.r.known & WEIR_KNOWN_CGROUP_MEMORY_PRESSURE);
	close_scene(&s);
}

static int lines;

static void count_lines(weir_log_level level, const char *line, void *context)
{
	(void)level;
	(void)line;
	++*(int *)context;
}

static void what_is_missing_is_said_once(void **state)
{
	(void)state;
	struct scene s;
	open_scene(&s, NULL, 0, 1);
	lines = 0;
	assert_int_equal(weir_log_set(WEIR_LOG_INFO, count_lines, &lines, 100), WEIR_OK);
	for (int i = 0; i < 200; i++) {
		s.r.known = UINT32_MAX;
		read_again(&s);
		assert_int_equal(s.r.known, 0);
		assert_int_equal(lines, 17);
	}
	/* What comes later is found, without the log. */
	root_write(&s.f, root_v2, ROOT_V2_FILES);
	for (int i = 0; i < 200; i++)
		read_again(&s);
	assert_true(s.r.known & WEIR_KNOWN_CGROUP_MEMORY_EVENTS);
	assert_true(s.r.known & WEIR_KNOWN_NODE_MEMORY);
	assert_int_equal(lines, 17);
	assert_int_equal(weir_log_set(WEIR_LOG_OFF, NULL, NULL, 0), WEIR_OK);
	close_scene(&s);
}

/* One file at a time cannot be read (a directory stands in its place): only its bits are clear. */
static void one_file_that_cannot_be_read_takes_only_its_own_bits(void **state)
{
	(void)state;
	static const struct {
		const char *path;
		uint32_t bits;
	} cases[] = {
		{"/proc/meminfo", WEIR_KNOWN_HOST_MEMORY},
		{"/sys/devices/system/node/node1/meminfo", WEIR_KNOWN_NODE_MEMORY},
		{"/proc/stat", WEIR_KNOWN_CPU},
		{"/proc/pressure/io", WEIR_KNOWN_IO_PRESSURE},
		{"/proc/self/statm", WEIR_KNOWN_PROCESS},
		{"/cg/job/g/memory.current", WEIR_KNOWN_CGROUP_MEMORY},
		{"/cg/job/memory.events", WEIR_KNOWN_CGROUP_MEMORY_EVENTS},
		{"/cg/job/cpu.stat", WEIR_KNOWN_CGROUP_THROTTLING},
		{"/cg/job/g/cpu.stat", WEIR_KNOWN_CGROUP_CPU_USE},
		{"/cg/job/g/cpu.pressure", WEIR_KNOWN_CGROUP_CPU_PRESSURE},
	};
	struct scene s;
	open_scene(&s, root_v2, ROOT_V2_FILES, 1);
	read_again(&s);
	read_again(&s);
	uint32_t all = s.r.known;
	close_scene(&s);
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		char path[4096];
		open_scene(&s, root_v2, ROOT_V2_FILES, 1);
		snprintf(path, sizeof(path), "%s%s", s.f.root, cases[i].path);
		assert_int_equal(remove(path), 0);
		assert_int_equal(mkdir(path, 0755), 0);
		read_again(&s);
		read_again(&s);
		if (s.r.known != (all & ~cases[i].bits))
			fail_msg("%s: known %x", cases[i].path, s.r.known);
		close_scene(&s);
	}
}

/* What a reading takes on average, and how often each part was renewed. */
static uint64_t cost_of_readings(struct scene *s, uint32_t readings, uint32_t renewed[WEIR_PARTS])
{
	uint64_t before[WEIR_PARTS];
	/* The first is made whole; then the shares settle. */
	for (int i = 0; i < 1000; i++)
		read_again(s);
	uint64_t begun = cost_now_ns;
	memset(renewed, 0, WEIR_PARTS * sizeof(renewed[0]));
	for (uint32_t i = 0; i < readings; i++) {
		memcpy(before, s->r.read_at_ns, sizeof(before));
		read_again(s);
		for (int p = 0; p < WEIR_PARTS; p++)
			renewed[p] += s->r.read_at_ns[p] != before[p];
	}
	return (cost_now_ns - begun) / readings;
}

/* M3. Each part takes a millisecond by the tests' clock; at 100 ms all of them together, with waking up, may take less than
 * 0.1 ms. Fails if a part is read as often as before whatever it costs, or if one is never read again. */
static void what_costs_much_is_read_rarely_but_for_ever(void **state)
{
	(void)state;
	static const struct {
		uint64_t interval_ms, wake_ns, part_ns, least_ns, most_ns;
	} cases[] = {
		{100, 10000, WEIR_NS_PER_MS, 60000, 90000},    {100, 10000, 15 * WEIR_NS_PER_MS, 60000, 90000},
		{100, 60000, WEIR_NS_PER_MS, 75000, 95000},    /* a busy machine */
		{100, 200000, WEIR_NS_PER_MS, 205000, 215000}, /* nothing helps: the parts get the least */
		{1, 10000, WEIR_NS_PER_MS, 60000, 90000},      /* a reading costs no more because there are many */
		{1000, 10000, WEIR_NS_PER_MS, 600000, 900000}, /* ten times the interval: ten times the share */
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		enum { READINGS = 40000 };
		struct scene s;
		uint32_t renewed[WEIR_PARTS];
		open_scene(&s, root_v2, ROOT_V2_FILES, cases[i].part_ns);
		wake_ns = cases[i].wake_ns;
		assert_int_equal(monitor_host_start(s.host, cases[i].interval_ms * WEIR_NS_PER_MS), WEIR_OK);
		uint64_t each_ns = cost_of_readings(&s, READINGS, renewed);
		if (each_ns < cases[i].least_ns || each_ns > cases[i].most_ns)
			fail_msg("case %zu: %llu ns", i, (unsigned long long)each_ns);
		for (int p = 0; p < WEIR_PARTS; p++)
			if (p != WEIR_PART_QUEUE)
				assert_in_range(renewed[p], 8, READINGS / 2);
		close_scene(&s);
	}
}

/* A stall is no time to rest: pressure and the group's memory are read whatever they cost. */
static void a_stall_is_looked_at_at_once(void **state)
{
	(void)state;
	struct scene s;
	open_scene(&s, root_v2, ROOT_V2_FILES, 1000 * WEIR_NS_PER_MS);
	read_again(&s);
	read_again(&s); /* now it is known what they cost */
	fixture_text(&s.f, "/cg/job/g/memory.pressure", "some avg10=90.00 total=1\nfull avg10=80.00 total=1\n");
	fixture_text(&s.f, "/cg/job/g/memory.current", "99998\n");
	read_again(&s);
	assert_int_equal(s.r.cgroup_memory_bytes, 12345);
	s.r.early = true;
	read_again(&s);
	assert_true(s.r.early);
	assert_int_equal(s.r.cgroup_memory_bytes, 99998);
	assert_true(s.r.cgroup_pressure[WEIR_STALL_MEMORY].full == 80);
	assert_true(s.r.read_at_ns[WEIR_PART_NODE_CPU] < s.r.taken_at_ns);
	close_scene(&s);
}

/* This host lets us set triggers or it does not: either is said. */
static void triggers_are_set_where_the_kernel_lets_us(void **state)
{
	(void)state;
	weir_machine *machine;
	weir_monitor_watch watch[WEIR_MONITOR_WATCHES];
	weir_reading r = READING(NULL, 0);
	assert_int_equal(weir_machine_create(&machine, "this"), WEIR_OK);
	struct monitor_host *host = monitor_host_create(machine, "");
	assert_non_null(host);
	uint32_t set = monitor_host_watch(host, watch, WEIR_MONITOR_WATCHES);
	assert_in_range(set, 0, WEIR_MONITOR_WATCHES);
	assert_int_equal(monitor_host_read(host, &r), WEIR_OK);
	assert_int_equal(!!(r.known & WEIR_KNOWN_TRIGGERS), set > 0);
	for (uint32_t i = 0; i < set; i++)
		assert_int_equal(fcntl(watch[i].fd, F_GETFD), FD_CLOEXEC);
	monitor_host_stop(host);
	for (uint32_t i = 0; i < set; i++)
		assert_int_equal(fcntl(watch[i].fd, F_GETFD), -1);
	monitor_host_destroy(host);
	weir_machine_destroy(machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_two_gives_exact_readings),
		cmocka_unit_test(version_one_gives_exact_readings),
		cmocka_unit_test(a_move_to_another_group_is_followed),
		cmocka_unit_test(what_is_missing_is_said_once),
		cmocka_unit_test(one_file_that_cannot_be_read_takes_only_its_own_bits),
		cmocka_unit_test(what_costs_much_is_read_rarely_but_for_ever),
		cmocka_unit_test(a_stall_is_looked_at_at_once),
		cmocka_unit_test(triggers_are_set_where_the_kernel_lets_us),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
