/* SPDX-License-Identifier: MIT */
/* hostfiles_fuzz.c - M1 under libFuzzer: every parser of the kernel's files on any bytes. Run by tools/fuzz. */
#include <stdlib.h>
#include <string.h>

#include "numa/host.h"
#include "numa/hostfiles.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void add(uint32_t cpu, uint64_t busy, uint64_t idle, void *context)
{
	(void)cpu;
	*(uint64_t *)context += busy ^ idle;
}

static void numbers(const char *text, size_t size)
{
	static const char *const key[] = {"MemFree", "oom_kill", "usage_usec", "MemAvailable"};
	uint64_t a = 0, b = 0, found[4] = {0};
	(void)hostfile_number(text, size, &a);
	require(hostfile_fields(text, size, key, 4, found) < 16);
	require(hostfile_field(text, size, key[0], &b) ? b == found[0] : found[0] == 0);
	if (hostfile_cpu_max(text, size, &a, &b))
		require(b > 0);
	(void)hostfile_pages(text, size, &a, &b);
	(void)hostfile_slurm_tasks(text, size, 3, &a);
	(void)hostfile_cpu_times(text, size, add, &a);
}

static void memory(const char *text, size_t size)
{
	struct hostfile_node_memory node;
	struct host_memory host;
	struct host_node_memory part;
	if (hostfile_node_memory(text, size, &node))
		require(node.free_bytes + node.reclaimable_bytes <= node.total_bytes);
	if (host_memory_parse(text, size, &host))
		require(host.available_bytes <= host.total_bytes && host.part >= 0 && host.part <= 1);
	if (host_node_parse(text, size, 0.5, &part))
		require(part.available_bytes <= part.total_bytes);
}

static void groups(const char *text, size_t size)
{
	static const char *const controller[] = {NULL, "memory", "cpu"};
	char path[64], root[64], directory[64];
	for (int i = 0; i < 3; i++) {
		if (hostfile_cgroup_path(text, size, controller[i], path, sizeof(path)))
			require(path[0] == '/' && strlen(path) < sizeof(path));
		if (hostfile_cgroup_mount(text, size, controller[i], root, directory, sizeof(root)))
			require(strlen(root) < sizeof(root) && strlen(directory) < sizeof(directory));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* libFuzzer's own buffer may be followed by a zero; one of the exact size is not. */
	char *text = malloc(size ? size : 1);
	struct hostfile_pressure p;
	require(text != NULL);
	if (size)
		memcpy(text, data, size);
	numbers(text, size);
	memory(text, size);
	groups(text, size);
	if (hostfile_pressure(text, size, &p))
		require(p.some_avg10 >= 0 && p.some_avg10 <= 100 && p.full_avg10 >= 0 && p.full_avg10 <= 100);
	free(text);
	return 0;
}
