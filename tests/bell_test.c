/* SPDX-License-Identifier: MIT */
/*
 * bell_test.c - who comes to ring instead of waking a worker, for what, and what a round does about it: step by step, with
 * rounds that the test goes itself, so that none comes between. W12: if no round looks at what was rung for, a task whose
 * submitter does not wait after all lies for ever: these tests would hang. The thread is in bell_thread_test.c.
 */
#include "ringer.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include "numa/pin.h"

/* The bell has no thread, and wants none: who goes rounds is the test. */
static void begin_without_thread(struct ringer *ringer, const weir_options *options)
{
	ringer_begin(ringer, options);
	at_store(&ringer->pool->bell->state, BELL_NEVER, relaxed, none);
}

static bool sleeps(const struct ringer *ringer, uint32_t worker)
{
	return idlers_has(&ringer->pool->queue[0].idle, worker);
}

/* Rung, and the worker sleeps on. */
static void ring_for_one(struct ringer *ringer)
{
	ringer_believe(ringer);
	assert_true(ringer_submit(ringer));
	assert_true(sleeps(ringer, 0));
	assert_int_equal(at_load(&ringer_habit(ringer)->rung, relaxed, none), 1);
}

/* The worker has run all, and sleeps again. */
static void assert_woken(struct ringer *ringer)
{
	ringer_spin(&ringer->ran, ringer->submitted);
	ringer_await_sleep(ringer, 1);
}

/* Rounds. -------------------------------------------------------------------------------------------------------- */

/* At the first a worker would mostly be woken in vain. The submitter never waits: only the rounds bring it. */
static void what_lies_at_two_rounds_wakes_a_worker(void **state)
{
	(void)state;
	struct ringer ringer;
	begin_without_thread(&ringer, WEIR_OPTIONS(.workers = 1, INVENTED));
	bell_begin_rounds(ringer.pool);
	for (int i = 0; i < 3; i++) {
		ring_for_one(&ringer);
		assert_true(bell_go_round(ringer.pool));
		assert_true(sleeps(&ringer, 0));
		/* Ringing on and on puts nothing off. */
		ringer_habit(&ringer)->rang = false;
		assert_true(bell_ring(ringer.pool, ringer_lane(&ringer)));
		assert_true(ringer_habit(&ringer)->rang);
		assert_int_equal(at_load(&ringer_habit(&ringer)->missed, relaxed, none), 0);
		assert_true(bell_go_round(ringer.pool));
		assert_int_equal(at_load(&ringer_habit(&ringer)->missed, relaxed, none), 1);
		assert_int_equal(at_load(&ringer_habit(&ringer)->rung, relaxed, none), 0);
		assert_woken(&ringer);
	}
	ringer_end(&ringer);
}

/* Its last ring was just now, though a look has met an earlier one: it is about to wait, as mostly. */
static void who_rang_again_since_is_left_for_another_round(void **state)
{
	(void)state;
	struct ringer ringer;
	begin_without_thread(&ringer, WEIR_OPTIONS(.workers = 1, INVENTED));
	bell_begin_rounds(ringer.pool);
	ring_for_one(&ringer);
	assert_true(bell_go_round(ringer.pool));
	assert_ok(weir_group_wait(ringer.group));
	assert_true(ringer_submit(&ringer));
	assert_true(bell_go_round(ringer.pool));
	assert_true(sleeps(&ringer, 0));
	assert_true(bell_go_round(ringer.pool));
	assert_woken(&ringer);
	ringer_end(&ringer);
}

/* It comes after `watching` is cleared: nobody else would come by. */
static void the_last_round_leaves_nothing_for_the_next(void **state)
{
	(void)state;
	struct ringer ringer;
	begin_without_thread(&ringer, WEIR_OPTIONS(.workers = 1, INVENTED));
	bell_begin_rounds(ringer.pool);
	ring_for_one(&ringer);
	bell_end_rounds(ringer.pool);
	assert_woken(&ringer);
	assert_int_equal(at_load(&ringer.pool->bell->watching, relaxed, none), 0);
	ringer_end(&ringer);
}

