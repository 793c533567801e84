/* SPDX-License-Identifier: MIT */
/*
 * stress_blocks_test.c - threads that take, put, make, purge and unmap the same few blocks, with a count of their own.
 * Covers E4, E7, E8: no block is in two hands, none is lost, and what is kept is never counted lower than what the blocks hold. It fails
 * where a look for a hint is left out, or a purge forgets that a block was put meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "numa/blocks.h"
#include "stress.h"

enum {
	KIB = 1 << 10,
	PAGE = 4096,
	THREADS = 4,
	BLOCKS_MOST = 10,
	UNTIL_PURGE = 16,
	HELD_MOST = 2,
	CLASSES = 2,
	ROUND_MS = 4
};

/* What really is with a block; no memory is behind it. */
struct large_region {
	_Atomic(uint64_t) hand; /* who has it: thread + 1; 0: nobody */
	_Atomic(uint64_t) resident;
};

struct crowd {
	struct blocks blocks;
	pthread_mutex_t lock, purging;
	bool purges;
	_Atomic(uint64_t) kept, live, made, purged;
};

static void raise_to(_Atomic(uint64_t) *at, uint64_t bytes)
{
	uint64_t now = at_load(at, relaxed, none);
	while (now < bytes && !at_cas(at, &now, bytes, relaxed, relaxed, none))
		;
}

static void lower_to(_Atomic(uint64_t) *at, uint64_t bytes)
{
	uint64_t now = at_load(at, relaxed, none);
	while (now > bytes && !at_cas(at, &now, bytes, relaxed, relaxed, none))
		;
}

static struct large_block *made(struct crowd *crowd, uint32_t class, size_t bytes)
{
	struct large_block *block = NULL;
	pthread_mutex_lock(&crowd->lock);
	if (at_load(&crowd->live, relaxed, none) < BLOCKS_MOST && (block = blocks_slot(&crowd->blocks, class)))
		at_add(&crowd->live, 1, relaxed, none);
	pthread_mutex_unlock(&crowd->lock);
	if (!block)
		return NULL;
	at_add(&crowd->made, 1, relaxed, none);
	block->region = calloc(1, sizeof(*block->region));
	block->split = (char *)block;
	blocks_fill(&crowd->blocks, block, false, blocks_extent(&crowd->blocks, class, false, bytes));
	return block;
}

static struct large_block *take(struct stress_thread *self)
{
	struct crowd *crowd = self->shared;
	size_t bytes = (1 + fixture_random(&self->random) % 20 + 8) * PAGE;
	uint32_t class = blocks_class_of(bytes);
	char *start;
	uint64_t found = 0;
	struct large_block *block = blocks_take(&crowd->blocks, class, bytes, &start, &found);
	if (block)
		at_sub(&crowd->kept, found, relaxed, none);
	else if (!(block = made(crowd, class, bytes)))
		return NULL;
	if (at_swap(&block->region->hand, self->number + 1, relaxed, none))
		snprintf(self->wrong, sizeof(self->wrong), "a block in two hands");
	if (blocks_used(&crowd->blocks, block) != bytes)
		snprintf(self->wrong, sizeof(self->wrong), "in use %zu, by its word %lu", bytes,
			 (unsigned long)blocks_used(&crowd->blocks, block));
	raise_to(&block->region->resident, bytes);
	self->operations++;
	return block;
}

static void put(struct stress_thread *self, struct large_block *block)
{
	struct crowd *crowd = self->shared;
	if (at_swap(&block->region->hand, 0, relaxed, none) != self->number + 1)
		snprintf(self->wrong, sizeof(self->wrong), "a block that was taken away");
	at_add(&crowd->kept, blocks_used(&crowd->blocks, block), relaxed, none);
	blocks_put(block);
}

/* One block: all of it, or down to so much. */
static bool purge_one(struct stress_thread *self, struct blocks_place *at)
{
	struct crowd *crowd = self->shared;
	struct block_state state;
	uint64_t random = fixture_random(&self->random);
	struct large_block *block = blocks_hold(&crowd->blocks, at, BLOCKS_FREE | BLOCKS_WIDE, &state);
	if (!block)
		return false;
	bool in_use = extent_sum(state.used);
	struct extent to = random & 3 ? state.used : state.held;
	uint64_t given = extent_sum(state.held) - extent_sum(to);
	if (!in_use && at_swap(&block->region->hand, UINT64_MAX, relaxed, none))
		snprintf(self->wrong, sizeof(self->wrong), "a purge of a block in a hand");
	if (at_load(&block->region->resident, relaxed, none) > extent_sum(state.held))
		snprintf(self->wrong, sizeof(self->wrong), "a block holds more than its word says");
	lower_to(&block->region->resident, extent_sum(to));
	if (!in_use)
		at_store(&block->region->hand, 0, relaxed, none);
	at_add(&crowd->purged, given, relaxed, none);
	if (!extent_sum(to) && random & 4) {
		free(block->region);
		pthread_mutex_lock(&crowd->lock);
		blocks_clear(block);
		blocks_give_slot(&crowd->blocks, block);
		at_sub(&crowd->live, 1, relaxed, none);
		pthread_mutex_unlock(&crowd->lock);
	} else {
		blocks_let_go(&crowd->blocks, block, to);
	}
	if (at_sub(&crowd->kept, given, relaxed, none) < given)
		snprintf(self->wrong, sizeof(self->wrong), "less kept than was purged");
	return true;
}

