/* SPDX-License-Identifier: MIT */
/*
 * monitor_group.c - this process's control group, read again and again.
 *
 * Holds:     the group's files, open; which groups' limits bind.
 * Together:  nothing: one thread at a time, as the monitor does.
 * Not here:  how often each part is read (monitor_host.c), what limits the machine at its start (topology.c).
 *
 * Limits are looked for up the tree, by opening each group's files anew: that is dear, and they change rarely. A group's
 * own counters show only what its own limit did: so events and throttling are read where the tightest limit is.
 */
#include "numa/monitor_group.h"

#include <stdlib.h>
#include <string.h>

#include "numa/host.h"
#include "numa/hostfiles.h"
#include "numa/textfile.h"

struct monitor_group {
	const char *root;
	struct host_cgroup at;
	char memory_binds[HOST_PATH_BYTES]; /* the group whose limit does */
	char cpu_binds[HOST_PATH_BYTES];
	struct textfile groups; /* /proc/self/cgroup */
	struct textfile memory_use;
	struct textfile memory_events;	 /* version 2's memory.events, version 1's memory.oom_control */
	struct textfile memory_failures; /* version 1 alone */
	struct textfile cpu_stat;
	struct textfile cpu_use; /* version 1's cpuacct.usage; version 2's cpu.stat of the group itself */
	struct textfile pressure[WEIR_STALLS];
	size_t text_length; /* of the text by which the group was found */
	char text[HOST_SMALL_FILE_BYTES];
};

/* Which files there are. ------------------------------------------------------------------------------------------ */

static void name_in(const struct monitor_group *g, struct textfile *file, const char *directory, const char *name)
{
	if (*directory)
		textfile_name(file, g->root, directory, name);
	else
		textfile_drop(file);
}

static void name_memory_events(struct monitor_group *g)
{
	name_in(g, &g->memory_events, g->memory_binds, g->at.memory_v2 ? "memory.events" : "memory.oom_control");
	name_in(g, &g->memory_failures, g->at.memory_v2 ? "" : g->memory_binds, "memory.failcnt");
}

static void find(struct monitor_group *g)
{
	static const char *const pressure[WEIR_STALLS] = {[WEIR_STALL_CPU] = "cpu.pressure",
							  [WEIR_STALL_MEMORY] = "memory.pressure",
							  [WEIR_STALL_IO] = "io.pressure"};
	host_cgroup_find(g->root, &g->at);
	memcpy(g->memory_binds, g->at.memory, sizeof(g->memory_binds));
	memcpy(g->cpu_binds, g->at.cpu, sizeof(g->cpu_binds));
	name_in(g, &g->memory_use, g->at.memory, g->at.memory_v2 ? "memory.current" : "memory.usage_in_bytes");
	name_memory_events(g);
	name_in(g, &g->cpu_stat, g->cpu_binds, "cpu.stat");
	if (g->at.cpu_v2)
		name_in(g, &g->cpu_use, g->at.cpu, "cpu.stat");
	else
		name_in(g, &g->cpu_use, g->at.cpuacct, "cpuacct.usage");
	for (int i = 0; i < WEIR_STALLS; i++)
		name_in(g, &g->pressure[i], g->at.unified, pressure[i]);
}

/* The process may be moved to another group at any time, as some batch systems do right after its start. */
static void find_if_moved(struct monitor_group *g)
{
	char text[HOST_SMALL_FILE_BYTES];
	long length = textfile_read(&g->groups, text, sizeof(text));
	if (length < 0 || ((size_t)length == g->text_length && memcmp(text, g->text, g->text_length) == 0))
		return;
	memcpy(g->text, text, (size_t)length);
	g->text_length = (size_t)length;
	find(g);
}

struct monitor_group *monitor_group_create(const char *root)
{
	struct monitor_group *g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	g->root = root;
	textfile_name(&g->groups, root, "", HOST_GROUPS_PATH);
	find_if_moved(g);
	return g;
}

void monitor_group_destroy(struct monitor_group *g)
{
	if (!g)
		return;
	struct textfile *const files[] = {&g->groups,	       &g->memory_use, &g->memory_events,
					  &g->memory_failures, &g->cpu_stat,   &g->cpu_use};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		textfile_drop(files[i]);
	for (int i = 0; i < WEIR_STALLS; i++)
		textfile_drop(&g->pressure[i]);
	free(g);
}

const char *monitor_group_unified(const struct monitor_group *g)
{
	return g->at.unified;
}

/* What they say. --------------------------------------------------------------------------------------------------- */

uint32_t monitor_group_limits(struct monitor_group *g, weir_reading *out)
{
	uint32_t known = 0;
	find_if_moved(g);
	char binds[HOST_PATH_BYTES];
	memcpy(binds, g->at.memory, sizeof(binds));
	if (host_cgroup_memory_max(g->root, &g->at, &out->cgroup_memory_max_bytes, binds))
		known |= WEIR_KNOWN_CGROUP_MEMORY_MAX;
	uint64_t max = known ? out->cgroup_memory_max_bytes : UINT64_MAX, room = UINT64_MAX;
	if (host_cgroup_memory_room(g->root, &g->at, &room, NULL) || (known && max == UINT64_MAX)) {
		/* The use of the tightest may not be known. */
		out->cgroup_memory_available_bytes = room < max ? room : max;
		known |= WEIR_KNOWN_CGROUP_MEMORY_AVAILABLE;
	}
	if (strcmp(binds, g->memory_binds) != 0) {
		memcpy(g->memory_binds, binds, sizeof(binds));
		name_memory_events(g);
	}
	if (host_cgroup_memory_high(g->root, &g->at, &out->cgroup_memory_high_bytes))
		known |= WEIR_KNOWN_CGROUP_MEMORY_HIGH;
	memcpy(binds, g->at.cpu, sizeof(binds));
	out->cgroup_cpu_quota = 0;
	if (g->at.cpu[0]) {
		known |= WEIR_KNOWN_CGROUP_CPU_QUOTA;
		(void)host_cgroup_cores(g->root, &g->at, &out->cgroup_cpu_quota, binds);
	}
	if (strcmp(binds, g->cpu_binds) != 0) {
		memcpy(g->cpu_binds, binds, sizeof(binds));
		name_in(g, &g->cpu_stat, g->cpu_binds, "cpu.stat");
	}
	return known;
}

