/* SPDX-License-Identifier: MIT */
/*
 * host.h - the files in which the kernel says what there is and what is in use, found and read.
 *
 * root: put before each absolute path, "" for the real ones; tests give a directory with recorded files.
 * A file that is missing, forbidden or nonsense answers false: never an error, never a guess.
 */
#ifndef NUMA_HOST_H
#define NUMA_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HOST_PATH_BYTES = 4096, HOST_SMALL_FILE_BYTES = 16384 };

/* Read a whole file of at most size bytes (longer: its beginning); the text is not ended by a zero. -1: cannot be read.
 */
long host_file_read(const char *root, const char *path, char *text, size_t size);

struct host_node_memory {
	uint64_t total_bytes;
	uint64_t free_bytes;
	uint64_t available_bytes; /* free and reclaimable, cut down to the node's share of the kernel's MemAvailable */
};

/* What the nodes with these physical numbers have. False unless all could be read. Reads every node of the host, since
 * MemAvailable is for all of them. */
bool host_nodes_memory(const char *root, uint32_t nodes, const uint32_t *physical, struct host_node_memory *out);

/* Where this process's control group is; empty strings: there is none. Version 1 where the controller is mounted so. */
struct host_cgroup {
	char cpu[HOST_PATH_BYTES];
	char cpu_top[HOST_PATH_BYTES]; /* the last directory to look at when walking up */
	bool cpu_v2;
	char memory[HOST_PATH_BYTES];
	char memory_top[HOST_PATH_BYTES];
	bool memory_v2;
};
void host_cgroup_find(const char *root, struct host_cgroup *out);

/* The tightest CPU quota of the group and those above it, in cores. False: there is none. */
bool host_cgroup_cores(const char *root, const struct host_cgroup *group, double *cores);

/* The group's own use, and the tightest limit of it and those above it (UINT64_MAX: none). Either may be unknown. */
bool host_cgroup_memory_used(const char *root, const struct host_cgroup *group, uint64_t *bytes);
bool host_cgroup_memory_max(const char *root, const struct host_cgroup *group, uint64_t *bytes);

/* What the group may still take: the least, over it and those above it, of limit - (use - page cache); the limit is the
 * one that kills or the one that throttles, whichever is lower. False: nothing limits it, or nothing is known. */
bool host_cgroup_memory_room(const char *root, const struct host_cgroup *group, uint64_t *bytes);

#endif
