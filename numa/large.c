/* SPDX-License-Identifier: MIT */
/*
 * large.c - blocks of whole pages on a node, and how much memory the free ones still hold.
 *
 * Holds:     regions of address space, cut into blocks, and how much the free ones keep in all.
 * Invariant: E1  large_fini() gives back every page that was mapped.
 *            E4  large_kept() is at least what the kernel counts for free blocks, and behind the end of those in use.
 *            E6  a huge page that a block asked for is used whole, or not.
 * Progress:  lock-free to take a block that is there, and to give one. A lock for a few instructions after a system call that maps or
 *            unmaps a region; purges, which are system calls, wait for each other.
 * Together:            alloc  free  purge  fini
 *            alloc       -     -      -     X       "-" safe together, "X" the caller must exclude
 *            free        -     -      -     X
 *            purge       -     -      -     X
 * Not here:  which block is free, and how far it holds memory (blocks.c); small blocks (arena.c, arena_mmap.c); who may keep how much
 *            (runtime/leftover.c).
 *
 * Why not by jemalloc: it does not say how many pages its free blocks hold, it purges all or none of them, and by the clock or
 * by their size. Here what is kept is a sum that each move updates, and as much is purged as somebody needs.
 *
 * The sum is never too low: who gives a block counts it as kept and then puts it; who takes one takes it and then counts it as gone;
 * a purge counts pages as gone when they are. Between the two it is too high by what is in use, and somebody's grant. What a block
 * that is taken holds behind its end stays in sight of purges, as its word says so from the moment that it is taken.
 *
 * A block's address space, and where its memory is:
 *
 *	start           split
 *	|     <-- head  |  body -->               |
 *
 * The body grows from `split` up, in huge pages where the block is large, in small ones else. What is left over beside whole huge
 * pages is the head, in small pages, and grows from `split` down: so a block that is taken again for another size finds the
 * memory that it had, and no huge page is used in part. Without huge pages there is no head.
 *
 * Address space costs nothing: a block has that of its size class, which ends at a power of two, so one that held less serves, and only
 * what it lacks is faulted in; and one that holds memory is taken for up to half its size. (Where address space is short, a block has no
 * more than it needs, and is unmapped when it is freed.) A block whose memory was
 * all purged is unmapped; those below 2 MiB share regions, which stay.
 *
 * What goes first: huge pages, as 2 MiB cost 10 us to purge and some 50 us to fault in again, in small pages 0.2 ms and one
 * millisecond.
 */
#include "numa/large.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "numa/arena.h"
#include "numa/pages.h"
#include "private/clock.h"

enum {
	REGION_BYTES = 4 << 20,
	SHARED_BELOW_BYTES = 2 << 20,		 /* a larger block has a region of its own */
	HUGE_BLOCK_BYTES = 2 * PAGES_HUGE_BYTES, /* from here on a block has huge pages */
};
#define DECAY_NS WEIR_NS_PER_S

struct large_region {
	struct large_region *next, *previous;
	char *start, *split; /* of the first block */
	size_t bytes;
	uint32_t blocks, class;
	bool huge;
	struct large_block tight; /* the one that is here, where there is no room for a larger block of the class */
};

/* In a block in use: the memory follows. */
struct header {
	_Alignas(ARENA_ALIGNMENT) struct large_block *block;
};

/* Sizes. ---------------------------------------------------------------------------------------------------------- */

static size_t round_up(size_t bytes, size_t unit)
{
	return (bytes + unit - 1) & ~(unit - 1);
}

/* Each takes two of the mappings that a process may have; those in small pages are joined. */
static bool has_huge(const struct large *l, uint32_t class)
{
	return l->huge && blocks_class_bytes(class) >= HUGE_BLOCK_BYTES &&
	       at_load(&((struct large *)l)->huge_regions, relaxed, none) < l->huge_regions_max;
}

