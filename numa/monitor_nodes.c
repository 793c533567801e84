/* SPDX-License-Identifier: MIT */
/*
 * monitor_nodes.c - each node's memory and share of busy CPU, read a part at a time.
 *
 * Holds:     the nodes' last readings and open files; the CPU times of the reading before.
 * Together:  nothing: one thread at a time, as the monitor does.
 * Not here:  how many nodes are read at once (monitor_host.c), what the bytes mean (host.c, hostfiles.c).
 */
#include "numa/monitor_nodes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numa/host.h"
#include "numa/hostfiles.h"
#include "numa/textfile.h"
#include "numa/topology.h"

/* Descriptors are the application's first: of so many nodes the files stay open, the others' are opened at each reading.
 */
enum { OPEN_NODES_MAX = 64 };

/* Lines of 8192 processors; what follows them in /proc/stat is not read. */
enum { STAT_LINE_BYTES = 128, STAT_BYTES_MAX = 1 << 20, STAT_BYTES_MIN = 1 << 14 };

struct cpu_times {
	uint64_t busy, idle;
	uint32_t node; /* UINT32_MAX: not one of ours */
	bool seen;
};

struct node {
	struct textfile file;
	weir_node_reading last;
	uint64_t busy, idle; /* gathered while /proc/stat is read */
	bool memory_known, share_known;
};

struct monitor_nodes {
	const struct weir_machine *machine;
	struct node *node;
	uint32_t count;
	uint32_t next;	  /* whose memory is read next */
	uint32_t unknown; /* nodes of which the memory is not known */
	struct textfile stat;
	char *text; /* of /proc/stat */
	size_t text_bytes;
	struct cpu_times *cpu;
	uint32_t cpus;
};

/* Memory. ---------------------------------------------------------------------------------------------------------- */

static void set_memory(struct monitor_nodes *n, struct node *node, bool known)
{
	if (known != node->memory_known)
		n->unknown += known ? UINT32_MAX : 1;
	node->memory_known = known;
}

bool monitor_nodes_memory(struct monitor_nodes *n, uint32_t count, double part, uint64_t now_ns)
{
	for (uint32_t i = 0; i < count; i++) {
		char text[HOST_SMALL_FILE_BYTES];
		struct node *node = &n->node[n->next];
		struct host_node_memory read;
		long length = textfile_read(&node->file, text, sizeof(text));
		bool known = length >= 0 && host_node_parse(text, (size_t)length, part, &read);
		if (known) {
			node->last.memory_total_bytes = read.total_bytes;
			node->last.memory_free_bytes = read.free_bytes;
			node->last.memory_available_bytes = read.available_bytes;
			node->last.memory_read_at_ns = now_ns;
		}
		set_memory(n, node, known);
		if (n->next >= OPEN_NODES_MAX)
			textfile_close(&node->file);
		n->next = n->next + 1 < n->count ? n->next + 1 : 0;
	}
	return n->unknown == 0;
}

void monitor_nodes_only(struct monitor_nodes *n, uint64_t total, uint64_t free, uint64_t available, uint64_t now_ns)
{
	weir_node_reading *last = &n->node[0].last;
	last->memory_total_bytes = total;
	last->memory_free_bytes = free;
	last->memory_available_bytes = available;
	last->memory_read_at_ns = now_ns;
}

/* CPU. ------------------------------------------------------------------------------------------------------------- */

