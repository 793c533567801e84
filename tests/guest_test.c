/* SPDX-License-Identifier: MIT */
/*
 * guest_test.c - a thread outside that waits works in the seat of a worker that sleeps. W9: two threads that were the same worker
 * would corrupt its queues, and be more at work than the pool has workers; W10: a wake that is lost on a lent seat would end in
 * a hang. On an invented machine any sleeping worker will do, so that guests do not depend on where the kernel puts threads.
 */
#include "hostile.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#define INVENTED .machine = "numa:1 core:2 pu:1", .idle = WEIR_IDLE_BLOCK

static pthread_t main_thread;

static bool is_main(void)
{
	return pthread_equal(pthread_self(), main_thread) != 0;
}

/* All have gone to sleep, once at least. */
static weir_pool *sleeping_pool(const weir_options *options)
{
	weir_pool *pool = hostile_pool(options);
	while (counts_of(pool).parked < weir_pool_workers(pool))
		usleep(100);
	return pool;
}

struct seen {
	bool in_main;
	bool in_task;
	uint32_t cores;
	weir_status answer;
};

static weir_status look_around(weir_task *task, void *argument)
{
	struct seen *seen = argument;
	seen->in_main = is_main();
	seen->in_task = task && weir_task_self() == task;
	seen->cores = weir_task_cores(task);
	return seen->answer;
}

static void a_run_from_outside_is_a_call(void **state)
{
	(void)state;
	weir_pool *pool = sleeping_pool(WEIR_OPTIONS(.workers = 1, INVENTED));
	struct seen seen = {0};
	assert_ok(weir_pool_run(pool, look_around, &seen, NULL));
	assert_true(seen.in_main);
	assert_true(seen.in_task);
	assert_int_equal(seen.cores, 1);
	assert_null(weir_task_self());
	weir_pool_counts counts = counts_of(pool);
	assert_int_equal(counts.lent, 1);
	assert_int_equal(counts.submitted, 1);
	assert_int_equal(counts.completed, 1);
	end_pool(pool);
}

