/* SPDX-License-Identifier: MIT */
/* topology_test.c - machines as arrays: this one, synthetic, recorded and malformed ones; quota, shares, distances. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <hwloc.h>

#include <weir/resource.h>

#include "fixture.h"
#include "numa/topology.h"
#include "private/compiler.h"

/* T2: the nodes' cores follow each other in cpu[] without gap, and no hardware thread is in two cores.
 * T3: each row of order is a permutation, begins with its own node and never comes nearer; ties go by number. */
static void check_machine(const struct weir_machine *m)
{
	uint32_t next = 0;
	assert_in_range(m->nodes, 1, WEIR_NODES_MAX);
	for (uint32_t n = 0; n < m->nodes; n++) {
		assert_int_equal(m->node[n].first_core, next);
		next += m->node[n].cores;
	}
	assert_int_equal(next, m->cores);
	assert_true(m->cores >= 1);
	uint32_t threads = m->first_thread[m->cores];
	unsigned char *seen = calloc(1 << 20, 1);
	assert_non_null(seen);
	for (uint32_t t = 0; t < threads; t++) {
		assert_true(m->thread[t] < 1 << 20);
		assert_int_equal(seen[m->thread[t]]++, 0);
	}
	for (uint32_t c = 0; c < m->cores; c++) {
		assert_true(m->first_thread[c] < m->first_thread[c + 1]);
		assert_int_equal(m->cpu[c], m->thread[m->first_thread[c]]);
	}
	memset(seen, 0, 1 << 20);
	for (uint32_t from = 0; from < m->nodes; from++) {
		const uint32_t *row = m->order + (size_t)from * m->nodes;
		assert_int_equal(machine_distance(m, from, from), 10);
		assert_int_equal(row[0], from);
		for (uint32_t i = 0; i < m->nodes; i++) {
			assert_int_equal(seen[row[i]], from & 0xff);
			seen[row[i]] = (unsigned char)(from + 1);
			if (i < 2)
				continue;
			uint32_t before = machine_distance(m, from, row[i - 1]),
				 here = machine_distance(m, from, row[i]);
			assert_true(before < here || (before == here && row[i - 1] < row[i]));
		}
		assert_true(m->node[m->cores_near[from]].cores > 0);
		assert_true(m->node[from].cores == 0 || m->cores_near[from] == from);
		assert_true(m->node[from].memory_bytes == 0 || m->memory_near[from] == from);
	}
	free(seen);
}

static void synthetic_machines_are_what_they_say(void **state)
{
	(void)state;
	static const struct {
		const char *source;
		uint32_t nodes, cores, near, far; /* the distances 0 -> 1 and 0 -> last */
		uint64_t memory_bytes;		  /* of node 0 */
	} cases[] = {
		{"numa:1 core:1 pu:1", 1, 1, UINT32_MAX, 10, 1 << 30},
		{"numa:4 core:8 pu:2", 4, 32, 20, 20, 1 << 30},
		{"package:2 numa:2 core:2 pu:1", 4, 8, 20, 30, 1 << 30},
		{"numa:4(memory=2GiB) core:1 pu:1", 4, 4, 20, 20, UINT64_C(2) << 30},
		{"pu:3", 1, 3, UINT32_MAX, 10,
		 1 << 30}, /* no cores and no nodes are told of: threads are, on one node */
		{"4 2 2", 8, 16, 20, 30, 1 << 30},
		{"numa:64 core:2 pu:1", 64, 128, 20, 20, 1 << 30},
		{"numa:2(indexes=5,3) core:1 pu:1", 2, 2, 20, 20, 1 << 30},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		weir_machine *m;
		assert_int_equal(weir_machine_create(&m, cases[i].source), WEIR_OK);
		check_machine(m);
		assert_int_equal(weir_machine_nodes(m), cases[i].nodes);
		assert_int_equal(weir_machine_cores(m), cases[i].cores);
		assert_int_equal(weir_machine_distance(m, 0, 1), cases[i].near);
		assert_int_equal(weir_machine_distance(m, 0, cases[i].nodes - 1), cases[i].far);
		assert_int_equal(m->node[0].memory_bytes, cases[i].memory_bytes);
		assert_int_equal(m->node[0].memory_default_bytes, cases[i].memory_bytes);
		assert_string_equal(weir_machine_name(m), cases[i].source);
		assert_false(weir_machine_is_this(m));
		assert_true(m->cores_quota == m->cores);
		weir_machine_destroy(m);
	}
}

