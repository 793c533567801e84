/* SPDX-License-Identifier: MIT */
/*
 * monitor_host.c - what this host's files say, as one reading; each part as often as its cost allows.
 *
 * Holds:     the last reading, of which each part is renewed at its own turn; what each part costs; which missing things
 *            were said to be missing.
 * Invariant: M3  each part takes its share of CPU time on average, however large the machine is; the sum of the shares is
 *                below 0.1 % of one core at the default interval.
 * Together:  nothing: one thread at a time, as the monitor does.
 * Not here:  when it is read and who sees it (monitor.c); the nodes' files and the group's (monitor_nodes.c,
 *            monitor_group.c); what the bytes mean (hostfiles.c).
 */
#include "numa/monitor_host.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "numa/cadence.h"
#include "numa/host.h"
#include "numa/hostfiles.h"
#include "numa/textfile.h"
#include "numa/monitor_group.h"
#include "numa/monitor_nodes.h"
#include "numa/stall.h"
#include "numa/topology.h"
#include "private/clock.h"
#include "private/log.h"

struct monitor_host {
	const struct weir_machine *machine;
	const char *root;
	uint64_t (*cpu_ns)(void);
	uint64_t intervals;    /* of 100 ms in the monitor's */
	uint64_t overhead_ns;  /* of a reading, smoothed: waking up, showing it */
	uint64_t ended_cpu_ns; /* the reading before, in this thread; 0: there was none */
	bool first;	       /* nothing was read since the start */
	struct cadence cadence[WEIR_PARTS];
	struct monitor_group *group;
	struct monitor_nodes *nodes;
	struct textfile memory, statm, pressure[WEIR_STALLS];
	double available_part; /* host_memory_parse()'s */
	uint32_t node_pieces;  /* how many nodes to read at this turn */
	weir_reading last;     /* but for its nodes */
	uint32_t said_missing; /* WEIR_KNOWN_... */
	weir_monitor_watch trigger[WEIR_MONITOR_WATCHES];
	uint32_t triggers;
};

/* Bits that belong together: what can be known of each part, and what the log calls it where it is not. */
static const struct {
	uint32_t bit;
	const char *what;
} names[] = {
	{WEIR_KNOWN_HOST_MEMORY, "the host's memory (/proc/meminfo)"},
	{WEIR_KNOWN_NODE_MEMORY, "the nodes' memory"},
	{WEIR_KNOWN_CPU, "CPU use (/proc/stat)"},
	{WEIR_KNOWN_CPU_PRESSURE, "CPU pressure (/proc/pressure/cpu)"},
	{WEIR_KNOWN_MEMORY_PRESSURE, "memory pressure (/proc/pressure/memory)"},
	{WEIR_KNOWN_IO_PRESSURE, "I/O pressure (/proc/pressure/io)"},
	{WEIR_KNOWN_CGROUP_MEMORY, "the control group's memory use"},
	{WEIR_KNOWN_CGROUP_MEMORY_MAX, "the control group's memory limit"},
	{WEIR_KNOWN_CGROUP_MEMORY_AVAILABLE, "what the control group may still take"},
	{WEIR_KNOWN_CGROUP_MEMORY_EVENTS, "the control group's memory events"},
	{WEIR_KNOWN_CGROUP_CPU_QUOTA, "the control group's CPU quota"},
	{WEIR_KNOWN_CGROUP_CPU_USE, "the control group's CPU use"},
	{WEIR_KNOWN_CGROUP_THROTTLING, "the control group's throttling"},
	{WEIR_KNOWN_CGROUP_CPU_PRESSURE, "the control group's CPU pressure"},
	{WEIR_KNOWN_CGROUP_MEMORY_PRESSURE, "the control group's memory pressure"},
	{WEIR_KNOWN_CGROUP_IO_PRESSURE, "the control group's I/O pressure"},
	{WEIR_KNOWN_PROCESS, "this process's memory (/proc/self/statm)"},
};

/* A part was read: these of its bits are known. One line at most, whatever is missing of it. */
static void note(struct monitor_host *host, uint32_t bits, uint32_t known)
{
	host->last.known = (host->last.known & ~bits) | known;
	uint32_t missing = bits & ~known & ~host->said_missing;
	for (size_t i = 0; missing && i < sizeof(names) / sizeof(names[0]); i++)
		if (missing & names[i].bit)
			LOG(WEIR_LOG_INFO, "monitor: %s cannot be read here and stays unknown", names[i].what);
	host->said_missing |= missing;
}

