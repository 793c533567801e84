/* SPDX-License-Identifier: MIT */
/*
 * blocks.c - which blocks of whole pages are free on a node, how far each holds memory, and how much of that is in use.
 *
 * Holds:     a word for each block, hints at free ones, empty slots; no memory of blocks.
 * Invariant: E7  a block is in one hand: who takes it finds it free, who puts it finds it in use, and a purge leaves alone what is.
 *            E8  a free block that nobody is at has its hint.
 * Progress:  lock-free: an exchange fails where another one got a block, put it, or began or ended to purge it.
 * Together:            take  put  hold, let go  slot, give slot
 *            take       -     -        -             -        "-" safe together, "X" the caller must exclude
 *            put        -     -        -             -
 *            hold       -     -        -             -
 *            slot       -     -        -             X
 * Not here:  memory, and how much is kept in all (large.c).
 *
 * Who comes second of put and drop_hint() sees the other: a put changes the word, then looks at the hint; drop_hint() takes the hint away,
 * then looks at the word. All four are seq_cst.
 */
#include "numa/blocks.h"

#include <stdlib.h>
#include <string.h>

#include "private/check.h"
#include "private/compiler.h"
#include "private/thread.h"

enum {
	HUGE_SHIFT = 21,
	BODY_BITS = 21,
	AMOUNT_BITS = 30,
	HINTS = 64,	     /* in a word */
	LOOKS_MAX = 8,	     /* free blocks of a class that are compared */
	WIDER_MAX = 1,	     /* classes above its own that may serve a block */
	SLOTS_MAX = 1 << 16, /* of one shelf */
	APART = 8,	     /* threads begin to look that far from each other: words of a cache line */
};

#define PRESENT (UINT64_C(1) << 63)
#define BUSY (UINT64_C(1) << 62)
#define HUGE (UINT64_C(1) << 61)
#define AMOUNT_MASK ((UINT64_C(1) << AMOUNT_BITS) - 1)
#define BODY_MASK ((UINT64_C(1) << BODY_BITS) - 1)
#define USED_MASK (AMOUNT_MASK << AMOUNT_BITS)

/* wide: at blocks in use that hold memory behind their end, for purges; one may be missing. */
struct hints {
	_Atomic(uint64_t) bare, kept, wide;
};

/* Slots of a class; the next one has twice as many. It stays until the end. */
struct shelf {
	_Atomic(struct shelf *) next;
	uint32_t class, slots;
	struct hints *hints;
	_Atomic(uint64_t) *word;
	struct large_block block[];
};

/* Words. ---------------------------------------------------------------------------------------------------------- */

/* Head and body of an amount, as they stand in a word. */
static uint64_t held_of(uint64_t word)
{
	return word & AMOUNT_MASK;
}

static uint64_t used_of(uint64_t word)
{
	return word >> AMOUNT_BITS & AMOUNT_MASK;
}

static bool is_free(uint64_t word)
{
	return (word & (PRESENT | BUSY | USED_MASK)) == PRESENT;
}

/* Each of the two. */
static uint64_t less_of(uint64_t a, uint64_t b)
{
	uint64_t head_a = a >> BODY_BITS, head_b = b >> BODY_BITS, body_a = a & BODY_MASK, body_b = b & BODY_MASK;
	return (head_a < head_b ? head_a : head_b) << BODY_BITS | (body_a < body_b ? body_a : body_b);
}

static uint64_t more_of(uint64_t a, uint64_t b)
{
	return a + b - less_of(a, b);
}

static bool is_wide(uint64_t word)
{
	uint64_t used = used_of(word);
	return used && more_of(held_of(word), used) != used;
}

/* A body is at most 2^20 units. */
static uint32_t unit_shift(const struct blocks *b, uint32_t class, bool huge)
{
	uint32_t shift = huge ? HUGE_SHIFT : b->page_shift;
	return class > shift + 4 ? class - 4 : shift;
}