/* Lanes that were counted but are not there yet, and those after them: each is looked at, the last one too. */
static void a_round_looks_at_each_lane(void **state)
{
	(void)state;
	enum { LANES_HERE = 5 };
	struct ringer ringer;
	begin_without_thread(&ringer, WEIR_OPTIONS(.workers = 1, INVENTED));
	bell_begin_rounds(ringer.pool);
	struct producers *producers = ringer.pool->producers;
	struct intake *mine = ringer_lane(&ringer);
	at_store(&producers->made, LANES_HERE, relaxed, none);
	for (int i = 0; i < LANES_HERE; i++) {
		at_store(&producers->all[0], NULL, relaxed, none);
		at_store(&producers->all[i], mine, relaxed, none);
		ring_for_one(&ringer);
		for (int n = 0; n < 2; n++)
			assert_true(bell_go_round(ringer.pool));
		assert_woken(&ringer);
		at_store(&producers->all[i], NULL, relaxed, none);
	}
	at_store(&producers->all[0], mine, relaxed, none);
	at_store(&producers->made, 1, relaxed, none);
	ringer_end(&ringer);
}

/* A worker was quicker, or the submitter waited just now: nobody is late, and nobody is to be woken. */
static void a_ring_whose_task_is_gone_is_no_miss(void **state)
{
	(void)state;
	struct ringer ringer;
	begin_without_thread(&ringer, WEIR_OPTIONS(.workers = 1, INVENTED));
	bell_begin_rounds(ringer.pool);
	ring_for_one(&ringer);
	assert_ok(weir_group_wait(ringer.group));
	at_store(&ringer_habit(&ringer)->rung, 1, relaxed, none);
	for (int i = 0; i < 2; i++)
		assert_true(bell_go_round(ringer.pool));
	assert_int_equal(at_load(&ringer_habit(&ringer)->rung, relaxed, none), 0);
	assert_int_equal(at_load(&ringer_habit(&ringer)->missed, relaxed, none), 0);
	assert_true(sleeps(&ringer, 0));
	ringer_end(&ringer);
}

/* Or an idle pool would never be idle. With fewer, who comes back after a short while had to wake. */
static void rounds_end_after_as_many_without_a_ring(void **state)
{
	(void)state;
	struct ringer ringer;
	begin_without_thread(&ringer, WEIR_OPTIONS(.workers = 1, INVENTED));
	for (int turn = 0; turn < 2; turn++) {
		bell_begin_rounds(ringer.pool);
		for (int quiet = 1; quiet < BELL_QUIET; quiet++)
			assert_true(bell_go_round(ringer.pool));
		ring_for_one(&ringer);
		assert_ok(weir_group_wait(ringer.group));
		for (int quiet = 0; quiet < BELL_QUIET; quiet++)
			assert_true(bell_go_round(ringer.pool));
		assert_false(bell_go_round(ringer.pool));
		bell_end_rounds(ringer.pool);
	}
	ringer_end(&ringer);
}

/* Both workers are in tasks that stay, so that nobody but the test announces them as idle. On several cores of this machine, or nothing
 * is to be seen: false. */
static bool begin_with_busy_workers(struct ringer *ringer, struct gate *gate)
{
	begin_without_thread(ringer, WEIR_OPTIONS(.workers = 2, .idle = WEIR_IDLE_BLOCK));
	for (int i = 0; i < 2; i++)
		assert_ok(weir_submit(ringer->group, stay, gate, NULL));
	await(&gate->there, 2);
	const weir_machine *machine = ringer->pool->machine;
	return machine->is_this && ringer->pool->pinned && machine->nodes == 1 && machine->cores >= 2;
}

static void end_with_busy_workers(struct ringer *ringer, struct gate *gate)
{
	atomic_store(&gate->open, 1);
	ringer_end(ringer);
}

static int processor_of(const struct ringer *ringer, uint32_t core)
{
	const weir_machine *machine = ringer->pool->machine;
	return (int)machine->thread[machine->first_thread[core]];
}

