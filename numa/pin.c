/* SPDX-License-Identifier: MIT */
/*
 * pin.c - threads to cores, memory to nodes.
 *
 * Holds:     whether a refused memory policy was warned of.
 * Progress:  a system call or two; no lock, no allocation, so weir_machine_bind_self() may run between fork and exec.
 * Together:  all is safe together: what is bound is the calling thread, the caller's own memory, or a thread that lives.
 * Not here:  which core a worker gets (runtime/pool.c), where memory comes from (arena.c).
 */
#include "numa/pin.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <weir/resource.h>

#include "private/atomics.h"
#include "private/error.h"
#include "private/log.h"

enum {
	LONG_BITS = 8 * (int)sizeof(unsigned long),
	CPUS_MAX = 16384, /* twice what Linux counts to on x86 */
};

struct node_mask {
	unsigned long bits[WEIR_NODES_MAX / LONG_BITS];
};

/* The kernel reads one bit less than it is told. */
#define NODE_MASK_BITS (WEIR_NODES_MAX + 1ul)

static _Atomic(bool) warned_of_policy;

/* The physical number of the node that memory for `node` comes from. False: none that the kernel could know. */
static bool node_mask_of(const struct weir_machine *machine, uint32_t node, struct node_mask *mask)
{
	uint32_t physical = machine->node[machine->memory_near[node]].physical;
	if (physical >= WEIR_NODES_MAX)
		return false;
	*mask = (struct node_mask){0};
	mask->bits[physical / LONG_BITS] = 1ul << physical % LONG_BITS;
	return true;
}

/* On a machine of one node there is nothing to choose, so a refusal or a kernel without NUMA does not matter. */
static bool refusal_matters(const struct weir_machine *machine)
{
	return machine->nodes > 1;
}

static weir_status prefer_node(const struct weir_machine *machine, uint32_t node)
{
	struct node_mask mask;
	if (!node_mask_of(machine, node, &mask))
		return WEIR_OK;
	if (syscall(SYS_set_mempolicy, MPOL_PREFERRED, mask.bits, NODE_MASK_BITS) && refusal_matters(machine))
		return error_set_errno(WEIR_ESYSTEM, errno, "memory policy of node %u", node);
	return WEIR_OK;
}

/* On these cores, but not on one processor. False: forbidden, or nothing is left, and errno says why. */
static bool run_on(const struct weir_machine *machine, uint32_t core, uint32_t end, int but)
{
	unsigned long mask[CPUS_MAX / LONG_BITS] = {0};
	for (uint32_t t = machine->first_thread[core]; t < machine->first_thread[end]; t++)
		if (machine->thread[t] < CPUS_MAX && (int)machine->thread[t] != but)
			mask[machine->thread[t] / LONG_BITS] |= 1ul << machine->thread[t] % LONG_BITS;
	return syscall(SYS_sched_setaffinity, 0, sizeof(mask), mask) >= 0;
}

static weir_status bind_to_cores(const struct weir_machine *machine, uint32_t node, uint32_t first, uint32_t count)
{
	uint32_t core = machine->node[node].first_core + first;
	if (!run_on(machine, core, core + count, -1))
		return error_set_errno(WEIR_ESYSTEM, errno, "binding to %u cores of node %u, from core %u on", count,
				       node, first);
	return WEIR_OK;
}

static weir_status no_such_node(const struct weir_machine *machine, uint32_t node)
{
	return error_set(WEIR_EINVAL, "node %u: the machine has nodes 0 to %u", node, machine->nodes - 1);
}

weir_status weir_machine_bind_self(const weir_machine *machine, uint32_t node, uint32_t first, uint32_t count)
{
	if (!machine)
		return error_set(WEIR_EINVAL, "machine is NULL");
	if (node >= machine->nodes)
		return no_such_node(machine, node);
	uint32_t cores = machine->node[node].cores;
	if (count == 0 || first >= cores || count > cores - first)
		return error_set(WEIR_EINVAL,
				 "%u core%s from core %u on: node %u has %u core%s, and at least 1 is bound", count,
				 plural(count), first, node, cores, plural(cores));
	if (!machine->is_this)
		return WEIR_OK;
	weir_status status = bind_to_cores(machine, node, first, count);
	return status ? status : prefer_node(machine, node);
}

weir_status pin_thread(const struct weir_machine *machine, uint32_t node, uint32_t core)
{
	if (node >= machine->nodes)
		return no_such_node(machine, node);
	uint32_t with_cores = core == PIN_ALL_CORES ? machine->cores_near[node] : node;
	uint32_t cores = machine->node[with_cores].cores;
	if (core != PIN_ALL_CORES && core >= cores)
		return error_set(WEIR_EINVAL, "core %u: node %u has %u core%s", core, node, cores, plural(cores));
	if (!machine->is_this)
		return WEIR_OK;
	weir_status status = core == PIN_ALL_CORES ? bind_to_cores(machine, with_cores, 0, cores)
						   : bind_to_cores(machine, node, core, 1);
	if (status)
		return status;
	if (prefer_node(machine, node) && !at_swap(&warned_of_policy, true, relaxed, none))
		LOG(WEIR_LOG_WARN, "%s: memory comes from where it is touched first", weir_error_text());
	return WEIR_OK;
}

weir_status pin_memory(const struct weir_machine *machine, uint32_t node, void *start, size_t bytes)
{
	struct node_mask mask;
	if (!machine->is_this || !node_mask_of(machine, node, &mask))
		return WEIR_OK;
	if (syscall(SYS_mbind, start, bytes, MPOL_PREFERRED, mask.bits, NODE_MASK_BITS, 0) && refusal_matters(machine))
		return error_set_errno(WEIR_ESYSTEM, errno, "binding memory to node %u", node);
	return WEIR_OK;
}

uint32_t pin_node_of_address(const struct weir_machine *machine, const void *address)
{
	if (!machine->is_this)
		return UINT32_MAX;
	/* Without nodes to move to, move_pages() says where pages are; unlike get_mempolicy() it does not touch them.
	 */
	const void *page = address;
	int physical = -1;
	if (syscall(SYS_move_pages, 0, 1ul, &page, NULL, &physical, 0) || physical < 0)
		return UINT32_MAX;
	return machine_node_of_physical(machine, (uint32_t)physical);
}

bool pin_covers(const struct weir_machine *machine, uint32_t node, uint32_t core, int processor)
{
	uint32_t in_all = machine->node[node].first_core + core;
	for (uint32_t t = machine->first_thread[in_all]; t < machine->first_thread[in_all + 1]; t++)
		if (processor >= 0 && machine->thread[t] == (uint32_t)processor)
			return true;
	return false;
}

uint32_t pin_node_of_caller(const struct weir_machine *machine)
{
	int cpu = machine->is_this ? sched_getcpu() : -1;
	for (uint32_t n = 0; cpu >= 0 && n < machine->nodes; n++) {
		uint32_t first = machine->node[n].first_core, end = first + machine->node[n].cores;
		for (uint32_t t = machine->first_thread[first]; t < machine->first_thread[end]; t++)
			if (machine->thread[t] == (uint32_t)cpu)
				return n;
	}
	return UINT32_MAX;
}

void pin_anywhere_but(const struct weir_machine *machine, int processor)
{
	if (machine->is_this && !run_on(machine, 0, machine->cores, processor))
		(void)run_on(machine, 0, machine->cores, -1);
}
