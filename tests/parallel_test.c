/* SPDX-License-Identifier: MIT */
/*
 * parallel_test.c - loops over a range: each iteration once, in pieces that grow, of which half is given to who asks (F5); who
 * waits for a thief helps it; weir_share().
 *
 * Who asks is mostly the test itself, on the one worker's own thread, so that nothing depends on when somebody comes.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <weir/weir.h>

#include "fixture.h"
#include "runtime/spans.h"

static weir_pool *make_pool(const weir_options *options)
{
	weir_pool *pool;
	if (weir_pool_create(&pool, options))
		fail_msg("%s", weir_error_text());
	return pool;
}

/* The pieces that one worker ran, in order. */
struct piece {
	int64_t begin;
	int64_t end;
	bool shared; /* something was public as it began */
};

struct trace {
	struct piece piece[4096];
	int count;
	int ask_in;  /* a thief asks during this one; -1: none does */
	bool asleep; /* or rather: falls asleep without asking */
	int fail_in;
};

static weir_status note(int64_t begin, int64_t end, void *argument)
{
	struct trace *trace = argument;
	if (trace->count == 4096)
		return WEIR_EFULL;
	struct forks *forks = &worker_self->forks;
	trace->piece[trace->count] = (struct piece){begin, end, forks_public(forks)};
	if (trace->count == trace->ask_in && trace->asleep)
		idlers_announce(&worker_self->pool->queue[worker_self->node].idle, worker_self->member);
	else if (trace->count == trace->ask_in)
		forks_ask(forks);
	return trace->count++ == trace->fail_in ? WEIR_EUSER + 1 : WEIR_OK;
}