/* The parts. ----------------------------------------------------------------------------------------------------- */

static void read_host_memory(struct monitor_host *host)
{
	char text[HOST_SMALL_FILE_BYTES];
	struct host_memory read;
	long length = textfile_read(&host->memory, text, sizeof(text));
	bool known = length >= 0 && host_memory_parse(text, (size_t)length, &read);
	if (known) {
		host->last.memory_total_bytes = read.total_bytes;
		host->last.memory_free_bytes = read.free_bytes;
		host->last.memory_available_bytes = read.available_bytes;
		host->available_part = read.part;
	}
	note(host, WEIR_KNOWN_HOST_MEMORY, known ? WEIR_KNOWN_HOST_MEMORY : 0);
}

static void read_node_memory(struct monitor_host *host)
{
	bool known = monitor_nodes_memory(host->nodes, host->node_pieces, host->available_part, host->last.taken_at_ns);
	if (!known && host->machine->nodes == 1 && host->last.known & WEIR_KNOWN_HOST_MEMORY) {
		monitor_nodes_only(host->nodes, host->last.memory_total_bytes, host->last.memory_free_bytes,
				   host->last.memory_available_bytes, host->last.taken_at_ns);
		known = true;
	}
	note(host, WEIR_KNOWN_NODE_MEMORY, known ? WEIR_KNOWN_NODE_MEMORY : 0);
}

/* The first time has nothing before it and knows no share; that is not said to be missing. */
static void read_node_cpu(struct monitor_host *host)
{
	bool shares;
	uint32_t cpus = monitor_nodes_cpu(host->nodes, &shares);
	if (cpus && !shares)
		host->last.known &= ~(uint32_t)WEIR_KNOWN_CPU;
	else
		note(host, WEIR_KNOWN_CPU, shares ? WEIR_KNOWN_CPU : 0);
}

static void read_host_pressure(struct monitor_host *host)
{
	static const uint32_t bit[WEIR_STALLS] = {[WEIR_STALL_CPU] = WEIR_KNOWN_CPU_PRESSURE,
						  [WEIR_STALL_MEMORY] = WEIR_KNOWN_MEMORY_PRESSURE,
						  [WEIR_STALL_IO] = WEIR_KNOWN_IO_PRESSURE};
	uint32_t known = 0;
	for (int i = 0; i < WEIR_STALLS; i++) {
		char text[512];
		long length = textfile_read(&host->pressure[i], text, sizeof(text));
		if (monitor_pressure_parse(text, length, &host->last.pressure[i]))
			known |= bit[i];
	}
	note(host, bit[0] | bit[1] | bit[2], known);
}

static void read_group_limits(struct monitor_host *host)
{
	/* Version 1 has no high: that is not said to be missing. */
	uint32_t known = monitor_group_limits(host->group, &host->last);
	uint32_t high = WEIR_KNOWN_CGROUP_MEMORY_HIGH;
	host->last.known = (host->last.known & ~high) | (known & high);
	note(host, WEIR_KNOWN_CGROUP_MEMORY_MAX | WEIR_KNOWN_CGROUP_MEMORY_AVAILABLE | WEIR_KNOWN_CGROUP_CPU_QUOTA,
	     known & ~high);
}

static void read_group_memory(struct monitor_host *host)
{
	note(host, WEIR_KNOWN_CGROUP_MEMORY | WEIR_KNOWN_CGROUP_MEMORY_EVENTS,
	     monitor_group_memory(host->group, &host->last));
}

static void read_group_cpu(struct monitor_host *host)
{
	note(host, WEIR_KNOWN_CGROUP_CPU_USE | WEIR_KNOWN_CGROUP_THROTTLING,
	     monitor_group_cpu(host->group, &host->last));
}

static void read_group_pressure(struct monitor_host *host)
{
	note(host, WEIR_KNOWN_CGROUP_CPU_PRESSURE | WEIR_KNOWN_CGROUP_MEMORY_PRESSURE | WEIR_KNOWN_CGROUP_IO_PRESSURE,
	     monitor_group_pressure(host->group, &host->last));
}

