/* SPDX-License-Identifier: MIT */
/*
 * monitor_host.c - what this host's files say, as one reading.
 *
 * Holds:     the CPU times of the reading before, and which missing things were said to be missing.
 * Together:  nothing: one thread at a time, as the monitor does.
 * Not here:  when it is read and who sees it (monitor.c), what the bytes mean (hostfiles.c).
 */
#include "numa/monitor_host.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "numa/host.h"
#include "numa/hostfiles.h"
#include "numa/topology.h"
#include "private/clock.h"
#include "private/log.h"

/* Lines of 8192 processors; what follows them in /proc/stat is not read. */
enum { STAT_BYTES = 1 << 20 };

struct cpu_times {
	uint64_t busy, idle;
	uint32_t node; /* UINT32_MAX: not one of ours */
	bool seen;
};

struct node_times {
	uint64_t busy, idle; /* gathered while a reading is made */
	double share;	     /* of the last reading that had any */
	bool known;
};

struct monitor_host {
	const struct weir_machine *machine;
	const char *root;
	struct host_cgroup cgroup;
	uint32_t cpus;
	struct cpu_times *cpu;
	struct node_times *times;
	struct host_node_memory *memory;
	uint32_t *physical;
	char *stat;
	uint32_t said_missing; /* WEIR_KNOWN_... */
};

/* Each reading's part. The bits of what is missing are said once. ------------------------------------------------ */

static void known(struct monitor_host *host, weir_reading *out, uint32_t bit, bool is_known, const char *what)
{
	if (is_known) {
		out->known |= bit;
	} else if (!(host->said_missing & bit)) {
		host->said_missing |= bit;
		LOG(WEIR_LOG_INFO, "monitor: %s cannot be read here and stays unknown", what);
	}
}

static void read_node_memory(struct monitor_host *host, weir_reading *out)
{
	bool read = host_nodes_memory(host->root, host->machine->nodes, host->physical, host->memory);
	for (uint32_t i = 0; read && i < out->nodes; i++) {
		out->node[i].memory_total_bytes = host->memory[i].total_bytes;
		out->node[i].memory_free_bytes = host->memory[i].free_bytes;
		out->node[i].memory_available_bytes = host->memory[i].available_bytes;
	}
	known(host, out, WEIR_KNOWN_NODE_MEMORY, read, "the nodes' memory");
}

