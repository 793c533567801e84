/* SPDX-License-Identifier: MIT */
/*
 * host.c - where the kernel's files are: per-node memory, control groups of version 1, 2 and both at once.
 *
 * Holds:     nothing.
 * Not here:  what the files' bytes mean (hostfiles.c), when they are read (topology.c once, monitor.c again and again).
 */
#include "numa/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "numa/hostfiles.h"

/* Version 1 writes "no limit" as the largest page-aligned signed number. */
#define V1_UNLIMITED (UINT64_C(1) << 62)

static bool path_in(const char *root, const char *path, char *out)
{
	int length = snprintf(out, HOST_PATH_BYTES, "%s%s", root, path);
	return length >= 0 && length < HOST_PATH_BYTES;
}

long host_file_read(const char *root, const char *path, char *text, size_t size)
{
	char full[HOST_PATH_BYTES];
	if (!path_in(root, path, full))
		return -1;
	int fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	size_t length = 0;
	while (length < size) {
		ssize_t got = read(fd, text + length, size - length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			close(fd);
			return -1;
		}
		if (got == 0)
			break;
		length += (size_t)got;
	}
	close(fd);
	return (long)length;
}

/* Per-node memory. ---------------------------------------------------------------------------------------------- */

/* The kernel's own estimate of what is available knows the watermarks it keeps; the lists of pages, which are all that
 * the nodes' files have, do not. */
bool host_memory_parse(const char *text, size_t length, struct host_memory *out)
{
	struct hostfile_node_memory read;
	uint64_t kib;
	if (!hostfile_node_memory(text, length, &read))
		return false;
	uint64_t listed = read.free_bytes + read.reclaimable_bytes;
	*out = (struct host_memory){read.total_bytes, read.free_bytes, listed, 1};
	if (hostfile_field(text, length, "MemAvailable", &kib) && kib < listed / 1024) {
		out->available_bytes = kib * 1024;
		out->part = (double)out->available_bytes / (double)listed;
	}
	return true;
}

static bool read_host(const char *root, struct host_memory *out)
{
	char text[HOST_SMALL_FILE_BYTES];
	long length = host_file_read(root, "/proc/meminfo", text, sizeof(text));
	return length >= 0 && host_memory_parse(text, (size_t)length, out);
}

bool host_node_parse(const char *text, size_t length, double part, struct host_node_memory *out)
{
	struct hostfile_node_memory read;
	if (!hostfile_node_memory(text, length, &read))
		return false;
	double listed = (double)(read.free_bytes + read.reclaimable_bytes);
	*out = (struct host_node_memory){read.total_bytes, read.free_bytes, (uint64_t)(listed * part)};
	return true;
}

static bool read_node(const char *root, uint32_t number, double part, struct host_node_memory *out)
{
	char path[64], text[HOST_SMALL_FILE_BYTES];
	snprintf(path, sizeof(path), HOST_NODE_MEMORY_PATH, number);
	long length = host_file_read(root, path, text, sizeof(text));
	return length >= 0 && host_node_parse(text, (size_t)length, part, out);
}

static bool directory_is_there(const char *root, const char *path)
{
	char full[HOST_PATH_BYTES];
	struct stat status;
	return path_in(root, path, full) && stat(full, &status) == 0 && S_ISDIR(status.st_mode);
}

bool host_nodes_memory(const char *root, uint32_t nodes, const uint32_t *physical, struct host_node_memory *out)
{
	struct host_memory host = {.part = 1};
	bool known = read_host(root, &host);
	if (!directory_is_there(root, "/sys/devices/system/node")) {
		if (!known || nodes != 1)
			return false;
		*out = (struct host_node_memory){host.total_bytes, host.free_bytes, host.available_bytes};
		return true;
	}
	for (uint32_t i = 0; i < nodes; i++)
		if (!read_node(root, physical[i], host.part, &out[i]))
			return false;
	return true;
}

/* Control groups. ----------------------------------------------------------------------------------------------- */

/* The part of a group's path below the root of its mount; "" where the two do not fit together, as in a container that
 * sees the host's path: the mount itself is then the best we can see. */
