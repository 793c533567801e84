/* SPDX-License-Identifier: MIT */
/* pin.h - threads to cores, memory to nodes, and which node an address is on. Nothing happens off this machine. */
#ifndef NUMA_PIN_H
#define NUMA_PIN_H

#include "numa/topology.h"

#define PIN_ALL_CORES UINT32_MAX

/* Bind the calling thread to a core of a node (all of its usable hardware threads), or to all cores of the node; memory
 * that it touches first comes from the node by preference. A node without cores: with PIN_ALL_CORES the nearest cores.
 * Errors:  WEIR_EINVAL (no such node or core), WEIR_ESYSTEM (the cores are no longer ours). Forbidden memory policy is
 * no error here: it is warned of once. */
weir_status pin_thread(const struct weir_machine *machine, uint32_t node, uint32_t core);

/* Let the calling thread run on all processors of the machine, but not on one, by the kernel's number, if there are others;
 * -1: on all. If that is forbidden it stays where it is. */
void pin_anywhere_but(const struct weir_machine *machine, int processor);

/* The node that the calling thread runs on now; UINT32_MAX: not known (none of ours, not this machine). */
uint32_t pin_node_of_caller(const struct weir_machine *machine);

/* Prefer the node for pages of [start, start + bytes) that nobody has touched yet. start: the beginning of a page.
 * Preferred rather than bound: binding to a full node wakes the OOM killer, and admission keeps nodes from being full.
 * Errors:  WEIR_ESYSTEM: forbidden, as in many containers. */
weir_status pin_memory(const struct weir_machine *machine, uint32_t node, void *start, size_t bytes);

/* The node that holds the page of an address; UINT32_MAX: not known (untouched, not ours, not this machine, forbidden).
 */
uint32_t pin_node_of_address(const struct weir_machine *machine, const void *address);

/* Is a thread that was pinned to this core of the node pinned to this processor, perhaps among others? */
bool pin_covers(const struct weir_machine *machine, uint32_t node, uint32_t core, int processor);

#endif