/* A fall-back to this machine would be accepted here as a success. */
static void malformed_descriptions_are_refused(void **state)
{
	(void)state;
	static const char *const malformed[] = {
		" ",
		"nonsense",
		"numa:0 core:1",
		"numa:2 core",
		"numa:3 core:-1",
		"this ",
		"THIS",
		"numa",
		"numa:2(core:2",
		"numa:4 (memory=1) core",
		"pu:1 core:2",
		"numa:2 core:2 pu:1 numa:3",
		"numa:4,core:2",
		"\xff\xfe\x01",
		"xml",
		"numa:100000 core:100000 pu:1",
		"numa:2000 pu:1",
		"numa:99999999999999999999 pu:1",
		"package:9000 pu:1",
	};
	for (size_t i = 0; i < ARRAY_LENGTH(malformed); i++) {
		weir_machine *m = (weir_machine *)&m;
		if (weir_machine_create(&m, malformed[i]) != WEIR_EINVAL)
			fail_msg("\"%s\" was not refused", malformed[i]);
		assert_null(m);
		assert_non_null(strstr(weir_error_text(), "machine"));
	}
	assert_int_equal(weir_machine_create(NULL, "this"), WEIR_EINVAL);
}

/* What hwloc writes of a machine with distances; returns its length. */
static size_t export_machine(const char *path, const char *synthetic, const hwloc_uint64_t *distances, char *text,
			     size_t size)
{
	hwloc_topology_t topology;
	assert_int_equal(hwloc_topology_init(&topology), 0);
	assert_int_equal(hwloc_topology_set_synthetic(topology, synthetic), 0);
	assert_int_equal(hwloc_topology_load(topology), 0);
	if (distances) {
		unsigned nodes = (unsigned)hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE);
		hwloc_obj_t *node = calloc(nodes, sizeof(hwloc_obj_t));
		assert_non_null(node);
		for (unsigned i = 0; i < nodes; i++)
			node[i] = hwloc_get_obj_by_type(topology, HWLOC_OBJ_NUMANODE, i);
		hwloc_distances_add_handle_t handle = hwloc_distances_add_create(
			topology, "NUMALatency", HWLOC_DISTANCES_KIND_FROM_OS | HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0);
		assert_non_null(handle);
		hwloc_uint64_t values[16];
		memcpy(values, distances, nodes * nodes * sizeof(values[0]));
		assert_int_equal(hwloc_distances_add_values(topology, handle, nodes, node, values, 0), 0);
		assert_int_equal(hwloc_distances_add_commit(topology, handle, 0), 0);
		free(node);
	}
	assert_int_equal(hwloc_topology_export_xml(topology, path, 0), 0);
	hwloc_topology_destroy(topology);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	size_t length = fread(text, 1, size, file);
	assert_true(length > 0 && length < size);
	fclose(file);
	return length;
}

static void recorded_machines_keep_their_distances(void **state)
{
	(void)state;
	static const hwloc_uint64_t tens[] = {10, 12, 21, 12, 10, 21, 21, 21, 10};
	static const hwloc_uint64_t nanoseconds[] = {80, 140, 168, 140, 80, 100, 168, 100, 80};
	static const struct {
		const hwloc_uint64_t *values;
		uint32_t to1, to2, second_of_2;
	} cases[] = {{tens, 12, 21, 0}, {nanoseconds, 18, 21, 1}};
	struct fixture f;
	static char text[1 << 20];
	fixture_create(&f);
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		char path[128];
		snprintf(path, sizeof(path), "%s/machine.xml", f.root);
		(void)export_machine(path, "numa:3 core:2 pu:2", cases[i].values, text, sizeof(text));
		weir_machine *m;
		assert_int_equal(weir_machine_create(&m, path), WEIR_OK);
		check_machine(m);
		assert_false(m->is_this);
		assert_int_equal(m->cores, 6);
		assert_int_equal(weir_machine_distance(m, 0, 1), cases[i].to1);
		assert_int_equal(weir_machine_distance(m, 0, 2), cases[i].to2);
		assert_int_equal(m->order[2 * 3 + 1], cases[i].second_of_2);
		weir_machine_destroy(m);
	}
	fixture_destroy(&f);
}

