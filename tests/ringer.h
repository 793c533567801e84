/* SPDX-License-Identifier: MIT */
/* ringer.h - for tests of the bell: a pool with one group, the lane of the calling thread, and its habit, put there by hand. */
#ifndef TESTS_RINGER_H
#define TESTS_RINGER_H

#include "hostile.h"
#include "runtime/bell.h"
#include "runtime/producers.h"
#include "runtime/worker.h"

/* Nobody is bound to a processor, and no worker looks on before it sleeps. */
#define INVENTED .machine = "numa:1 core:2 pu:1", .idle = WEIR_IDLE_BLOCK

struct ringer {
	weir_pool *pool;
	weir_group *group;
	atomic_int ran;
	int submitted;
	uint64_t parked; /* as the worker was seen asleep last */
};

/* Since they were seen to sleep last so many workers were woken, once each: they sleep again. */
static inline void ringer_await_sleep(struct ringer *ringer, uint32_t woken)
{
	ringer->parked += woken;
	while (counts_of(ringer->pool).parked < ringer->parked)
		usleep(50);
	assert_int_equal(counts_of(ringer->pool).parked, ringer->parked);
}

/* All workers sleep. */
static inline void ringer_begin(struct ringer *ringer, const weir_options *options)
{
	weir_pool *pool = hostile_pool(options);
	*ringer = (struct ringer){.pool = pool, .group = hostile_group(pool)};
	assert_ok(weir_producer_register(pool));
	ringer_await_sleep(ringer, weir_pool_workers(pool));
}

static inline void ringer_end(struct ringer *ringer)
{
	assert_ok(weir_group_wait(ringer->group));
	assert_int_equal(atomic_load(&ringer->ran), ringer->submitted);
	assert_ok(weir_group_destroy(ringer->group));
	end_pool(ringer->pool);
}

/* The calling thread's; it has a lane. */
static inline struct intake *ringer_lane(const struct ringer *ringer)
{
	return producers_mine(ringer->pool);
}

static inline struct habit *ringer_habit(const struct ringer *ringer)
{
	return &ringer_lane(ringer)->habit;
}

/* As if it had waited for `calls` that it submitted after its last wait. */
static inline void ringer_waits(const struct ringer *ringer, uint32_t calls, bool ran)
{
	struct intake *in = ringer_lane(ringer);
	in->habit.waited = in->pushed - calls;
	bell_waits(ringer->pool, in, ran);
}

/* It is believed to wait for one at a time, as if it had never been wrong, and submits nothing before it does what comes next. Rounds
 * are begun if there are none. */
static inline void ringer_believe(const struct ringer *ringer)
{
	struct habit *habit = ringer_habit(ringer);
	ringer_waits(ringer, 0, false);
	at_store(&habit->missed, 0, relaxed, none);
	habit->needed = HABIT_MIN;
	habit->alone = HABIT_MIN - 1;
	ringer_waits(ringer, 1, true);
}

/* Whether it rang for it. */
static inline bool ringer_submit(struct ringer *ringer)
{
	ringer->submitted++;
	assert_ok(weir_submit(ringer->group, count_up, &ringer->ran, NULL));
	return ringer_habit(ringer)->rang;
}

/* Spinning, so that nothing but the bell can bring a worker; nor does it wait. */
static inline void ringer_spin(atomic_int *value, int wanted)
{
	while (atomic_load(value) < wanted)
		at_pause();
}

#endif
