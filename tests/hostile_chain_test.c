/* SPDX-License-Identifier: MIT */
/* hostile_chain_test.c - groups after groups: in order, once, whatever ends first or is cancelled (G2), and no ring of
 * waits and chains is ever closed (G4). It would fail by a task that runs before what it comes after, or by a hang. */
#include "hostile.h"

/* Tasks that note when they ran. */
struct moment {
	atomic_int *clock;
	int at;
};

static weir_status note_moment(weir_task *task, void *argument)
{
	struct moment *moment = argument;
	(void)task;
	moment->at = atomic_fetch_add(moment->clock, 1) + 1;
	return WEIR_OK;
}

static weir_pool *small_pool(void)
{
	return hostile_pool(
		WEIR_OPTIONS(.machine = "numa:1 core:2 pu:1", .resource_aware = true, .stack_bytes = 256 << 10));
}

static void a_diamond_runs_in_its_order(void **state)
{
	(void)state;
	weir_pool *pool = small_pool();
	for (int round = 0; round < 200; round++) {
		weir_group *group[4];
		struct moment moment[4];
		struct gate gate = {0};
		atomic_int clock = 0;
		for (int i = 0; i < 4; i++) {
			group[i] = hostile_group(pool);
			moment[i] = (struct moment){.clock = &clock};
		}
		assert_ok(weir_submit(group[0], stay, &gate, NULL));
		assert_ok(weir_submit(group[0], note_moment, &moment[0], WEIR_DEMAND(.cores = 1)));
		for (int i = 1; i < 3; i++) {
			assert_ok(weir_group_after(group[i], group[0]));
			assert_ok(
				weir_submit(group[i], note_moment, &moment[i], i % 2 ? WEIR_DEMAND(.cores = 1) : NULL));
		}
		assert_ok(weir_group_after(group[3], group[1]));
		if (round % 2)
			atomic_store(&gate.open, 1);
		assert_ok(weir_group_after(group[3], group[2]));
		assert_ok(weir_submit(group[3], note_moment, &moment[3], NULL));
		atomic_store(&gate.open, 1);
		assert_ok(weir_group_wait(group[3]));
		assert_int_equal(moment[3].at, 4);
		assert_int_equal(moment[0].at, 1);
		/* Who has waited for the last may destroy all of them. */
		for (int i = 0; i < 4; i++)
			assert_ok(weir_group_destroy(group[i]));
	}
	end_pool(pool);
}

/* `later` gets a second group to wait for just as the first one ends. */
static void a_group_chained_again_as_it_starts_waits_for_both(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 3));
	for (int round = 0; round < 3000; round++) {
		weir_group *first = hostile_group(pool), *second = hostile_group(pool), *later = hostile_group(pool);
		struct gate gate = {0};
		atomic_int quick = 0, clock = 0;
		struct moment moment = {.clock = &clock};
		assert_ok(weir_submit(second, stay, &gate, NULL));
		assert_ok(weir_submit(first, count_up, &quick, NULL));
		assert_ok(weir_group_after(later, first));
		assert_ok(weir_group_after(later, second));
		assert_ok(weir_submit(later, note_moment, &moment, NULL));
		assert_ok(weir_group_wait(first));
		assert_int_equal(atomic_load(&clock), 0);
		atomic_store(&gate.open, 1);
		assert_ok(weir_group_wait(later));
		assert_int_equal(clock, 1);
		assert_ok(weir_group_destroy(later));
		assert_ok(weir_group_destroy(first));
		assert_ok(weir_group_wait(second));
		assert_ok(weir_group_destroy(second));
	}
	end_pool(pool);
}

static void what_comes_after_a_done_or_cancelled_group_starts(void **state)
{
	(void)state;
	weir_pool *pool = small_pool();
	weir_group *done = hostile_group(pool), *cancelled = hostile_group(pool), *later = hostile_group(pool);
	struct gate gate = {0};
	atomic_int count = 0;
	assert_ok(weir_group_after(later, done));
	assert_ok(weir_submit(later, count_up, &count, NULL));
	assert_ok(weir_group_wait(later));
	assert_ok(weir_submit(cancelled, stay, &gate, NULL));
	await(&gate.there, 1);
	weir_group_cancel(cancelled);
	assert_ok(weir_group_after(later, cancelled));
	assert_ok(weir_submit(later, count_up, &count, WEIR_DEMAND(.cores = 2)));
	atomic_store(&gate.open, 1);
	assert_ok(weir_group_wait(later));
	assert_int_equal(weir_group_wait(cancelled), WEIR_ECANCELED);
	assert_int_equal(count, 2);
	struct gate next = {0};
	assert_ok(weir_submit(later, stay, &next, NULL));
	assert_error(weir_group_after(later, done), WEIR_EINVAL, "chain it before");
	atomic_store(&next.open, 1);
	assert_ok(weir_group_wait(later));
	assert_ok(weir_group_destroy(later));
	assert_ok(weir_group_destroy(done));
	assert_ok(weir_group_destroy(cancelled));
	end_pool(pool);
}