static void read_process(struct monitor_host *host)
{
	char text[256];
	long length = textfile_read(&host->statm, text, sizeof(text));
	uint64_t mapped, resident, page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct rlimit limit;
	struct rusage usage;
	bool known = length >= 0 && hostfile_pages(text, (size_t)length, &mapped, &resident) &&
		     !__builtin_mul_overflow(mapped, page, &mapped) &&
		     !__builtin_mul_overflow(resident, page, &resident) && getrlimit(RLIMIT_AS, &limit) == 0 &&
		     getrusage(RUSAGE_SELF, &usage) == 0;
	if (known) {
		uint64_t seconds = (uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec;
		uint64_t us = (uint64_t)usage.ru_utime.tv_usec + (uint64_t)usage.ru_stime.tv_usec;
		host->last.process_virtual_bytes = mapped;
		host->last.process_rss_bytes = resident;
		host->last.process_virtual_max_bytes = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
		host->last.process_cpu_ns = seconds * WEIR_NS_PER_S + us * WEIR_NS_PER_US;
		host->last.process_major_faults = (uint64_t)usage.ru_majflt;
	}
	note(host, WEIR_KNOWN_PROCESS, known ? WEIR_KNOWN_PROCESS : 0);
}

/* In the order in which they are read. The shares are for an interval of 100 ms or less, and grow with it above. */
static const struct part {
	weir_monitor_part part;
	bool of_nodes;	 /* of this machine's nodes: nothing to read for another machine */
	bool in_a_stall; /* read at once when a stall was told */
	uint32_t share_ns;
	void (*read)(struct monitor_host *host);
} parts[] = {
	{WEIR_PART_HOST_MEMORY, false, true, 8000, read_host_memory},
	{WEIR_PART_NODE_MEMORY, true, true, 16000, read_node_memory},
	{WEIR_PART_NODE_CPU, true, false, 8000, read_node_cpu},
	{WEIR_PART_HOST_PRESSURE, false, true, 9000, read_host_pressure},
	{WEIR_PART_CGROUP_LIMITS, false, false, 6000, read_group_limits},
	{WEIR_PART_CGROUP_MEMORY, false, true, 5000, read_group_memory},
	{WEIR_PART_CGROUP_CPU, false, true, 5000, read_group_cpu},
	{WEIR_PART_CGROUP_PRESSURE, false, true, 9000, read_group_pressure},
	{WEIR_PART_PROCESS, false, false, 4000, read_process},
};

/* Of 100 us: the rest is for what is out of line. */
enum { BUDGET_NS = 80000, SHARES_NS = 70000, SHARES_INTERVAL_MS = 100 };

/* On a busy machine waking up alone, with cold caches, can take most of it. The parts then get what is left, but never
 * less than an eighth of their shares. */
static void share_out(struct monitor_host *host)
{
	uint64_t left = host->overhead_ns < BUDGET_NS ? BUDGET_NS - host->overhead_ns : 0;
	left = left < SHARES_NS / 8 ? SHARES_NS / 8 : left > SHARES_NS ? SHARES_NS : left;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		host->cadence[parts[i].part].share_ns = parts[i].share_ns * left / SHARES_NS * host->intervals;
}

/* The source. --------------------------------------------------------------------------------------------------------- */

weir_status monitor_host_start(void *context, uint64_t interval_ns)
{
	struct monitor_host *host = context;
	uint64_t intervals = interval_ns / (SHARES_INTERVAL_MS * WEIR_NS_PER_MS);
	host->intervals = intervals < 1 ? 1 : intervals < UINT32_MAX ? intervals : UINT32_MAX;
	host->overhead_ns = 0;
	host->ended_cpu_ns = 0;
	host->first = true;
	for (size_t i = 0; i < WEIR_PARTS; i++)
		host->cadence[i] = (struct cadence){0};
	share_out(host);
	monitor_nodes_forget(host->nodes);
	return WEIR_OK;
}

uint32_t monitor_host_watch(void *context, weir_monitor_watch *out, uint32_t capacity)
{
	struct monitor_host *host = context;
	uint32_t most = capacity < WEIR_MONITOR_WATCHES ? capacity : WEIR_MONITOR_WATCHES;
	host->triggers = stall_triggers(host->root, monitor_group_unified(host->group), host->trigger, most);
	memcpy(out, host->trigger, host->triggers * sizeof(*out));
	if (host->triggers)
		host->last.known |= WEIR_KNOWN_TRIGGERS;
	else
		LOG(WEIR_LOG_INFO, "monitor: no stall triggers here: stalls are seen at the next reading");
	host->ended_cpu_ns = 0; /* what this took is no part of the next reading */
	return host->triggers;
}

void monitor_host_stop(void *context)
{
	struct monitor_host *host = context;
	stall_close(host->trigger, host->triggers);
	host->triggers = 0;
	host->last.known &= ~(uint32_t)WEIR_KNOWN_TRIGGERS;
}

/* Returns the CPU time at its end, so that each part takes one look at the clock. */
static uint64_t turn(struct monitor_host *host, const struct part *part, bool stall, uint64_t begun_ns)
{
	struct cadence *cadence = &host->cadence[part->part];
	uint32_t pieces = cadence_turn(cadence, part->part == WEIR_PART_NODE_MEMORY ? host->machine->nodes : 1);
	if (!pieces && stall && part->in_a_stall)
		pieces = 1;
	if (!pieces)
		return begun_ns;
	host->node_pieces = pieces;
	part->read(host);
	uint64_t ended_ns = host->cpu_ns();
	/* The first time files are opened and all is cold: that says nothing of the next, except where many are alike. */
	if (!host->first || pieces > 1)
		cadence_paid(cadence, pieces, ended_ns - begun_ns);
	host->last.read_at_ns[part->part] = host->last.taken_at_ns;
	return ended_ns;
}

/* What was spent between two readings. The first is made by another thread, whose clock says nothing of this one's. */
static void note_overhead(struct monitor_host *host, uint64_t now_ns)
{
	if (host->ended_cpu_ns && now_ns > host->ended_cpu_ns && now_ns - host->ended_cpu_ns < 4 * BUDGET_NS) {
		uint64_t one = now_ns - host->ended_cpu_ns;
		host->overhead_ns += one / 8 - host->overhead_ns / 8;
		share_out(host);
	}
}

weir_status monitor_host_read(void *context, weir_reading *out)
{
	struct monitor_host *host = context;
	weir_reading *last = &host->last;
	last->taken_at_ns = weir_clock_monotonic_ns();
	uint64_t now_ns = host->cpu_ns();
	note_overhead(host, now_ns);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!parts[i].of_nodes || host->machine->is_this)
			now_ns = turn(host, &parts[i], out->early, now_ns);
	host->ended_cpu_ns = now_ns;
	host->first = false;
	uint32_t capacity = out->nodes_capacity, nodes = host->machine->nodes;
	weir_node_reading *node = out->node;
	last->early = out->early;
	*out = *last;
	out->node = node;
	out->nodes_capacity = capacity;
	out->nodes = nodes < capacity ? nodes : capacity;
	uint64_t oldest_ns = monitor_nodes_copy(host->nodes, node, out->nodes);
	out->read_at_ns[WEIR_PART_NODE_MEMORY] = oldest_ns;
	return WEIR_OK;
}

