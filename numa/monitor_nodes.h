/* SPDX-License-Identifier: MIT */
/* monitor_nodes.h - what the files of the host say of each node's memory and CPUs, for a reading. */
#ifndef NUMA_MONITOR_NODES_H
#define NUMA_MONITOR_NODES_H

#include <weir/monitor.h>

struct monitor_nodes;

/* machine, root: borrowed. NULL: no memory. */
struct monitor_nodes *monitor_nodes_create(const weir_machine *machine, const char *root);
void monitor_nodes_destroy(struct monitor_nodes *nodes);

/* Forget the CPU times of a reading long ago. */
void monitor_nodes_forget(struct monitor_nodes *nodes);

/* Read the memory of the next `count` nodes, from where the last call stopped. part: the host's, of host_memory_parse().
 * False: of some node it is not known. */
bool monitor_nodes_memory(struct monitor_nodes *nodes, uint32_t count, double part, uint64_t now_ns);

/* What is said of the whole host is said of its only node: a kernel without NUMA has no files for nodes. */
void monitor_nodes_only(struct monitor_nodes *nodes, uint64_t total, uint64_t free, uint64_t available,
			uint64_t now_ns);

/* How many processors /proc/stat tells the times of, 0: it cannot be read. *shares: all nodes' are known, which takes two
 * calls. */
uint32_t monitor_nodes_cpu(struct monitor_nodes *nodes, bool *shares);

/* Copy all that is known; answers when the oldest node's memory was read. */
uint64_t monitor_nodes_copy(const struct monitor_nodes *nodes, weir_node_reading *out, uint32_t count);

#endif