/* The submitter may keep its own for ever. Where who goes the rounds runs says nothing. */
static void a_worker_of_another_processor_than_the_submitters_is_woken(void **state)
{
	(void)state;
	cpu_set_t before;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	struct ringer ringer;
	struct gate gate = {0};
	bool two_places = begin_with_busy_workers(&ringer, &gate);
	struct idlers *idle = &ringer.pool->queue[0].idle;
	bell_begin_rounds(ringer.pool);
	for (uint32_t core = 0; two_places && core < 2; core++) {
		ringer_believe(&ringer);
		for (uint32_t i = 0; i < 2; i++)
			idlers_announce(idle, i);
		assert_true(ringer_submit(&ringer));
		at_store(&ringer_habit(&ringer)->processor, processor_of(&ringer, core), relaxed, none);
		for (int i = 0; i < 2; i++)
			assert_true(bell_go_round(ringer.pool));
		for (uint32_t i = 0; i < 2; i++)
			assert_int_equal(idlers_retract(idle, i),
					 queue_member(&ringer.pool->queue[0], i)->core == core);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	end_with_busy_workers(&ringer, &gate);
}

/* What keeps that, a thread of real time, is not to keep who goes the rounds. With several ringers there is no such place. */
static void rounds_stay_off_the_processor_of_who_rings_alone(void **state)
{
	(void)state;
	cpu_set_t before, now, all;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	struct ringer ringer;
	begin_without_thread(&ringer, WEIR_OPTIONS(.workers = 1, .idle = WEIR_IDLE_BLOCK));
	weir_pool *pool = ringer.pool;
	struct habit *habit = ringer_habit(&ringer);
	pin_anywhere_but(pool->machine, BELL_NOWHERE);
	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	int processor[2] = {-1, -1};
	for (int p = 0, n = 0; p < CPU_SETSIZE && n < 2; p++)
		if (CPU_ISSET((size_t)p, &all))
			processor[n++] = p;
	bell_begin_rounds(pool);
	for (int turn = 0; turn < 4; turn++) {
		at_store(&habit->processor, processor[turn % 2], relaxed, none);
		at_add(&habit->rings, 1, relaxed, none);
		/* At every second round it is quiet: it stays where it is. */
		for (int round = 0; round < 2; round++)
			assert_true(bell_go_round(pool));
		assert_int_equal(sched_getaffinity(0, sizeof(now), &now), 0);
		assert_int_equal(CPU_COUNT(&now), CPU_COUNT(&all) - (CPU_COUNT(&all) > 1 && processor[turn % 2] >= 0));
		assert_true(CPU_COUNT(&all) == 1 || !CPU_ISSET((size_t)processor[turn % 2], &now));
	}
	/* Another lane, rung for elsewhere; and once more, both on one. */
	struct intake other = {.habit.rings = 1};
	at_store(&pool->producers->all[1], &other, relaxed, none);
	at_store(&pool->producers->made, 2, relaxed, none);
	for (int same = 0; same < 2; same++) {
		at_store(&other.habit.processor, processor[same], relaxed, none);
		at_add(&other.habit.rings, 1, relaxed, none);
		at_add(&habit->rings, 1, relaxed, none);
		assert_true(bell_go_round(pool));
		assert_int_equal(sched_getaffinity(0, sizeof(now), &now), 0);
		assert_int_equal(CPU_COUNT(&now), CPU_COUNT(&all) - (same && CPU_COUNT(&all) > 1));
	}
	/* One of the two is enough for more rounds. */
	for (int i = 0; i < 2; i++) {
		at_add(i ? &other.habit.rings : &habit->rings, 1, relaxed, none);
		assert_true(bell_go_round(pool));
		assert_int_equal(pool->bell->quiet, 0);
	}
	at_store(&pool->producers->made, 1, relaxed, none);
	at_store(&pool->producers->all[1], NULL, relaxed, none);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	ringer_end(&ringer);
}

/* Ringing. ------------------------------------------------------------------------------------------------------- */

/* It could lie for ever. Who comes so rarely that rounds have ended has to show its habit anew before there are others. */
static void nobody_rings_while_nobody_watches(void **state)
{
	(void)state;
	struct ringer ringer;
	begin_without_thread(&ringer, WEIR_OPTIONS(.workers = 1, INVENTED));
	ringer_believe(&ringer);
	assert_false(ringer_submit(&ringer));
	assert_woken(&ringer);
	assert_int_equal(ringer_habit(&ringer)->alone, 0);
	assert_int_equal(at_load(&ringer_habit(&ringer)->rung, relaxed, none), 0);
	ringer_end(&ringer);
}

/* The one that was rung for, and the second: a worker comes for both at once, and no round need look again. */
static void a_second_task_wakes_a_worker_for_both(void **state)
{
	(void)state;
	struct ringer ringer;
	begin_without_thread(&ringer, WEIR_OPTIONS(.workers = 1, INVENTED));
	bell_begin_rounds(ringer.pool);
	for (int turn = 0; turn < 3; turn++) {
		struct habit *habit = ringer_habit(&ringer);
		ring_for_one(&ringer);
		(void)ringer_submit(&ringer);
		assert_woken(&ringer);
		assert_int_equal(at_load(&habit->rung, relaxed, none), 0);
		assert_int_equal(habit->alone, 0);
		assert_true(habit->more);
	}
	ringer_end(&ringer);
}

/* Or it would be late each time: who never waits again is never told that it was wrong. */
static void who_was_missed_rings_no_more_before_it_waits(void **state)
{
	(void)state;
	struct ringer ringer;
	begin_without_thread(&ringer, WEIR_OPTIONS(.workers = 1, INVENTED));
	bell_begin_rounds(ringer.pool);
	ring_for_one(&ringer);
	bell_end_rounds(ringer.pool);
	assert_woken(&ringer);
	bell_begin_rounds(ringer.pool);
	uint32_t rings = at_load(&ringer_habit(&ringer)->rings, relaxed, none);
	for (int i = 0; i < 3; i++) {
		(void)ringer_submit(&ringer);
		assert_woken(&ringer);
		assert_false(ringer_habit(&ringer)->more);
	}
	assert_int_equal(at_load(&ringer_habit(&ringer)->rings, relaxed, none), rings);
	ringer_end(&ringer);
}

/* A worker that looks on sees what is pushed, and is not to be rung for; a task of another pool has no lane that waits. */
static void who_is_seen_anyhow_does_not_ring(void **state)
{
	(void)state;
	struct ringer ringer;
	begin_without_thread(&ringer, WEIR_OPTIONS(.workers = 1, INVENTED));
	weir_pool *pool = ringer.pool;
	struct intake *in = ringer_lane(&ringer);
	bell_begin_rounds(pool);
	ringer_believe(&ringer);
	in->habit.waited = in->pushed - 1;
	worker_self = pool_worker(pool, 0);
	assert_false(bell_ring(pool, in));
	worker_self = NULL;
	at_add(&pool->queue[0].spinning, 1, relaxed, none);
	assert_false(bell_ring(pool, in));
	at_sub(&pool->queue[0].spinning, 1, relaxed, none);
	assert_int_equal(at_load(&in->habit.rung, relaxed, none), 0);
	assert_true(bell_ring(pool, in));
	ringer_waits(&ringer, 0, false);
	ringer_end(&ringer);
}

/* Woken, it would take the processor from who submits. One at another processor, or one more, is woken. */
static void a_burst_rings_for_the_worker_on_its_own_processor_alone(void **state)
{
	(void)state;
	cpu_set_t before, one;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	struct ringer ringer;
	struct gate gate = {0};
	bool two_places = begin_with_busy_workers(&ringer, &gate);
	struct idlers *idle = &ringer.pool->queue[0].idle;
	struct intake *in = ringer_lane(&ringer);
	const uint32_t *first = ringer.pool->machine->first_thread;
	bell_begin_rounds(ringer.pool);
	/* Who is idle: nobody, the first, the second, both. */
	for (uint32_t idlers = 0; two_places && idlers < 4; idlers++) {
		for (uint32_t core = 0; core < 2; core++) {
			CPU_ZERO(&one);
			CPU_SET((size_t)processor_of(&ringer, core), &one);
			assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
			for (uint32_t i = 0; i < 2; i++)
				if (idlers >> i & 1)
					idlers_announce(idle, i);
			ringer_believe(&ringer);
			in->habit.waited = in->pushed - 2;
			bool shared = first[core + 1] - first[core] > 1;
			uint32_t here = 1u << (queue_member(&ringer.pool->queue[0], 0)->core == core ? 0 : 1);
			assert_int_equal(bell_ring(ringer.pool, in), idlers == here && !shared);
			assert_true(in->habit.more);
			assert_int_equal(bell_takes(ringer.pool, in), idlers == here && !shared);
			if (idlers == here && !shared)
				assert_int_equal(at_load(&in->habit.processor, relaxed, none),
						 processor_of(&ringer, core));
			/* What was missed ends that. */
			at_store(&in->habit.missed, 1, relaxed, none);
			assert_false(bell_ring(ringer.pool, in));
			assert_false(in->habit.more);
			ringer_waits(&ringer, 0, false);
			for (uint32_t i = 0; i < 2; i++)
				assert_int_equal(idlers_retract(idle, i), idlers >> i & 1);
		}
	}
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	end_with_busy_workers(&ringer, &gate);
}

/* It gets the lane of one that ended. With that one's habit its first task, which it may never wait for, was rung for. */
static void a_new_thread_has_no_habit(void **state)
{
	(void)state;
	struct ringer ringer;
	begin_without_thread(&ringer, WEIR_OPTIONS(.workers = 1, INVENTED));
	struct habit *habit = ringer_habit(&ringer);
	bell_begin_rounds(ringer.pool);
	/* The last one rang, or did not, and left; it was wrong often, and just now. */
	for (int rang = 0; rang < 2; rang++) {
		ringer_believe(&ringer);
		if (rang)
			assert_true(ringer_submit(&ringer));
		*habit = (struct habit){.whose = UINT64_MAX,
					.alone = HABIT_MAX,
					.needed = HABIT_MAX,
					.waited = habit->waited,
					.rang = habit->rang,
					.more = rang,
					.rung = at_load(&habit->rung, relaxed, none),
					.missed = 1};
		(void)ringer_submit(&ringer);
		assert_woken(&ringer);
		assert_false(habit->more);
		assert_int_equal(habit->alone, 0);
		assert_int_equal(habit->needed, HABIT_MIN);
		assert_int_equal(at_load(&habit->missed, relaxed, none), 0);
		assert_int_equal(habit->whose, thread_serial);
	}
	/* Or it waits before it is asked. */
	*habit =
		(struct habit){.whose = UINT64_MAX, .alone = HABIT_MAX, .needed = HABIT_MAX, .missed = 1, .rang = true};
	ringer_waits(&ringer, 1, true);
	assert_int_equal(habit->alone, 1);
	assert_int_equal(habit->needed, HABIT_MIN);
	ringer_end(&ringer);
}

/* Waiting. ------------------------------------------------------------------------------------------------------- */

/* Pairs make the habit, all else ends it, and a worker that is quicker by chance, as happens where others use the machine, must not undo
 * all. A loss is not forgotten at once, or it would be lost again and again; nor is it for ever. */
static void the_habit_is_counted_so(void **state)
{
	(void)state;
	static const struct {
		uint32_t calls;
		bool ran, missed;
		struct {
			uint32_t alone, needed;
		} before, after;
	} cases[] = {
		{1, true, false, {0, 16}, {1, 16}},
		{1, true, false, {16, 16}, {17, 16}},
		{0, true, false, {16, 16}, {16, 16}},
		{0, false, false, {16, 16}, {16, 16}},
		{2, true, false, {16, 16}, {0, 16}},
		{3, false, false, {100, 64}, {0, 64}},
		{1, false, false, {0, 16}, {0, 16}},
		{1, false, false, {HABIT_SLIP - 1, 16}, {0, 16}},
		{1, false, false, {HABIT_SLIP, 16}, {0, 16}},
		{1, false, false, {HABIT_SLIP + 1, 16}, {1, 16}},
		{1, false, false, {100, 16}, {100 - HABIT_SLIP, 16}},
		/* After HABIT_MAX that were right it takes half as many, down to HABIT_MIN. */
		{1, true, false, {HABIT_MAX + 14, 16}, {HABIT_MAX + 15, 16}},
		{1, true, false, {HABIT_MAX + 15, 16}, {16, 16}},
		{1, true, false, {HABIT_MAX + 30, 32}, {HABIT_MAX + 31, 32}},
		{1, true, false, {HABIT_MAX + 31, 32}, {16, 16}},
		{1, true, false, {2 * HABIT_MAX - 2, HABIT_MAX}, {2 * HABIT_MAX - 1, HABIT_MAX}},
		{1, true, false, {2 * HABIT_MAX - 1, HABIT_MAX}, {HABIT_MAX / 2, HABIT_MAX / 2}},
		/* After each loss twice as many, up to HABIT_MAX. */
		{1, false, true, {16, 16}, {0, 32}},
		{1, true, true, {600, 512}, {0, 1024}},
		{0, false, true, {1024, HABIT_MAX}, {0, HABIT_MAX}},
	};
	struct ringer ringer;
	begin_without_thread(&ringer, WEIR_OPTIONS(.workers = 1, INVENTED));
	struct habit *habit = ringer_habit(&ringer);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		habit->whose = thread_serial;
		habit->alone = cases[i].before.alone;
		habit->needed = cases[i].before.needed;
		habit->more = true;
		habit->rang = cases[i].missed;
		at_store(&habit->missed, cases[i].missed, relaxed, none);
		at_store(&habit->rung, cases[i].missed, relaxed, none);
		ringer_waits(&ringer, cases[i].calls, cases[i].ran);
		if (habit->alone != cases[i].after.alone || habit->needed != cases[i].after.needed)
			fail_msg("case %zu: %u of %u", i, habit->alone, habit->needed);
		assert_false(habit->rang);
		assert_false(habit->more);
		assert_int_equal(habit->waited, ringer_lane(&ringer)->pushed);
		assert_int_equal(at_load(&habit->missed, relaxed, none), 0);
		assert_int_equal(at_load(&habit->rung, relaxed, none), 0);
	}
	ringer_end(&ringer);
}

