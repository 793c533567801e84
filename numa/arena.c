/* SPDX-License-Identifier: MIT */
/*
 * arena.c - blocks of memory on a node, by one jemalloc arena each. The only home of jemalloc.
 *
 * Holds:     for each node an arena, whose extents are bound to the node before anybody touches them; for each thread
 *            number and node a cache of its own.
 * Invariant: E1  arenas_destroy() gives back every page that was mapped for these arenas.
 *            E2  a cache only ever holds blocks of its node's arena.
 *            E3  extents of two arenas are never joined: no page is unmapped while its arena lives.
 *            E4  arenas_kept() is at least what free blocks hold in pages.
 * Together:            alloc  free  purge  destroy
 *            alloc       -     -      -      X       "-" safe together, "X" the caller must exclude
 *            free        -     -      -      X
 *            purge       -     -      -      X
 * Not here:  blocks of more than 32 KiB (large.c), what a task may have (runtime/task.c), the mmap form (arena_mmap.c).
 *
 * Why pages are unmapped at the very end only, when jemalloc has forgotten all of them (until then they go back by
 * purge): jemalloc 5.3.0 joins two free neighbours if the upper one is not the head of a mapping, and takes that for
 * proof that they are of one arena. Once the lower part of a mapping is unmapped, another arena's mapping may come to
 * lie there, and the proof fails: extents of two arenas are joined, under one's lock only (tests/stress/arenas_test.c).
 *
 * Why caches of our own: with MALLOCX_ARENA alone jemalloc serves a thread from the thread's automatic cache, which
 * mixes the blocks of all arenas. A cache belongs to a thread number (private/thread.h) rather than to a thread: it is
 * handed on with the number, so ending threads leave nothing behind, and there are never more caches than threads that
 * lived at once. The fast path reads one entry of the thread's own row: no lock, no atomic operation, nothing shared.
 */
#ifdef WEIR_JEMALLOC

#include "numa/arena.h"

#include <jemalloc/jemalloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "numa/large.h"
#include "numa/pages.h"
#include "private/atomics.h"
#include "private/check.h"
#include "private/error.h"
#include "private/log.h"
#include "private/thread.h"

/* A thread number's way to a node's arena. */
struct way {
	int flags;	/* for jemalloc; 0: not looked up yet */
	unsigned cache; /* number + 1; 0: none */
};

/* Pages to be unmapped, in their own first bytes. */
struct grave {
	struct grave *next;
	size_t bytes;
};

struct node_arena {
	extent_hooks_t hooks; /* jemalloc hands its address to the hooks, which find the node from it */
	struct arenas *arenas;
	uint32_t node;
	bool made;
	bool ending;	/* nobody uses it any more */
	unsigned arena; /* jemalloc's number */
	struct grave *graves;
	CACHE_ALIGNED _Atomic(uint64_t) freed; /* bytes of small blocks, ever */
	_Atomic(uint64_t) purged;	       /* of these, what a purge has covered since */
	struct large large;
};

struct arenas {
	const struct weir_machine *machine;
	bool bound;
	bool keep_pages;
	bool small_pages;	/* no huge ones for small blocks: one would hold more than one block */
	pthread_mutex_t making; /* guards node[] while arenas are made; ways are their thread's own */
	pthread_mutex_t
		purging; /* one purge at a time: jemalloc returns at once from a second, before the first is done */
	struct node_arena *node;
	struct way *row[THREADS_MAX];
};

/* Hooks. -------------------------------------------------------------------------------------------------------- */

static void *extent_alloc(extent_hooks_t *hooks, void *wanted, size_t bytes, size_t alignment, bool *zero, bool *commit,
			  unsigned arena)
{
	(void)arena;
	const struct node_arena *n = container_of(hooks, struct node_arena, hooks);
	if (wanted)
		return NULL; /* we never extend in place: jemalloc asks again without an address */
	void *start = pages_map(n->arenas->machine, n->node, bytes, alignment, n->arenas->bound);
	if (start) {
		if (n->arenas->small_pages)
			pages_set_huge(start, bytes, false);
		*zero = true;
		*commit = true;
	}
	return start;
}

