/* SPDX-License-Identifier: MIT */
/*
 * lag_test.c - a worker leaves looks out where that finds it more, and nowhere else; never more than LAG_MAX in a row. Without the first
 * a far producer goes at the pace of a cache line's way; without the second each task of who waits for it is late, and workers look on
 * while tasks lie there.
 */
#include "hostile.h"

#include "runtime/lag.h"
#include "runtime/producers.h"
#include "runtime/route.h"
#include "runtime/worker.h"

enum { FINDS = 10000 };

/* Of a lane that was emptied by it. */
static void find(struct lag *lag, uint32_t calls)
{
	static const char lane;
	lag_found(lag, &lane, calls, calls);
}

/* Looks that are left out before the next that is not. */
static uint32_t skipped(struct lag *lag)
{
	uint32_t count = 0;
	while (lag_skips(lag)) {
		assert_true(lag->idle);
		lag_skipped(lag);
		assert_false(lag->idle);
		assert_true(++count <= LAG_MAX);
	}
	return count;
}

static void leaves_no_look_out_at_first(void **state)
{
	(void)state;
	struct lag lag = {0};
	assert_int_equal(skipped(&lag), 0);
}

/* Who pushes one and watches for its end itself finds no use in being late: but for a trial now and then it is not. */
static void who_pushes_one_at_a_time_is_served_at_once_but_for_trials(void **state)
{
	(void)state;
	struct lag lag = {0};
	uint32_t late = 0;
	for (int i = 0; i < FINDS; i++) {
		find(&lag, 1);
		late += skipped(&lag);
	}
	assert_true(late <= LAG_TRIAL * (FINDS / LAG_TRIES + 1));
	assert_true(late >= LAG_TRIAL * (FINDS / LAG_TRIES / 2));
}

/* A producer that pushes a call in each look's time. What it pushed as the last handful was run is no sign that it has ended. */
static void who_pushes_on_and_on_is_looked_at_when_there_is_a_handful(void **state)
{
	(void)state;
	struct lag lag = {0};
	uint32_t found = 0, most = 0;
	for (int i = 0; i < FINDS; i++) {
		uint32_t calls = 1 + skipped(&lag);
		found += calls;
		most = calls > most ? calls : most;
		find(&lag, calls);
	}
	assert_true(most <= LAG_MAX + 1);
	assert_true(found >= FINDS * (LAG_FEW / 4));
}

/* One that pushes a call in eight looks' time does not wait for a line, so all that it would get is to be late. */
static void who_pushes_slowly_is_served_at_once_but_for_trials(void **state)
{
	(void)state;
	struct lag lag = {.looks = LAG_MAX, .left = LAG_MAX};
	uint32_t late = 0;
	for (int i = 0; i < FINDS; i++) {
		uint32_t looks = skipped(&lag);
		late += looks;
		find(&lag, 1 + looks / 8);
	}
	assert_true(late <= LAG_MAX + LAG_TRIAL * (FINDS / LAG_TRIES + 1));
}

static void ends_when_it_has_lasted_long(void **state)
{
	(void)state;
	struct lag lag = {.looks = LAG_MAX, .left = LAG_MAX};
	assert_true(lag_skips(&lag));
	lag_end(&lag);
	assert_int_equal(skipped(&lag), 0);
}

/* A slow one ends it: of what is left out nothing comes. */
static void ends_when_there_is_one_call_again(void **state)
{
	(void)state;
	struct lag lag = {.looks = LAG_MAX, .left = 1};
	assert_int_equal(skipped(&lag), 1);
	find(&lag, 1);
	assert_int_equal(skipped(&lag), 0);
}

/* Each of many workers takes a share, and none had caught up: all looked on for LAG_MAX looks while the rest lay there. On 64 modelled
 * cores batches took four times as long. */