/* W12: it takes the ring back, so no round looks at that; and waits for something else, so it does not run it. */
static void who_takes_a_ring_back_wakes_for_what_lies(void **state)
{
	(void)state;
	struct ringer ringer;
	begin_without_thread(&ringer, WEIR_OPTIONS(.workers = 1, INVENTED));
	bell_begin_rounds(ringer.pool);
	ring_for_one(&ringer);
	bell_waits(ringer.pool, ringer_lane(&ringer), false);
	assert_woken(&ringer);
	/* It ran that: nobody is wanted. */
	ring_for_one(&ringer);
	assert_ok(weir_group_wait(ringer.group));
	assert_true(sleeps(&ringer, 0));
	ringer_end(&ringer);
}

/* Tasks with demands, groups that were done and bursts are waited for without a ring: these have none begun. Nor has who rings
 * already, with each wait. */
static void rounds_are_begun_by_who_comes_to_ring(void **state)
{
	(void)state;
	struct ringer ringer;
	begin_without_thread(&ringer, WEIR_OPTIONS(.workers = 1, INVENTED));
	struct bell *bell = ringer.pool->bell;
	struct habit *habit = ringer_habit(&ringer);
	at_store(&bell->state, BELL_THERE, relaxed, none);
	for (uint32_t watching = 0; watching < 2; watching++) {
		at_store(&bell->watching, watching, relaxed, none);
		ringer_waits(&ringer, 0, false);
		for (uint32_t alone = 0; alone < HABIT_MIN + 2; alone++) {
			uint32_t ticket = park_ticket(&bell->park);
			habit->alone = alone;
			ringer_waits(&ringer, 1, true);
			assert_int_equal(park_ticket(&bell->park) != ticket, alone + 1 == HABIT_MIN && !watching);
			ticket = park_ticket(&bell->park);
			for (uint32_t calls = 0; calls <= 2; calls += 2) {
				habit->alone = HABIT_MIN;
				ringer_waits(&ringer, calls, true);
			}
			assert_int_equal(park_ticket(&bell->park), ticket);
		}
	}
	at_store(&bell->state, BELL_NEVER, relaxed, none);
	at_store(&bell->watching, 0, relaxed, none);
	uint32_t ticket = park_ticket(&bell->park);
	ringer_believe(&ringer);
	assert_int_equal(park_ticket(&bell->park), ticket);
	ringer_end(&ringer);
}

