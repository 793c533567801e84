/* SPDX-License-Identifier: MIT */
/* deque_test.c - each item comes out exactly once (D1), within the bounds (D2). */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "runtime/deque.h"

enum { THIEVES = 3, ITEMS = 400000 };

struct item {
	int filled; /* plain on purpose: the deque must hand it over */
	_Atomic(int) taken;
};

static void the_owner_pops_the_newest_a_thief_takes_the_oldest(void **state)
{
	(void)state;
	struct deque d;
	bool raced;
	int x[4];
	assert_int_equal(deque_init(&d, 4), WEIR_OK);
	assert_null(deque_pop(&d));
	assert_null(deque_steal(&d, &raced));
	assert_false(raced);
	/* Goes round the array several times, so that positions and slots differ. */
	for (int turn = 0; turn < 10; turn++) {
		for (int i = 0; i < 3; i++)
			assert_true(deque_push(&d, &x[i]));
		assert_int_equal(deque_count(&d), 3);
		assert_true(deque_any(&d));
		assert_ptr_equal(deque_pop(&d), &x[2]);
		assert_ptr_equal(deque_steal(&d, &raced), &x[0]);
		assert_ptr_equal(turn % 2 ? deque_pop(&d) : deque_steal(&d, &raced), &x[1]);
		assert_null(deque_pop(&d));
		assert_null(deque_steal(&d, &raced));
		assert_false(deque_any(&d));
		assert_int_equal(deque_count(&d), 0);
	}
	deque_fini(&d);
}

/* D2: a full deque refuses and keeps what it has; if it did not, item 0 would be overwritten. */
static void a_full_deque_refuses(void **state)
{
	(void)state;
	struct deque d;
	int x[9];
	bool raced;
	assert_int_equal(deque_init(&d, 0), WEIR_EINVAL);
	assert_int_equal(deque_init(&d, (UINT32_C(1) << 30) + 1), WEIR_EINVAL);
	assert_int_equal(deque_init(&d, 5), WEIR_OK); /* rounded up to 8 */
	for (int i = 0; i < 8; i++)
		assert_true(deque_push(&d, &x[i]));
	assert_false(deque_push(&d, &x[8]));
	assert_ptr_equal(deque_steal(&d, &raced), &x[0]);
	assert_true(deque_push(&d, &x[8]));
	assert_ptr_equal(deque_pop(&d), &x[8]);
	for (int i = 7; i >= 1; i--)
		assert_ptr_equal(deque_pop(&d), &x[i]);
	assert_null(deque_pop(&d));
	deque_fini(&d);
}

struct stress {
	struct deque deque;
	_Atomic(int) left;
	_Atomic(int) unfilled;
};

static void took(struct stress *s, struct item *item)
{
	if (item->filled != 1)
		at_add(&s->unfilled, 1, relaxed, none);
	at_add(&item->taken, 1, relaxed, none);
	at_sub(&s->left, 1, relaxed, none);
}

static void *thief(void *argument)
{
	struct stress *s = argument;
	while (at_load(&s->left, relaxed, none) > 0) {
		bool raced;
		struct item *item = deque_steal(&s->deque, &raced);
		if (item)
			took(s, item);
		else if (!raced)
			sched_yield();
	}
	return NULL;
}

/* D1: pops race with thieves for few items, and for the last one all the time. Lost: never ends; twice: taken > 1. */
static void each_item_comes_out_exactly_once(void **state)
{
	(void)state;
	const char *given = getenv("WEIR_TEST_SEED");
	unsigned int seed = given ? (unsigned int)strtoul(given, NULL, 0) : 1;
	print_message("WEIR_TEST_SEED=%u\n", seed);
	struct item *items = calloc(ITEMS, sizeof(*items));
	assert_non_null(items);
	static struct stress s;
	at_store(&s.left, ITEMS, relaxed, none);
	assert_int_equal(deque_init(&s.deque, 64), WEIR_OK);
	pthread_t threads[THIEVES];
	for (int i = 0; i < THIEVES; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, thief, &s), 0);
	for (int next = 0; at_load(&s.left, relaxed, none) > 0;) {
		for (int burst = rand_r(&seed) % 5; burst > 0 && next < ITEMS; burst--) {
			items[next].filled = 1;
			if (!deque_push(&s.deque, &items[next]))
				break;
			next++;
		}
		for (int burst = rand_r(&seed) % 5; burst > 0; burst--) {
			struct item *item = deque_pop(&s.deque);
			if (!item)
				break;
			took(&s, item);
		}
	}
	for (int i = 0; i < THIEVES; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < ITEMS; i++)
		assert_int_equal(at_load(&items[i].taken, relaxed, none), 1);
	assert_int_equal(at_load(&s.unfilled, relaxed, none), 0);
	assert_int_equal(at_load(&s.left, relaxed, none), 0);
	assert_null(deque_pop(&s.deque));
	deque_fini(&s.deque);
	free(items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_owner_pops_the_newest_a_thief_takes_the_oldest),
		cmocka_unit_test(a_full_deque_refuses),
		cmocka_unit_test(each_item_comes_out_exactly_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