static void damaged_recordings_are_refused(void **state)
{
	(void)state;
	struct fixture f;
	static char text[1 << 20];
	char path[128];
	fixture_create(&f);
	snprintf(path, sizeof(path), "%s/machine.xml", f.root);
	size_t length = export_machine(path, "numa:2 core:2 pu:1", NULL, text, sizeof(text));
	weir_machine *m;
	for (size_t cut = 0; cut < length - 20; cut += length / 16) {
		fixture_bytes(&f, "/machine.xml", text, cut);
		if (weir_machine_create(&m, path) != WEIR_EINVAL)
			fail_msg("a recording of %zu bytes, cut to %zu, was not refused", length, cut);
		assert_null(m);
	}
	fixture_text(&f, "/machine.xml", "<?xml version=\"1.0\"?><html><body>no machine</body></html>");
	assert_int_equal(weir_machine_create(&m, path), WEIR_EINVAL);
	assert_int_equal(weir_machine_create(&m, "/nowhere/at/all.xml"), WEIR_ENOENT);
	assert_null(m);
	assert_non_null(strstr(weir_error_text(), "/nowhere/at/all.xml"));
	fixture_destroy(&f);
}

/* Memory on its own has a cpuset that is not empty: counted as cores, they would be in two nodes (T2). */
static void memory_only_nodes_have_no_cores(void **state)
{
	(void)state;
	weir_machine *m;
	assert_int_equal(weir_machine_create(&m, "package:2 [numa(memory=1GiB)] [numa(memory=4GiB)] core:3 pu:1"),
			 WEIR_OK);
	check_machine(m);
	assert_int_equal(m->nodes, 4);
	assert_int_equal(m->cores, 6);
	static const uint32_t cores[] = {3, 0, 3, 0}, near[] = {0, 0, 2, 2};
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(m->node[i].cores, cores[i]);
		assert_int_equal(m->cores_near[i], near[i]);
	}
	weir_machine_destroy(m);
	/* Cores near two small nodes, one large without any of its own, and none of the small has memory. */
	assert_int_equal(weir_machine_create(&m, "[numa(memory=8GiB)] package:2 [numa(memory=0)] core:2 pu:1"),
			 WEIR_OK);
	check_machine(m);
	assert_int_equal(m->nodes, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(m->memory_near[i], m->node[i].cores ? 2 : i);
	weir_machine_destroy(m);
}

static void this_machine_is_cut_down_to_the_binding(void **state)
{
	(void)state;
	cpu_set_t before, one;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	weir_machine *m;
	assert_int_equal(weir_machine_create(&m, NULL), WEIR_OK);
	check_machine(m);
	assert_string_equal(weir_machine_name(m), "this");
	assert_true(weir_machine_is_this(m));
	for (uint32_t t = 0; t < m->first_thread[m->cores]; t++)
		assert_true(CPU_ISSET(m->thread[t], &before));
	uint64_t usable = 0;
	for (uint32_t i = 0; i < m->nodes; i++) {
		assert_true(m->node[i].memory_default_bytes <= m->node[i].memory_bytes);
		usable += m->node[i].memory_default_bytes;
	}
	assert_true(usable > 0);
	uint32_t cpu = m->cpu[m->cores - 1];
	weir_machine_destroy(m);

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	weir_status status = weir_machine_create(&m, "this");
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(status, WEIR_OK);
	check_machine(m);
	assert_int_equal(m->cores, 1);
	assert_int_equal(m->cpu[0], cpu);
	weir_machine_destroy(m);
}

/* hwloc's own variables may put another machine in place of this one; binding to that would bind to the wrong cores. */
static void a_machine_put_in_by_hwlocs_environment_is_not_this(void **state)
{
	(void)state;
	weir_machine *m;
	setenv("HWLOC_SYNTHETIC", "numa:3 core:5 pu:1", 1);
	weir_status status = weir_machine_create(&m, "this");
	unsetenv("HWLOC_SYNTHETIC");
	assert_int_equal(status, WEIR_OK);
	assert_false(weir_machine_is_this(m));
	assert_int_equal(m->cores, 15);
	weir_machine_destroy(m);
}

static void a_quota_takes_cores_from_the_fullest_node(void **state)
{
	(void)state;
	static const struct {
		uint32_t before[4], keep, after[4];
	} cases[] = {
		{{8, 8, 8, 8}, 32, {8, 8, 8, 8}}, {{8, 8, 8, 8}, 40, {8, 8, 8, 8}}, {{8, 8, 8, 8}, 30, {8, 8, 7, 7}},
		{{8, 2, 0, 4}, 8, {3, 2, 0, 3}},  {{8, 8, 8, 8}, 1, {1, 0, 0, 0}},  {{1, 1, 1, 1}, 3, {1, 1, 1, 0}},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct machine_node node[4] = {0};
		for (int n = 0; n < 4; n++)
			node[n].cores = cases[i].before[n];
		machine_drop_cores(node, 4, cases[i].keep);
		for (int n = 0; n < 4; n++)
			assert_int_equal(node[n].cores, cases[i].after[n]);
	}
}

