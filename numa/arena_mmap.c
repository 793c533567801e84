/* SPDX-License-Identifier: MIT */
/*
 * arena_mmap.c - blocks of memory on a node, by mmap alone: for plug-ins and interpreters that load weir late, where
 * jemalloc's static TLS does not fit.
 *
 * Holds:     for each node all that is mapped for it, and per size class a list of free blocks.
 * Invariant: E1  arenas_destroy() gives back every page that was mapped for these arenas.
 * Progress:  a lock per node, held for a few instructions, or for a mapping where a class has run out.
 * Together:            alloc  free  destroy
 *            alloc       -     -      X       "-" safe together, "X" the caller must exclude
 *            free        -     -      X
 * Not here:  blocks of more than 32 KiB (large.c); the jemalloc form (arena.c), which is faster for small blocks and takes no
 *            lock for them.
 *
 * Classes are powers of two from 64 bytes to 32 KiB, cut from chunks; a freed small block stays with its class. Chunks begin
 * with a header that links them.
 */
#ifndef WEIR_JEMALLOC

#include "numa/arena.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "numa/large.h"
#include "numa/pages.h"
#include "private/compiler.h"
#include "private/error.h"

enum { CLASSES = 10, CLASS_MAX_BYTES = ARENA_ALIGNMENT << (CLASSES - 1), CHUNK_BYTES = 1 << 18 };

struct mapping {
	_Alignas(ARENA_ALIGNMENT) struct mapping *next;
	struct mapping *previous;
	size_t bytes;
};

/* A free block's own first bytes. */
struct free_block {
	struct free_block *next;
};

struct node_arena {
	CACHE_ALIGNED pthread_mutex_t lock; /* guards all below */
	struct mapping mapped;		    /* a ring; this one is its head and no mapping */
	struct free_block *free[CLASSES];
	struct large large;
};
_Static_assert((int)CLASS_MAX_BYTES == (int)LARGE_ABOVE_BYTES, "what is not small is large");

struct arenas {
	const struct weir_machine *machine;
	bool bound;
	struct node_arena *node;
};

static unsigned class_of(size_t bytes)
{
	unsigned class = 0;
	while ((size_t)ARENA_ALIGNMENT << class < bytes)
		class ++;
	return class;
}

/* A mapping with room for `bytes` behind its header, linked. The lock is held. */
static struct mapping *add_mapping(struct arenas *arenas, uint32_t node, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	if (__builtin_add_overflow(bytes, sizeof(struct mapping) + page - 1, &bytes))
		return NULL;
	bytes -= bytes % page;
	struct mapping *mapping = pages_map(arenas->machine, node, bytes, page, arenas->bound);
	if (!mapping)
		return NULL;
	struct mapping *head = &arenas->node[node].mapped;
	mapping->bytes = bytes;
	mapping->next = head->next;
	mapping->previous = head;
	head->next->previous = mapping;
	head->next = mapping;
	return mapping;
}

static void forget_mapping(struct mapping *mapping)
{
	mapping->next->previous = mapping->previous;
	mapping->previous->next = mapping->next;
}

/* Where the kernel has no room for one mapping more, those that are the middle of another go last. */
static void remove_mappings(struct mapping *head)
{
	for (bool any = true; any;) {
		any = false;
		for (struct mapping *mapping = head->next, *next; mapping != head; mapping = next) {
			struct mapping kept = *mapping;
			next = kept.next;
			if (!pages_try_unmap(mapping, kept.bytes))
				continue;
			forget_mapping(&kept);
			any = true;
		}
	}
	for (struct mapping *mapping = head->next, *next; mapping != head; mapping = next) {
		next = mapping->next;
		pages_unmap(mapping, mapping->bytes);
	}
}

static bool cut_chunk(struct arenas *arenas, uint32_t node, unsigned class)
{
	struct mapping *chunk = add_mapping(arenas, node, CHUNK_BYTES - sizeof(struct mapping));
	if (!chunk)
		return false;
	size_t size = (size_t)ARENA_ALIGNMENT << class;
	char *end = (char *)chunk + chunk->bytes;
	for (char *block = (char *)(chunk + 1); (size_t)(end - block) >= size; block += size) {
		struct free_block *b = (struct free_block *)(void *)block;
		b->next = arenas->node[node].free[class];
		arenas->node[node].free[class] = b;
	}
	return true;
}

