/* SPDX-License-Identifier: MIT */
/* handful_test.c - what is put into a hand comes out once, to its owner or to a thief (D3), and is seen until then (D4). */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "private/membarrier.h"
#include "runtime/handful.h"

enum { THIEVES = 2, ALL = 3000000 };

static struct handful *make(bool fenced)
{
	struct handful *hand = aligned_alloc(CACHE_LINE, sizeof(*hand));
	if (!hand)
		abort();
	handful_init(hand, fenced);
	return hand;
}

/* Fill with `count` calls from argument `first` on; a run: as one. */
static void fill(struct handful *hand, uintptr_t first, uint32_t count, bool run)
{
	if (run)
		hand->call[0] = (struct call){.argument = (void *)first, .run = call_run(count, 1)};
	for (uint32_t i = 0; !run && i < count; i++)
		hand->call[i] = (struct call){.argument = (void *)(first + i)};
	handful_close(hand, run ? 1 : count);
}

static void what_is_put_in_comes_out_in_order(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		struct handful *hand = make(kind & 1 || !membarrier_ready());
		struct call out;
		assert_false(handful_take(hand, &out));
		assert_false(handful_any(hand));
		for (int round = 0; round < 3; round++) {
			assert_true(handful_open(hand));
			assert_true(handful_any(hand)); /* somebody is at it */
			assert_false(handful_open(hand));
			assert_false(handful_take(hand, &out));
			fill(hand, 10, 32, kind & 2);
			assert_false(handful_open(hand)); /* not empty */
			for (uintptr_t n = 10; n < 42; n++) {
				assert_int_equal(handful_count(hand), 42 - n);
				assert_true(handful_any(hand));
				assert_true(handful_take(hand, &out));
				assert_int_equal((uintptr_t)out.argument, n);
			}
			assert_false(handful_any(hand));
			assert_false(handful_take(hand, &out));
		}
		/* Opened, and nothing found. */
		assert_true(handful_open(hand));
		handful_close(hand, 0);
		assert_false(handful_any(hand));
		free(hand);
	}
}

/* The owner has taken n of them; thieves take the younger half, again and again, the last one included. */
static void thieves_take_half_each_time(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		struct handful *victim = make(kind & 1 || !membarrier_ready()), *mine = make(true);
		struct call out;
		uint32_t left = 9;
		assert_true(handful_open(victim));
		fill(victim, 1, 10, kind & 2);
		assert_true(handful_take(victim, &out));
		uintptr_t end = 10;
		while (left) {
			assert_true(handful_open(mine));
			uint32_t entries = handful_steal(victim, mine);
			handful_close(mine, entries);
			uint32_t count = handful_count(mine);
			assert_int_equal(count, (left + 1) / 2);
			for (uint32_t i = 0; i < count; i++) {
				assert_true(handful_take(mine, &out));
				assert_int_equal((uintptr_t)out.argument, end - count + 1 + i);
			}
			end -= count;
			left -= count;
			assert_int_equal(handful_count(victim), left);
		}
		assert_false(handful_take(victim, &out));
		assert_int_equal(handful_steal(victim, mine), 0);
		/* And it can be filled again. */
		assert_true(handful_open(victim));
		fill(victim, 1, 2, kind & 2);
		assert_true(handful_take(victim, &out));
		assert_int_equal((uintptr_t)out.argument, 1);
		free(victim);
		free(mine);
	}
}

struct fight {
	struct handful *victim;
	_Atomic(int) seen[ALL];
	_Atomic(int) wrong;
	_Atomic(int) over;
	_Atomic(int) stolen;
};

static void found(struct fight *fight, const struct call *call)
{
	uintptr_t n = (uintptr_t)call->argument;
	if (n >= ALL || at_add(&fight->seen[n], 1, relaxed, none))
		at_add(&fight->wrong, 1, relaxed, none);
}

static void *steal_all(void *argument)
{
	struct fight *fight = argument;
	struct handful *mine = make(true);
	struct call out;
	while (!at_load(&fight->over, relaxed, none)) {
		if (!handful_open(mine))
			abort();
		handful_close(mine, handful_steal(fight->victim, mine));
		while (handful_take(mine, &out))
			found(fight, &out), at_add(&fight->stolen, 1, relaxed, none);
		at_pause();
	}
	free(mine);
	return NULL;
}

/* D3: the owner takes by plain stores while two thieves steal as fast as they can. */
static void fight_over(bool fenced, uint32_t all)
{
	struct fight *fight = calloc(1, sizeof(*fight));
	assert_non_null(fight);
	uint64_t random = fixture_seed("hand");
	fight->victim = make(fenced);
	pthread_t thread[THIEVES];
	for (int t = 0; t < THIEVES; t++)
		assert_int_equal(pthread_create(&thread[t], NULL, steal_all, fight), 0);
	struct call out;
	for (uint32_t n = 0; n < all || handful_any(fight->victim);) {
		if (n < all && handful_open(fight->victim)) {
			uint64_t r = fixture_random(&random);
			uint32_t count = 1 + (uint32_t)(r >> 8) % 32;
			count = count < all - n ? count : all - n;
			fill(fight->victim, n, count, r & 1);
			n += count;
		}
		while (handful_take(fight->victim, &out))
			found(fight, &out);
	}
	at_store(&fight->over, 1, relaxed, none);
	for (int t = 0; t < THIEVES; t++)
		pthread_join(thread[t], NULL);
	int missing = 0;
	for (uint32_t n = 0; n < all; n++)
		missing += at_load(&fight->seen[n], relaxed, none) != 1;
	print_message("%d of %u were stolen\n", fight->stolen, all);
	assert_int_equal(missing, 0);
	assert_int_equal(fight->wrong, 0);
	free(fight->victim);
	free(fight);
}

static void owner_and_thieves_get_each_call_once(void **state)
{
	(void)state;
	if (!membarrier_ready())
		skip();
	fight_over(false, ALL);
}

static void so_they_do_without_membarrier(void **state)
{
	(void)state;
	fight_over(true, ALL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_in_comes_out_in_order),
		cmocka_unit_test(thieves_take_half_each_time),
		cmocka_unit_test(owner_and_thieves_get_each_call_once),
		cmocka_unit_test(so_they_do_without_membarrier),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