static const char *below(const char *mount_root, const char *path)
{
	size_t length = strcmp(mount_root, "/") == 0 ? 0 : strlen(mount_root);
	if (strstr(path, "/..") || strncmp(path, mount_root, length) != 0 || (path[length] && path[length] != '/'))
		return "";
	return strcmp(path + length, "/") == 0 ? "" : path + length;
}

/* What the kernel says of our groups and of all mounts. */
struct texts {
	const char *groups;
	long groups_length;
	const char *mounts;
	long mounts_length;
};

static bool find_hierarchy(const char *root, const struct texts *t, const char *controller, char *directory, char *top)
{
	char path[HOST_PATH_BYTES], mount_root[HOST_PATH_BYTES];
	*directory = '\0';
	if (!hostfile_cgroup_path(t->groups, (size_t)t->groups_length, controller, path, sizeof(path)) ||
	    !hostfile_cgroup_mount(t->mounts, (size_t)t->mounts_length, controller, mount_root, top, HOST_PATH_BYTES))
		return false;
	int length = snprintf(directory, HOST_PATH_BYTES, "%s%s", top, below(mount_root, path));
	if (length >= HOST_PATH_BYTES || !directory_is_there(root, directory))
		memcpy(directory, top, strlen(top) + 1);
	return true;
}

void host_cgroup_find(const char *root, struct host_cgroup *out)
{
	enum { MOUNTS_BYTES = 1 << 20 };
	char groups[HOST_SMALL_FILE_BYTES], top[HOST_PATH_BYTES];
	char *mounts = malloc(MOUNTS_BYTES);
	*out = (struct host_cgroup){0};
	struct texts t = {groups, host_file_read(root, HOST_GROUPS_PATH, groups, sizeof(groups)), mounts,
			  mounts ? host_file_read(root, "/proc/self/mountinfo", mounts, MOUNTS_BYTES) : -1};
	if (t.groups_length >= 0 && t.mounts_length >= 0) {
		out->cpu_v2 = !find_hierarchy(root, &t, "cpu", out->cpu, out->cpu_top);
		if (out->cpu_v2)
			(void)find_hierarchy(root, &t, NULL, out->cpu, out->cpu_top);
		out->memory_v2 = !find_hierarchy(root, &t, "memory", out->memory, out->memory_top);
		if (out->memory_v2)
			(void)find_hierarchy(root, &t, NULL, out->memory, out->memory_top);
		(void)find_hierarchy(root, &t, "cpuacct", out->cpuacct, top);
		(void)find_hierarchy(root, &t, NULL, out->unified, top);
	}
	free(mounts);
}

/* From a group to the top of its mount. False: that was the top. */
static bool climb(char *directory, const char *top)
{
	char *slash = strrchr(directory, '/');
	if (strlen(directory) <= strlen(top) || !slash)
		return false;
	*slash = '\0';
	return true;
}

static void say_where(const char *directory, char *where)
{
	if (where)
		memcpy(where, directory, strlen(directory) + 1);
}

static long read_group_file(const char *root, const char *directory, const char *name, char *text, size_t size)
{
	char path[HOST_PATH_BYTES];
	int length = snprintf(path, sizeof(path), "%s/%s", directory, name);
	return length < (int)sizeof(path) ? host_file_read(root, path, text, size) : -1;
}

static bool read_group_number(const char *root, const char *directory, const char *name, uint64_t *out)
{
	char text[64];
	long length = read_group_file(root, directory, name, text, sizeof(text));
	return length >= 0 && hostfile_number(text, (size_t)length, out);
}

static bool quota_of(const char *root, const char *directory, bool v2, double *cores)
{
	uint64_t quota = UINT64_MAX, period = 0;
	if (v2) {
		char text[64];
		long length = read_group_file(root, directory, "cpu.max", text, sizeof(text));
		if (length < 0 || !hostfile_cpu_max(text, (size_t)length, &quota, &period))
			return false;
	} else if (!read_group_number(root, directory, "cpu.cfs_quota_us", &quota) || /* "-1" is no number: no quota */
		   !read_group_number(root, directory, "cpu.cfs_period_us", &period)) {
		return false;
	}
	if (quota == UINT64_MAX || quota == 0 || period == 0)
		return false;
	*cores = (double)quota / (double)period;
	return true;
}

