/* SPDX-License-Identifier: MIT */
/*
 * pending_test.c - how tasks of a group are counted. G1: a group is done when its tasks are, whatever is left in stocks of
 * threads that submitted and whatever workers keep to themselves; G5: and not before. They would fail by a wait that never
 * returns, or by one that returns while a task is there. G3 where a worker has not told of grants: by a wrong WEIR_EDEADLK.
 */
#include "hostile.h"

#include <errno.h>
#include <pthread.h>

#include "runtime/pending.h"

enum { MANY = 200 }; /* enough for a stock, and not for two */

/* A thread that submits, and then lives on without doing anything. */
struct producer {
	pthread_t thread;
	weir_group *group;
	atomic_int *ran;
	atomic_int submitted, failed, stop;
	int rounds; /* of MANY; 0: until stop */
};

static void *produce(void *argument)
{
	struct producer *one = argument;
	for (int round = 0; one->rounds ? round < one->rounds : !atomic_load(&one->stop); round++) {
		for (int i = 0; i < MANY; i++)
			atomic_fetch_add(&one->failed, weir_submit(one->group, count_up, one->ran, NULL) != WEIR_OK);
		atomic_fetch_add(&one->submitted, MANY);
	}
	while (!atomic_load(&one->stop))
		usleep(100);
	return NULL;
}

static void start(struct producer *one, weir_group *group, atomic_int *ran, int rounds)
{
	*one = (struct producer){.group = group, .ran = ran, .rounds = rounds};
	assert_int_equal(pthread_create(&one->thread, NULL, produce, one), 0);
}

static void stop(struct producer *one)
{
	atomic_store(&one->stop, 1);
	pthread_join(one->thread, NULL);
	assert_int_equal(atomic_load(&one->failed), 0);
}

static weir_pool *two_workers(void)
{
	return hostile_pool(WEIR_OPTIONS(.workers = 2, .stack_bytes = 256 << 10));
}

/* A thread that has counts in stock does nothing more: who waits, polls, chains or drains gets them. */
static void what_is_left_in_a_stock_keeps_nobody_waiting(void **state)
{
	(void)state;
	weir_pool *pool = two_workers();
	for (int way = 0; way < 4; way++) {
		weir_group *group = hostile_group(pool), *later = hostile_group(pool);
		atomic_int ran = 0, after = 0;
		struct producer one;
		start(&one, group, &ran, 1);
		await(&one.submitted, MANY);
		switch (way) {
		case 0:
			assert_ok(weir_group_wait(group));
			break;
		case 1:
			while (weir_group_pending(group))
				usleep(100);
			break;
		case 2:
			assert_ok(weir_group_after(later, group));
			assert_ok(weir_submit(later, count_up, &after, NULL));
			assert_ok(weir_group_wait(later));
			assert_int_equal(atomic_load(&after), 1);
			break;
		default:
			assert_ok(weir_pool_drain(pool));
		}
		assert_int_equal(atomic_load(&ran), MANY);
		assert_int_equal(weir_group_pending(group), 0);
		assert_ok(weir_group_reset(group));
		assert_ok(weir_group_destroy(group));
		assert_ok(weir_group_destroy(later));
		stop(&one);
	}
	end_pool(pool);
}

/* Threads submit on and on; each wait returns, and never before what was submitted when it began has run. */
static void waits_return_in_the_middle_of_submitting(void **state)
{
	(void)state;
	weir_pool *pool = two_workers();
	weir_group *group = hostile_group(pool);
	atomic_int ran = 0;
	struct producer some[2];
	for (int i = 0; i < 2; i++)
		start(&some[i], group, &ran, 20);
	int waited = 0, done = 0;
	while (done < 2 * 20 * MANY) {
		done = atomic_load(&some[0].submitted) + atomic_load(&some[1].submitted);
		assert_ok(weir_group_wait(group));
		assert_true(atomic_load(&ran) >= done);
		waited++;
	}
	assert_true(waited > 0);
	assert_int_equal(weir_group_pending(group), 0);
	for (int i = 0; i < 2; i++)
		stop(&some[i]);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

/* A worker that has ended some tasks of a group, and runs another of it, has not told of them; but who asks is told. */
static void ends_that_no_worker_told_of_do_not_count_as_pending(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1, .stack_bytes = 256 << 10));
	weir_group *group = hostile_group(pool);
	struct gate first = {0}, last = {0};
	atomic_int ran = 0;
	assert_ok(weir_submit(group, stay, &first, NULL));
	for (int i = 0; i < 10; i++)
		assert_ok(weir_submit(group, count_up, &ran, NULL));
	assert_ok(weir_submit(group, stay, &last, NULL));
	assert_int_equal(weir_group_pending(group), 12);
	atomic_store(&first.open, 1);
	await(&last.there, 1);
	assert_int_equal(weir_group_pending(group), 1);
	assert_int_equal(weir_group_destroy(group), WEIR_EBUSY);
	atomic_store(&last.open, 1);
	assert_ok(weir_group_wait(group));
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