static size_t less(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t more(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* What is kept. --------------------------------------------------------------------------------------------------- */

/* Before the block is put: what a purge finds is counted. */
static void count_kept(struct large *l, uint64_t bytes)
{
	/* ORDER(kept_bytes): release, pairs with the acquire in large_kept(); who gives its grant back after that releases
	 * it as well. */
	at_add(&l->kept_bytes, bytes, release, kept_bytes);
}

/* After the block is taken, or its pages are gone. */
static void count_gone(struct large *l, uint64_t bytes)
{
	/* ORDER(kept_bytes): release, pairs with the acquire in large_kept(): the pages are gone, or in use. */
	uint64_t kept = at_sub(&l->kept_bytes, bytes, release, kept_bytes) - bytes;
	if (l->decays && kept < at_load(&l->least_kept, relaxed, none))
		at_store(&l->least_kept, kept, relaxed, none); /* of two at once one may be lost */
}

/* Let the kernel have what is beyond `to`. The policy of the mapping stays: pages that come back come from the node. False: it does
 * not take them; what it took is counted as kept all the same. */
static bool give_back(const struct large_block *block, struct extent held, struct extent to)
{
	size_t head = held.head - to.head, body = held.body - to.body;
	return (!body || pages_give_back(block->split + to.body, body)) &&
	       (!head || pages_give_back(block->split - held.head, head));
}

/* What is left when so much less is kept. */
static struct extent cut(const struct large *l, const struct block_state *state, uint64_t excess)
{
	struct extent to = state->held;
	size_t body = to.body - less(to.body - state->used.body, excess);
	to.body = more(body & ~(state->unit - 1), state->used.body);
	excess -= less(state->held.body - to.body, excess);
	size_t head = to.head - less(to.head - state->used.head, excess);
	to.head = more(head & ~(l->page - 1), state->used.head);
	return to;
}

/* Making. ---------------------------------------------------------------------------------------------------------- */

/* Blocks of so many bytes each; tight: for one block, and no larger one later. */
static struct large_region *make_region(struct large *l, uint32_t class, size_t each, bool tight)
{
	bool huge = has_huge(l, class);
	if (tight)
		each = extent_sum(blocks_extent(&l->blocks, class, huge, each));
	size_t head = huge ? (size_t)PAGES_HUGE_BYTES : 0;
	bool shared = each < SHARED_BELOW_BYTES && !tight;
	size_t bytes = shared ? REGION_BYTES : each + head;
	struct large_region *region = calloc(1, sizeof(*region));
	char *start = region ? pages_map(l->machine, l->node, bytes, huge ? PAGES_HUGE_BYTES : l->page, l->bind) : NULL;
	if (!start) {
		free(region);
		return NULL;
	}
	*region = (struct large_region){.start = start,
					.split = start + head,
					.bytes = bytes,
					.blocks = shared ? (uint32_t)(bytes / each) : 1,
					.class = class,
					.huge = huge};
	at_add(&l->huge_regions, huge, relaxed, none);
	if (l->exact)
		pages_set_huge(start, huge ? head : bytes, false);
	if (huge)
		pages_set_huge(start + head, bytes - head, true);
	return region;
}

/* False: the kernel cannot, as it has no room for one mapping more, where this one is the middle of another. */
static bool unmap_region(struct large *l, const struct large_region *region)
{
	if (!pages_try_unmap(region->start, region->bytes))
		return false;
	at_sub(&l->huge_regions, region->huge, relaxed, none);
	return true;
}

/* The lock is held. */
static void remember_region(struct large *l, struct large_region *region)
{
	region->previous = NULL;
	region->next = l->regions;
	if (region->next)
		region->next->previous = region;
	l->regions = region;
}

/* The lock is held. */
static void forget_region(struct large *l, struct large_region *region)
{
	*(region->previous ? &region->previous->next : &l->regions) = region->next;
	if (region->next)
		region->next->previous = region->previous;
}

/* The caller has its only block, of which nothing is in use; `slot`, or none. False: it cannot be unmapped. */
static bool destroy_region(struct large *l, struct large_region *region, struct large_block *slot)
{
	if (!unmap_region(l, region))
		return false;
	pthread_mutex_lock(&l->lock);
	forget_region(l, region);
	if (slot) {
		blocks_clear(slot);
		blocks_give_slot(&l->blocks, slot);
	}
	pthread_mutex_unlock(&l->lock);
	free(region);
	return true;
}

/* Slots for its blocks, by block->next, or NULL. The lock is held. */
static struct large_block *get_slots(struct large *l, struct large_region *region)
{
	struct large_block *all = NULL;
	for (uint32_t i = 0; i < region->blocks; i++) {
		struct large_block *block = blocks_slot(&l->blocks, region->class);
		if (!block) {
			for (struct large_block *next; all; all = next) {
				next = all->next;
				blocks_give_slot(&l->blocks, all);
			}
			return NULL;
		}
		block->next = all;
		all = block;
	}
	return all;
}

/* A new region's blocks: one in use, the others free. */
static struct large_block *fill_region(struct large *l, struct large_region *region, struct extent used)
{
	pthread_mutex_lock(&l->lock);
	struct large_block *all = get_slots(l, region);
	if (all)
		remember_region(l, region);
	pthread_mutex_unlock(&l->lock);
	char *split = region->split;
	struct large_block *first = all;
	for (struct large_block *block = all, *next; block; block = next) {
		next = block->next;
		block->region = region;
		block->split = split;
		split += blocks_class_bytes(region->class);
		blocks_fill(&l->blocks, block, region->huge, block == first ? used : (struct extent){0});
	}
	return first;
}

static void *begin_block(char *start, struct large_block *block)
{
	struct header *header = (struct header *)(void *)start;
	header->block = block;
	return header + 1;
}

/* Where address space is short (RLIMIT_AS, no overcommit), without what a larger block would need: it has no slot. */
static COLD void *make_tight(struct large *l, uint32_t class, size_t bytes)
{
	struct large_region *region = make_region(l, class, bytes, true);
	if (!region)
		return NULL;
	region->tight = (struct large_block){.region = region};
	pthread_mutex_lock(&l->lock);
	remember_region(l, region);
	pthread_mutex_unlock(&l->lock);
	return begin_block(region->split - blocks_extent(&l->blocks, class, region->huge, bytes).head, &region->tight);
}

static NOINLINE void *make_block(struct large *l, uint32_t class, size_t bytes)
{
	struct large_region *region = make_region(l, class, blocks_class_bytes(class), false);
	if (unlikely(!region))
		return make_tight(l, class, bytes);
	struct extent used = blocks_extent(&l->blocks, class, region->huge, bytes);
	struct large_block *block = fill_region(l, region, used);
	if (unlikely(!block)) {
		(void)unmap_region(l, region);
		free(region);
		return NULL;
	}
	return begin_block(region->split - used.head, block);
}

/* Taking. ---------------------------------------------------------------------------------------------------------- */

void *large_alloc(struct large *l, size_t bytes)
{
	if (bytes > LARGE_MAX_BYTES)
		return NULL;
	bytes = round_up(bytes + sizeof(struct header), l->page);
	uint32_t class = blocks_class_of(bytes);
	char *start;
	uint64_t found;
	struct large_block *block = blocks_take(&l->blocks, class, bytes, &start, &found);
	if (!block)
		return make_block(l, class, bytes);
	if (found)
		count_gone(l, found);
	return begin_block(start, block);
}

/* Giving. ---------------------------------------------------------------------------------------------------------- */

/* What was not needed since the last look. */
static uint64_t unneeded(struct large *l)
{
	uint64_t now_ns = weir_clock_monotonic_ns(), last_ns = at_load(&l->decay_ns, relaxed, none);
	if (now_ns - last_ns < DECAY_NS || !at_cas(&l->decay_ns, &last_ns, now_ns, relaxed, relaxed, none))
		return 0;
	return at_swap(&l->least_kept, large_kept(l), relaxed, none);
}

/* Nothing of it is kept. */
static COLD void free_tight(struct large *l, struct large_region *region)
{
	if (!destroy_region(l, region, NULL))
		(void)pages_give_back(region->start, region->bytes);
}

void large_free(struct large *l, void *memory)
{
	struct large_block *block = ((struct header *)memory - 1)->block;
	if (unlikely(!block->shelf)) {
		free_tight(l, block->region);
		return;
	}
	count_kept(l, blocks_used(&l->blocks, block));
	blocks_put(block);
	if (!l->decays)
		return;
	uint64_t old = unneeded(l), kept = large_kept(l);
	if (unlikely(old))
		large_purge(l, kept > old ? kept - old : 0);
}

/* Purging. --------------------------------------------------------------------------------------------------------- */

/* Of a block that is held, at most to a page more than so much. 0: the kernel does not take it. */
static uint64_t purge_one(struct large *l, struct large_block *block, const struct block_state *state, uint64_t excess)
{
	struct extent to = cut(l, state, excess);
	uint64_t given = extent_sum(state->held) - extent_sum(to);
	if (!extent_sum(to) && block->region->blocks == 1 && destroy_region(l, block->region, block))
		return given;
	if (!give_back(block, state->held, to)) {
		to = state->held;
		given = 0;
	}
	blocks_let_go(&l->blocks, block, to);
	return given;
}

/* All that is wanted, once, or what is enough. False: the kernel takes no more. */
static bool sweep(struct large *l, uint32_t least_class, unsigned which, uint64_t until, uint64_t most)
{
	struct blocks_place at = blocks_begin(&l->blocks, least_class);
	for (uint64_t kept, purged;
	     (purged = at_load(&l->purged, relaxed, none)) < until && (kept = large_kept(l)) > most;) {
		struct block_state state;
		struct large_block *block = blocks_hold(&l->blocks, &at, which, &state);
		if (!block)
			return true;
		uint64_t given = purge_one(l, block, &state, less(until - purged, kept - most));
		if (!given)
			return false;
		/* First as purged: who sees that less is kept sees that. */
		at_add(&l->purged, given, relaxed, none);
		count_gone(l, given);
	}
	return true;
}

/* The last sweep, which is seldom needed, leaves nothing out that was kept as it began, whatever became of it: taken, wide, put. */
void large_purge(struct large *l, uint64_t most)
{
	uint64_t kept = large_kept(l);
	if (kept <= most)
		return;
	/* ORDER(kept_bytes): after the acquire in large_kept(): what is not kept any more as it was purged is counted here, or more. */
	uint64_t until = at_load(&l->purged, relaxed, none) + (kept - most);
	pthread_mutex_lock(&l->purging);
	if (sweep(l, blocks_class_of(HUGE_BLOCK_BYTES), BLOCKS_FREE | BLOCKS_HINTED, until, most) &&
	    sweep(l, 0, BLOCKS_WIDE | BLOCKS_HINTED, until, most) &&
	    sweep(l, 0, BLOCKS_FREE | BLOCKS_HINTED, until, most))
		(void)sweep(l, 0, BLOCKS_FREE | BLOCKS_WIDE, until, most);
	pthread_mutex_unlock(&l->purging);
}

/* ----------------------------------------------------------------------------------------------------------------- */

void large_init(struct large *l, const struct weir_machine *machine, uint32_t node, bool bind)
{
	memset(l, 0, sizeof(*l));
	l->machine = machine;
	l->node = node;
	l->bind = bind;
	l->decays = true;
	l->huge = pages_huge_when("") == PAGES_HUGE_ASKED;
	/* Two mappings each: half of those that a process may have, on all nodes. */
	l->huge_regions_max = pages_mappings_max("") / 4 / machine->nodes;
	l->page = (size_t)sysconf(_SC_PAGESIZE);
	at_init(&l->decay_ns, weir_clock_monotonic_ns());
	blocks_init(&l->blocks, l->page);
	pthread_mutex_init(&l->lock, NULL);
	pthread_mutex_init(&l->purging, NULL);
}

void large_keep(struct large *l)
{
	l->decays = false;
	l->exact = pages_huge_when("") != PAGES_HUGE_NEVER;
	l->huge = l->exact;
}

/* Where the kernel has no room for one mapping more, those that are the middle of another go last, or their memory alone. */
static void destroy_regions(struct large *l)
{
	for (bool any = true; any;) {
		any = false;
		for (struct large_region *region = l->regions, *next; region; region = next) {
			next = region->next;
			any |= destroy_region(l, region, NULL);
		}
	}
	for (struct large_region *region = l->regions, *next; region; region = next) {
		next = region->next;
		pages_unmap(region->start, region->bytes);
		free(region);
	}
	l->regions = NULL;
}

void large_fini(struct large *l)
{
	destroy_regions(l);
	blocks_fini(&l->blocks);
	pthread_mutex_destroy(&l->lock);
	pthread_mutex_destroy(&l->purging);
}
