/* SPDX-License-Identifier: MIT */
/*
 * arena.h - blocks of memory on a given node. By jemalloc (arena.c), or by mmap alone where WEIR_JEMALLOC is off
 * (arena_mmap.c).
 *
 * A block belongs to its arenas and node: free it there and nowhere else, from any thread, with the size it was asked
 * for.
 */
#ifndef NUMA_ARENA_H
#define NUMA_ARENA_H

#include "numa/topology.h"

enum { ARENA_ALIGNMENT = 64 };

struct arenas;

/* machine: borrowed until arenas_destroy(). NULL: no memory (the error text is set). A node's arena is made on first
 * use. */
struct arenas *arenas_create(const struct weir_machine *machine);

/* Give all memory back to the kernel, blocks that were not freed included. Nobody may use the arenas any more. */
void arenas_destroy(struct arenas *arenas);

/* Is memory bound to its node, or where it is touched first (forbidden, or not this machine)? */
bool arenas_bound(const struct arenas *arenas);

/* A block of at least `bytes` bytes on a node, aligned to ARENA_ALIGNMENT, not zeroed; NULL: the host has none. A node
 * without memory gets what the nearest node with memory has. Safe together, from any thread. */
void *arenas_alloc(struct arenas *arenas, uint32_t node, size_t bytes);

/* block NULL: nothing happens. Returns what arenas_count_freed() is to be told of it, at the latest before others may have the
 * room. */
size_t arenas_free(struct arenas *arenas, uint32_t node, void *block, size_t bytes);

/* Pages of free blocks stay until somebody purges them: for those who know when others need the room. Without it they
 * go back as the allocator sees fit, in seconds. Called before the first block. */
void arenas_keep_pages(struct arenas *arenas);

/* Small blocks of so many bytes were freed; for many at a time. */
void arenas_count_freed(struct arenas *arenas, uint32_t node, size_t bytes);

/* The most that free blocks of a node may hold: large ones as they are, of small ones what was counted since the last purge. */
uint64_t arenas_kept(const struct arenas *arenas, uint32_t node);

/* Give pages of free blocks to the kernel until no more than `most` is kept; but for what is cached for threads (blocks of at
 * most 32 KiB). Returns when they are given. */
void arenas_purge(struct arenas *arenas, uint32_t node, uint64_t most);

#endif
