/* SPDX-License-Identifier: MIT */
/*
 * machine.h - the topology that weir works on: this machine as this process may use it, or another, for tests and
 * simulations.
 */
#ifndef WEIR_MACHINE_H
#define WEIR_MACHINE_H

#include <weir/status.h>

WEIR_BEGIN_DECLS

typedef struct weir_machine weir_machine;

typedef struct weir_node_info {
	uint32_t logical_index;
	uint32_t physical_index; /* the operating system's number */
	uint32_t cores;		 /* this process may use; one worker each, however many hardware threads */
	uint64_t memory_bytes;	 /* the node's capacity, 0: a node without memory */
} weir_node_info;

/* Read a machine.
 * source:  NULL, "" or "this": this machine, cut down to the process's binding, cpuset and CPU quota;
 *          a name ending in ".xml": an hwloc export; all else: an hwloc synthetic description ("numa:4 core:8 pu:1").
 * Owns:    *out until weir_machine_destroy().
 * Errors:  WEIR_EINVAL (malformed; never silently this machine), WEIR_ENOENT (no such file), WEIR_ENOMEM, WEIR_ESYSTEM.
 * Thread:  any. */
WEIR_API WEIR_MUST_USE weir_status weir_machine_create(weir_machine **out, const char *source);
WEIR_API void weir_machine_destroy(weir_machine *machine);

/* Of NULL, here and below: 0, UINT32_MAX, false or "", and WEIR_EINVAL. */
WEIR_API uint32_t weir_machine_nodes(const weir_machine *machine);
WEIR_API uint32_t weir_machine_cores(const weir_machine *machine);

/* Errors: WEIR_EINVAL for a node that is not there. */
WEIR_API weir_status weir_machine_node(const weir_machine *machine, uint32_t node, weir_node_info *out);

/* The hwloc distance between two nodes; 10 is local. A pair that is not there: UINT32_MAX. */
WEIR_API uint32_t weir_machine_distance(const weir_machine *machine, uint32_t from, uint32_t to);

/* Core number `core` of a node: the physical index of its first hardware thread, UINT32_MAX if there is none. */
WEIR_API uint32_t weir_machine_node_cpu(const weir_machine *machine, uint32_t node, uint32_t core);

/* False for synthetic and recorded machines: pinning and memory binding then do nothing. */
WEIR_API bool weir_machine_is_this(const weir_machine *machine);

/* "this", the synthetic string or the file's name. Owned by the machine. */
WEIR_API const char *weir_machine_name(const weir_machine *machine);

/* Bind the calling process (its current thread and what it forks from then on) to `count` cores of a node, from its
 * core `first` on, and its memory policy to the node: what a program that starts others needs between fork and exec.
 * On a machine that is not this one it does nothing and succeeds.
 * Errors:  WEIR_EINVAL, WEIR_ESYSTEM (memory binding forbidden, as in many containers: the cores are bound all the
 *          same).
 * Thread:  any; allocates nothing, safe after fork. */
WEIR_API weir_status weir_machine_bind_self(const weir_machine *machine, uint32_t node, uint32_t first, uint32_t count);

WEIR_END_DECLS

#endif