static uint64_t amount(const struct blocks *b, uint32_t class, bool huge, size_t bytes)
{
	uint32_t shift = unit_shift(b, class, huge);
	size_t beyond = bytes & (((size_t)1 << shift) - 1), body = bytes >> shift;
	if (huge && shift == HUGE_SHIFT)
		return beyond >> b->page_shift << BODY_BITS | body;
	return body + (beyond != 0);
}

static struct extent extent_of(const struct blocks *b, uint32_t class, bool huge, uint64_t amount)
{
	return (struct extent){.head = (size_t)(amount >> BODY_BITS) << b->page_shift,
			       .body = (size_t)(amount & BODY_MASK) << unit_shift(b, class, huge)};
}

static uint64_t bytes_of(const struct blocks *b, uint32_t class, uint64_t word, uint64_t amount)
{
	return extent_sum(extent_of(b, class, word & HUGE, amount));
}

struct extent blocks_extent(const struct blocks *b, uint32_t class, bool huge, size_t bytes)
{
	return extent_of(b, class, huge, amount(b, class, huge, bytes));
}

static struct block_state state_of(const struct blocks *b, uint32_t class, uint64_t word)
{
	return (struct block_state){.held = extent_of(b, class, word & HUGE, held_of(word)),
				    .used = extent_of(b, class, word & HUGE, used_of(word)),
				    .unit = (size_t)1 << unit_shift(b, class, word & HUGE)};
}

/* Hints. ---------------------------------------------------------------------------------------------------------- */

static _Atomic(uint64_t) *hint_of(struct shelf *shelf, uint32_t index, bool kept)
{
	struct hints *hints = &shelf->hints[index / HINTS];
	return kept ? &hints->kept : &hints->bare;
}

/* After its word says that it is free: `word`. */
static void show(struct shelf *shelf, uint32_t index, uint64_t word)
{
	_Atomic(uint64_t) *hint = hint_of(shelf, index, held_of(word));
	uint64_t bit = UINT64_C(1) << index % HINTS;
	/* ORDER(block_hint): seq_cst, pairs with the exchange of the hint in drop_hint(): the word came before. */
	if (likely(at_load(hint, seq_cst, block_hint) & bit))
		return;
	/* ORDER(block_hint): seq_cst (release needed), pairs with drop_hint(), which reads the word after that. */
	at_or(hint, bit, seq_cst, block_hint);
}

/* Relaxed, as a purge that does not find enough goes by the words. */
static void show_wide(struct shelf *shelf, uint32_t index)
{
	_Atomic(uint64_t) *hint = &shelf->hints[index / HINTS].wide;
	uint64_t bit = UINT64_C(1) << index % HINTS;
	if (!(at_load(hint, relaxed, none) & bit))
		at_or(hint, bit, relaxed, none);
}

/* What it hints at was not there. */
static void drop_hint(struct shelf *shelf, uint32_t index, bool kept)
{
	/* ORDER(block_hint): seq_cst, pairs with the load in show(): first the hint, then the word. */
	at_and(hint_of(shelf, index, kept), ~(UINT64_C(1) << index % HINTS), seq_cst, block_hint);
	/* ORDER(block_hint): seq_cst, pairs with the exchanges of the word in blocks_put(), blocks_fill() and blocks_let_go(). */
	uint64_t word = at_load(&shelf->word[index], seq_cst, block_hint);
	if (is_free(word))
		show(shelf, index, word);
}

/* Taking. --------------------------------------------------------------------------------------------------------- */

/* Where in a word of hints this thread begins to look, plus one: at the block that it took last, which its cache may have. At first each begins
 * elsewhere. 0: not known yet. */
static _Thread_local uint8_t begins[BLOCKS_CLASSES] __attribute__((tls_model("initial-exec")));

static uint32_t begin_of(uint32_t class)
{
	uint32_t known = begins[class];
	return likely(known) ? known - 1 : thread_index() * APART % HINTS;
}

struct pick {
	struct shelf *shelf;
	uint32_t index, looks;
	uint64_t word, used; /* as it is found; as it will be */
	uint64_t found, held;
};

