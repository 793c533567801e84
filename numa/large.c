/* SPDX-License-Identifier: MIT */
/*
 * large.c - blocks of whole pages on a node, and how much memory the free ones still hold.
 *
 * Holds:     regions of address space, cut into blocks, and for each size class a list of free ones with memory and one of free
 *            ones without; how far each block holds memory.
 * Invariant: E1  large_fini() gives back every page that was mapped.
 *            E4  large_kept() is at least what the kernel counts for free blocks, and behind the end of those in use.
 *            E6  a huge page that a block asked for is used whole, or not.
 * Progress:  a lock for each node, held for a few instructions, and for a system call where memory behind a block in use is
 *            purged; purges wait for each other.
 * Together:            alloc  free  purge  fini
 *            alloc       -     -      -     X       "-" safe together, "X" the caller must exclude
 *            free        -     -      -     X
 *            purge       -     -      -     X
 * Not here:  small blocks (arena.c, arena_mmap.c); who may keep how much (runtime/leftover.c).
 *
 * Why not by jemalloc: it does not say how many pages its free blocks hold, it purges all or none of them, and by the clock or
 * by their size. Here what is kept is a sum that each move updates, and as much is purged as somebody needs.
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
	CLASS_SHIFT_MIN = 15,
	LOOKS_MAX = 8, /* free blocks of a class that are compared */
	WIDER_MAX = 1, /* classes above its own that may serve a block */
};
#define DECAY_NS WEIR_NS_PER_S

/* Bytes in whole pages. */
struct extent {
	size_t head, body;
};

struct large_block {
	struct large_block *next, *previous;
	struct large_region *region;
	char *split;
	uint32_t class;
	size_t unit;		/* of the body: a page, or a huge one */
	struct extent used;	/* zero: free */
	struct extent resident; /* nothing beyond holds memory; at least `used` */
};

struct large_region {
	struct large_region *next, *previous;
	char *start;
	size_t bytes;
	uint32_t blocks;
	bool huge;
	bool tight; /* no room for a larger block of its class */
	struct large_block block[];
};

/* In a block in use: the memory follows. */
struct header {
	_Alignas(ARENA_ALIGNMENT) struct large_block *block;
};

/* Lists. ---------------------------------------------------------------------------------------------------------- */

static void push(struct large_list *list, struct large_block *block)
{
	block->previous = NULL;
	block->next = list->first;
	*(list->first ? &list->first->previous : &list->last) = block;
	list->first = block;
}

static void drop(struct large_list *list, struct large_block *block)
{
	*(block->previous ? &block->previous->next : &list->first) = block->next;
	*(block->next ? &block->next->previous : &list->last) = block->previous;
}

static struct large_block *pop(struct large_list *list)
{
	struct large_block *block = list->first;
	if (block)
		drop(list, block);
	return block;
}

static size_t sum(struct extent e)
{
	return e.head + e.body;
}

static void put_free(struct large *l, struct large_block *block)
{
	push(sum(block->resident) ? &l->kept[block->class] : &l->bare[block->class], block);
}

/* Sizes. ---------------------------------------------------------------------------------------------------------- */

static size_t round_up(size_t bytes, size_t unit)
{
	return (bytes + unit - 1) & ~(unit - 1);
}

/* The least class with room for so many bytes, of which there are more than 2^CLASS_SHIFT_MIN. */
static uint32_t class_of(size_t bytes)
{
	uint32_t shift = 63u - (uint32_t)__builtin_clzll(bytes - 1);
	return shift - CLASS_SHIFT_MIN;
}

static size_t class_bytes(uint32_t class)
{
	return (size_t)2 << (class + CLASS_SHIFT_MIN);
}