/* A task that holds a grant and waits for a group. */
struct wait_for {
	weir_group *group;
	atomic_int *when;
	atomic_int there;
	atomic_int status;
};

static weir_status wait_for(weir_task *task, void *argument)
{
	struct wait_for *wait = argument;
	(void)task;
	await(wait->when, 1);
	atomic_store(&wait->there, 1);
	atomic_store(&wait->status, (int)weir_group_wait(wait->group));
	return WEIR_OK;
}

/* A worker was handed one grant after another, and has told of none; all have theirs, so whoever holds one may wait. */
static void grants_that_no_worker_told_of_are_no_reason_to_refuse_a_wait(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:2 pu:1", .workers = 2,
						    .resource_aware = true, .stack_bytes = 256 << 10));
	weir_group *waited = hostile_group(pool), *waiting = hostile_group(pool);
	struct gate first = {0}, last = {0};
	struct wait_for wait = {.group = waited, .when = &last.there, .status = WEIR_EINVAL};
	atomic_int ran = 0;
	assert_ok(weir_submit(waiting, wait_for, &wait, WEIR_DEMAND(.cores = 1)));
	assert_ok(weir_submit(waited, stay, &first, WEIR_DEMAND(.cores = 1)));
	await(&first.there, 1);
	for (int i = 0; i < 10; i++)
		assert_ok(weir_submit(waited, count_up, &ran, WEIR_DEMAND(.cores = 1)));
	assert_ok(weir_submit(waited, stay, &last, WEIR_DEMAND(.cores = 1)));
	atomic_store(&first.open, 1);
	await(&wait.there, 1);
	usleep(2000);
	atomic_store(&last.open, 1);
	assert_ok(weir_group_wait(waiting));
	assert_int_equal(atomic_load(&wait.status), WEIR_OK);
	assert_int_equal(atomic_load(&ran), 10);
	assert_ok(weir_group_destroy(waited));
	assert_ok(weir_group_destroy(waiting));
	end_pool(pool);
}

static void *destroy(void *argument)
{
	if (weir_pool_destroy(argument))
		abort();
	return NULL;
}

/* A thread of another pool gives back the stock that ends a group, and still looks at the pool: once that was freed under it. Here
 * such a thread is in the middle of it until we let it go. It would fail by a pool that is gone before. */
static void a_pool_stays_while_somebody_gives_a_stock_of_it_back(void **state)
{
	(void)state;
	weir_pool *pool = two_workers();
	weir_group *group = hostile_group(pool);
	atomic_int ran = 0;
	for (int i = 0; i < MANY; i++)
		assert_ok(weir_submit(group, count_up, &ran, NULL));
	assert_ok(weir_group_wait(group));
	assert_ok(weir_group_destroy(group));
	struct stock *stock = &stocks[thread_index()];
	assert_true(stock->enough); /* it took one, so those who walk look at it */
	at_store(&stock->leaving, pool, relaxed, none);
	pthread_t other;
	assert_int_equal(pthread_create(&other, NULL, destroy, pool), 0);
	usleep(20000);
	assert_int_equal(pthread_tryjoin_np(other, NULL), EBUSY);
	at_store(&stock->leaving, NULL, release, none);
	assert_int_equal(pthread_join(other, NULL), 0);
}

static weir_status write_plainly(weir_task *task, void *argument)
{
	(void)task;
	*(int *)argument = 1;
	return WEIR_OK;
}

/* Who is about to sleep for a group closes it, and once did not acquire where that told him that nothing is pending. It would fail
 * under ThreadSanitizer. */
static void who_closes_a_group_that_is_done_sees_what_its_tasks_wrote(void **state)
{
	(void)state;
	weir_pool *pool = two_workers();
	weir_group *group = hostile_group(pool);
	int wrote = 0;
	assert_ok(weir_submit(group, write_plainly, &wrote, NULL));
	while (group_close(group))
		usleep(100);
	assert_int_equal(wrote, 1);
	assert_ok(weir_group_wait(group));
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_closes_a_group_that_is_done_sees_what_its_tasks_wrote),
		cmocka_unit_test(what_is_left_in_a_stock_keeps_nobody_waiting),
		cmocka_unit_test(waits_return_in_the_middle_of_submitting),
		cmocka_unit_test(ends_that_no_worker_told_of_do_not_count_as_pending),
		cmocka_unit_test(a_pool_stays_while_somebody_gives_a_stock_of_it_back),
		cmocka_unit_test(grants_that_no_worker_told_of_are_no_reason_to_refuse_a_wait),
	};
	alarm(HANG_SECONDS);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
