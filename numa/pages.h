/* SPDX-License-Identifier: MIT */
/* pages.h - whole pages from the kernel, for the arenas. */
#ifndef NUMA_PAGES_H
#define NUMA_PAGES_H

#include <stdbool.h>

#include "numa/topology.h"

/* Fresh zero pages, reserved but not yet backed, preferred on a node if bind. alignment: a power of two. NULL: none. */
void *pages_map(const struct weir_machine *machine, uint32_t node, size_t bytes, size_t alignment, bool bind);

/* Where the kernel has no room for its records, as these pages are the middle of a mapping, their memory goes and the addresses stay. */
void pages_unmap(void *start, size_t bytes);

/* False: the kernel could not, for want of room for its records; nothing changed. */
bool pages_try_unmap(void *start, size_t bytes);

/* The kernel may have the memory; zeros come back, by the policy of the mapping. False: it does not take it. */
bool pages_give_back(void *start, size_t bytes);

/* Huge pages in these pages from now on, or none, as far as the kernel can. */
void pages_set_huge(void *start, size_t bytes, bool huge);

/* When the kernel hands out huge pages, which are PAGES_HUGE_BYTES on most machines. root: as in numa/host.h. */
enum pages_huge { PAGES_HUGE_NEVER, PAGES_HUGE_ASKED, PAGES_HUGE_ALWAYS };
enum { PAGES_HUGE_BYTES = 1 << 21 };
enum pages_huge pages_huge_when(const char *root);

/* Mappings that a process may have (vm.max_map_count); where that is not known, as many as the kernel comes with. */
enum { PAGES_MAPPINGS = 65530 };
uint32_t pages_mappings_max(const char *root);

/* May memory be bound here? Tried on a page; a refusal is warned of once in the process's life. False off this machine.
 */
bool pages_can_bind(const struct weir_machine *machine);

#endif