static void what_was_seen_and_not_taken_is_not_left_to_lie(void **state)
{
	(void)state;
	static const char one, other;
	struct lag lag = {.looks = LAG_MAX};
	lag_found(&lag, &one, LAG_FEW - 1, 8);
	assert_int_equal(skipped(&lag), 0);
	lag_found(&lag, &other, 2, 2);
	assert_int_equal(skipped(&lag), 0);
	lag_found(&lag, &one, 2, 2);
	assert_int_equal(skipped(&lag), LAG_MAX);
	lag_found(&lag, &one, LAG_FEW - 1, 8);
	lag_nothing(&lag); /* others took it */
	lag_found(&lag, &other, 2, 2);
	assert_int_equal(skipped(&lag), LAG_MAX);
}

/* Whoever has fallen behind needs no more lines than it gets. */
static void becomes_less_where_there_is_plenty(void **state)
{
	(void)state;
	struct lag lag = {.looks = LAG_MAX};
	find(&lag, LAG_FEW);
	assert_int_equal(skipped(&lag), 0);
	for (int i = 0; i < FINDS && lag.looks; i++)
		find(&lag, 10 * LAG_FEW);
	assert_int_equal(lag.looks, 0);
	assert_int_equal(skipped(&lag), 0);
}

/* Its waits are what a lane's producer is late for: by a wait it pushes on and on no more, whether it works meanwhile, or finds all done,
 * or the pool has no guests. */
static void a_lane_streams_until_its_producer_waits(void **state)
{
	(void)state;
	for (int turn = 0; turn < 8; turn++) {
		bool guests = turn & 1, late = turn & 2, again = turn & 4;
		weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1, .no_guests = !guests));
		weir_group *group = hostile_group(pool);
		atomic_int count = 0;
		int pushed = 0;
		for (int i = 0; i <= again; i++) {
			for (int n = 0; n < INTAKE_CALLS; n++, pushed++)
				assert_ok(weir_submit(group, count_up, &count, NULL));
			struct intake *in = producers_mine(pool);
			assert_false(intake_streams(in));
			for (int n = 0; n < 2 * INTAKE_CALLS && !intake_streams(in); n++, pushed++)
				assert_ok(weir_submit(group, count_up, &count, NULL));
			assert_true(intake_streams(in));
			if (late)
				await(&count, pushed);
			assert_ok(weir_group_wait(group));
			assert_false(intake_streams(in));
		}
		assert_int_equal(atomic_load(&count), pushed);
		assert_ok(weir_group_destroy(group));
		end_pool(pool);
	}
}

/* The only worker is held by a task, so that the test looks in its place: it does nothing itself meanwhile. Its lane is empty, and streams. */
struct held {
	weir_pool *pool;
	weir_group *group;
	struct gate gate;
	atomic_int count;
	struct intake *in;
	struct worker *worker;
};

static void stream(struct held *held)
{
	int until = atomic_load(&held->count) + 3 * INTAKE_CALLS;
	for (int n = 0; n < 3 * INTAKE_CALLS; n++)
		assert_ok(weir_submit(held->group, count_up, &held->count, NULL));
	await(&held->count, until);
	held->in = producers_mine(held->pool);
	assert_true(intake_streams(held->in));
}

static void hold(struct held *held, weir_idle idle)
{
	*held = (struct held){0};
	held->pool = hostile_pool(WEIR_OPTIONS(.workers = 1, .idle = idle));
	held->group = hostile_group(held->pool);
	stream(held);
	assert_ok(weir_submit(held->group, stay, &held->gate, NULL));
	await(&held->gate.there, 1);
	held->worker = pool_worker(held->pool, 0);
	held->worker->lag = (struct lag){.looks = LAG_MAX, .left = LAG_MAX};
}

static void let_go(struct held *held)
{
	atomic_store(&held->gate.open, 1);
	assert_ok(weir_group_wait(held->group));
	assert_ok(weir_group_destroy(held->group));
	end_pool(held->pool);
}

/* What was found goes back into the hand, and the worker runs it after all. */
static void put_back(struct held *held)
{
	at_sub(&held->worker->handful.next, HANDFUL_ONE, relaxed, none);
}

