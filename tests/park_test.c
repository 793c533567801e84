/* SPDX-License-Identifier: MIT */
/* park_test.c - sleeping and waking (P1), the set of idle workers (P2), and the announce argument of park.h. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "private/clock.h"
#include "runtime/park.h"

enum { WORKERS = 3, ROUNDS = 6000, PICKERS = 4, MEMBERS = 200 };

/* P1: a wake between ticket and wait ends the wait. If it were lost, the test would hang. */
static void a_wake_after_the_ticket_is_never_lost(void **state)
{
	(void)state;
	struct park p;
	park_init(&p);
	for (int i = 0; i < 1000; i++) {
		uint32_t ticket = park_ticket(&p);
		park_wake(&p);
		park_wait(&p, ticket, 0);
		assert_int_not_equal(park_ticket(&p), ticket);
	}
}

static void a_wait_without_a_wake_ends_at_its_timeout_and_not_before(void **state)
{
	(void)state;
	struct park p;
	park_init(&p);
	uint64_t start = weir_clock_monotonic_ns();
	park_wait(&p, park_ticket(&p), 20 * WEIR_NS_PER_MS);
	assert_true(weir_clock_monotonic_ns() - start >= 20 * WEIR_NS_PER_MS);
	park_wake(&p);
	park_wait(&p, park_ticket(&p), 1);
}

struct crowd {
	struct park park;
	_Atomic(int) ready;
	int told; /* plain on purpose: the wake must hand it over */
	_Atomic(int) heard;
};

static void *sleep_in_the_crowd(void *argument)
{
	struct crowd *c = argument;
	uint32_t ticket = park_ticket(&c->park);
	at_add(&c->ready, 1, release, test);
	park_wait(&c->park, ticket, 0);
	at_add(&c->heard, c->told, relaxed, none);
	return NULL;
}

/* One wake ends all waits, and what the waker wrote is seen: ThreadSanitizer fails here if edge `park` is weakened. */
static void one_wake_ends_all_waits_and_hands_over_what_was_written(void **state)
{
	(void)state;
	struct crowd c = {.told = 0};
	park_init(&c.park);
	pthread_t threads[5];
	for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, sleep_in_the_crowd, &c), 0);
	while (at_load(&c.ready, acquire, test) < (int)ARRAY_LENGTH(threads))
		sched_yield();
	struct timespec nap = {.tv_nsec = 5000000};
	nanosleep(&nap, NULL); /* so that most of them do sleep */
	c.told = 1;
	park_wake(&c.park);
	for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(at_load(&c.heard, relaxed, none), ARRAY_LENGTH(threads));
}

static void the_set_returns_each_member_once_lowest_first(void **state)
{
	(void)state;
	static const uint32_t members[] = {0, 1, 63, 64, 127, 128, 199};
	struct idlers s;
	assert_int_equal(idlers_init(&s, MEMBERS), WEIR_OK);
	assert_false(idlers_any(&s));
	assert_int_equal(idlers_pick(&s), -1);
	for (size_t i = 0; i < ARRAY_LENGTH(members); i++)
		idlers_announce(&s, members[i]);
	assert_true(idlers_retract(&s, 64));
	assert_false(idlers_retract(&s, 64));
	for (size_t i = 0; i < ARRAY_LENGTH(members); i++) {
		assert_true(idlers_any(&s));
		if (members[i] != 64)
			assert_int_equal(idlers_pick(&s), members[i]);
	}
	/* Member 64 rather not. */
	assert_int_equal(idlers_pick_but(&s, 64), -1);
	idlers_announce(&s, 64);
	idlers_announce(&s, 65);
	assert_int_equal(idlers_pick_but(&s, 64), 65);
	assert_int_equal(idlers_pick_but(&s, 64), 64);
	assert_int_equal(idlers_pick(&s), -1);
	assert_false(idlers_any(&s));
	idlers_fini(&s);
}

struct pickers {
	struct idlers set;
	_Atomic(int) taken[MEMBERS];
};

static void *pick_all(void *argument)
{
	struct pickers *x = argument;
	for (int i; (i = idlers_pick(&x->set)) >= 0;)
		at_add(&x->taken[i], 1, relaxed, none);
	return NULL;
}