/* Counters of a processor that was away, and iowait at any time, may go back: that much is not counted. */
static uint64_t forward(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

static void gather(uint32_t number, uint64_t busy, uint64_t idle, void *context)
{
	struct monitor_nodes *n = context;
	if (number >= n->cpus || n->cpu[number].node == UINT32_MAX)
		return;
	struct cpu_times *cpu = &n->cpu[number];
	if (cpu->seen) {
		n->node[cpu->node].busy += forward(cpu->busy, busy);
		n->node[cpu->node].idle += forward(cpu->idle, idle);
	}
	cpu->busy = busy;
	cpu->idle = idle;
	cpu->seen = true;
}

/* The kernel counts in ticks of some milliseconds: between two readings closer than that nothing moves, and the share of
 * the last time stands. */
uint32_t monitor_nodes_cpu(struct monitor_nodes *n, bool *shares)
{
	long length = textfile_read(&n->stat, n->text, n->text_bytes);
	uint32_t cpus = length < 0 ? 0 : hostfile_cpu_times(n->text, (size_t)length, gather, n);
	*shares = cpus > 0;
	for (uint32_t i = 0; i < n->count; i++) {
		struct node *node = &n->node[i];
		uint64_t ticks;
		if (!__builtin_add_overflow(node->busy, node->idle, &ticks) && ticks > 0) {
			node->last.cpu_busy = (double)node->busy / (double)ticks;
			node->share_known = true;
		}
		node->busy = 0;
		node->idle = 0;
		*shares = *shares && (node->share_known || n->machine->node[i].cores == 0);
	}
	return cpus;
}

void monitor_nodes_forget(struct monitor_nodes *n)
{
	for (uint32_t i = 0; i < n->cpus; i++)
		n->cpu[i].seen = false;
	for (uint32_t i = 0; i < n->count; i++) {
		n->node[i].share_known = false;
		n->node[i].last.cpu_busy = 0;
	}
}

/* All. ------------------------------------------------------------------------------------------------------------- */

uint64_t monitor_nodes_copy(const struct monitor_nodes *n, weir_node_reading *out, uint32_t count)
{
	uint64_t oldest = UINT64_MAX;
	for (uint32_t i = 0; i < n->count; i++) {
		if (n->node[i].last.memory_read_at_ns < oldest)
			oldest = n->node[i].last.memory_read_at_ns;
		if (i < count)
			out[i] = n->node[i].last;
	}
	return oldest;
}

/* Which node each processor of the host counts for. */
static bool map_cpus(struct monitor_nodes *n)
{
	const struct weir_machine *machine = n->machine;
	uint32_t threads = machine->first_thread[machine->cores];
	for (uint32_t t = 0; t < threads; t++)
		if (machine->thread[t] >= n->cpus)
			n->cpus = machine->thread[t] + 1;
	n->cpu = calloc(n->cpus, sizeof(*n->cpu));
	if (!n->cpu)
		return false;
	for (uint32_t i = 0; i < n->cpus; i++)
		n->cpu[i].node = UINT32_MAX;
	for (uint32_t i = 0; i < machine->nodes; i++) {
		const struct machine_node *node = &machine->node[i];
		uint32_t end = machine->first_thread[node->first_core + node->cores];
		for (uint32_t t = machine->first_thread[node->first_core]; t < end; t++)
			n->cpu[machine->thread[t]].node = i;
	}
	return true;
}

/* The first line, for all processors, and those up to our last. */
static bool make_text(struct monitor_nodes *n)
{
	size_t bytes = ((size_t)n->cpus + 2) * STAT_LINE_BYTES;
	n->text_bytes = bytes < STAT_BYTES_MIN ? STAT_BYTES_MIN : bytes > STAT_BYTES_MAX ? STAT_BYTES_MAX : bytes;
	n->text = malloc(n->text_bytes);
	return n->text != NULL;
}

struct monitor_nodes *monitor_nodes_create(const weir_machine *machine, const char *root)
{
	struct monitor_nodes *n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->machine = machine;
	n->count = machine->nodes;
	n->unknown = machine->nodes;
	n->node = calloc(n->count, sizeof(*n->node));
	if (!n->node || !map_cpus(n) || !make_text(n)) {
		monitor_nodes_destroy(n);
		return NULL;
	}
	textfile_name(&n->stat, root, "", "/proc/stat");
	for (uint32_t i = 0; i < n->count; i++) {
		char path[64];
		snprintf(path, sizeof(path), HOST_NODE_MEMORY_PATH, machine->node[i].physical);
		textfile_name(&n->node[i].file, root, "", path);
		n->node[i].last.memory_total_bytes = machine->node[i].memory_bytes;
	}
	return n;
}

void monitor_nodes_destroy(struct monitor_nodes *n)
{
	if (!n)
		return;
	for (uint32_t i = 0; n->node && i < n->count; i++)
		textfile_drop(&n->node[i].file);
	textfile_drop(&n->stat);
	free(n->node);
	free(n->text);
	free(n->cpu);
	free(n);
}