/* A chain of which each group ends as it starts must not end on one stack: 256 KiB here. Round 0: refused, as there is
 * no room; round 1: each runs; round 2: cancelled while it waits. */
static void a_long_chain_ends_on_a_small_stack(void **state)
{
	(void)state;
	enum { LENGTH = 20000 };
	weir_pool *pool = small_pool();
	weir_group **group = calloc(LENGTH, sizeof(*group));
	weir_group *blocker = hostile_group(pool);
	for (int round = 0; round < 3; round++) {
		struct gate gate = {0}, blocked = {0};
		atomic_int count = 0;
		group[0] = hostile_group(pool);
		assert_ok(weir_submit(group[0], stay, &gate, NULL));
		if (round == 0) {
			assert_ok(weir_submit(blocker, stay, &blocked, WEIR_DEMAND(.cores = 2)));
			await(&blocked.there, 1);
		}
		for (int i = 1; i < LENGTH; i++) {
			group[i] = hostile_group(pool);
			assert_ok(weir_group_after(group[i], group[i - 1]));
			assert_ok(weir_submit(group[i], count_up, &count,
					      WEIR_DEMAND(.cores = 1, .when_short = round ? WEIR_QUEUE : WEIR_DEFER)));
		}
		assert_error(weir_submit(group[1], count_up, &count, WEIR_DEMAND(.cores = 3)), WEIR_EINFEASIBLE, "CPU");
		for (int i = LENGTH - 1; i > 0 && round == 2; i--)
			weir_group_cancel(group[i]);
		atomic_store(&gate.open, 1);
		weir_status status = weir_group_wait(group[LENGTH - 1]);
		assert_int_equal(status, round == 0 ? WEIR_EAGAIN : round == 1 ? WEIR_OK : WEIR_ECANCELED);
		atomic_store(&blocked.open, 1);
		assert_ok(weir_group_wait(blocker));
		assert_ok(weir_group_wait(group[0]));
		for (int i = 0; i < LENGTH; i++)
			assert_ok(weir_group_destroy(group[i]));
		assert_int_equal(count, round == 1 ? LENGTH - 1 : 0);
	}
	assert_ok(weir_group_destroy(blocker));
	free(group);
	end_pool(pool);
}

/* Rings. -------------------------------------------------------------------------------------------------------- */

struct ring {
	weir_group *group[3];
	atomic_int there;
	atomic_int deadlocks;
	int members;
};

struct member {
	struct ring *ring;
	int number;
};

static weir_status wait_for_the_next(weir_task *task, void *argument)
{
	struct member *member = argument;
	struct ring *ring = member->ring;
	(void)task;
	atomic_fetch_add(&ring->there, 1);
	await(&ring->there, ring->members);
	if (weir_group_wait(ring->group[(member->number + 1) % ring->members]) == WEIR_EDEADLK)
		atomic_fetch_add(&ring->deadlocks, 1);
	return WEIR_OK;
}

static void tasks_that_wait_for_each_others_groups_are_told(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 3));
	for (int round = 0; round < 50; round++) {
		struct ring ring = {.members = 2 + round % 2};
		struct member member[3];
		for (int i = 0; i < ring.members; i++) {
			ring.group[i] = hostile_group(pool);
			member[i] = (struct member){.ring = &ring, .number = i};
		}
		for (int i = 0; i < ring.members; i++)
			assert_ok(weir_submit(ring.group[i], wait_for_the_next, &member[i], NULL));
		for (int i = 0; i < ring.members; i++)
			assert_ok(weir_group_wait(ring.group[i]));
		assert_int_equal(ring.deadlocks, 1);
		for (int i = 0; i < ring.members; i++)
			assert_ok(weir_group_destroy(ring.group[i]));
	}
	end_pool(pool);
}