/* Remember pages that jemalloc has given up, in their own first bytes. */
static void bury(struct node_arena *n, void *start, size_t bytes)
{
	struct grave *grave = start;
	*grave = (struct grave){.next = n->graves, .bytes = bytes};
	n->graves = grave;
}

/* Refused as long as the arena lives: jemalloc keeps the addresses and purges the pages. */
static bool extent_dalloc(extent_hooks_t *hooks, void *start, size_t bytes, bool committed, unsigned arena)
{
	(void)committed;
	(void)arena;
	struct node_arena *n = container_of(hooks, struct node_arena, hooks);
	if (n->ending) /* E3 */
		bury(n, start, bytes);
	return !n->ending;
}

static void extent_destroy(extent_hooks_t *hooks, void *start, size_t bytes, bool committed, unsigned arena)
{
	(void)committed;
	(void)arena;
	bury(container_of(hooks, struct node_arena, hooks), start, bytes);
}

/* The mapping's policy stays: pages that come back come from the node again. */
static bool extent_purge(extent_hooks_t *hooks, void *start, size_t bytes, size_t offset, size_t length, unsigned arena)
{
	(void)hooks;
	(void)bytes;
	(void)arena;
	return !pages_give_back((char *)start + offset, length);
}

static bool extent_split(extent_hooks_t *hooks, void *start, size_t bytes, size_t left, size_t right, bool committed,
			 unsigned arena)
{
	(void)hooks;
	(void)start;
	(void)bytes;
	(void)left;
	(void)right;
	(void)committed;
	(void)arena;
	return false;
}

/* Two mappings of one arena have one policy, and one munmap() may cover both. */
static bool extent_merge(extent_hooks_t *hooks, void *a, size_t a_bytes, void *b, size_t b_bytes, bool committed,
			 unsigned arena)
{
	(void)hooks;
	(void)a;
	(void)a_bytes;
	(void)b;
	(void)b_bytes;
	(void)committed;
	(void)arena;
	return false;
}

/* Making and looking up. ---------------------------------------------------------------------------------------- */

/* For ever: until arenas_purge(). */
static void keep_pages(const struct node_arena *n)
{
	char name[40];
	ssize_t never = -1;
	snprintf(name, sizeof(name), "arena.%u.dirty_decay_ms", n->arena);
	int error = mallctl(name, NULL, NULL, &never, sizeof(never));
	if (error)
		LOG(WEIR_LOG_WARN, "pages of node %u go back by the clock: error %d of jemalloc", n->node, error);
}

static bool make_arena(struct node_arena *n)
{
	extent_hooks_t *hooks = &n->hooks;
	size_t size = sizeof(n->arena);
	int error = mallctl("arenas.create", &n->arena, &size, &hooks, sizeof(hooks));
	if (error)
		LOG(WEIR_LOG_WARN, "no arena for node %u: error %d of jemalloc", n->node, error);
	n->made = error == 0;
	if (n->made && n->arenas->keep_pages)
		keep_pages(n);
	return n->made;
}

/* jemalloc has some 4000 caches; without one a thread takes the arena's locks each time. */
static unsigned make_cache(void)
{
	unsigned cache = 0;
	size_t size = sizeof(cache);
	return mallctl("tcache.create", &cache, &size, NULL, 0) ? 0 : cache + 1;
}

