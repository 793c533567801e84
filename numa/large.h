/* SPDX-License-Identifier: MIT */
/*
 * large.h - blocks of whole pages on a node, and how much memory the free ones still hold.
 *
 * For arena.c and arena_mmap.c, which have small blocks elsewhere. One struct large for each node; it does not move.
 */
#ifndef NUMA_LARGE_H
#define NUMA_LARGE_H

#include <pthread.h>
#include <stdint.h>

#include "numa/blocks.h"
#include "numa/topology.h"
#include "private/atomics.h"
#include "private/compiler.h"

/* Blocks of more than that are large. */
enum { LARGE_ABOVE_BYTES = 32 << 10 };

struct large {
	const struct weir_machine *machine;
	uint32_t node;
	bool bind;
	bool exact; /* no huge pages but those that blocks ask for */
	bool huge;  /* blocks may ask for huge pages */
	uint32_t huge_regions_max;
	bool decays; /* what nobody needed for a while goes back by itself */
	size_t page;
	struct blocks blocks;
	pthread_mutex_t lock;	 /* of regions and empty slots, beside system calls */
	pthread_mutex_t purging; /* one purge at a time: outside the lock */
	struct large_region *regions;
	_Atomic(uint32_t) huge_regions;
	_Atomic(uint64_t) purged;     /* bytes, ever; written by who purges */
	_Atomic(uint64_t) least_kept; /* since decay_ns */
	_Atomic(uint64_t) decay_ns;
	CACHE_ALIGNED _Atomic(uint64_t) kept_bytes;
};

/* machine: borrowed. bind: to the node. */
void large_init(struct large *l, const struct weir_machine *machine, uint32_t node, bool bind);

/* Unmaps all, blocks in use included. Nobody uses it any more. */
void large_fini(struct large *l);

/* Before the first block: free blocks keep their memory until somebody purges, and what they hold is known to the page.
 * Without it they give back what was not needed for a second or two. */
void large_keep(struct large *l);

/* Of a block. */
#define LARGE_MAX_BYTES ((size_t)1 << 45)

/* More than LARGE_ABOVE_BYTES; aligned to 64 bytes. NULL: the host has no room. Safe together, from any thread. No lock where a block is
 * there to be taken, and to free one; a new one comes from the kernel, by system calls and a lock after them. */
void *large_alloc(struct large *l, size_t bytes);
void large_free(struct large *l, void *block);

/* Give memory of free blocks back to the kernel: as much as they hold more than `most` now. What is freed meanwhile may stay.
 * Returns when it is given, or the kernel takes no more. */
void large_purge(struct large *l, uint64_t most);

/* What free blocks hold, and what blocks in use hold beyond their end: at least what the kernel counts of it. */
static inline uint64_t large_kept(const struct large *l)
{
	/* ORDER(kept_bytes): acquire, pairs with the releases in large.c: what a purge has taken off is gone. */
	return at_load(&((struct large *)l)->kept_bytes, acquire, kept_bytes);
}

#endif
