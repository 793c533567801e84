/* SPDX-License-Identifier: MIT */
/* host_test.c - the host's files found: control groups of either version, per-node memory, ranks of a job. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "numa/host.h"
#include "numa/ranks.h"
#include "private/compiler.h"

#define MIB (UINT64_C(1) << 20)

static void the_tightest_limit_up_the_tree_counts(void **state)
{
	(void)state;
	struct fixture f;
	fixture_create(&f);
	fixture_text(&f, "/proc/self/cgroup", "0::/a/b/c\n");
	fixture_text(&f, "/proc/self/mountinfo", "30 20 0:26 / /cg rw - cgroup2 cgroup2 rw\n");
	fixture_text(&f, "/cg/a/b/c/cpu.max", "max 100000\n");
	fixture_text(&f, "/cg/a/b/cpu.max", "250000 100000\n");
	fixture_text(&f, "/cg/a/cpu.max", "400000 100000\n");
	fixture_text(&f, "/cg/a/b/c/memory.max", "max\n");
	fixture_text(&f, "/cg/a/b/c/memory.current", "1048576\n");
	fixture_text(&f, "/cg/a/b/memory.max", "104857600\n");
	fixture_text(&f, "/cg/a/b/memory.current", "73400320\n"); /* 70 MiB, 20 of them page cache: 50 MiB room */
	fixture_text(&f, "/cg/a/b/memory.stat", "anon 5\ninactive_file 10485760\nactive_file 10485760\n");
	fixture_text(&f, "/cg/a/memory.max", "209715200\n");
	fixture_text(&f, "/cg/a/memory.high", "94371840\n"); /* 90 MiB, 60 used: 30 MiB room */
	fixture_text(&f, "/cg/a/memory.current", "62914560\n");
	struct host_cgroup group;
	double cores = 0;
	uint64_t bytes = 0;
	host_cgroup_find(f.root, &group);
	assert_string_equal(group.memory, "/cg/a/b/c");
	assert_true(group.memory_v2 && group.cpu_v2);
	char where[HOST_PATH_BYTES] = "";
	assert_true(host_cgroup_cores(f.root, &group, &cores, where));
	assert_true(cores == 2.5);
	assert_string_equal(where, "/cg/a/b");
	assert_true(host_cgroup_memory_max(f.root, &group, &bytes, where));
	assert_int_equal(bytes, 100 * MIB);
	assert_string_equal(where, "/cg/a/b");
	assert_true(host_cgroup_memory_high(f.root, &group, &bytes));
	assert_int_equal(bytes, 90 * MIB);
	assert_true(host_cgroup_memory_room(f.root, &group, &bytes, where));
	assert_int_equal(bytes, 30 * MIB);
	assert_string_equal(where, "/cg/a");
	fixture_destroy(&f);
}

/* Version 1 has its controllers apart, "-1" for no quota and a large number for no limit. */
static void version_one_and_both_at_once(void **state)
{
	(void)state;
	struct fixture f;
	fixture_create(&f);
	fixture_text(&f, "/proc/self/cgroup", "4:memory:/m\n3:cpu,cpuacct:/job/step\n0::/\n");
	fixture_text(
		&f, "/proc/self/mountinfo",
		"30 20 0:26 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n31 20 0:27 / /cg/memory rw - cgroup cgroup "
		"rw,memory\n32 20 0:28 / /cg/unified rw - cgroup2 cgroup2 rw\n");
	fixture_text(&f, "/cg/cpu/job/step/cpu.cfs_quota_us", "-1\n");
	fixture_text(&f, "/cg/cpu/job/step/cpu.cfs_period_us", "100000\n");
	fixture_text(&f, "/cg/cpu/job/cpu.cfs_quota_us", "150000\n");
	fixture_text(&f, "/cg/cpu/job/cpu.cfs_period_us", "100000\n");
	fixture_text(&f, "/cg/memory/m/memory.limit_in_bytes", "9223372036854771712\n");
	fixture_text(&f, "/cg/memory/m/memory.usage_in_bytes", "4096\n");
	fixture_text(&f, "/cg/unified/memory.max", "5\n");
	struct host_cgroup group;
	double cores = 0;
	uint64_t bytes = 0;
	host_cgroup_find(f.root, &group);
	assert_false(group.cpu_v2);
	assert_false(group.memory_v2);
	assert_true(host_cgroup_cores(f.root, &group, &cores, NULL));
	assert_true(cores == 1.5);
	assert_false(host_cgroup_memory_high(f.root, &group, &bytes));
	assert_string_equal(group.unified, "/cg/unified");
	assert_string_equal(group.cpuacct, "/cg/cpu/job/step");
	assert_true(host_cgroup_memory_max(f.root, &group, &bytes, NULL));
	assert_true(bytes == UINT64_MAX);
	assert_false(host_cgroup_memory_room(f.root, &group, &bytes, NULL));
	fixture_text(&f, "/cg/memory/m/memory.limit_in_bytes", "104857600\n");
	fixture_text(&f, "/cg/memory/m/memory.stat",
		     "active_file 9\ntotal_active_file 1096\ntotal_inactive_file 1000\n");
	assert_true(host_cgroup_memory_room(f.root, &group, &bytes, NULL));
	assert_int_equal(bytes, 100 * MIB - 2000);
	fixture_destroy(&f);
}

