/* SPDX-License-Identifier: MIT */
/* inbox_test.c - each node comes out exactly once (I1), is seen until then (I2), and in order (I3). */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "runtime/inbox.h"

enum { NODES = 64, PRODUCERS = 4, CONSUMERS = 4, EACH = 30000, JUGGLERS = 4, BALLS = 3, THROWS = 60000 };

/* As the users have it: the link somewhere inside a larger node. */
struct node {
	uint32_t value; /* plain on purpose: the inbox must hand it over */
	struct inbox_link link;
	_Atomic(int) held;
	char more[48];
};

static void start(struct inbox *b, struct node *nodes)
{
	inbox_init(b, &nodes[0].link, sizeof(nodes[0]));
}

static void nodes_come_out_in_the_order_of_the_pushes(void **state)
{
	(void)state;
	struct inbox b;
	struct node nodes[NODES];
	start(&b, nodes);
	assert_false(inbox_any(&b));
	assert_int_equal(inbox_take(&b), INBOX_EMPTY);
	assert_true(inbox_push(&b, 0));
	assert_true(inbox_any(&b));
	assert_int_equal(inbox_take(&b), 0);
	assert_false(inbox_any(&b));
	/* I3: pushes while a batch is being taken out come after it. */
	uint32_t pushed = 0, taken = 0;
	while (pushed < NODES / 2) {
		assert_int_equal(inbox_push(&b, pushed), pushed == 0);
		pushed++;
	}
	for (; taken < NODES; taken++) {
		assert_true(inbox_any(&b));
		assert_int_equal(inbox_take(&b), taken);
		if (pushed < NODES)
			assert_false(inbox_push(&b, pushed++));
	}
	assert_int_equal(inbox_take(&b), INBOX_EMPTY);
	assert_false(inbox_any(&b));
}

struct market {
	struct inbox full, idle; /* full: produced nodes; idle: nodes for reuse */
	struct node nodes[NODES];
	_Atomic(int) seen[PRODUCERS * EACH];
	_Atomic(int) left;
	_Atomic(int) wrong;
	_Atomic(uint32_t) producers;
};

static void hold(struct market *m, uint32_t i)
{
	/* Two holders at a time: the same node came out twice. */
	if (i >= NODES || at_swap(&m->nodes[i].held, 1, relaxed, none))
		at_add(&m->wrong, 1, relaxed, none);
}

static void let_go(struct market *m, uint32_t i, struct inbox *to)
{
	at_store(&m->nodes[i].held, 0, relaxed, none);
	inbox_push(to, i);
}

static void *produce(void *argument)
{
	struct market *m = argument;
	uint32_t first = at_add(&m->producers, 1, relaxed, none) * EACH;
	for (uint32_t k = 0; k < EACH;) {
		uint32_t i = inbox_take(&m->idle);
		if (i == INBOX_EMPTY) {
			sched_yield();
			continue;
		}
		hold(m, i);
		m->nodes[i].value = first + k++;
		let_go(m, i, &m->full);
	}
	return NULL;
}

static void *consume(void *argument)
{
	struct market *m = argument;
	while (at_load(&m->left, relaxed, none) > 0) {
		uint32_t i = inbox_take(&m->full);
		if (i == INBOX_EMPTY) {
			sched_yield();
			continue;
		}
		hold(m, i);
		at_add(&m->seen[m->nodes[i].value], 1, relaxed, none);
		at_sub(&m->left, 1, relaxed, none);
		let_go(m, i, &m->idle);
	}
	return NULL;
}

/* I1: every value produced is consumed once, though each node is used again at once. Lost: hangs; twice: seen > 1. */
static void each_push_is_taken_exactly_once(void **state)
{
	(void)state;
	struct market *m = calloc(1, sizeof(*m));
	assert_non_null(m);
	start(&m->full, m->nodes);
	start(&m->idle, m->nodes);
	for (uint32_t i = 0; i < NODES; i++)
		inbox_push(&m->idle, i);
	at_store(&m->left, PRODUCERS * EACH, relaxed, none);
	pthread_t threads[PRODUCERS + CONSUMERS];
	for (int t = 0; t < PRODUCERS + CONSUMERS; t++)
		assert_int_equal(pthread_create(&threads[t], NULL, t < PRODUCERS ? produce : consume, m), 0);
	for (int t = 0; t < PRODUCERS + CONSUMERS; t++)
		pthread_join(threads[t], NULL);
	assert_int_equal(at_load(&m->wrong, relaxed, none), 0);
	assert_int_equal(at_load(&m->left, relaxed, none), 0);
	for (int v = 0; v < PRODUCERS * EACH; v++)
		assert_int_equal(at_load(&m->seen[v], relaxed, none), 1);
	/* All nodes are idle again: none was lost. */
	for (int i = 0; i < NODES; i++)
		hold(m, inbox_take(&m->idle));
	assert_int_equal(at_load(&m->wrong, relaxed, none), 0);
	assert_int_equal(inbox_take(&m->idle), INBOX_EMPTY);
	assert_false(inbox_any(&m->idle));
	assert_false(inbox_any(&m->full));
	free(m);
}