/* Counters of a processor that was away, and iowait at any time, may go back: that much is not counted. */
static uint64_t forward(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

static void gather_cpu(uint32_t number, uint64_t busy, uint64_t idle, void *context)
{
	struct monitor_host *host = context;
	if (number >= host->cpus || host->cpu[number].node == UINT32_MAX)
		return;
	struct cpu_times *cpu = &host->cpu[number];
	if (cpu->seen) {
		host->times[cpu->node].busy += forward(cpu->busy, busy);
		host->times[cpu->node].idle += forward(cpu->idle, idle);
	}
	cpu->busy = busy;
	cpu->idle = idle;
	cpu->seen = true;
}

/* The kernel counts in ticks of some milliseconds: between two readings closer than that nothing moves, and the share
 * of the last time stands. The first reading has nothing before it and knows no share; that is not said to be missing.
 */
static void read_cpu(struct monitor_host *host, weir_reading *out)
{
	long length = host_file_read(host->root, "/proc/stat", host->stat, STAT_BYTES);
	uint32_t cpus = length < 0 ? 0 : hostfile_cpu_times(host->stat, (size_t)length, gather_cpu, host);
	bool all = cpus > 0;
	for (uint32_t i = 0; i < out->nodes; i++) {
		struct node_times *t = &host->times[i];
		uint64_t ticks;
		if (!__builtin_add_overflow(t->busy, t->idle, &ticks) && ticks > 0) {
			t->share = (double)t->busy / (double)ticks;
			t->known = true;
		}
		t->busy = 0;
		t->idle = 0;
		out->node[i].cpu_busy = t->share;
		all = all && (t->known || host->machine->node[i].cores == 0);
	}
	if (all)
		out->known |= WEIR_KNOWN_CPU;
	else if (cpus == 0)
		known(host, out, WEIR_KNOWN_CPU, false, "CPU use (/proc/stat)");
}

static void read_pressure(struct monitor_host *host, weir_reading *out)
{
	char text[HOST_SMALL_FILE_BYTES];
	long length = host_file_read(host->root, "/proc/pressure/memory", text, sizeof(text));
	bool read = length >= 0 &&
		    hostfile_pressure(text, (size_t)length, &out->memory_pressure_some, &out->memory_pressure_full);
	known(host, out, WEIR_KNOWN_MEMORY_PRESSURE, read, "memory pressure (/proc/pressure/memory)");
}

static void read_cgroup(struct monitor_host *host, weir_reading *out)
{
	known(host, out, WEIR_KNOWN_CGROUP_MEMORY,
	      host_cgroup_memory_used(host->root, &host->cgroup, &out->cgroup_memory_bytes),
	      "the control group's memory use");
	known(host, out, WEIR_KNOWN_CGROUP_MEMORY_MAX,
	      host_cgroup_memory_max(host->root, &host->cgroup, &out->cgroup_memory_max_bytes),
	      "the control group's memory limit");
}

static void read_process(struct monitor_host *host, weir_reading *out)
{
	char text[HOST_SMALL_FILE_BYTES];
	long length = host_file_read(host->root, "/proc/self/statm", text, sizeof(text));
	uint64_t pages, page = (uint64_t)sysconf(_SC_PAGESIZE);
	bool read = length >= 0 && hostfile_resident_pages(text, (size_t)length, &pages) &&
		    !__builtin_mul_overflow(pages, page, &out->process_rss_bytes);
	known(host, out, WEIR_KNOWN_PROCESS, read, "this process's memory (/proc/self/statm)");
}

/* The source. ---------------------------------------------------------------------------------------------------- */

weir_status monitor_host_start(void *context, uint64_t interval_ns)
{
	struct monitor_host *host = context;
	(void)interval_ns;
	for (uint32_t i = 0; i < host->cpus; i++)
		host->cpu[i].seen = false;
	for (uint32_t i = 0; i < host->machine->nodes; i++)
		host->times[i] = (struct node_times){0};
	return WEIR_OK;
}

weir_status monitor_host_read(void *context, weir_reading *out)
{
	struct monitor_host *host = context;
	uint32_t nodes = host->machine->nodes;
	out->known = 0;
	out->taken_at_ns = weir_clock_monotonic_ns();
	out->nodes = nodes < out->nodes_capacity ? nodes : out->nodes_capacity;
	for (uint32_t i = 0; i < out->nodes; i++)
		out->node[i] = (weir_node_reading){.memory_total_bytes = host->machine->node[i].memory_bytes};
	if (host->machine->is_this) {
		read_node_memory(host, out);
		read_cpu(host, out);
	}
	read_pressure(host, out);
	read_cgroup(host, out);
	read_process(host, out);
	return WEIR_OK;
}

/* Which node each processor of the host counts for. */
static bool map_cpus(struct monitor_host *host)
{
	const struct weir_machine *machine = host->machine;
	uint32_t threads = machine->first_thread[machine->cores];
	for (uint32_t t = 0; t < threads; t++)
		if (machine->thread[t] >= host->cpus)
			host->cpus = machine->thread[t] + 1;
	host->cpu = calloc(host->cpus, sizeof(*host->cpu));
	if (!host->cpu)
		return false;
	for (uint32_t i = 0; i < host->cpus; i++)
		host->cpu[i].node = UINT32_MAX;
	for (uint32_t n = 0; n < machine->nodes; n++) {
		const struct machine_node *node = &machine->node[n];
		uint32_t end = machine->first_thread[node->first_core + node->cores];
		for (uint32_t t = machine->first_thread[node->first_core]; t < end; t++)
			host->cpu[machine->thread[t]].node = n;
	}
	return true;
}

struct monitor_host *monitor_host_create(const weir_machine *machine, const char *root)
{
	struct monitor_host *host = calloc(1, sizeof(*host));
	if (!host)
		return NULL;
	host->machine = machine;
	host->root = root;
	host->times = calloc(machine->nodes, sizeof(*host->times));
	host->memory = calloc(machine->nodes, sizeof(*host->memory));
	host->physical = calloc(machine->nodes, sizeof(*host->physical));
	host->stat = malloc(STAT_BYTES);
	if (!host->times || !host->memory || !host->physical || !host->stat || !map_cpus(host)) {
		monitor_host_destroy(host);
		return NULL;
	}
	for (uint32_t i = 0; i < machine->nodes; i++)
		host->physical[i] = machine->node[i].physical;
	host_cgroup_find(root, &host->cgroup);
	return host;
}

void monitor_host_destroy(struct monitor_host *host)
{
	if (!host)
		return;
	free(host->cpu);
	free(host->times);
	free(host->memory);
	free(host->physical);
	free(host->stat);
	free(host);
}