/* In a container the path may be the host's: what is mounted is then the group, and the walk never leaves the mount. */
static void containers_see_their_mount(void **state)
{
	(void)state;
	static const struct {
		const char *path, *mount_root, *found;
	} cases[] = {
		{"/docker/ab", "/docker/ab", "/cg"},
		{"/docker/ab/sub", "/docker/ab", "/cg/sub"},
		{"/docker/abc", "/docker/ab", "/cg"},
		{"/../../x", "/", "/cg"},
		{"/not/there", "/", "/cg"},
		{"/", "/", "/cg"},
		{"/sub", "/", "/cg/sub"},
	};
	struct fixture f;
	fixture_create(&f);
	fixture_text(&f, "/cpu.max", "1 100000\n");
	fixture_text(&f, "/cg/cpu.max", "300000 100000\n");
	fixture_text(&f, "/cg/sub/cpu.max", "max 100000\n");
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		char text[256];
		struct host_cgroup group;
		double cores = 0;
		snprintf(text, sizeof(text), "0::%s\n", cases[i].path);
		fixture_text(&f, "/proc/self/cgroup", text);
		snprintf(text, sizeof(text), "30 20 0:26 %s /cg rw - cgroup2 cgroup2 rw\n", cases[i].mount_root);
		fixture_text(&f, "/proc/self/mountinfo", text);
		host_cgroup_find(f.root, &group);
		assert_string_equal(group.cpu, cases[i].found);
		assert_true(host_cgroup_cores(f.root, &group, &cores, NULL));
		assert_true(cores == 3);
	}
	fixture_destroy(&f);
}

static void without_groups_nothing_is_known(void **state)
{
	(void)state;
	struct fixture f;
	struct host_cgroup group;
	double cores;
	uint64_t bytes;
	fixture_create(&f);
	host_cgroup_find(f.root, &group);
	assert_false(host_cgroup_cores(f.root, &group, &cores, NULL));
	assert_false(host_cgroup_memory_high(f.root, &group, &bytes));
	assert_string_equal(group.unified, "");
	assert_false(host_cgroup_memory_max(f.root, &group, &bytes, NULL));
	assert_false(host_cgroup_memory_room(f.root, &group, &bytes, NULL));
	fixture_destroy(&f);
}

static void nodes_share_the_kernels_estimate(void **state)
{
	(void)state;
	struct fixture f;
	struct host_node_memory memory[2];
	static const uint32_t physical[] = {2, 0}, missing[] = {0, 5};
	fixture_create(&f);
	fixture_text(&f, "/sys/devices/system/node/node0/meminfo",
		     "Node 0 MemTotal: 1000 kB\nNode 0 MemFree: 100 kB\n");
	fixture_text(&f, "/sys/devices/system/node/node2/meminfo",
		     "Node 2 MemTotal: 2000 kB\nNode 2 MemFree: 200 kB\nNode 2 Active(file): 100 kB\n");
	fixture_text(&f, "/sys/devices/system/node/node2x/meminfo", "garbage");
	fixture_text(&f, "/sys/devices/system/node/online", "0,2\n");
	assert_true(host_nodes_memory(f.root, 2, physical, memory));
	assert_int_equal(memory[0].total_bytes, 2000 * 1024);
	assert_int_equal(memory[0].free_bytes, 200 * 1024);
	assert_int_equal(memory[0].available_bytes, 300 * 1024);
	assert_int_equal(memory[1].available_bytes, 100 * 1024);
	/* 400 kB seem to be there, the kernel says 200: each node's are halved. */
	fixture_text(&f, "/proc/meminfo",
		     "MemTotal: 3000 kB\nMemFree: 300 kB\nMemAvailable: 200 kB\nInactive(file): 100 kB\n");
	assert_true(host_nodes_memory(f.root, 2, physical, memory));
	assert_int_equal(memory[0].available_bytes, 150 * 1024);
	assert_int_equal(memory[1].available_bytes, 50 * 1024);
	assert_false(host_nodes_memory(f.root, 2, missing, memory));
	fixture_destroy(&f);
}

