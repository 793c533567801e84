/* SPDX-License-Identifier: MIT */
/*
 * topology.h - the machine as constant arrays. Made once by weir_machine_create(); nothing changes until it is
 * destroyed, so any thread reads it without further ado.
 */
#ifndef NUMA_TOPOLOGY_H
#define NUMA_TOPOLOGY_H

#include <weir/machine.h>

struct machine_node {
	uint32_t physical;	       /* the operating system's number */
	uint32_t cores;		       /* usable by this process; one worker each */
	uint32_t first_core;	       /* index of its first core in machine->cpu */
	uint64_t memory_bytes;	       /* capacity, 0: none */
	uint64_t memory_default_bytes; /* default limit: capacity or cgroup share, less what others already use, / ranks
					* on this host; what capacity is on a machine that is not this one */
};

/* What the defaults were made of: for the log, and for who divides them otherwise. */
struct machine_facts {
	uint32_t threads;	  /* hardware threads of the machine */
	uint32_t threads_allowed; /* of these, by the cpuset */
	uint32_t threads_bound;	  /* of these, by this process's mask */
	uint64_t capacity_bytes;  /* of all nodes, as the next */
	uint64_t available_bytes;
	bool use_known;		  /* else what is available is the capacity */
	uint64_t group_bytes;	  /* what the control group may still take, where that is less */
	uint64_t kept_back_bytes; /* of our share: for stacks, page tables, the process itself */
	uint32_t ranks;		  /* processes that share the default, at least 1 */
	char *quota_group;	  /* whose CPU quota binds, NULL: none's */
	char *memory_group;	  /* whose memory limit binds, NULL: none's */
};

struct weir_machine {
	char *name;
	bool is_this;
	uint32_t nodes, cores;
	struct machine_node *node;
	uint32_t *cpu;		/* physical index of the first hardware thread of each core, grouped by node */
	uint32_t *thread;	/* physical indexes of all usable hardware threads, grouped by core */
	uint32_t *first_thread; /* for each core its first entry in thread; one more entry ends the last core */
	uint32_t *distance;	/* nodes x nodes; 10 is local */
	uint32_t *order; /* nodes x nodes: row n lists the nodes by distance from n, itself first, ties by number */
	uint32_t *cores_near;  /* for each node: the nearest node with cores (itself if it has) */
	uint32_t *memory_near; /* for each node: the nearest node with memory */
	double cores_quota;    /* cgroup CPU quota in cores, or the number of cores */
	struct machine_facts facts;
};

/* Both nodes must be there. */
static inline uint32_t machine_distance(const struct weir_machine *m, uint32_t from, uint32_t to)
{
	return m->distance[(size_t)from * m->nodes + to];
}

/* weir_machine_create() with another place for the host's files: root is put before each path, "" for the real ones. */
weir_status machine_create(struct weir_machine **out, const char *source, const char *root);

/* Take cores from nodes until `keep` are left in all: one by one from the node that has most, the last of equals. */
void machine_drop_cores(struct machine_node *node, uint32_t nodes, uint32_t keep);

/* The logical number of the node that the operating system calls `physical`; UINT32_MAX: not one of ours. */
uint32_t machine_node_of_physical(const struct weir_machine *machine, uint32_t physical);

#endif
