/* SPDX-License-Identifier: MIT */
/*
 * readings_fuzz.c - whole readings under libFuzzer: the input is the files of a host, in the order of tests/roots.h, each
 * ended by a byte of 0xff; the monitor reads them twice. Paths that come from files, of groups and mounts, are followed too.
 * Run by tools/fuzz.
 */
#include <stdlib.h>
#include <string.h>

#include "invented.h"
#include "numa/monitor_host.h"
#include "roots.h"

enum { NODES = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t no_cost(void)
{
	return 0;
}

static struct fixture *root(void)
{
	static struct fixture f;
	if (!f.root[0])
		fixture_create(&f);
	return &f;
}

static void write_files(const struct fixture *f, const uint8_t *data, size_t size)
{
	for (size_t i = 0, at = 0; i < ROOT_V2_FILES; i++) {
		const uint8_t *end = at < size ? memchr(data + at, 0xff, size - at) : NULL;
		size_t length = end ? (size_t)(end - (data + at)) : size - at;
		fixture_bytes(f, root_v2[i].path, data + at, length);
		at += length + (end != NULL);
	}
}

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check(const weir_reading *r)
{
	for (uint32_t n = 0; n < r->nodes; n++) {
		require(r->node[n].memory_available_bytes <= r->node[n].memory_total_bytes);
		require(r->node[n].cpu_busy >= 0 && r->node[n].cpu_busy <= 1);
	}
	for (int i = 0; i < WEIR_STALLS; i++)
		require(r->cgroup_pressure[i].full <= 100 && r->pressure[i].some <= 100);
	require(r->memory_available_bytes <= r->memory_total_bytes);
	require(r->known < WEIR_KNOWN_TRIGGERS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct invented invented;
	uint32_t thread[] = {0, 1, 2, 3}, first_thread[] = {0, 1, 2, 3, 4};
	weir_machine *machine = invent(&invented, NODES, 2, 1 << 20);
	machine->is_this = true;
	machine->thread = thread;
	machine->first_thread = first_thread;
	invented.node[1].physical = 1;
	invented.node[1].first_core = 2;
	write_files(root(), data, size);
	struct monitor_host *host = monitor_host_create(machine, root()->root);
	require(host != NULL);
	monitor_host_cost_clock(host, no_cost);
	for (int i = 0; i < 2; i++) {
		weir_node_reading node[NODES];
		weir_reading r = {.size = sizeof(r), .node = node, .nodes_capacity = NODES};
		require(monitor_host_read(host, &r) == WEIR_OK);
		check(&r);
	}
	monitor_host_destroy(host);
	return 0;
}
