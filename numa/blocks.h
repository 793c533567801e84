/* SPDX-License-Identifier: MIT */
/*
 * blocks.h - which blocks of whole pages are free on a node, how far each holds memory, and how much of that is in use.
 *
 * For large.c, which has the memory. A block has a slot, and the slot a word that says all of this; who exchanges it has the block:
 *
 *	63 present   62 a purge is at it   61 huge pages   59-30 in use: head, body   29-0 holds memory: head, body
 *
 * Heads are 9 bits of pages, bodies 21 bits of pages or huge pages (of blocks that are too large for that, of more at a time).
 * Nothing in use: the block is free. 0: the slot is empty. Words that are equal say the same of a slot, so it does not matter
 * what happened in between.
 *
 * Two bits for each slot are hints at free blocks, with memory and without, and a third one at memory behind the end of one in use. A block that became free is shown after its word says so;
 * a hint that was wrong is taken away, and then the word is looked at again. So no free block is without its hint for good, and it
 * stays while the block is in use: who takes and gives one block again and again does not write it. tests/models/blocks.pml
 */
#ifndef NUMA_BLOCKS_H
#define NUMA_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

#include "private/atomics.h"

/* Sizes in powers of two, from 64 KiB to 64 TiB. */
enum { BLOCKS_CLASSES = 31, BLOCKS_SHIFT_MIN = 15 };

struct shelf;

/* Of its block, read and written by who has that. */
struct large_block {
	struct shelf *shelf; /* NULL: one without a word */
	uint32_t index;
	char *split; /* see large.c */
	struct large_region *region;
	struct large_block *next; /* empty slots */
};

/* Bytes. */
struct extent {
	size_t head, body;
};

struct block_state {
	struct extent held, used;
	size_t unit; /* of the body */
};

struct blocks {
	uint32_t page_shift;
	_Atomic(struct shelf *) first[BLOCKS_CLASSES];
	struct large_block *empty[BLOCKS_CLASSES];
};

static inline size_t extent_sum(struct extent e)
{
	return e.head + e.body;
}

/* The least class with room for so many bytes, of which there are more than 2^BLOCKS_SHIFT_MIN. */
static inline uint32_t blocks_class_of(size_t bytes)
{
	uint32_t shift = 63u - (uint32_t)__builtin_clzll(bytes - 1);
	return shift - BLOCKS_SHIFT_MIN;
}

static inline size_t blocks_class_bytes(uint32_t class)
{
	return (size_t)2 << (class + BLOCKS_SHIFT_MIN);
}

void blocks_init(struct blocks *b, size_t page);
void blocks_fini(struct blocks *b);

/* How so many bytes, in whole pages, lie in a block. */
struct extent blocks_extent(const struct blocks *b, uint32_t class, bool huge, size_t bytes);

/* A free block for so many bytes, in use from now on, or NULL; start: of what is used. found: of what is used, as much held memory
 * before, and is counted as kept as yet. Safe together, from any thread, as all below but where it says otherwise. */
struct large_block *blocks_take(struct blocks *b, uint32_t class, size_t bytes, char **start, uint64_t *found);

/* Of who has the block in use: what of it is, and it is not any more. */
uint64_t blocks_used(const struct blocks *b, const struct large_block *block);
void blocks_put(struct large_block *block);

/* An empty slot, or NULL. The caller excludes others that do the same. */
struct large_block *blocks_slot(struct blocks *b, uint32_t class);
void blocks_give_slot(struct blocks *b, struct large_block *block);

/* Of who has the slot: there is a block in it, free and without memory, or with so much in use, all of which counts as held. */
void blocks_fill(struct blocks *b, struct large_block *block, bool huge, struct extent used);

/* Where a purge is: from the largest class down. */
struct blocks_place {
	uint32_t class, least_class;
	struct shelf *shelf;
	uint32_t index; /* plus one */
};
struct blocks_place blocks_begin(struct blocks *b, uint32_t least_class);

/* The next block that holds memory which is not in use: of free ones, of those in use, or of both. Nobody takes it or purges it until
 * it is let go, or the slot is empty; who has it in use may put it. NULL: that was all.
 * Hinted: only what has a hint, which is a 64th of the way; but who takes a block may have come no further than the hint. */
enum blocks_which { BLOCKS_FREE = 1, BLOCKS_WIDE = 2, BLOCKS_HINTED = 4 };
struct large_block *blocks_hold(struct blocks *b, struct blocks_place *at, unsigned which, struct block_state *state);
void blocks_let_go(struct blocks *b, struct large_block *block, struct extent held);
void blocks_clear(struct large_block *block);

#endif