/* The flags for a thread's first block on a node; 0: no arena could be made. Threads without a number have no row. */
static COLD int make_way(struct arenas *arenas, uint32_t node, uint32_t thread)
{
	struct node_arena *n = &arenas->node[node];
	pthread_mutex_lock(&arenas->making);
	bool made = n->made || make_arena(n);
	pthread_mutex_unlock(&arenas->making);
	if (!made)
		return 0;
	int flags = MALLOCX_ALIGN(ARENA_ALIGNMENT) | MALLOCX_ARENA(n->arena);
	if (thread >= THREADS_MAX)
		return flags | MALLOCX_TCACHE_NONE;
	if (!arenas->row[thread]) {
		size_t bytes = arenas->machine->nodes * sizeof(struct way) + CACHE_LINE;
		bytes -= bytes % CACHE_LINE;
		struct way *row = aligned_alloc(CACHE_LINE, bytes);
		if (!row)
			return flags | MALLOCX_TCACHE_NONE;
		for (uint32_t i = 0; i < arenas->machine->nodes; i++)
			row[i] = (struct way){0};
		arenas->row[thread] = row;
	}
	struct way *way = &arenas->row[thread][node];
	way->cache = make_cache();
	way->flags = flags | (way->cache ? MALLOCX_TCACHE(way->cache - 1) : MALLOCX_TCACHE_NONE);
	return way->flags;
}

static ALWAYS_INLINE int way_to(struct arenas *arenas, uint32_t node)
{
	uint32_t thread = thread_index();
	const struct way *row = likely(thread < THREADS_MAX) ? arenas->row[thread] : NULL;
	return likely(row && row[node].flags) ? row[node].flags : make_way(arenas, node, thread);
}

/* The arenas. --------------------------------------------------------------------------------------------------- */

struct arenas *arenas_create(const struct weir_machine *machine)
{
	struct arenas *arenas = calloc(1, sizeof(*arenas));
	struct node_arena *node = aligned_alloc(CACHE_LINE, machine->nodes * sizeof(*node));
	if (!arenas || !node) {
		free(arenas);
		free(node);
		(void)error_set(WEIR_ENOMEM, "no memory for the arenas of %u nodes", machine->nodes);
		return NULL;
	}
	for (uint32_t i = 0; i < machine->nodes; i++)
		node[i] = (struct node_arena){.hooks = {.alloc = extent_alloc,
							.dalloc = extent_dalloc,
							.destroy = extent_destroy,
							.purge_forced = extent_purge,
							.split = extent_split,
							.merge = extent_merge},
					      .arenas = arenas,
					      .node = i};
	arenas->machine = machine;
	arenas->bound = pages_can_bind(machine);
	arenas->node = node;
	for (uint32_t i = 0; i < machine->nodes; i++)
		large_init(&node[i].large, machine, i, arenas->bound);
	pthread_mutex_init(&arenas->making, NULL);
	pthread_mutex_init(&arenas->purging, NULL);
	return arenas;
}

/* Caches first: an arena's end does not know what they hold. */
static void destroy_caches(struct arenas *arenas)
{
	for (uint32_t t = 0; t < THREADS_MAX; t++) {
		for (uint32_t i = 0; arenas->row[t] && i < arenas->machine->nodes; i++) {
			if (!arenas->row[t][i].cache)
				continue;
			unsigned cache = arenas->row[t][i].cache - 1;
			(void)mallctl("tcache.destroy", NULL, NULL, &cache, sizeof(cache));
		}
		free(arenas->row[t]);
	}
}

/* Where the kernel has no room for one mapping more, pages that are the middle of another go last. */
static void unmap_graves(struct node_arena *n)
{
	for (bool any = true; any;) {
		struct grave *left = NULL;
		any = false;
		for (struct grave *grave = n->graves, *next; grave; grave = next) {
			next = grave->next;
			if (pages_try_unmap(grave, grave->bytes)) {
				any = true;
				continue;
			}
			grave->next = left;
			left = grave;
		}
		n->graves = left;
	}
	for (struct grave *grave = n->graves, *next; grave; grave = next) {
		next = grave->next;
		pages_unmap(grave, grave->bytes);
	}
}