/* A block that seems to be free. True: there will be none that is better. */
static bool consider(const struct blocks *b, struct pick *best, struct shelf *shelf, uint32_t index, uint64_t word,
		     size_t bytes)
{
	uint32_t class = shelf->class;
	uint64_t used = amount(b, class, word & HUGE, bytes), had = held_of(word);
	uint64_t found = bytes_of(b, class, word, less_of(used, had)), held = bytes_of(b, class, word, had);
	best->looks++;
	if (!best->shelf || found > best->found || (found == best->found && held < best->held)) {
		best->shelf = shelf;
		best->index = index;
		best->word = word;
		best->used = used;
		best->found = found;
		best->held = held;
	}
	return used == had || best->looks >= LOOKS_MAX;
}

static bool fits_hint(uint64_t word, bool kept)
{
	return is_free(word) && (held_of(word) != 0) == kept;
}

/* Of the first free blocks of a class with memory the one of which least is left over, of those with most of what is needed; or the first
 * one without memory. */
static void look(struct blocks *b, uint32_t class, size_t bytes, bool kept, struct pick *best)
{
	uint32_t begin = begin_of(class);
	/* ORDER(shelf): acquire, pairs with the release in make_shelf(). */
	struct shelf *shelf = at_load(&b->first[class], acquire, shelf);
	/* ORDER(shelf): the same. */
	for (; shelf; shelf = at_load(&shelf->next, acquire, shelf)) {
		for (uint32_t i = 0; i < shelf->slots; i += HINTS) {
			uint64_t bits = at_load(hint_of(shelf, i, kept), relaxed, none);
			bits = bits >> begin | bits << (-begin % HINTS);
			for (; bits; bits &= bits - 1) {
				uint32_t index = i + ((uint32_t)__builtin_ctzll(bits) + begin) % HINTS;
				uint64_t word = at_load(&shelf->word[index], relaxed, none);
				if (unlikely(!fits_hint(word, kept)))
					drop_hint(shelf, index, kept);
				else if (consider(b, best, shelf, index, word, bytes) || !kept)
					return;
			}
		}
	}
}

struct large_block *blocks_take(struct blocks *b, uint32_t class, size_t bytes, char **start, uint64_t *found)
{
	for (;;) {
		struct pick best = {0};
		for (uint32_t c = class; !best.shelf && c <= class + WIDER_MAX && c < BLOCKS_CLASSES; c++)
			look(b, c, bytes, true, &best);
		if (!best.shelf)
			look(b, class, bytes, false, &best);
		if (!best.shelf)
			return NULL;
		uint64_t word = best.word & ~AMOUNT_MASK;
		word |= best.used << AMOUNT_BITS | more_of(best.used, held_of(best.word));
		/* ORDER(block_word): acquire, pairs with the releases of the word: what the last one wrote in block and memory. */
		if (unlikely(!at_cas(&best.shelf->word[best.index], &best.word, word, acquire, relaxed, block_word)))
			continue;
		struct large_block *block = &best.shelf->block[best.index];
		if (unlikely(is_wide(word)))
			show_wide(best.shelf, best.index);
		*start = block->split - extent_of(b, best.shelf->class, word & HUGE, best.used).head;
		*found = best.found;
		begins[best.shelf->class] = (uint8_t)(best.index % HINTS + 1);
		return block;
	}
}

/* Putting. -------------------------------------------------------------------------------------------------------- */

uint64_t blocks_used(const struct blocks *b, const struct large_block *block)
{
	uint64_t word = at_load(&block->shelf->word[block->index], relaxed, none);
	CHECK("E7", word & PRESENT && used_of(word)); /* else it was freed before */
	return bytes_of(b, block->shelf->class, word, used_of(word));
}

/* Where a purge is at it, that shows it when it is done. */
void blocks_put(struct large_block *block)
{
	_Atomic(uint64_t) *at = &block->shelf->word[block->index];
	uint64_t word = at_load(at, relaxed, none);
	/* ORDER(block_word): release, pairs with the acquire in blocks_take() and blocks_hold(): block and memory are done with.
	 * seq_cst, as in show() comes a look at the hint. */
	while (!at_cas_weak(at, &word, word & ~USED_MASK, seq_cst, relaxed, block_word))
		;
	CHECK("E7", used_of(word));
	if (likely(!(word & BUSY)))
		show(block->shelf, block->index, word);
}