static void *be_nicer(void *argument)
{
	const struct ringer *ringer = argument;
	errno = 0;
	int nice = getpriority(PRIO_PROCESS, 0);
	if (setpriority(PRIO_PROCESS, 0, nice + 1) || getpriority(PRIO_PROCESS, 0) != nice + 1 ||
	    weir_producer_register(ringer->pool))
		return NULL;
	ringer_believe(ringer);
	return argument;
}

static void *be_idler(void *argument)
{
	const struct ringer *ringer = argument;
	if (sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){.sched_priority = 0}) ||
	    weir_producer_register(ringer->pool))
		return NULL;
	ringer_believe(ringer);
	return argument;
}

/* What a nice thread makes is as nice, and would go its rounds late: for all who ring from then on. */
static void who_is_nicer_than_the_pool_makes_no_thread(void **state)
{
	(void)state;
	struct ringer ringer;
	void *(*const lives[])(void *) = {be_nicer, be_idler};
	ringer_begin(&ringer, WEIR_OPTIONS(.workers = 1, INVENTED));
	for (int i = 0; i < 2; i++) {
		pthread_t thread;
		void *registered;
		assert_int_equal(pthread_create(&thread, NULL, lives[i], &ringer), 0);
		assert_int_equal(pthread_join(thread, &registered), 0);
		/* Where nobody can be nicer there is nothing to see. */
		if (registered)
			assert_int_equal(at_load(&ringer.pool->bell->state, relaxed, none), BELL_NONE);
	}
	ringer_believe(&ringer);
	assert_int_equal(at_load(&ringer.pool->bell->state, relaxed, none), BELL_THERE);
	ringer_end(&ringer);
}