/* F5, and that the way of a lone worker is short: without doubling a range of a million takes a million pieces. */
static void a_worker_that_nobody_asks_runs_pieces_that_grow(void **state)
{
	(void)state;
	static struct trace trace;
	weir_pool *pool = make_pool(WEIR_OPTIONS(.workers = 1));
	for (int64_t grain = 1; grain < 3000000; grain *= 7) {
		trace = (struct trace){.ask_in = -1, .fail_in = -1};
		assert_int_equal(weir_parallel_for(pool, -5, 1000000, grain, note, &trace), WEIR_OK);
		int64_t at = -5, before = 0;
		for (int i = 0; i < trace.count; i++) {
			const struct piece *piece = &trace.piece[i];
			int64_t length = piece->end - piece->begin;
			assert_int_equal(piece->begin, at);
			assert_true(length >= grain || trace.count == 1);
			/* The last one takes what is less than a grain along. */
			assert_true(i == 0 || length <= 2 * before + (i == trace.count - 1 ? grain : 0));
			assert_true(i == 0 || length < 2 * grain || length <= (1000000 - at) / 8);
			assert_false(piece->shared);
			at = piece->end;
			before = length;
		}
		assert_int_equal(at, 1000000);
		assert_in_range(trace.count, 1, 160);
		assert_true(trace.count == 1 || trace.piece[0].end + 5 == grain);
	}
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

/* Who is asked while it runs a piece, or sees that somebody sleeps, gives half of what is left as that ends, and once. Nobody comes for it, so the worker
 * runs it itself, last. */
static void who_is_asked_gives_half_of_the_rest(void **state)
{
	(void)state;
	static struct trace trace;
	weir_pool *pool = make_pool(WEIR_OPTIONS(.workers = 1));
	for (int asleep = 0; asleep < 2; asleep++) {
		trace = (struct trace){.ask_in = 3, .asleep = asleep, .fail_in = -1};
		assert_int_equal(weir_parallel_for(pool, 0, 1000, 1, note, &trace), WEIR_OK);
		assert_int_equal(trace.piece[3].end, 15); /* 1 + 2 + 4 + 8 */
		int64_t middle = 15 + (1000 - 15) / 2, at = 0;
		for (int i = 0; i < trace.count; i++) {
			assert_int_equal(trace.piece[i].begin, at);
			at = trace.piece[i].end;
			/* From the next piece to the end of the near half the far one is there for the taking. */
			assert_int_equal(trace.piece[i].shared, i > 3 && at <= middle);
			assert_true(trace.piece[i].begin >= middle || at <= middle);
		}
		assert_int_equal(at, 1000);
	}
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

/* Halves that are smaller than the grain are not worth it: the request stays. */
static void nothing_smaller_than_the_grain_is_given(void **state)
{
	(void)state;
	static struct trace trace;
	weir_pool *pool = make_pool(WEIR_OPTIONS(.workers = 1));
	trace = (struct trace){.ask_in = 0, .fail_in = -1};
	assert_int_equal(weir_parallel_for(pool, 0, 299, 100, note, &trace), WEIR_OK);
	assert_int_equal(trace.count, 2);
	assert_false(trace.piece[1].shared);
	assert_int_equal(trace.piece[1].end - trace.piece[1].begin, 199);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

static void an_error_ends_the_rest_and_what_was_given_away(void **state)
{
	(void)state;
	static struct trace trace;
	weir_pool *pool = make_pool(WEIR_OPTIONS(.workers = 1));
	trace = (struct trace){.ask_in = 2, .fail_in = 4};
	assert_int_equal(weir_parallel_for(pool, 0, 1000, 1, note, &trace), WEIR_EUSER + 1);
	assert_int_equal(trace.count, 5);
	assert_int_equal(weir_parallel_for(pool, 0, INT64_MAX, 0, NULL, NULL), WEIR_EINVAL);
	assert_int_equal(weir_parallel_for(pool, -2, INT64_MAX, 0, note, &trace), WEIR_EINVAL);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

/* Several workers, bodies of very different lengths. */
enum { MANY = 20000 };

struct marks {
	_Atomic(unsigned char) times[MANY];
	int64_t grain;
	atomic_int too_short;
	atomic_int inside;
	atomic_int inside_max;
	uint64_t seed;
};

static weir_status mark(int64_t begin, int64_t end, void *argument)
{
	struct marks *marks = argument;
	int inside = atomic_fetch_add(&marks->inside, 1) + 1, most = marks->inside_max;
	while (inside > most && !atomic_compare_exchange_weak(&marks->inside_max, &most, inside))
		;
	if (end - begin < marks->grain && end - begin < MANY)
		atomic_fetch_add(&marks->too_short, 1);
	for (int64_t i = begin; i < end; i++) {
		atomic_fetch_add(&marks->times[i], 1);
		uint64_t seed = marks->seed + (uint64_t)i;
		if (fixture_random(&seed) % 512 == 0)
			sched_yield();
	}
	atomic_fetch_sub(&marks->inside, 1);
	return WEIR_OK;
}

static void check_marks(struct marks *marks)
{
	for (int i = 0; i < MANY; i++)
		if (marks->times[i] != 1)
			fail_msg("iteration %d ran %d times", i, marks->times[i]);
	assert_int_equal(marks->too_short, 0);
}

static void each_iteration_runs_once_however_many_take_part(void **state)
{
	(void)state;
	struct marks *marks = malloc(sizeof(*marks));
	uint64_t seed = fixture_seed("each_iteration_runs_once_however_many_take_part");
	for (uint32_t workers = 1; workers <= 8; workers *= 2) {
		weir_pool *pool = make_pool(WEIR_OPTIONS(.workers = workers, .forks_max = workers == 8 ? 2 : 0));
		for (int64_t grain = 1; grain < 2 * MANY; grain *= 5) {
			*marks = (struct marks){.grain = grain, .seed = seed++};
			assert_int_equal(weir_parallel_for(pool, 0, MANY, grain, mark, marks), WEIR_OK);
			check_marks(marks);
		}
		assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
	}
	free(marks);
}

/* Q3: a loop inside a task stays within the task's cores, although other workers sleep. */
struct bounded {
	weir_pool *pool;
	struct marks marks;
};

static weir_status loop_within(weir_task *task, void *argument)
{
	(void)task;
	struct bounded *bounded = argument;
	return weir_parallel_for(bounded->pool, 0, MANY, 1, mark, &bounded->marks);
}

static void a_loop_in_a_task_stays_within_its_cores(void **state)
{
	(void)state;
	struct bounded *bounded = malloc(sizeof(*bounded));
	weir_pool *pool =
		make_pool(WEIR_OPTIONS(.machine = "numa:1 core:4 pu:1", .workers = 4, .resource_aware = true));
	for (int cores = 1; cores <= 3; cores++) {
		*bounded = (struct bounded){.pool = pool, .marks = {.grain = 1, .seed = 7}};
		assert_int_equal(weir_pool_run(pool, loop_within, bounded, WEIR_DEMAND(.cores = cores)), WEIR_OK);
		check_marks(&bounded->marks);
		assert_in_range(bounded->marks.inside_max, 1, cores);
	}
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
	free(bounded);
}

/* Whoever is there takes part: until a second worker has run a piece each piece sleeps, so there is time to come. Fails if what
 * is left is never given away: one worker runs all, after some seconds. */
struct both {
	_Atomic(struct worker *) first;
	atomic_int others;
	int64_t busy_until; /* the other worker is kept away before this iteration */
	atomic_int let_go;
};

static weir_status wait_for_the_other(int64_t begin, int64_t end, void *argument)
{
	(void)end;
	struct both *both = argument;
	struct worker *nobody = NULL;
	if (!atomic_compare_exchange_strong(&both->first, &nobody, worker_self) && nobody != worker_self)
		atomic_fetch_add(&both->others, 1);
	if (begin >= both->busy_until) {
		atomic_store(&both->let_go, 1);
		if (!both->others)
			nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	}
	return WEIR_OK;
}

static weir_status stay_away(weir_task *task, void *argument)
{
	(void)task;
	struct both *both = argument;
	while (!both->let_go)
		sched_yield();
	return WEIR_OK;
}

static void who_sleeps_and_who_comes_late_both_get_their_part(void **state)
{
	(void)state;
	weir_pool *pool = make_pool(WEIR_OPTIONS(.workers = 2));
	struct both at_once = {.others = 0};
	assert_int_equal(weir_parallel_for(pool, 0, 1000000, 1, wait_for_the_other, &at_once), WEIR_OK);
	assert_int_not_equal(at_once.others, 0);
	struct both late = {.busy_until = 1000};
	weir_group *group;
	assert_int_equal(weir_group_create(&group, pool), WEIR_OK);
	assert_int_equal(weir_submit(group, stay_away, &late, NULL), WEIR_OK);
	assert_int_equal(weir_parallel_for(pool, 0, 1000000, 1, wait_for_the_other, &late), WEIR_OK);
	assert_int_not_equal(late.others, 0);
	assert_int_equal(weir_group_wait(group), WEIR_OK);
	assert_int_equal(weir_group_destroy(group), WEIR_OK);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

/* What is private is nobody's to see until it is shared. */
static weir_status count_up(weir_task *task, void *argument)
{
	(void)task;
	atomic_fetch_add((atomic_int *)argument, 1);
	return WEIR_OK;
}

static weir_status fork_and_share(weir_task *task, void *argument)
{
	(void)task;
	struct forks *forks = &worker_self->forks;
	int wrong = 0;
	for (int i = 0; i < 3; i++)
		wrong += weir_fork(count_up, argument) != WEIR_OK;
	wrong += forks_public(forks);
	weir_share();
	wrong += !forks_public(forks) || forks->split != forks->face.head;
	weir_share();
	for (int i = 0; i < 3; i++)
		wrong += weir_join() != WEIR_OK;
	wrong += forks_public(forks);
	weir_share();
	wrong += forks_public(forks);
	return wrong ? WEIR_EUSER : WEIR_OK;
}

static void a_share_makes_all_public(void **state)
{
	(void)state;
	atomic_int count = 0;
	weir_pool *pool = make_pool(WEIR_OPTIONS(.workers = 1));
	weir_share();
	assert_int_equal(weir_pool_run(pool, fork_and_share, &count, NULL), WEIR_OK);
	assert_int_equal(count, 3);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

/* A child that another worker runs forks only when who joins it sleeps already: that one must wake up and help. It used to
 * sleep to the end: the grandchild below then waits for ever, or for ten seconds here. */
struct sleeper {
	weir_fork_slot *_Atomic slot;
	atomic_int started;
	atomic_int helped;
	int late;
};

static weir_status help(weir_task *task, void *argument)
{
	(void)task;
	atomic_store(&((struct sleeper *)argument)->helped, 1);
	return WEIR_OK;
}

static weir_status fork_late(weir_task *task, void *argument)
{
	(void)task;
	struct sleeper *sleeper = argument;
	atomic_store(&sleeper->started, 1);
	uint64_t until = weir_clock_monotonic_ns() + 10 * WEIR_NS_PER_S;
	while (!forks_awaited(sleeper->slot) && weir_clock_monotonic_ns() < until)
		sched_yield();
	nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); /* announced is not asleep: now it is, most likely */
	weir_status status = weir_fork(help, sleeper);
	while (!sleeper->helped && weir_clock_monotonic_ns() < until)
		sched_yield();
	sleeper->late = !sleeper->helped;
	return status ? status : weir_join();
}

static weir_status join_who_forks_late(weir_task *task, void *argument)
{
	(void)task;
	struct sleeper *sleeper = argument;
	sleeper->slot = worker_self->forks.face.head;
	weir_status status = weir_fork(fork_late, sleeper);
	weir_share();
	while (!sleeper->started)
		sched_yield();
	return status ? status : weir_join();
}

static void who_sleeps_in_a_join_is_woken_to_help(void **state)
{
	(void)state;
	struct sleeper sleeper = {.late = 1};
	weir_pool *pool = make_pool(WEIR_OPTIONS(.workers = 2));
	assert_int_equal(weir_pool_run(pool, join_who_forks_late, &sleeper, NULL), WEIR_OK);
	assert_int_equal(sleeper.late, 0);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

static weir_status count_call(weir_task *task, void *argument)
{
	(void)task;
	atomic_fetch_add((atomic_int *)argument, 1);
	return WEIR_OK;
}

/* Forks, and joins nothing; but what it did not fork it cannot join. */
static weir_status fork_and_forget(int64_t begin, int64_t end, void *argument)
{
	if (weir_join() != WEIR_EINVAL)
		return WEIR_EDEADLK;
	weir_status status = WEIR_OK;
	for (; begin < end && !status; begin++)
		status = weir_fork(count_call, argument);
	return status;
}

static weir_status fold_and_forget(int64_t begin, int64_t end, void *accumulator, void *argument)
{
	(void)accumulator;
	return fork_and_forget(begin, end, argument);
}

static void keep_left(void *accumulator, const void *right, void *argument)
{
	(void)accumulator;
	(void)right;
	(void)argument;
}

static weir_status loops_that_forget(weir_task *task, void *argument)
{
	weir_pool *pool = argument;
	atomic_int own = 0, ran = 0;
	weir_status status = weir_fork(count_call, &own);
	if (status)
		return status;
	status = weir_parallel_for(pool, 0, 400, 1, fork_and_forget, &ran);
	for (int i = 0; i < 2 && !status; i++) {
		char nothing = 0, result;
		status = weir_parallel_reduce(pool, 0, 400,
					      WEIR_REDUCTION(.identity = &nothing, .bytes = 1, .fold = fold_and_forget,
							     .combine = keep_left, .argument = &ran, .grain = 1,
							     .deterministic = i),
					      &result);
	}
	(void)task;
	weir_status joined = weir_join();
	if (!status && (joined || atomic_load(&own) != 1 || atomic_load(&ran) != 1200))
		status = WEIR_ENOENT;
	return status;
}

/* A piece is as a task: what it forked it has joined when it ends (W4), on a thief too; what is around it is not its own. */
static void a_piece_joins_what_it_forked_and_no_more(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		weir_pool *pool = make_pool(WEIR_OPTIONS(.workers = 4, .idle = (weir_idle)i, .forks_max = i ? 0 : 2));
		assert_int_equal(weir_pool_run(pool, loops_that_forget, pool, NULL), WEIR_OK);
		assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
	}
}

static weir_status sleep_little(weir_task *task, void *argument)
{
	(void)task;
	(void)argument;
	nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
	return WEIR_OK;
}

static weir_status pieces_that_wait(int64_t begin, int64_t end, void *argument)
{
	weir_status status = WEIR_OK;
	for (; begin < end && !status; begin++)
		status = weir_pool_run(argument, sleep_little, NULL, WEIR_DEMAND(.cores = 0.5));
	return status;
}

static weir_status wait_in_pieces(weir_task *task, void *argument)
{
	(void)task;
	return weir_parallel_for(argument, 0, 60, 1, pieces_that_wait, argument);
}

/* One seat: who sleeps in a join for a thief that blocks cannot be who has the thief's seat. It would fail by a hang. */
static void who_sleeps_in_a_join_stands_in_for_nobody(void **state)
{
	(void)state;
	for (int i = 0; i < 9; i++) {
		weir_pool *pool = make_pool(WEIR_OPTIONS(.machine = "numa:1 core:4 pu:1", .workers = 1 + (uint32_t)i / 6,
							 .no_pinning = true, .resource_aware = true,
							 .idle = (weir_idle)(i % 3)));
		assert_int_equal(weir_pool_run(pool, wait_in_pieces, pool, NULL), WEIR_OK);
		assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_that_nobody_asks_runs_pieces_that_grow),
		cmocka_unit_test(who_is_asked_gives_half_of_the_rest),
		cmocka_unit_test(nothing_smaller_than_the_grain_is_given),
		cmocka_unit_test(an_error_ends_the_rest_and_what_was_given_away),
		cmocka_unit_test(each_iteration_runs_once_however_many_take_part),
		cmocka_unit_test(a_loop_in_a_task_stays_within_its_cores),
		cmocka_unit_test(who_sleeps_and_who_comes_late_both_get_their_part),
		cmocka_unit_test(a_piece_joins_what_it_forked_and_no_more),
		cmocka_unit_test(who_sleeps_in_a_join_stands_in_for_nobody),
		cmocka_unit_test(a_share_makes_all_public),
		cmocka_unit_test(who_sleeps_in_a_join_is_woken_to_help),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