/* Each takes two of the mappings that a process may have; those in small pages are joined. */
static bool has_huge(const struct large *l, uint32_t class)
{
	return l->huge && class_bytes(class) >= HUGE_BLOCK_BYTES &&
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

static struct extent extent_of(const struct large_block *block, size_t bytes, size_t page)
{
	size_t head = block->unit > page ? bytes & (block->unit - 1) : 0;
	return (struct extent){.head = head, .body = bytes - head};
}

/* What is kept. --------------------------------------------------------------------------------------------------- */

/* The lock is held. */
static void count_kept(struct large *l, uint64_t bytes)
{
	/* ORDER(kept_bytes): release, pairs with the acquire in large_kept(); who gives its grant back after that releases
	 * it as well. */
	at_add(&l->kept_bytes, bytes, release, kept_bytes);
}

static void count_gone(struct large *l, uint64_t bytes)
{
	/* ORDER(kept_bytes): release, pairs with the acquire in large_kept(): the pages are gone, or in use. */
	at_sub(&l->kept_bytes, bytes, release, kept_bytes);
}

/* The lock is held. */
static void note_least(struct large *l)
{
	uint64_t kept = large_kept(l);
	l->least_kept = kept < l->least_kept ? kept : l->least_kept;
}

/* Let the kernel have what is beyond `to`. The policy of the mapping stays: pages that come back come from the node. False: it does
 * not take them; what it took is counted as kept all the same. */
static bool give_back(struct large_block *block, struct extent to)
{
	size_t head = block->resident.head - to.head, body = block->resident.body - to.body;
	bool given = (!body || pages_give_back(block->split + to.body, body)) &&
		     (!head || pages_give_back(block->split - block->resident.head, head));
	if (given)
		block->resident = to;
	return given;
}

/* What is left when so much less is kept. */
static struct extent cut(const struct large *l, const struct large_block *block, uint64_t excess)
{
	struct extent to = block->resident;
	size_t body = to.body - less(to.body - block->used.body, excess);
	to.body = more(body & ~(block->unit - 1), block->used.body);
	excess -= less(block->resident.body - to.body, excess);
	size_t head = to.head - less(to.head - block->used.head, excess);
	to.head = more(head & ~(l->page - 1), block->used.head);
	return to;
}

/* Making. ---------------------------------------------------------------------------------------------------------- */

/* Blocks of so many bytes each; tight: for one block, and no larger one later. */
static struct large_region *make_region(struct large *l, uint32_t class, size_t each, bool tight)
{
	bool huge = has_huge(l, class);
	size_t head = huge ? (size_t)PAGES_HUGE_BYTES : 0;
	bool shared = each < SHARED_BELOW_BYTES && !tight;
	size_t bytes = shared ? REGION_BYTES : each + head;
	uint32_t blocks = shared ? (uint32_t)(bytes / each) : 1;
	struct large_region *region = calloc(1, sizeof(*region) + blocks * sizeof(region->block[0]));
	char *start = region ? pages_map(l->machine, l->node, bytes, huge ? PAGES_HUGE_BYTES : l->page, l->bind) : NULL;
	if (!start) {
		free(region);
		return NULL;
	}
	*region = (struct large_region){.start = start, .bytes = bytes, .blocks = blocks, .huge = huge, .tight = tight};
	at_add(&l->huge_regions, huge, relaxed, none);
	if (l->exact)
		pages_set_huge(start, huge ? head : bytes, false);
	if (huge)
		pages_set_huge(start + head, bytes - head, true);
	for (uint32_t i = 0; i < blocks; i++)
		region->block[i] = (struct large_block){.region = region,
							.split = start + head + i * each,
							.class = class,
							.unit = huge ? PAGES_HUGE_BYTES : l->page};
	return region;
}

/* False: the kernel cannot, as it has no room for one mapping more, where this one is the middle of another. */
static bool destroy_region(struct large *l, struct large_region *region)
{
	if (!pages_try_unmap(region->start, region->bytes))
		return false;
	at_sub(&l->huge_regions, region->huge, relaxed, none);
	free(region);
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

/* Taking. ---------------------------------------------------------------------------------------------------------- */

static bool is_wide(const struct large_block *block)
{
	return block->resident.head > block->used.head || block->resident.body > block->used.body;
}

/* So much of it is in use from now on. The lock is held: at no time is memory counted as kept that a purge does not find. */
static void use(struct large *l, struct large_block *block, size_t bytes)
{
	struct extent had = block->resident, used = extent_of(block, bytes, l->page);
	block->used = used;
	block->resident = (struct extent){.head = more(used.head, had.head), .body = more(used.body, had.body)};
	count_gone(l, less(used.head, had.head) + less(used.body, had.body));
	if (is_wide(block))
		push(&l->wide, block);
}

/* What a block of so many bytes finds of them in a free one. */
static size_t finds(const struct large *l, const struct large_block *block, size_t bytes)
{
	struct extent used = extent_of(block, bytes, l->page);
	return less(used.head, block->resident.head) + less(used.body, block->resident.body);
}

/* Of the newest free blocks of a class with memory the one of which least is left over, of those with most of what is needed. */
static struct large_block *pop_best(struct large *l, uint32_t class, size_t bytes)
{
	struct large_block *best = NULL;
	size_t most = 0;
	uint32_t looks = 0;
	for (struct large_block *block = l->kept[class].first; block && looks < LOOKS_MAX;
	     block = block->next, looks++) {
		size_t found = finds(l, block, bytes);
		if (!best || found > most || (found == most && sum(block->resident) < sum(best->resident))) {
			best = block;
			most = found;
		}
	}
	if (best)
		drop(&l->kept[class], best);
	return best;
}

/* A free block with memory, or one without; for so many bytes. */
static struct large_block *take_free(struct large *l, uint32_t class, size_t bytes)
{
	struct large_block *block = NULL;
	pthread_mutex_lock(&l->lock);
	for (uint32_t c = class; !block && c <= class + WIDER_MAX && c < LARGE_CLASSES; c++)
		block = pop_best(l, c, bytes);
	if (!block)
		block = pop(&l->bare[class]);
	if (block) {
		use(l, block, bytes);
		note_least(l);
	}
	pthread_mutex_unlock(&l->lock);
	return block;
}

/* A new region's first block; the others are free. */
static struct large_block *make_block(struct large *l, uint32_t class, size_t bytes)
{
	struct large_region *region = make_region(l, class, class_bytes(class), false);
	/* Where address space is short (RLIMIT_AS, no overcommit), without what a larger block would need. */
	if (unlikely(!region))
		region = make_region(l, class, bytes, true);
	if (!region)
		return NULL;
	pthread_mutex_lock(&l->lock);
	remember_region(l, region);
	for (uint32_t i = 1; i < region->blocks; i++)
		push(&l->bare[class], &region->block[i]);
	use(l, &region->block[0], bytes);
	pthread_mutex_unlock(&l->lock);
	return &region->block[0];
}

void *large_alloc(struct large *l, size_t bytes)
{
	if (bytes > LARGE_MAX_BYTES)
		return NULL;
	bytes = round_up(bytes + sizeof(struct header), l->page);
	uint32_t class = class_of(bytes);
	struct large_block *block = take_free(l, class, bytes);
	if (!block && !(block = make_block(l, class, bytes)))
		return NULL;
	struct header *header = (struct header *)(void *)(block->split - block->used.head);
	header->block = block;
	return header + 1;
}

/* Giving. ---------------------------------------------------------------------------------------------------------- */

/* What was not needed since the last look; the lock is held. */
static uint64_t unneeded(struct large *l)
{
	uint64_t now_ns = weir_clock_monotonic_ns(), least = l->least_kept;
	if (now_ns - l->decay_ns < DECAY_NS)
		return 0;
	l->decay_ns = now_ns;
	l->least_kept = large_kept(l);
	return least;
}

/* Nothing of it is kept. The lock is held, and let go. */
static void free_tight(struct large *l, struct large_region *region)
{
	forget_region(l, region);
	pthread_mutex_unlock(&l->lock);
	if (destroy_region(l, region))
		return;
	(void)give_back(&region->block[0], (struct extent){0});
	pthread_mutex_lock(&l->lock);
	remember_region(l, region);
	pthread_mutex_unlock(&l->lock);
}

void large_free(struct large *l, void *memory)
{
	struct large_block *block = ((struct header *)memory - 1)->block;
	uint64_t old = 0;
	pthread_mutex_lock(&l->lock);
	if (is_wide(block))
		drop(&l->wide, block);
	if (unlikely(block->region->tight)) {
		free_tight(l, block->region);
		return;
	}
	count_kept(l, sum(block->used));
	block->used = (struct extent){0};
	put_free(l, block);
	if (l->decays)
		old = unneeded(l);
	uint64_t kept = large_kept(l);
	pthread_mutex_unlock(&l->lock);
	if (unlikely(old))
		large_purge(l, kept > old ? kept - old : 0);
}

/* The largest class first, which is those in huge pages where there are any; of these the one that was free for longest. */
static struct large_block *take_oldest(struct large *l, size_t from_bytes)
{
	for (uint32_t c = LARGE_CLASSES; c-- > 0 && class_bytes(c) >= from_bytes;) {
		struct large_block *block = l->kept[c].last;
		if (block) {
			drop(&l->kept[c], block);
			return block;
		}
	}
	return NULL;
}

/* The lock is held before and after, not while the kernel works: nobody else sees the block. Returns what was given. */
static uint64_t purge_free(struct large *l, struct large_block *block, uint64_t excess)
{
	struct extent to = cut(l, block, excess);
	struct large_region *region = block->region;
	size_t had = sum(block->resident);
	bool whole = !sum(to) && region->blocks == 1;
	if (whole)
		forget_region(l, region);
	pthread_mutex_unlock(&l->lock);
	bool destroyed = whole && destroy_region(l, region), given = destroyed || give_back(block, to);
	pthread_mutex_lock(&l->lock);
	if (whole && !destroyed)
		remember_region(l, region);
	if (!destroyed)
		put_free(l, block);
	return given ? had - sum(to) : 0;
}

/* What is behind the end of a block in use. The lock is held: its owner may free it. */
static uint64_t purge_wide(struct large *l, struct large_block *block, uint64_t excess)
{
	size_t had = sum(block->resident);
	if (!give_back(block, cut(l, block, excess)))
		return 0;
	if (!is_wide(block))
		drop(&l->wide, block);
	return had - sum(block->resident);
}

/* Of one block, at most to a page more than so much. 0: there is nothing, or the kernel does not take it. */
static uint64_t purge_one(struct large *l, uint64_t excess)
{
	struct large_block *block = take_oldest(l, HUGE_BLOCK_BYTES);
	if (!block && l->wide.last)
		return purge_wide(l, l->wide.last, excess);
	if (!block && !(block = take_oldest(l, 0)))
		return 0;
	return purge_free(l, block, excess);
}

void large_purge(struct large *l, uint64_t most)
{
	pthread_mutex_lock(&l->lock);
	uint64_t kept = large_kept(l), until = kept > most ? l->purged + (kept - most) : 0;
	pthread_mutex_unlock(&l->lock);
	if (!until)
		return;
	pthread_mutex_lock(&l->purging);
	pthread_mutex_lock(&l->lock);
	while (l->purged < until && (kept = large_kept(l)) > most) {
		uint64_t given = purge_one(l, less(until - l->purged, kept - most));
		if (!given)
			break;
		count_gone(l, given);
		l->purged += given;
	}
	note_least(l);
	pthread_mutex_unlock(&l->lock);
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
	l->decay_ns = weir_clock_monotonic_ns();
	pthread_mutexattr_t adaptive;
	pthread_mutexattr_init(&adaptive);
	pthread_mutexattr_settype(&adaptive, PTHREAD_MUTEX_ADAPTIVE_NP);
	pthread_mutex_init(&l->lock, &adaptive);
	pthread_mutexattr_destroy(&adaptive);
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
			forget_region(l, region);
			if (destroy_region(l, region))
				any = true;
			else
				remember_region(l, region);
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
	pthread_mutex_destroy(&l->lock);
	pthread_mutex_destroy(&l->purging);
}