/* A kernel without NUMA has no node directories; one node is then the host. */
static void a_host_without_nodes_is_one(void **state)
{
	(void)state;
	struct fixture f;
	struct host_node_memory memory[2];
	static const uint32_t physical[] = {0, 1};
	fixture_create(&f);
	assert_false(host_nodes_memory(f.root, 1, physical, memory));
	fixture_text(&f, "/proc/meminfo", "MemTotal: 3000 kB\nMemFree: 300 kB\nMemAvailable: 200 kB\n");
	assert_true(host_nodes_memory(f.root, 1, physical, memory));
	assert_int_equal(memory[0].total_bytes, 3000 * 1024);
	assert_int_equal(memory[0].available_bytes, 200 * 1024);
	assert_false(host_nodes_memory(f.root, 2, physical, memory));
	fixture_destroy(&f);
}

/* Which launcher is believed: the nearest one, and Slurm's job variables only inside a step. */
static void ranks_are_those_of_the_nearest_launcher(void **state)
{
	(void)state;
	static const char *const names[] = {"OMPI_COMM_WORLD_LOCAL_SIZE",
					    "MPI_LOCALNRANKS",
					    "MV2_COMM_WORLD_LOCAL_SIZE",
					    "PMI_LOCAL_SIZE",
					    "SLURM_STEP_ID",
					    "SLURM_STEPID",
					    "SLURM_NODEID",
					    "SLURM_STEP_TASKS_PER_NODE",
					    "SLURM_NTASKS_PER_NODE",
					    "SLURM_TASKS_PER_NODE"};
	static const struct {
		const char *set[6]; /* name, value, ... */
		uint32_t ranks;
	} cases[] = {
		{{0}, 1},
		{{"OMPI_COMM_WORLD_LOCAL_SIZE", "4"}, 4},
		{{"MPI_LOCALNRANKS", "6", "SLURM_NTASKS_PER_NODE", "2", "SLURM_STEP_ID", "0"}, 6},
		{{"PMI_LOCAL_SIZE", "3"}, 3},
		{{"SLURM_NTASKS_PER_NODE", "8"}, 1}, /* a batch script: alone here */
		{{"SLURM_NTASKS_PER_NODE", "8", "SLURM_STEP_ID", "0"}, 8},
		{{"SLURM_STEP_TASKS_PER_NODE", "2(x3),5", "SLURM_NODEID", "3", "SLURM_STEP_ID", "0"}, 5},
		{{"SLURM_STEP_TASKS_PER_NODE", "2", "SLURM_NTASKS_PER_NODE", "8", "SLURM_STEP_ID", "0"}, 2},
		{{"SLURM_TASKS_PER_NODE", "7(x2)", "SLURM_NODEID", "1", "SLURM_STEPID", "0"}, 7},
		{{"OMPI_COMM_WORLD_LOCAL_SIZE", "many", "PMI_LOCAL_SIZE", "2"}, 2},
		{{"OMPI_COMM_WORLD_LOCAL_SIZE", "0"}, 1},
		{{"OMPI_COMM_WORLD_LOCAL_SIZE", "-3"}, 1},
		{{"OMPI_COMM_WORLD_LOCAL_SIZE", "99999999999999999999"}, 1},
		{{"PMI_LOCAL_SIZE", "max"}, 1},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		for (size_t n = 0; n < ARRAY_LENGTH(names); n++)
			unsetenv(names[n]);
		for (size_t s = 0; s < 6 && cases[i].set[s]; s += 2)
			setenv(cases[i].set[s], cases[i].set[s + 1], 1);
		assert_int_equal(ranks_on_this_host(), cases[i].ranks);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tightest_limit_up_the_tree_counts),
		cmocka_unit_test(version_one_and_both_at_once),
		cmocka_unit_test(containers_see_their_mount),
		cmocka_unit_test(without_groups_nothing_is_known),
		cmocka_unit_test(nodes_share_the_kernels_estimate),
		cmocka_unit_test(a_host_without_nodes_is_one),
		cmocka_unit_test(ranks_are_those_of_the_nearest_launcher),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