static bool read_number(struct textfile *file, uint64_t *out)
{
	char text[64];
	long length = textfile_read(file, text, sizeof(text));
	return length >= 0 && hostfile_number(text, (size_t)length, out);
}

static uint32_t read_fields(struct textfile *file, const char *const *key, uint32_t keys, uint64_t *out)
{
	char text[HOST_SMALL_FILE_BYTES];
	long length = textfile_read(file, text, sizeof(text));
	return length < 0 ? 0 : hostfile_fields(text, (size_t)length, key, keys, out);
}

/* Version 1 counts kills, and how often the limit was met. */
static bool read_events(struct monitor_group *g, weir_reading *out)
{
	static const char *const key[] = {"oom_kill", "oom", "max", "high"};
	uint64_t count[] = {out->cgroup_oom_kills, out->cgroup_oom_events, out->cgroup_max_events,
			    out->cgroup_high_events};
	uint32_t found = read_fields(&g->memory_events, key, g->at.memory_v2 ? 4 : 1, count);
	bool known = g->at.memory_v2 ? found != 0 : read_number(&g->memory_failures, &count[2]) || found;
	if (!known)
		return false;
	out->cgroup_oom_kills = count[0];
	out->cgroup_oom_events = count[1];
	out->cgroup_max_events = count[2];
	out->cgroup_high_events = count[3];
	return true;
}

uint32_t monitor_group_memory(struct monitor_group *g, weir_reading *out)
{
	return (read_number(&g->memory_use, &out->cgroup_memory_bytes) ? WEIR_KNOWN_CGROUP_MEMORY : 0) |
	       (read_events(g, out) ? WEIR_KNOWN_CGROUP_MEMORY_EVENTS : 0);
}

static uint64_t times(uint64_t value, uint64_t by)
{
	uint64_t product;
	return __builtin_mul_overflow(value, by, &product) ? UINT64_MAX : product;
}

/* Version 2 counts in microseconds, version 1 in nanoseconds. */
static bool read_throttling(struct monitor_group *g, weir_reading *out)
{
	static const char *const v1_key[] = {"nr_periods", "nr_throttled", "throttled_time"};
	static const char *const v2_key[] = {"nr_periods", "nr_throttled", "throttled_usec"};
	uint64_t count[3] = {0};
	if (read_fields(&g->cpu_stat, g->at.cpu_v2 ? v2_key : v1_key, 3, count) != 7)
		return false;
	out->cgroup_periods = count[0];
	out->cgroup_throttled_periods = count[1];
	out->cgroup_throttled_ns = times(count[2], g->at.cpu_v2 ? 1000 : 1);
	return true;
}

static bool read_cpu_use(struct monitor_group *g, weir_reading *out)
{
	static const char *const key[] = {"usage_usec"};
	uint64_t us;
	if (!g->at.cpu_v2)
		return read_number(&g->cpu_use, &out->cgroup_cpu_used_ns);
	if (!read_fields(&g->cpu_use, key, 1, &us))
		return false;
	out->cgroup_cpu_used_ns = times(us, 1000);
	return true;
}

uint32_t monitor_group_cpu(struct monitor_group *g, weir_reading *out)
{
	return (read_throttling(g, out) ? WEIR_KNOWN_CGROUP_THROTTLING : 0) |
	       (read_cpu_use(g, out) ? WEIR_KNOWN_CGROUP_CPU_USE : 0);
}

bool monitor_pressure_parse(const char *text, long length, weir_pressure *out)
{
	struct hostfile_pressure read;
	if (length < 0 || !hostfile_pressure(text, (size_t)length, &read))
		return false;
	*out = (weir_pressure){read.some_avg10, read.full_avg10, times(read.some_total_us, 1000),
			       times(read.full_total_us, 1000)};
	return true;
}

uint32_t monitor_group_pressure(struct monitor_group *g, weir_reading *out)
{
	static const uint32_t bit[WEIR_STALLS] = {[WEIR_STALL_CPU] = WEIR_KNOWN_CGROUP_CPU_PRESSURE,
						  [WEIR_STALL_MEMORY] = WEIR_KNOWN_CGROUP_MEMORY_PRESSURE,
						  [WEIR_STALL_IO] = WEIR_KNOWN_CGROUP_IO_PRESSURE};
	uint32_t known = 0;
	for (int i = 0; i < WEIR_STALLS; i++) {
		char text[512];
		long length = textfile_read(&g->pressure[i], text, sizeof(text));
		if (monitor_pressure_parse(text, length, &out->cgroup_pressure[i]))
			known |= bit[i];
	}
	return known;
}