bool host_cgroup_cores(const char *root, const struct host_cgroup *group, double *cores, char *where)
{
	char directory[HOST_PATH_BYTES];
	bool known = false;
	if (!group->cpu[0])
		return false;
	memcpy(directory, group->cpu, sizeof(directory));
	do {
		double here;
		if (!quota_of(root, directory, group->cpu_v2, &here) || (known && here >= *cores))
			continue;
		*cores = here;
		known = true;
		say_where(directory, where);
	} while (climb(directory, group->cpu_top));
	return known;
}

static bool memory_number(const char *root, const char *directory, bool v2, const char *v2_name, const char *v1_name,
			  uint64_t *out)
{
	if (!read_group_number(root, directory, v2 ? v2_name : v1_name, out))
		return false;
	if (!v2 && *out >= V1_UNLIMITED)
		*out = UINT64_MAX;
	return true;
}

/* What one group says of itself. */
typedef bool (*group_fn)(const char *root, const char *directory, bool v2, uint64_t *bytes);

/* The least that the group and those above it say. */
static bool least_memory(const char *root, const struct host_cgroup *group, group_fn say, uint64_t *bytes, char *where)
{
	char directory[HOST_PATH_BYTES];
	bool known = false;
	if (!group->memory[0])
		return false;
	memcpy(directory, group->memory, sizeof(directory));
	do {
		uint64_t here;
		if (!say(root, directory, group->memory_v2, &here) || (known && here >= *bytes))
			continue;
		*bytes = here;
		known = true;
		say_where(directory, where);
	} while (climb(directory, group->memory_top));
	return known;
}

static bool memory_max_of(const char *root, const char *directory, bool v2, uint64_t *max)
{
	return memory_number(root, directory, v2, "memory.max", "memory.limit_in_bytes", max);
}

bool host_cgroup_memory_max(const char *root, const struct host_cgroup *group, uint64_t *bytes, char *where)
{
	return least_memory(root, group, memory_max_of, bytes, where);
}

static bool memory_high_of(const char *root, const char *directory, bool v2, uint64_t *high)
{
	return v2 && read_group_number(root, directory, "memory.high", high);
}

bool host_cgroup_memory_high(const char *root, const struct host_cgroup *group, uint64_t *bytes)
{
	return least_memory(root, group, memory_high_of, bytes, NULL);
}

/* What of a group's use the kernel would drop before it refuses: page cache, without shared memory and tmpfs. */
static uint64_t page_cache_of(const char *root, const char *directory, bool v2)
{
	static const char *const v1_key[] = {"total_active_file", "total_inactive_file"};
	static const char *const v2_key[] = {"active_file", "inactive_file"};
	char text[HOST_SMALL_FILE_BYTES];
	uint64_t bytes[2] = {0, 0}, sum;
	long length = read_group_file(root, directory, "memory.stat", text, sizeof(text));
	if (length >= 0)
		(void)hostfile_fields(text, (size_t)length, v2 ? v2_key : v1_key, 2, bytes);
	return __builtin_add_overflow(bytes[0], bytes[1], &sum) ? UINT64_MAX : sum;
}

static bool room_of(const char *root, const char *directory, bool v2, uint64_t *room)
{
	uint64_t max = UINT64_MAX, high = UINT64_MAX, used;
	bool limited = memory_max_of(root, directory, v2, &max);
	if (memory_high_of(root, directory, v2, &high) && high < max)
		max = high;
	if (!limited || max == UINT64_MAX ||
	    !memory_number(root, directory, v2, "memory.current", "memory.usage_in_bytes", &used))
		return false;
	uint64_t cache = page_cache_of(root, directory, v2);
	used -= cache < used ? cache : used;
	*room = used < max ? max - used : 0;
	return true;
}

bool host_cgroup_memory_room(const char *root, const struct host_cgroup *group, uint64_t *bytes, char *where)
{
	return least_memory(root, group, room_of, bytes, where);
}

bool host_own_memory(const char *root, uint64_t *bytes)
{
	char text[HOST_SMALL_FILE_BYTES];
	uint64_t kib;
	long length = host_file_read(root, "/proc/self/status", text, sizeof(text));
	if (length < 0 || !hostfile_field(text, (size_t)length, "RssAnon", &kib) || kib > UINT64_MAX / 1024)
		return false;
	*bytes = kib * 1024;
	return true;
}