static void *work(void *argument)
{
	struct stress_thread *self = argument;
	struct crowd *crowd = self->shared;
	struct large_block *held[HELD_MOST] = {0};
	while (weir_clock_monotonic_ns() < self->until_ns && !self->wrong[0]) {
		for (int i = 0; i < UNTIL_PURGE; i++) {
			struct large_block **at = &held[fixture_random(&self->random) % HELD_MOST];
			if (*at) {
				put(self, *at);
				*at = NULL;
			} else if (!(*at = take(self))) {
				self->refusals++;
			}
		}
		if (crowd->purges && self->number % 2 == 0 && pthread_mutex_trylock(&crowd->purging) == 0) {
			struct blocks_place at = blocks_begin(&crowd->blocks, 0);
			while (purge_one(self, &at) && fixture_random(&self->random) % 8)
				;
			pthread_mutex_unlock(&crowd->purging);
		}
	}
	for (int i = 0; i < HELD_MOST; i++)
		if (held[i])
			put(self, held[i]);
	return NULL;
}

/* For a while; then all is given back. */
static void run(struct stress_thread threads[THREADS])
{
	uint64_t until_ns = weir_clock_monotonic_ns() + ROUND_MS * WEIR_NS_PER_MS;
	for (uint32_t t = 0; t < THREADS; t++) {
		threads[t].until_ns = until_ns;
		assert_int_equal(pthread_create(&threads[t].thread, NULL, work, &threads[t]), 0);
	}
	for (uint32_t t = 0; t < THREADS; t++)
		pthread_join(threads[t].thread, NULL);
	for (uint32_t t = 0; t < THREADS; t++)
		if (threads[t].wrong[0])
			fail_msg("thread %u: %s", t, threads[t].wrong);
}

/* Each block is found by its hint, and words say what was counted beside them. */
static void look_at_all(struct crowd *crowd)
{
	struct large_block *all[BLOCKS_MOST];
	uint64_t live = 0, kept = at_load(&crowd->kept, relaxed, none), wide = 0, used = 0, found;
	char *start;
	for (uint32_t class = 0; class < CLASSES; class ++)
		for (struct large_block *block;
		     live < BLOCKS_MOST && (block = blocks_take(&crowd->blocks, class, 9 * PAGE, &start, &found));) {
			all[live++] = block;
			kept -= found;
			used += 9 * PAGE;
		}
	assert_int_equal(live, at_load(&crowd->live, relaxed, none));
	struct blocks_place at = blocks_begin(&crowd->blocks, 0);
	struct block_state got;
	for (struct large_block *block; (block = blocks_hold(&crowd->blocks, &at, BLOCKS_FREE | BLOCKS_WIDE, &got));) {
		assert_int_equal(extent_sum(got.used), 9 * PAGE);
		assert_in_range(at_load(&block->region->resident, relaxed, none), 0, extent_sum(got.held));
		wide += extent_sum(got.held) - extent_sum(got.used);
		blocks_let_go(&crowd->blocks, block, got.held);
	}
	assert_int_equal(wide, kept);
	at_store(&crowd->kept, kept + used, relaxed, none);
	for (uint64_t i = 0; i < live; i++) {
		raise_to(&all[i]->region->resident, 9 * PAGE);
		blocks_put(all[i]);
	}
}

/* Every second round without a purge, which would show a block that was lost. */
static void no_block_is_lost_or_in_two_hands(void **state)
{
	(void)state;
	static struct crowd crowd;
	struct stress_thread threads[THREADS];
	uint64_t seed = fixture_seed("no_block_is_lost_or_in_two_hands"), until_ns = stress_until_ns(), taken = 0;
	stress_alarm();
	blocks_init(&crowd.blocks, PAGE);
	pthread_mutex_init(&crowd.lock, NULL);
	pthread_mutex_init(&crowd.purging, NULL);
	for (uint32_t t = 0; t < THREADS; t++)
		threads[t] = (struct stress_thread){.number = t, .random = seed + t, .shared = &crowd};
	for (int round = 0; round == 0 || weir_clock_monotonic_ns() < until_ns; round++) {
		crowd.purges = round % 2;
		run(threads);
		look_at_all(&crowd);
	}
	for (uint32_t t = 0; t < THREADS; t++)
		taken += threads[t].operations;
	assert_true(taken > 0);
	print_message("%lu taken, %lu made, %lu KiB purged\n", (unsigned long)taken,
		      (unsigned long)at_load(&crowd.made, relaxed, none),
		      (unsigned long)(at_load(&crowd.purged, relaxed, none) / KIB));
	/* Their records. */
	char *start;
	uint64_t found;
	for (uint32_t class = 0; class < CLASSES; class ++)
		for (struct large_block *block; (block = blocks_take(&crowd.blocks, class, 9 * PAGE, &start, &found));)
			free(block->region);
	blocks_fini(&crowd.blocks);
	pthread_mutex_destroy(&crowd.lock);
	pthread_mutex_destroy(&crowd.purging);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(no_block_is_lost_or_in_two_hands)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