/* Only lanes that stream are left out, and only what is found in them counts. */
static void a_look_leaves_out_those_who_push_on_and_on(void **state)
{
	(void)state;
	struct held held;
	struct found found;
	hold(&held, WEIR_IDLE_SPIN);
	assert_ok(weir_submit(held.group, count_up, &held.count, NULL));
	assert_false(route_take(held.worker, &found));
	assert_int_equal(held.worker->lag.skipped, 1);
	assert_int_equal(held.worker->lag.left, LAG_MAX - 1);
	intake_waits(held.in);
	assert_true(route_take(held.worker, &found));
	assert_int_equal(held.worker->lag.looks, LAG_MAX);
	assert_int_equal(held.worker->lag.skipped, 1);
	put_back(&held);
	let_go(&held);
}

static void what_is_found_of_those_who_push_on_and_on_counts(void **state)
{
	(void)state;
	struct held held;
	struct found found;
	hold(&held, WEIR_IDLE_SPIN);
	held.worker->lag = (struct lag){.behind = held.in};
	assert_ok(weir_submit(held.group, count_up, &held.count, NULL));
	assert_true(route_take(held.worker, &found));
	assert_null(held.worker->lag.behind);
	assert_int_equal(held.worker->lag.left, LAG_TRIAL);
	put_back(&held);
	let_go(&held);
}

/* All looks were left out before a worker told of the last ends, though nobody pushed any more: who waited was late by them. */
static void leaves_nothing_out_once_the_producer_waits(void **state)
{
	(void)state;
	for (int waits = 0; waits < 2; waits++) {
		struct held held;
		struct found found;
		hold(&held, WEIR_IDLE_SPIN);
		held.worker->look_ns = 0;
		uint64_t before = held.worker->takes;
		if (waits)
			intake_waits(held.in);
		assert_false(worker_idle(held.worker, &found));
		uint64_t looks = held.worker->takes - before;
		assert_true(waits ? looks < LAG_MAX / 8 : looks > 0);
		assert_int_equal(held.worker->lag.left, 0);
		let_go(&held);
	}
}

/* It went to sleep with them, and left them out when it was woken up, a second later. */
static void who_may_not_look_on_leaves_nothing_out(void **state)
{
	(void)state;
	struct held held;
	struct found found;
	hold(&held, WEIR_IDLE_BLOCK);
	assert_ok(weir_submit(held.group, count_up, &held.count, NULL));
	assert_true(worker_idle(held.worker, &found));
	put_back(&held);
	let_go(&held);
}

/* Who took over the lane of one who had pushed on and on was taken for him until it waited. */
static void who_takes_a_lane_over_does_not_stream(void **state)
{
	(void)state;
	struct held held;
	hold(&held, WEIR_IDLE_SPIN);
	producers_hand_on(held.pool);
	assert_ok(weir_submit(held.group, count_up, &held.count, NULL));
	assert_ptr_equal(producers_mine(held.pool), held.in);
	assert_false(intake_streams(held.in));
	let_go(&held);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_no_look_out_at_first),
		cmocka_unit_test(who_pushes_one_at_a_time_is_served_at_once_but_for_trials),
		cmocka_unit_test(who_pushes_on_and_on_is_looked_at_when_there_is_a_handful),
		cmocka_unit_test(who_pushes_slowly_is_served_at_once_but_for_trials),
		cmocka_unit_test(ends_when_it_has_lasted_long),
		cmocka_unit_test(ends_when_there_is_one_call_again),
		cmocka_unit_test(what_was_seen_and_not_taken_is_not_left_to_lie),
		cmocka_unit_test(becomes_less_where_there_is_plenty),
		cmocka_unit_test(a_lane_streams_until_its_producer_waits),
		cmocka_unit_test(a_look_leaves_out_those_who_push_on_and_on),
		cmocka_unit_test(what_is_found_of_those_who_push_on_and_on_counts),
		cmocka_unit_test(leaves_nothing_out_once_the_producer_waits),
		cmocka_unit_test(who_may_not_look_on_leaves_nothing_out),
		cmocka_unit_test(who_takes_a_lane_over_does_not_stream),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