static void *juggle(void *argument)
{
	struct market *m = argument;
	for (int k = 0; k < THROWS;) {
		uint32_t i = inbox_take(&m->full);
		if (i == INBOX_EMPTY) {
			sched_yield();
			continue;
		}
		hold(m, i);
		k++;
		let_go(m, i, &m->full);
	}
	return NULL;
}

/* ABA: with three nodes and four threads the same head comes back all the time, with another link. Without the tag a
 * late pop brings a node back that somebody holds, or loses one. */
static void a_node_that_comes_back_does_not_deceive_a_late_pop(void **state)
{
	(void)state;
	struct market *m = calloc(1, sizeof(*m));
	assert_non_null(m);
	start(&m->full, m->nodes);
	for (uint32_t i = 0; i < BALLS; i++)
		inbox_push(&m->full, i);
	pthread_t threads[JUGGLERS];
	for (int t = 0; t < JUGGLERS; t++)
		assert_int_equal(pthread_create(&threads[t], NULL, juggle, m), 0);
	for (int t = 0; t < JUGGLERS; t++)
		pthread_join(threads[t], NULL);
	for (uint32_t i = 0; i < BALLS; i++)
		hold(m, inbox_take(&m->full));
	assert_int_equal(at_load(&m->wrong, relaxed, none), 0);
	assert_int_equal(inbox_take(&m->full), INBOX_EMPTY);
	free(m);
}

/* I1, the tag itself: taken and put again, the same head is another word, so a late pop's exchange cannot succeed. */
static void each_pop_changes_the_word_that_a_late_pop_compares(void **state)
{
	(void)state;
	struct inbox b;
	struct node nodes[3];
	start(&b, nodes);
	uint64_t word = 0;
	for (int turn = 0; turn < 3; turn++) {
		for (uint32_t i = 0; i < 3; i++)
			inbox_push(&b, i);
		assert_int_equal(inbox_take(&b), 0);
		assert_int_equal((uint32_t)at_load(&b.ordered, relaxed, none), 1);
		assert_int_not_equal(at_load(&b.ordered, relaxed, none), word);
		word = at_load(&b.ordered, relaxed, none);
		assert_int_equal(inbox_take(&b), 1);
		assert_int_equal(inbox_take(&b), 2);
	}
}

enum { TAKERS = 2, BATCHES = 1000 };

static void *take_counting(void *argument)
{
	struct market *m = argument;
	while (at_load(&m->left, relaxed, none) > 0) {
		uint32_t i = inbox_take(&m->full);
		if (i == INBOX_EMPTY)
			sched_yield();
		else
			at_sub(&m->left, 1, seq_cst, test);
	}
	return NULL;
}

/* I2: "no" with more nodes left than takers can be returning with is a false one: a worker would sleep beside them. */
static void what_is_being_turned_round_is_still_seen(void **state)
{
	(void)state;
	struct market *m = calloc(1, sizeof(*m));
	assert_non_null(m);
	start(&m->full, m->nodes);
	at_store(&m->left, BATCHES * NODES, relaxed, none);
	pthread_t threads[TAKERS];
	for (int t = 0; t < TAKERS; t++)
		assert_int_equal(pthread_create(&threads[t], NULL, take_counting, m), 0);
	int missed = 0;
	for (int batch = 1; batch <= BATCHES; batch++) {
		int after = (BATCHES - batch) * NODES;
		for (uint32_t i = 0; i < NODES; i++)
			inbox_push(&m->full, i);
		for (int left = NODES, looks = 1; left > 0; looks++) {
			bool any = inbox_any(&m->full);
			left = at_load(&m->left, seq_cst, test) - after;
			missed += !any && left > TAKERS;
			if (!any || looks % 16 == 0)
				sched_yield();
		}
	}
	for (int t = 0; t < TAKERS; t++)
		pthread_join(threads[t], NULL);
	assert_int_equal(missed, 0);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_come_out_in_the_order_of_the_pushes),
		cmocka_unit_test(each_push_is_taken_exactly_once),
		cmocka_unit_test(a_node_that_comes_back_does_not_deceive_a_late_pop),
		cmocka_unit_test(each_pop_changes_the_word_that_a_late_pop_compares),
		cmocka_unit_test(what_is_being_turned_round_is_still_seen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