static weir_status wait_for_the_last(weir_task *task, void *argument)
{
	struct ring *ring = argument;
	(void)task;
	await(&ring->there, 1);
	if (weir_group_wait(ring->group[2]) == WEIR_EDEADLK)
		atomic_fetch_add(&ring->deadlocks, 1);
	return WEIR_OK;
}

static void a_task_that_waits_for_what_comes_after_it_is_told(void **state)
{
	(void)state;
	weir_pool *pool = small_pool();
	struct ring ring = {0};
	atomic_int count = 0;
	for (int i = 0; i < 3; i++)
		ring.group[i] = hostile_group(pool);
	assert_ok(weir_submit(ring.group[0], wait_for_the_last, &ring, NULL));
	for (int i = 1; i < 3; i++) {
		assert_ok(weir_group_after(ring.group[i], ring.group[i - 1]));
		assert_ok(weir_submit(ring.group[i], count_up, &count, NULL));
	}
	/* And nobody may chain the first after the last. */
	assert_error(weir_group_after(ring.group[1], ring.group[2]), WEIR_EDEADLK, "before it");
	atomic_store(&ring.there, 1);
	assert_ok(weir_group_wait(ring.group[2]));
	assert_ok(weir_group_wait(ring.group[0]));
	assert_int_equal(ring.deadlocks, 1);
	assert_int_equal(count, 2);
	for (int i = 0; i < 3; i++)
		assert_ok(weir_group_destroy(ring.group[i]));
	end_pool(pool);
}

/* The member runs on the stack of who waits for it (one worker, own deque), and waits for the group below. */
static weir_status wait_for_the_first(weir_task *task, void *argument)
{
	struct ring *ring = argument;
	(void)task;
	if (weir_group_wait(ring->group[0]) == WEIR_EDEADLK)
		atomic_fetch_add(&ring->deadlocks, 1);
	return WEIR_OK;
}

static weir_status help_who_waits_for_us(weir_task *task, void *argument)
{
	struct ring *ring = argument;
	(void)task;
	weir_status status = weir_submit(ring->group[1], wait_for_the_first, ring, NULL);
	weir_status waited = weir_group_wait(ring->group[1]);
	if (waited == WEIR_EDEADLK)
		atomic_fetch_add(&ring->deadlocks, 1);
	return status;
}

static void a_task_helped_on_the_stack_of_its_waiter_is_told(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1));
	struct ring ring = {.group = {hostile_group(pool), hostile_group(pool)}};
	assert_ok(weir_submit(ring.group[0], help_who_waits_for_us, &ring, NULL));
	assert_ok(weir_group_wait(ring.group[0]));
	assert_ok(weir_group_wait(ring.group[1]));
	assert_int_equal(ring.deadlocks, 1);
	assert_ok(weir_group_destroy(ring.group[0]));
	assert_ok(weir_group_destroy(ring.group[1]));
	end_pool(pool);
}

/* A cancelled group is destroyed, and its slot used again, in the moment in which it is let go by the one before it. Fails under
 * ThreadSanitizer if who lets go reads it afterwards. */
static void a_cancelled_group_goes_as_it_is_let_go(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 2));
	atomic_int count = 0;
	for (int i = 0; i < 500; i++) {
		weir_group *first = hostile_group(pool), *later = hostile_group(pool);
		assert_ok(weir_submit(first, count_up, &count, NULL));
		assert_ok(weir_group_after(later, first));
		weir_group_cancel(later);
		while (weir_group_destroy(later) == WEIR_EBUSY)
			;
		later = hostile_group(pool);
		assert_ok(weir_group_wait(first));
		assert_ok(weir_group_destroy(first));
		assert_ok(weir_group_destroy(later));
	}
	end_pool(pool);
}

int main(void)
{
	alarm(HANG_SECONDS);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_diamond_runs_in_its_order),
		cmocka_unit_test(a_group_chained_again_as_it_starts_waits_for_both),
		cmocka_unit_test(what_comes_after_a_done_or_cancelled_group_starts),
		cmocka_unit_test(a_long_chain_ends_on_a_small_stack),
		cmocka_unit_test(tasks_that_wait_for_each_others_groups_are_told),
		cmocka_unit_test(a_task_that_waits_for_what_comes_after_it_is_told),
		cmocka_unit_test(a_task_helped_on_the_stack_of_its_waiter_is_told),
		cmocka_unit_test(a_cancelled_group_goes_as_it_is_let_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