static void *alloc_small(struct arenas *arenas, uint32_t node, unsigned class)
{
	struct node_arena *n = &arenas->node[node];
	if (!n->free[class] && !cut_chunk(arenas, node, class))
		return NULL;
	struct free_block *block = n->free[class];
	n->free[class] = block->next;
	return block;
}

struct arenas *arenas_create(const struct weir_machine *machine)
{
	struct arenas *arenas = malloc(sizeof(*arenas));
	struct node_arena *node = aligned_alloc(CACHE_LINE, machine->nodes * sizeof(*node));
	if (!arenas || !node) {
		free(arenas);
		free(node);
		(void)error_set(WEIR_ENOMEM, "no memory for the arenas of %u nodes", machine->nodes);
		return NULL;
	}
	for (uint32_t i = 0; i < machine->nodes; i++) {
		node[i] = (struct node_arena){.mapped = {.next = &node[i].mapped, .previous = &node[i].mapped}};
		pthread_mutex_init(&node[i].lock, NULL);
	}
	*arenas = (struct arenas){.machine = machine, .bound = pages_can_bind(machine), .node = node};
	for (uint32_t i = 0; i < machine->nodes; i++)
		large_init(&node[i].large, machine, i, arenas->bound);
	return arenas;
}

void arenas_destroy(struct arenas *arenas)
{
	if (!arenas)
		return;
	for (uint32_t i = 0; i < arenas->machine->nodes; i++) {
		remove_mappings(&arenas->node[i].mapped);
		pthread_mutex_destroy(&arenas->node[i].lock);
		large_fini(&arenas->node[i].large);
	}
	free(arenas->node);
	free(arenas);
}

bool arenas_bound(const struct arenas *arenas)
{
	return arenas->bound;
}

static void *alloc_once(struct arenas *arenas, uint32_t node, size_t bytes)
{
	struct node_arena *n = &arenas->node[node];
	if (bytes > CLASS_MAX_BYTES)
		return large_alloc(&n->large, bytes);
	pthread_mutex_lock(&n->lock);
	void *block = alloc_small(arenas, node, class_of(bytes));
	pthread_mutex_unlock(&n->lock);
	return block;
}

/* The host refused: what free blocks have of a bounded address space (RLIMIT_AS, no overcommit) may be what is missing. */
static COLD void *alloc_after_purge(struct arenas *arenas, uint32_t node, size_t bytes)
{
	if (bytes > LARGE_MAX_BYTES)
		return NULL;
	for (uint32_t i = 0; i < arenas->machine->nodes; i++)
		large_purge(&arenas->node[i].large, 0);
	return alloc_once(arenas, node, bytes);
}

void *arenas_alloc(struct arenas *arenas, uint32_t node, size_t bytes)
{
	void *block = alloc_once(arenas, node, bytes);
	return likely(block) ? block : alloc_after_purge(arenas, node, bytes);
}

size_t arenas_free(struct arenas *arenas, uint32_t node, void *block, size_t bytes)
{
	if (!block)
		return 0;
	struct node_arena *n = &arenas->node[node];
	if (bytes > CLASS_MAX_BYTES) {
		large_free(&n->large, block);
		return 0;
	}
	struct free_block *b = block;
	unsigned class = class_of(bytes);
	pthread_mutex_lock(&n->lock);
	b->next = n->free[class];
	n->free[class] = b;
	pthread_mutex_unlock(&n->lock);
	return 0;
}

void arenas_keep_pages(struct arenas *arenas)
{
	for (uint32_t i = 0; i < arenas->machine->nodes; i++)
		large_keep(&arenas->node[i].large);
}

/* Small blocks' pages are never given back, so nobody waits for them. */
void arenas_count_freed(struct arenas *arenas, uint32_t node, size_t bytes)
{
	(void)arenas;
	(void)node;
	(void)bytes;
}

uint64_t arenas_kept(const struct arenas *arenas, uint32_t node)
{
	return large_kept(&arenas->node[node].large);
}

void arenas_purge(struct arenas *arenas, uint32_t node, uint64_t most)
{
	struct large *large = &arenas->node[node].large;
	if (large_kept(large) > most)
		large_purge(large, most);
}

#endif