/* Slots. ---------------------------------------------------------------------------------------------------------- */

/* Its slots are empty ones. */
static bool make_shelf(struct blocks *b, uint32_t class)
{
	uint32_t slots = HINTS;
	_Atomic(struct shelf *) *at = &b->first[class];
	for (struct shelf *s; (s = at_load(at, relaxed, none)) != NULL; at = &s->next)
		slots = s->slots < SLOTS_MAX ? s->slots * 2 : s->slots;
	size_t hints = slots / HINTS * sizeof(struct hints), words = slots * sizeof(_Atomic(uint64_t));
	struct shelf *shelf = calloc(1, sizeof(*shelf) + slots * sizeof(shelf->block[0]));
	char *lines = aligned_alloc(CACHE_LINE, (hints + words + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
	if (!shelf || !lines) {
		free(shelf);
		free(lines);
		return false;
	}
	memset(lines, 0, hints + words);
	shelf->class = class;
	shelf->slots = slots;
	shelf->word = (_Atomic(uint64_t) *)(void *)lines;
	shelf->hints = (struct hints *)(void *)(lines + words);
	/* Those that are used first are apart, as threads begin to look. */
	for (uint32_t i = slots; i-- > 0;) {
		uint32_t index = i / HINTS * HINTS + i % (HINTS / APART) * APART + i % HINTS / (HINTS / APART);
		shelf->block[index].shelf = shelf;
		shelf->block[index].index = index;
		blocks_give_slot(b, &shelf->block[index]);
	}
	/* ORDER(shelf): release, pairs with the acquires in look() and blocks_hold(): slots are empty before they are seen. */
	at_store(at, shelf, release, shelf);
	return true;
}

struct large_block *blocks_slot(struct blocks *b, uint32_t class)
{
	if (!b->empty[class] && !make_shelf(b, class))
		return NULL;
	struct large_block *block = b->empty[class];
	b->empty[class] = block->next;
	return block;
}

void blocks_give_slot(struct blocks *b, struct large_block *block)
{
	block->next = b->empty[block->shelf->class];
	b->empty[block->shelf->class] = block;
}

void blocks_fill(struct blocks *b, struct large_block *block, bool huge, struct extent used)
{
	struct shelf *shelf = block->shelf;
	uint64_t in_use = amount(b, shelf->class, huge, extent_sum(used));
	uint64_t word = PRESENT | (huge ? HUGE : 0) | in_use << AMOUNT_BITS | in_use;
	/* ORDER(block_word): release, pairs with the acquire in blocks_take(): the slot's record. seq_cst, as show() comes after. */
	at_store(&shelf->word[block->index], word, seq_cst, block_word);
	if (!in_use)
		show(shelf, block->index, word);
}

/* Purging. -------------------------------------------------------------------------------------------------------- */

static void enter_class(struct blocks *b, struct blocks_place *at)
{
	/* ORDER(shelf): acquire, pairs with the release in make_shelf(). */
	at->shelf = at_load(&b->first[at->class], acquire, shelf);
	at->index = at->shelf ? at->shelf->slots : 0;
}

struct blocks_place blocks_begin(struct blocks *b, uint32_t least_class)
{
	struct blocks_place at = {.class = BLOCKS_CLASSES - 1, .least_class = least_class};
	enter_class(b, &at);
	return at;
}

/* The next shelf, or the first one of the class below. False: that was all. */
static bool next_shelf(struct blocks *b, struct blocks_place *at)
{
	if (at->shelf) {
		/* ORDER(shelf): acquire, pairs with the release in make_shelf(). */
		at->shelf = at_load(&at->shelf->next, acquire, shelf);
		at->index = at->shelf ? at->shelf->slots : 0;
		return true;
	}
	if (at->class == at->least_class)
		return false;
	at->class --;
	enter_class(b, at);
	return true;
}

/* The next slot, of those that have a hint. False: there is none on this shelf. */
static bool next_hinted(struct blocks_place *at, unsigned which)
{
	while (at->index) {
		uint32_t last = at->index - 1;
		struct hints *hints = &at->shelf->hints[last / HINTS];
		uint64_t bits = which & BLOCKS_FREE ? at_load(&hints->kept, relaxed, none) : 0;
		bits |= which & BLOCKS_WIDE ? at_load(&hints->wide, relaxed, none) : 0;
		bits <<= HINTS - 1 - last % HINTS;
		if (bits) {
			at->index = last - (uint32_t)__builtin_clzll(bits);
			return true;
		}
		at->index = last - last % HINTS;
	}
	return false;
}

static bool next_place(struct blocks *b, struct blocks_place *at, unsigned which)
{
	do {
		if (which & BLOCKS_HINTED ? next_hinted(at, which) : at->index && at->index--)
			return true;
	} while (next_shelf(b, at));
	return false;
}

static bool is_wanted(uint64_t word, unsigned which)
{
	if (used_of(word))
		return which & BLOCKS_WIDE && is_wide(word);
	return word & PRESENT && which & BLOCKS_FREE && held_of(word);
}

/* Else purges would look at them again and again, where nobody takes blocks of the class any more. */
static void drop_wrong_hints(struct shelf *shelf, uint32_t index, uint64_t word)
{
	uint64_t bit = UINT64_C(1) << index % HINTS;
	struct hints *hints = &shelf->hints[index / HINTS];
	if (!used_of(word) && !held_of(word) && at_load(&hints->kept, relaxed, none) & bit)
		drop_hint(shelf, index, true);
	if (!is_wide(word) && at_load(&hints->wide, relaxed, none) & bit)
		at_and(&hints->wide, ~bit, relaxed, none);
}

struct large_block *blocks_hold(struct blocks *b, struct blocks_place *at, unsigned which, struct block_state *state)
{
	while (next_place(b, at, which)) {
		_Atomic(uint64_t) *at_word = &at->shelf->word[at->index];
		uint64_t word = at_load(at_word, relaxed, none);
		while (is_wanted(word, which)) {
			CHECK("E7", !(word & BUSY));
			/* ORDER(block_word): acquire, pairs with the releases of the word, as in blocks_take(). */
			if (!at_cas_weak(at_word, &word, word | BUSY, acquire, relaxed, block_word))
				continue;
			*state = state_of(b, at->class, word);
			return &at->shelf->block[at->index];
		}
		if (which & BLOCKS_HINTED)
			drop_wrong_hints(at->shelf, at->index, word);
	}
	return NULL;
}

void blocks_let_go(struct blocks *b, struct large_block *block, struct extent held)
{
	struct shelf *shelf = block->shelf;
	_Atomic(uint64_t) *at = &shelf->word[block->index];
	uint64_t word = at_load(at, relaxed, none), now;
	do {
		bool huge = word & HUGE;
		uint64_t body = held.body >> unit_shift(b, shelf->class, huge), head = held.head >> b->page_shift;
		now = (word & ~(AMOUNT_MASK | BUSY)) | head << BODY_BITS | body;
		/* ORDER(block_word): release, pairs with the acquire in blocks_take() and blocks_hold(): the pages are gone. seq_cst, as
		 * in show() comes a look at the hint. */
	} while (!at_cas_weak(at, &word, now, seq_cst, relaxed, block_word));
	if (is_free(now))
		show(shelf, block->index, now);
}

void blocks_clear(struct large_block *block)
{
	/* ORDER(block_word): release: the block is gone. Who gets the slot next is kept apart by a lock, or finds it empty. */
	at_store(&block->shelf->word[block->index], 0, release, block_word);
}

/* ----------------------------------------------------------------------------------------------------------------- */

void blocks_init(struct blocks *b, size_t page)
{
	memset(b, 0, sizeof(*b));
	b->page_shift = (uint32_t)__builtin_ctzll(page);
}

void blocks_fini(struct blocks *b)
{
	for (uint32_t c = 0; c < BLOCKS_CLASSES; c++)
		for (struct shelf *shelf = at_load(&b->first[c], relaxed, none), *next; shelf; shelf = next) {
			next = at_load(&shelf->next, relaxed, none);
			free(shelf->word);
			free(shelf);
		}
}
