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

#define HOST_NODE_MEMORY_PATH "/sys/devices/system/node/node%u/meminfo"
#define HOST_GROUPS_PATH "/proc/self/cgroup"

/* Read a whole file of at most size bytes (longer: its beginning); the text is not ended by a zero. -1: cannot be read.
 */
long host_file_read(const char *root, const char *path, char *text, size_t size);

/* /proc/meminfo. */
struct host_memory {
	uint64_t total_bytes;
	uint64_t free_bytes;
	uint64_t available_bytes; /* the kernel's own estimate, where it gives one */
	double part;		  /* available as a part of what is free or can be reclaimed */
};
bool host_memory_parse(const char *text, size_t length, struct host_memory *out);

struct host_node_memory {
	uint64_t total_bytes;
	uint64_t free_bytes;
	uint64_t available_bytes; /* free and reclaimable, times the host's part */
};
bool host_node_parse(const char *text, size_t length, double part, struct host_node_memory *out);

/* What the nodes with these physical numbers have. False unless all could be read. A kernel without NUMA has one node, and
 * /proc/meminfo is about it. */
bool host_nodes_memory(const char *root, uint32_t nodes, const uint32_t *physical, struct host_node_memory *out);

/* Where this process's control group is; empty strings: there is none. Version 1 where the controller is mounted so. */
struct host_cgroup {
	char cpu[HOST_PATH_BYTES];
	char cpu_top[HOST_PATH_BYTES]; /* the last directory to look at when walking up */
	bool cpu_v2;
	char memory[HOST_PATH_BYTES];
	char memory_top[HOST_PATH_BYTES];
	bool memory_v2;
	char cpuacct[HOST_PATH_BYTES]; /* version 1's count of CPU time */
	char unified
		[HOST_PATH_BYTES]; /* version 2, also where the controllers are version 1's: pressure is only there */
};
void host_cgroup_find(const char *root, struct host_cgroup *out);

/* Of the group and those above it, for what follows: where, if not NULL, takes HOST_PATH_BYTES and is told which of them
 * it was; it is unchanged where nothing is known. */

/* The tightest CPU quota in cores. False: there is none. */
bool host_cgroup_cores(const char *root, const struct host_cgroup *group, double *cores, char *where);

/* The tightest limit that kills, and the tightest that slows down, which version 1 does not have (UINT64_MAX: no limit). */
bool host_cgroup_memory_max(const char *root, const struct host_cgroup *group, uint64_t *bytes, char *where);
bool host_cgroup_memory_high(const char *root, const struct host_cgroup *group, uint64_t *bytes);

/* What the group may still take: the least of limit - (use - page cache); the limit is the one that kills or the one that
 * slows down, whichever is lower. False: nothing limits it, or nothing is known. */
bool host_cgroup_memory_room(const char *root, const struct host_cgroup *group, uint64_t *bytes, char *where);

/* What this process has in memory of its own, shared memory and files not counted. */
bool host_own_memory(const char *root, uint64_t *bytes);

#endif