static void destroy_arena(struct node_arena *n)
{
	char name[40];
	if (!n->made)
		return;
	n->ending = true;
	snprintf(name, sizeof(name), "arena.%u.destroy", n->arena);
	int error = mallctl(name, NULL, NULL, NULL, 0);
	CHECK("E1", error == 0);
	unmap_graves(n);
}

void arenas_destroy(struct arenas *arenas)
{
	if (!arenas)
		return;
	destroy_caches(arenas);
	for (uint32_t i = 0; i < arenas->machine->nodes; i++) {
		destroy_arena(&arenas->node[i]);
		large_fini(&arenas->node[i].large);
	}
	pthread_mutex_destroy(&arenas->making);
	pthread_mutex_destroy(&arenas->purging);
	free(arenas->node);
	free(arenas);
}

bool arenas_bound(const struct arenas *arenas)
{
	return arenas->bound;
}

static ALWAYS_INLINE void *alloc_once(struct arenas *arenas, uint32_t node, size_t bytes)
{
	if (bytes > LARGE_ABOVE_BYTES)
		return large_alloc(&arenas->node[node].large, bytes);
	int flags = way_to(arenas, node);
	return likely(flags) ? mallocx(bytes ? bytes : 1, flags) : NULL;
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
	if (bytes > LARGE_ABOVE_BYTES) {
		large_free(&arenas->node[node].large, block);
		return 0;
	}
	sdallocx(block, bytes ? bytes : 1, way_to(arenas, node));
	return bytes;
}

/* Pages. -------------------------------------------------------------------------------------------------------- */

void arenas_keep_pages(struct arenas *arenas)
{
	arenas->keep_pages = true;
	arenas->small_pages = pages_huge_when("") != PAGES_HUGE_NEVER;
	for (uint32_t i = 0; i < arenas->machine->nodes; i++)
		large_keep(&arenas->node[i].large);
}

void arenas_count_freed(struct arenas *arenas, uint32_t node, size_t bytes)
{
	if (!bytes)
		return;
	/* ORDER(freed): release, pairs with the acquire in purge_small(): what a purge counts as covered was free
	 * before. */
	at_add(&arenas->node[node].freed, bytes, release, freed);
}

/* Blocks that were taken again since count as free: jemalloc does not say whether a block came from free pages. */
static uint64_t kept_small(const struct node_arena *n)
{
	/* ORDER(purged): acquire, pairs with the release in purge_small(): the pages are gone. */
	uint64_t purged = at_load(&n->purged, acquire, purged);
	uint64_t freed = at_load(&n->freed, relaxed, none);
	return freed > purged ? freed - purged : 0;
}

uint64_t arenas_kept(const struct arenas *arenas, uint32_t node)
{
	const struct node_arena *n = &arenas->node[node];
	return kept_small(n) + large_kept(&n->large);
}

static void purge_small(struct arenas *arenas, struct node_arena *n)
{
	char name[40];
	pthread_mutex_lock(&arenas->purging);
	/* ORDER(freed): acquire, pairs with the release in arenas_count_freed(). */
	uint64_t freed = at_load(&n->freed, acquire, freed);
	if (freed != at_load(&n->purged, relaxed, none)) {
		snprintf(name, sizeof(name), "arena.%u.purge", n->arena);
		int error = mallctl(name, NULL, NULL, NULL, 0);
		CHECK("E4", error == 0);
		/* ORDER(purged): release, pairs with the acquire in kept_small(). */
		at_store(&n->purged, freed, release, purged);
	}
	pthread_mutex_unlock(&arenas->purging);
}

/* Small blocks first: what they hold may be less than is counted, as it counts blocks that were taken again. */
void arenas_purge(struct arenas *arenas, uint32_t node, uint64_t most)
{
	struct node_arena *n = &arenas->node[node];
	if (arenas_kept(arenas, node) <= most)
		return;
	if (kept_small(n))
		purge_small(arenas, n);
	if (large_kept(&n->large) > most)
		large_purge(&n->large, most);
}

#endif