/* Its worker is there again afterwards: a plain task whose submitter does not wait by weir's means runs. */
static void a_seat_is_given_back(void **state)
{
	(void)state;
	weir_pool *pool = sleeping_pool(WEIR_OPTIONS(.workers = 1, INVENTED));
	weir_group *group = hostile_group(pool);
	struct seen seen;
	atomic_int ran = 0;
	for (int i = 0; i < 500; i++) {
		assert_ok(weir_pool_run(pool, look_around, (seen = (struct seen){0}, &seen), NULL));
		assert_true(seen.in_task);
		assert_ok(weir_submit(group, count_up, &ran, NULL));
		await(&ran, i + 1);
	}
	assert_ok(weir_group_wait(group));
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static void errors_and_shutdown_are_those_of_a_task(void **state)
{
	(void)state;
	for (int guests = 0; guests < 2; guests++) {
		weir_pool *pool = sleeping_pool(WEIR_OPTIONS(.workers = 1, .no_guests = !guests, INVENTED));
		struct seen seen = {.answer = 77};
		assert_error(weir_pool_run(pool, look_around, &seen, NULL), 77, "ended with status 77");
		assert_int_equal(counts_of(pool).failed, 1);
		assert_int_equal(counts_of(pool).lent, guests);
		assert_ok(weir_pool_shutdown(pool, WEIR_SHUTDOWN_DRAIN));
		assert_error(weir_pool_run(pool, look_around, &seen, NULL), WEIR_ESHUTDOWN, "shut down");
		end_pool(pool);
	}
}

static void who_does_not_want_guests_has_none(void **state)
{
	(void)state;
	for (int by_variable = 0; by_variable < 2; by_variable++) {
		if (by_variable)
			setenv("WEIR_GUESTS", "off", 1);
		weir_pool *pool = sleeping_pool(WEIR_OPTIONS(.workers = 1, .no_guests = !by_variable, INVENTED));
		unsetenv("WEIR_GUESTS");
		weir_group *group = hostile_group(pool);
		struct seen seen = {0};
		assert_ok(weir_pool_run(pool, look_around, &seen, NULL));
		assert_false(seen.in_main);
		for (int i = 0; i < 50; i++) {
			assert_ok(weir_submit(group, look_around, &seen, NULL));
			assert_ok(weir_group_wait(group));
			assert_false(seen.in_main);
		}
		assert_int_equal(counts_of(pool).lent, 0);
		assert_ok(weir_group_destroy(group));
		end_pool(pool);
	}
}

struct outsider {
	weir_pool *pool;
	weir_status status;
	struct seen seen;
};

static void *run_once(void *argument)
{
	struct outsider *outsider = argument;
	outsider->status = weir_pool_run(outsider->pool, look_around, &outsider->seen, NULL);
	return NULL;
}

static uint64_t lent_to_a_stack_of(weir_pool *pool, size_t bytes)
{
	pthread_attr_t attr;
	pthread_t thread;
	struct outsider outsider = {.pool = pool};
	uint64_t before = counts_of(pool).lent;
	pthread_attr_init(&attr);
	assert_int_equal(pthread_attr_setstacksize(&attr, bytes), 0);
	assert_int_equal(pthread_create(&thread, &attr, run_once, &outsider), 0);
	pthread_attr_destroy(&attr);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(outsider.status, WEIR_OK);
	assert_true(outsider.seen.in_task);
	return counts_of(pool).lent - before;
}

static void a_thread_with_a_small_stack_is_no_guest(void **state)
{
	(void)state;
	weir_pool *pool = sleeping_pool(WEIR_OPTIONS(.workers = 1, .stack_bytes = 16 << 20, INVENTED));
	assert_int_equal(lent_to_a_stack_of(pool, 8 << 20), 0);
	/* Its worker sleeps, or is about to: sooner or later it is lent. */
	while (!lent_to_a_stack_of(pool, 16 << 20))
		;
	end_pool(pool);
}

static void what_needs_room_is_not_run_by_a_guest(void **state)
{
	(void)state;
	weir_pool *pool = sleeping_pool(WEIR_OPTIONS(.workers = 1, .resource_aware = true, INVENTED));
	struct seen seen = {0};
	assert_ok(weir_pool_run(pool, look_around, &seen, WEIR_DEMAND(.cores = 1)));
	assert_false(seen.in_main);
	assert_int_equal(counts_of(pool).lent, 0);
	end_pool(pool);
}

/* Waiting. ------------------------------------------------------------------------------------------------------- */

struct many {
	weir_group *group;
	atomic_int ran;
	atomic_int in_main;
};

static weir_status leaf(weir_task *task, void *argument)
{
	(void)task;
	struct many *many = argument;
	atomic_fetch_add(&many->in_main, is_main());
	atomic_fetch_add(&many->ran, 1);
	return WEIR_OK;
}

static weir_status submits_two(weir_task *task, void *argument)
{
	struct many *many = argument;
	(void)leaf(task, many);
	weir_status status = weir_submit(many->group, leaf, many, NULL);
	return status ? status : weir_submit(many->group, leaf, many, NULL);
}

/* Until a guest has had a share: the worker is woken by the submit and may come first. */
static void a_waiter_runs_its_own_tasks_and_what_they_submit(void **state)
{
	(void)state;
	for (uint32_t workers = 1; workers <= 3; workers++) {
		weir_pool *pool = sleeping_pool(WEIR_OPTIONS(.workers = workers, INVENTED));
		weir_group *group = hostile_group(pool);
		struct many many = {.group = group};
		int wanted = 0;
		while (!atomic_load(&many.in_main) || wanted < 3000) {
			for (int i = 0; i < 5; i++)
				assert_ok(weir_submit(group, submits_two, &many, NULL));
			wanted += 15;
			assert_ok(weir_group_wait(group));
			assert_int_equal(atomic_load(&many.ran), wanted);
		}
		assert_true(counts_of(pool).lent > 0);
		assert_ok(weir_group_destroy(group));
		end_pool(pool);
	}
}

/* A batch is runs of calls; a guest takes them as a whole. */
static void a_waiter_runs_batches(void **state)
{
	(void)state;
	weir_pool *pool = sleeping_pool(WEIR_OPTIONS(.workers = 2, INVENTED));
	weir_group *group = hostile_group(pool);
	struct many many = {.group = group};
	for (int turn = 1; turn <= 50; turn++) {
		assert_ok(weir_submit_batch(group, leaf, &many, 0, 1000, NULL, NULL));
		assert_ok(weir_group_wait(group));
		assert_int_equal(atomic_load(&many.ran), turn * 1000);
	}
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

struct gated {
	struct gate gate;
	bool in_main;
};

static weir_status stay_and_see(weir_task *task, void *argument)
{
	struct gated *gated = argument;
	gated->in_main = is_main();
	return stay(task, &gated->gate);
}

static void *open_soon(void *argument)
{
	struct gated *gated = argument;
	await(&gated->gate.there, 1);
	usleep(2000);
	atomic_store(&gated->gate.open, 1);
	return NULL;
}

/* Else the wait for the short one would be as long as the other's long one. */
static void a_task_of_another_group_is_never_run_by_who_waits(void **state)
{
	(void)state;
	weir_pool *pool = sleeping_pool(WEIR_OPTIONS(.workers = 1, INVENTED));
	weir_group *longer = hostile_group(pool);
	weir_group *shorter = hostile_group(pool);
	for (int i = 0; i < 20; i++) {
		struct gated gated = {0};
		struct many many = {0};
		pthread_t opener;
		assert_int_equal(pthread_create(&opener, NULL, open_soon, &gated), 0);
		assert_ok(weir_submit(longer, stay_and_see, &gated, NULL));
		assert_ok(weir_submit(shorter, leaf, &many, NULL));
		assert_ok(weir_group_wait(shorter));
		assert_int_equal(atomic_load(&many.ran), 1);
		assert_int_equal(pthread_join(opener, NULL), 0);
		assert_ok(weir_group_wait(longer));
		assert_false(gated.in_main);
	}
	assert_ok(weir_group_destroy(longer));
	assert_ok(weir_group_destroy(shorter));
	end_pool(pool);
}

struct aside {
	struct gated gated;
	struct many many;
	weir_group *longer;
	bool begun_in_main;
};

static weir_status submits_aside(weir_task *task, void *argument)
{
	struct aside *aside = argument;
	(void)task;
	aside->begun_in_main = is_main();
	return weir_submit(aside->longer, stay_and_see, &aside->gated, NULL);
}

/* The same of what a guest's own tasks submit to another group, which lies in the deque of the seat. */
static void nor_is_what_the_own_tasks_submit_to_another_group(void **state)
{
	(void)state;
	weir_pool *pool = sleeping_pool(WEIR_OPTIONS(.workers = 1, INVENTED));
	weir_group *longer = hostile_group(pool);
	weir_group *shorter = hostile_group(pool);
	for (int in_main = 0; in_main < 20;) {
		struct aside aside = {.longer = longer};
		pthread_t opener;
		assert_int_equal(pthread_create(&opener, NULL, open_soon, &aside.gated), 0);
		assert_ok(weir_submit(shorter, submits_aside, &aside, NULL));
		assert_ok(weir_submit(shorter, leaf, &aside.many, NULL));
		assert_ok(weir_group_wait(shorter));
		assert_ok(weir_group_wait(longer));
		assert_int_equal(pthread_join(opener, NULL), 0);
		assert_int_equal(atomic_load(&aside.many.ran), 1);
		assert_false(aside.gated.in_main);
		in_main += aside.begun_in_main;
	}
	assert_ok(weir_group_destroy(longer));
	assert_ok(weir_group_destroy(shorter));
	end_pool(pool);
}

struct neighbour {
	weir_group *group;
	atomic_int wanted, submitted, ran, ran_before_the_last;
	weir_status status;
	bool begun_in_main;
};

static void *submit_when_wanted(void *argument)
{
	struct neighbour *neighbour = argument;
	await(&neighbour->wanted, 1);
	neighbour->status = weir_submit(neighbour->group, count_up, &neighbour->ran, NULL);
	atomic_store(&neighbour->submitted, 1);
	return NULL;
}

static weir_status want_it(weir_task *task, void *argument)
{
	struct neighbour *neighbour = argument;
	(void)task;
	neighbour->begun_in_main = is_main();
	atomic_store(&neighbour->wanted, 1);
	await(&neighbour->submitted, 1);
	return WEIR_OK;
}

static weir_status be_the_last(weir_task *task, void *argument)
{
	struct neighbour *neighbour = argument;
	(void)task;
	atomic_store(&neighbour->ran_before_the_last, atomic_load(&neighbour->ran));
	return WEIR_OK;
}

/* The only seat is lent, and what others submit meanwhile finds nobody to wake. It fails where a guest runs all of its own first. */
static void a_guest_leaves_when_others_want_the_seat(void **state)
{
	(void)state;
	enum { OWN = 500 };
	weir_pool *pool = sleeping_pool(WEIR_OPTIONS(.workers = 1, INVENTED));
	weir_group *group = hostile_group(pool), *others = hostile_group(pool);
	for (int in_main = 0; in_main < 5;) {
		struct neighbour neighbour = {.group = others};
		atomic_int own = 0;
		pthread_t thread;
		assert_int_equal(pthread_create(&thread, NULL, submit_when_wanted, &neighbour), 0);
		assert_ok(weir_submit(group, want_it, &neighbour, NULL));
		for (int i = 0; i < OWN; i++)
			assert_ok(weir_submit(group, count_up, &own, NULL));
		assert_ok(weir_submit(group, be_the_last, &neighbour, NULL));
		assert_ok(weir_group_wait(group));
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_ok(neighbour.status);
		assert_ok(weir_group_wait(others));
		assert_int_equal(own, OWN);
		assert_int_equal(neighbour.ran_before_the_last, 1);
		in_main += neighbour.begun_in_main;
	}
	assert_ok(weir_group_destroy(others));
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static void what_is_cancelled_is_not_run_by_a_guest_either(void **state)
{
	(void)state;
	weir_pool *pool = sleeping_pool(WEIR_OPTIONS(.workers = 1, INVENTED));
	weir_group *group = hostile_group(pool);
	struct gated gated = {.gate = {.open = 0}};
	struct many many = {0};
	/* The worker is held, so that nothing begins before it is cancelled. */
	weir_group *holding = hostile_group(pool);
	assert_ok(weir_submit(holding, stay_and_see, &gated, NULL));
	await(&gated.gate.there, 1);
	for (int i = 0; i < 100; i++)
		assert_ok(weir_submit(group, leaf, &many, NULL));
	weir_group_cancel(group);
	atomic_store(&gated.gate.open, 1);
	assert_error(weir_group_wait(group), WEIR_ECANCELED, "cancelled");
	assert_int_equal(atomic_load(&many.ran), 0);
	assert_ok(weir_group_wait(holding));
	assert_int_equal(counts_of(pool).cancelled, 100);
	assert_ok(weir_group_destroy(group));
	assert_ok(weir_group_destroy(holding));
	end_pool(pool);
}

/* Inside. -------------------------------------------------------------------------------------------------------- */

struct child {
	atomic_int taken;
	bool in_main;
};

static weir_status be_taken(weir_task *task, void *argument)
{
	(void)task;
	struct child *child = argument;
	child->in_main = is_main();
	atomic_store(&child->taken, 1);
	return WEIR_OK;
}

/* Its parent does not join before somebody else has taken it. */
static weir_status waits_for_a_thief(weir_task *task, void *argument)
{
	(void)task;
	struct child *child = argument;
	weir_status status = weir_fork(be_taken, child);
	if (status)
		return status;
	await(&child->taken, 1);
	return weir_join();
}

static void others_steal_what_a_guest_forks(void **state)
{
	(void)state;
	weir_pool *pool = sleeping_pool(WEIR_OPTIONS(.workers = 2, INVENTED));
	for (int i = 0; i < 200; i++) {
		struct child child = {0};
		uint64_t before = counts_of(pool).lent;
		assert_ok(weir_pool_run(pool, waits_for_a_thief, &child, NULL));
		assert_true(atomic_load(&child.taken));
		if (counts_of(pool).lent > before)
			assert_false(child.in_main);
	}
	assert_true(counts_of(pool).lent > 0);
	end_pool(pool);
}

struct nest {
	weir_pool *pool;
	struct many many;
	bool in_main;
};

static weir_status waits_inside(weir_task *task, void *argument)
{
	(void)task;
	struct nest *nest = argument;
	weir_status status = weir_group_create(&nest->many.group, nest->pool);
	for (int i = 0; i < 20 && !status; i++)
		status = weir_submit(nest->many.group, submits_two, &nest->many, NULL);
	if (!status)
		status = weir_group_wait(nest->many.group);
	(void)weir_group_destroy(nest->many.group);
	return status;
}

static void a_guest_waits_for_groups_as_tasks_do(void **state)
{
	(void)state;
	for (uint32_t workers = 1; workers <= 2; workers++) {
		weir_pool *pool = sleeping_pool(WEIR_OPTIONS(.workers = workers, INVENTED));
		for (int i = 1; i <= 100; i++) {
			struct nest nest = {.pool = pool};
			assert_ok(weir_pool_run(pool, waits_inside, &nest, NULL));
			assert_int_equal(atomic_load(&nest.many.ran), 60);
		}
		assert_true(counts_of(pool).lent > 0);
		end_pool(pool);
	}
}

static weir_status blocks_until_the_other_ran(weir_task *task, void *argument)
{
	(void)task;
	struct nest *nest = argument;
	nest->in_main = is_main();
	weir_blocking_begin();
	await(&nest->many.ran, 1);
	weir_blocking_end();
	return WEIR_OK;
}

static void *submit_one(void *argument)
{
	struct nest *nest = argument;
	usleep(1000);
	if (weir_submit(nest->many.group, leaf, &nest->many, NULL))
		abort();
	return NULL;
}

/* The only seat is a guest's, and blocks: somebody stands in, or this hangs. */
static void a_guest_that_blocks_lends_its_seat_on(void **state)
{
	(void)state;
	weir_pool *pool = sleeping_pool(WEIR_OPTIONS(.workers = 1, INVENTED));
	weir_group *group = hostile_group(pool);
	for (int i = 0; i < 20; i++) {
		struct nest nest = {.pool = pool, .many.group = group};
		pthread_t other;
		assert_int_equal(pthread_create(&other, NULL, submit_one, &nest), 0);
		assert_ok(weir_pool_run(pool, blocks_until_the_other_ran, &nest, NULL));
		assert_int_equal(pthread_join(other, NULL), 0);
		assert_ok(weir_group_wait(group));
		if (i == 0)
			assert_true(nest.in_main);
	}
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

struct standing_in {
	struct nest nest;
	cpu_set_t cores;
	sigset_t blocked;
};

static weir_status look_at_thread(weir_task *task, void *argument)
{
	struct standing_in *seen = argument;
	if (pthread_getaffinity_np(pthread_self(), sizeof(seen->cores), &seen->cores) ||
	    pthread_sigmask(SIG_SETMASK, NULL, &seen->blocked))
		return WEIR_ESYSTEM;
	return leaf(task, &seen->nest.many);
}

static void *submit_a_look(void *argument)
{
	struct standing_in *seen = argument;
	usleep(1000);
	if (weir_submit(seen->nest.many.group, look_at_thread, seen, NULL))
		abort();
	return NULL;
}

/* It stays when the guest is gone: on one processor for ever, or open to signals that the program keeps from its workers. */
static void a_stand_in_takes_nothing_after_the_guest_it_was_made_for(void **state)
{
	(void)state;
	weir_pool *pool = sleeping_pool(WEIR_OPTIONS(.workers = 1, INVENTED));
	struct standing_in seen = {.nest = {.pool = pool, .many.group = hostile_group(pool)}};
	cpu_set_t before, one;
	sigset_t signals, more;
	pthread_t other;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&one);
	for (size_t cpu = 0; !CPU_COUNT(&one); cpu++)
		if (CPU_ISSET(cpu, &before))
			CPU_SET(cpu, &one);
	assert_int_equal(pthread_create(&other, NULL, submit_a_look, &seen), 0);
	sigemptyset(&more);
	sigaddset(&more, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &more, &signals);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	weir_status status = weir_pool_run(pool, blocks_until_the_other_ran, &seen.nest, NULL);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	pthread_sigmask(SIG_SETMASK, &signals, NULL);
	assert_int_equal(pthread_join(other, NULL), 0);
	assert_ok(status);
	assert_ok(weir_group_wait(seen.nest.many.group));
	assert_true(seen.nest.in_main);
	assert_true(CPU_EQUAL(&seen.cores, &before));
	assert_false(sigismember(&seen.blocked, SIGUSR2));
	assert_ok(weir_group_destroy(seen.nest.many.group));
	end_pool(pool);
}

struct cancelled {
	weir_pool *pool;
	pthread_t thread;
	bool ended;
	bool in_it;
};

static weir_status be_cancelled(weir_task *task, void *argument)
{
	(void)task;
	struct cancelled *one = argument;
	one->in_it = pthread_equal(pthread_self(), one->thread);
	if (one->in_it)
		(void)pthread_cancel(one->thread);
	pthread_testcancel();
	one->ended = true;
	return WEIR_OK;
}

static void *run_and_be_cancelled(void *argument)
{
	struct cancelled *one = argument;
	one->thread = pthread_self();
	if (weir_pool_run(one->pool, be_cancelled, one, NULL))
		abort();
	pthread_testcancel();
	return NULL;
}

/* A worker's thread is nobody's to cancel. If a guest ended in the middle of a task, the task's group would never be done, and the
 * seat never come back. */
static void a_guest_is_cancelled_when_it_is_one_no_more(void **state)
{
	(void)state;
	weir_pool *pool = sleeping_pool(WEIR_OPTIONS(.workers = 1, INVENTED));
	struct cancelled one;
	do {
		void *result;
		pthread_t thread;
		one = (struct cancelled){.pool = pool};
		assert_int_equal(pthread_create(&thread, NULL, run_and_be_cancelled, &one), 0);
		assert_int_equal(pthread_join(thread, &result), 0);
		assert_true(one.ended);
		assert_ptr_equal(result, one.in_it ? PTHREAD_CANCELED : NULL);
	} while (!one.in_it);
	end_pool(pool);
}

/* Many. ---------------------------------------------------------------------------------------------------------- */

enum { OUTSIDE = 4, TURNS = 300, WORKERS = 2 };

struct crowd {
	weir_pool *pool;
	atomic_int inside;
	atomic_int most;
	atomic_int wrong;
	atomic_int ran;
};

static weir_status be_inside(weir_task *task, void *argument)
{
	(void)task;
	struct crowd *crowd = argument;
	int inside = atomic_fetch_add(&crowd->inside, 1) + 1;
	int most = atomic_load(&crowd->most);
	while (inside > most && !atomic_compare_exchange_weak(&crowd->most, &most, inside))
		;
	for (volatile int i = 0; i < 200; i++)
		;
	atomic_fetch_add(&crowd->ran, 1);
	atomic_fetch_sub(&crowd->inside, 1);
	return WEIR_OK;
}

static void *come_and_go(void *argument)
{
	struct crowd *crowd = argument;
	weir_group *group;
	if (weir_group_create(&group, crowd->pool)) {
		atomic_fetch_add(&crowd->wrong, 1);
		return NULL;
	}
	for (int turn = 0; turn < TURNS; turn++) {
		weir_status status = weir_pool_run(crowd->pool, be_inside, crowd, NULL);
		for (int i = 0; i < 3 && !status; i++)
			status = weir_submit(group, be_inside, crowd, NULL);
		if (!status)
			status = weir_group_wait(group);
		atomic_fetch_add(&crowd->wrong, status != WEIR_OK);
		if (turn % 16 == 0)
			usleep(200);
	}
	(void)weir_group_destroy(group);
	return NULL;
}

/* W9, by what it means to users: a pool of two never runs three tasks at once. */
static void many_guests_are_never_more_than_the_workers(void **state)
{
	(void)state;
	weir_pool *pool = sleeping_pool(WEIR_OPTIONS(.workers = WORKERS, INVENTED));
	struct crowd crowd = {.pool = pool};
	pthread_t thread[OUTSIDE];
	for (int i = 0; i < OUTSIDE; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, come_and_go, &crowd), 0);
	for (int i = 0; i < OUTSIDE; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(atomic_load(&crowd.wrong), 0);
	assert_int_equal(atomic_load(&crowd.ran), OUTSIDE * TURNS * 4);
	assert_true(atomic_load(&crowd.most) <= WORKERS);
	assert_true(counts_of(pool).lent > 0);
	end_pool(pool);
}

int main(void)
{
	alarm(HANG_SECONDS);
	main_thread = pthread_self();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_from_outside_is_a_call),
		cmocka_unit_test(a_seat_is_given_back),
		cmocka_unit_test(errors_and_shutdown_are_those_of_a_task),
		cmocka_unit_test(who_does_not_want_guests_has_none),
		cmocka_unit_test(a_thread_with_a_small_stack_is_no_guest),
		cmocka_unit_test(what_needs_room_is_not_run_by_a_guest),
		cmocka_unit_test(a_waiter_runs_its_own_tasks_and_what_they_submit),
		cmocka_unit_test(a_waiter_runs_batches),
		cmocka_unit_test(a_task_of_another_group_is_never_run_by_who_waits),
		cmocka_unit_test(nor_is_what_the_own_tasks_submit_to_another_group),
		cmocka_unit_test(a_guest_leaves_when_others_want_the_seat),
		cmocka_unit_test(what_is_cancelled_is_not_run_by_a_guest_either),
		cmocka_unit_test(others_steal_what_a_guest_forks),
		cmocka_unit_test(a_guest_waits_for_groups_as_tasks_do),
		cmocka_unit_test(a_guest_that_blocks_lends_its_seat_on),
		cmocka_unit_test(a_stand_in_takes_nothing_after_the_guest_it_was_made_for),
		cmocka_unit_test(a_guest_is_cancelled_when_it_is_one_no_more),
		cmocka_unit_test(many_guests_are_never_more_than_the_workers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