static void *open_soon(void *argument)
{
	struct gate *gate = argument;
	usleep(1000);
	atomic_store(&gate->open, 1);
	return NULL;
}

/* There is no seat: who waits runs nothing itself, and that is no pair. */
static void a_wait_in_which_others_run_it_is_no_pair(void **state)
{
	(void)state;
	struct ringer ringer;
	struct gate gate = {0};
	pthread_t thread;
	(void)begin_with_busy_workers(&ringer, &gate);
	ringer_believe(&ringer);
	struct habit *habit = ringer_habit(&ringer);
	assert_int_equal(habit->alone, HABIT_MIN);
	assert_int_equal(pthread_create(&thread, NULL, open_soon, &gate), 0);
	(void)ringer_submit(&ringer);
	assert_ok(weir_group_wait(ringer.group));
	assert_true(habit->alone < HABIT_MIN);
	assert_int_equal(pthread_join(thread, NULL), 0);
	ringer_end(&ringer);
}

/* Each of them has no bell, and no habit: a ring would be for nobody. */
static void who_always_wakes_has_no_bell(void **state)
{
	(void)state;
	const weir_options *options[] = {WEIR_OPTIONS(.workers = 1, .always_wake = true, INVENTED),
					 WEIR_OPTIONS(.workers = 1, .no_guests = true, INVENTED),
					 WEIR_OPTIONS(.workers = 1, .tasks_max = 1000, INVENTED)};
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		struct ringer ringer = {.pool = hostile_pool(options[i])};
		ringer.group = hostile_group(ringer.pool);
		assert_null(ringer.pool->bell);
		for (ringer.submitted = 1; ringer.submitted <= 10 * HABIT_MIN; ringer.submitted++) {
			assert_ok(weir_submit(ringer.group, count_up, &ringer.ran, NULL));
			assert_ok(weir_group_wait(ringer.group));
			if (ringer_lane(&ringer))
				assert_true(ringer_habit(&ringer)->alone < HABIT_MIN);
		}
		ringer.submitted--;
		ringer_end(&ringer);
	}
}