/* The host's files say: a quota of half a core, 1 GiB for the group of which 256 MiB are taken, two ranks. */
static void quota_group_and_ranks_cut_the_defaults(void **state)
{
	(void)state;
	struct fixture f;
	fixture_create(&f);
	fixture_text(&f, "/proc/self/cgroup", "0::/job\n");
	fixture_text(&f, "/proc/self/mountinfo", "30 20 0:26 / /cg rw - cgroup2 cgroup2 rw\n");
	fixture_text(&f, "/cg/job/cpu.max", "50000 100000\n");
	fixture_text(&f, "/cg/job/memory.max", "1073741824\n");
	fixture_text(&f, "/cg/job/memory.current", "268435456\n");
	setenv("OMPI_COMM_WORLD_LOCAL_SIZE", "2", 1);
	weir_machine *m;
	weir_status status = machine_create(&m, "this", f.root);
	unsetenv("OMPI_COMM_WORLD_LOCAL_SIZE");
	assert_int_equal(status, WEIR_OK);
	check_machine(m);
	assert_int_equal(m->cores, 1);
	assert_true(m->cores_quota == 0.5);
	uint64_t sum = 0, capacity = 0;
	for (uint32_t i = 0; i < m->nodes; i++) {
		sum += m->node[i].memory_default_bytes;
		capacity += m->node[i].memory_bytes;
	}
	/* Half of the room; of that a 64th is kept back, 2 MiB for the process, 448 KiB for its core. */
	uint64_t share = (805306368 < capacity ? 805306368 : capacity) / 2;
	uint64_t left = share - share / 64 - (2 << 20) - (448 << 10);
	assert_in_range(sum, left - m->nodes - 1, left);
	weir_machine_destroy(m);
	fixture_destroy(&f);
}

static void questions_about_what_is_not_there_are_answered(void **state)
{
	(void)state;
	weir_machine *m;
	weir_node_info info;
	assert_int_equal(weir_machine_create(&m, "numa:2(indexes=7,4) core:3 pu:2"), WEIR_OK);
	assert_int_equal(weir_machine_node(m, 1, &info), WEIR_OK);
	assert_int_equal(info.logical_index, 1);
	assert_int_equal(info.physical_index, 4);
	assert_int_equal(info.cores, 3);
	assert_int_equal(machine_node_of_physical(m, 4), 1);
	assert_int_equal(machine_node_of_physical(m, 0), UINT32_MAX);
	assert_int_equal(weir_machine_node(m, 2, &info), WEIR_EINVAL);
	assert_int_equal(weir_machine_node(m, UINT32_MAX, &info), WEIR_EINVAL);
	assert_int_equal(weir_machine_node(NULL, 0, &info), WEIR_EINVAL);
	assert_int_equal(weir_machine_nodes(NULL) + weir_machine_cores(NULL), 0);
	assert_int_equal(weir_machine_distance(NULL, 0, 0), UINT32_MAX);
	assert_int_equal(weir_machine_node_cpu(NULL, 0, 0), UINT32_MAX);
	assert_false(weir_machine_is_this(NULL));
	assert_string_equal(weir_machine_name(NULL), "");
	assert_int_equal(weir_machine_bind_self(NULL, 0, 0, 1), WEIR_EINVAL);
	assert_int_equal(weir_machine_node(m, 0, NULL), WEIR_EINVAL);
	assert_int_equal(weir_machine_distance(m, 0, 2), UINT32_MAX);
	assert_int_equal(weir_machine_distance(m, 2, 0), UINT32_MAX);
	assert_int_equal(weir_machine_node_cpu(m, 1, 0), m->cpu[3]);
	assert_int_equal(weir_machine_node_cpu(m, 0, 3), UINT32_MAX);
	assert_int_equal(weir_machine_node_cpu(m, 2, 0), UINT32_MAX);
	weir_machine_destroy(m);
	weir_machine_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(synthetic_machines_are_what_they_say),
		cmocka_unit_test(malformed_descriptions_are_refused),
		cmocka_unit_test(recorded_machines_keep_their_distances),
		cmocka_unit_test(damaged_recordings_are_refused),
		cmocka_unit_test(memory_only_nodes_have_no_cores),
		cmocka_unit_test(this_machine_is_cut_down_to_the_binding),
		cmocka_unit_test(a_machine_put_in_by_hwlocs_environment_is_not_this),
		cmocka_unit_test(a_quota_takes_cores_from_the_fullest_node),
		cmocka_unit_test(quota_group_and_ranks_cut_the_defaults),
		cmocka_unit_test(questions_about_what_is_not_there_are_answered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