/* P2: pickers and retracting owners together take each announcement back once, never twice. */
static void each_announcement_is_taken_back_exactly_once(void **state)
{
	(void)state;
	struct pickers *x = calloc(1, sizeof(*x));
	assert_non_null(x);
	assert_int_equal(idlers_init(&x->set, MEMBERS), WEIR_OK);
	for (int round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < MEMBERS; i++) {
			at_store(&x->taken[i], 0, relaxed, none);
			idlers_announce(&x->set, i);
		}
		pthread_t threads[PICKERS];
		for (int t = 0; t < PICKERS; t++)
			assert_int_equal(pthread_create(&threads[t], NULL, pick_all, x), 0);
		for (uint32_t i = MEMBERS; i-- > 0;) {
			if (idlers_retract(&x->set, i))
				at_add(&x->taken[i], 1, relaxed, none);
		}
		for (int t = 0; t < PICKERS; t++)
			pthread_join(threads[t], NULL);
		for (uint32_t i = 0; i < MEMBERS; i++)
			assert_int_equal(at_load(&x->taken[i], relaxed, none), 1);
	}
	idlers_fini(&x->set);
	free(x);
}

struct house {
	struct idlers idlers;
	struct park park[WORKERS];
	_Atomic(int) work; /* units waiting; -1000000: closing */
	_Atomic(int) done;
};

struct worker {
	struct house *house;
	uint32_t number;
};

static void wake_one(struct house *h)
{
	int i = idlers_pick(&h->idlers);
	if (i >= 0)
		park_wake(&h->park[i]);
}

static bool take(struct house *h)
{
	int left = at_load(&h->work, seq_cst, announce);
	while (left > 0) {
		if (at_cas_weak(&h->work, &left, left - 1, seq_cst, seq_cst, announce)) {
			at_add(&h->done, 1, release, test);
			return true;
		}
	}
	return false;
}

static void *work(void *argument)
{
	struct worker *w = argument;
	struct house *h = w->house;
	struct park *p = &h->park[w->number];
	for (;;) {
		if (take(h))
			continue;
		if (at_load(&h->work, seq_cst, announce) < 0)
			return NULL;
		uint32_t ticket = park_ticket(p);
		idlers_announce(&h->idlers, w->number);
		if (at_load(&h->work, seq_cst, announce) == 0)
			park_wait(p, ticket, 0);
		idlers_retract(&h->idlers, w->number);
	}
}

/* The announce argument. The pusher waits for each unit to be done before it pushes the next, so all workers are on
 * their way to sleep at each push; one sleeping beside the work hangs the test. */
static void no_worker_sleeps_beside_work(void **state)
{
	(void)state;
	static struct house h;
	assert_int_equal(idlers_init(&h.idlers, WORKERS), WEIR_OK);
	struct worker workers[WORKERS];
	pthread_t threads[WORKERS];
	for (uint32_t i = 0; i < WORKERS; i++) {
		park_init(&h.park[i]);
		workers[i] = (struct worker){&h, i};
	}
	for (uint32_t i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	for (int round = 1; round <= ROUNDS; round++) {
		at_add(&h.work, 1, seq_cst, announce);
		wake_one(&h);
		while (at_load(&h.done, acquire, test) != round)
			sched_yield();
	}
	at_store(&h.work, -1000000, seq_cst, announce);
	for (uint32_t i = 0; i < WORKERS; i++)
		park_wake(&h.park[i]);
	for (uint32_t i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(at_load(&h.done, relaxed, none), ROUNDS);
	idlers_fini(&h.idlers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wake_after_the_ticket_is_never_lost),
		cmocka_unit_test(a_wait_without_a_wake_ends_at_its_timeout_and_not_before),
		cmocka_unit_test(one_wake_ends_all_waits_and_hands_over_what_was_written),
		cmocka_unit_test(the_set_returns_each_member_once_lowest_first),
		cmocka_unit_test(each_announcement_is_taken_back_exactly_once),
		cmocka_unit_test(no_worker_sleeps_beside_work),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