int main(void)
{
	alarm(HANG_SECONDS);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_lies_at_two_rounds_wakes_a_worker),
		cmocka_unit_test(who_rang_again_since_is_left_for_another_round),
		cmocka_unit_test(the_last_round_leaves_nothing_for_the_next),
		cmocka_unit_test(a_round_looks_at_each_lane),
		cmocka_unit_test(a_ring_whose_task_is_gone_is_no_miss),
		cmocka_unit_test(rounds_end_after_as_many_without_a_ring),
		cmocka_unit_test(a_worker_of_another_processor_than_the_submitters_is_woken),
		cmocka_unit_test(rounds_stay_off_the_processor_of_who_rings_alone),
		cmocka_unit_test(nobody_rings_while_nobody_watches),
		cmocka_unit_test(a_second_task_wakes_a_worker_for_both),
		cmocka_unit_test(who_was_missed_rings_no_more_before_it_waits),
		cmocka_unit_test(who_is_seen_anyhow_does_not_ring),
		cmocka_unit_test(a_burst_rings_for_the_worker_on_its_own_processor_alone),
		cmocka_unit_test(a_new_thread_has_no_habit),
		cmocka_unit_test(the_habit_is_counted_so),
		cmocka_unit_test(who_takes_a_ring_back_wakes_for_what_lies),
		cmocka_unit_test(rounds_are_begun_by_who_comes_to_ring),
		cmocka_unit_test(who_is_nicer_than_the_pool_makes_no_thread),
		cmocka_unit_test(a_wait_in_which_others_run_it_is_no_pair),
		cmocka_unit_test(who_always_wakes_has_no_bell),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