struct monitor_host *monitor_host_create(const weir_machine *machine, const char *root)
{
	static const char *const pressure[WEIR_STALLS] = {[WEIR_STALL_CPU] = "/proc/pressure/cpu",
							  [WEIR_STALL_MEMORY] = "/proc/pressure/memory",
							  [WEIR_STALL_IO] = "/proc/pressure/io"};
	struct monitor_host *host = calloc(1, sizeof(*host));
	if (!host)
		return NULL;
	host->machine = machine;
	host->root = root;
	host->cpu_ns = clock_thread_cpu_ns;
	host->available_part = 1;
	host->last.size = sizeof(host->last);
	host->group = monitor_group_create(root);
	host->nodes = monitor_nodes_create(machine, root);
	if (!host->group || !host->nodes) {
		monitor_host_destroy(host);
		return NULL;
	}
	textfile_name(&host->memory, root, "", "/proc/meminfo");
	textfile_name(&host->statm, root, "", "/proc/self/statm");
	for (int i = 0; i < WEIR_STALLS; i++)
		textfile_name(&host->pressure[i], root, "", pressure[i]);
	(void)monitor_host_start(host, 0);
	return host;
}

void monitor_host_cost_clock(struct monitor_host *host, uint64_t (*cpu_ns)(void))
{
	host->cpu_ns = cpu_ns;
}

void monitor_host_destroy(struct monitor_host *host)
{
	if (!host)
		return;
	monitor_host_stop(host);
	monitor_group_destroy(host->group);
	monitor_nodes_destroy(host->nodes);
	textfile_drop(&host->memory);
	textfile_drop(&host->statm);
	for (int i = 0; i < WEIR_STALLS; i++)
		textfile_drop(&host->pressure[i]);
	free(host);
}
