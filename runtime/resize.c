/* SPDX-License-Identifier: MIT */
/*
 * resize.c - what a task may use follows what its grant holds.
 *
 * Holds:     nothing.
 * Invariant: W7  a task's blocks are never more than its grant's memory.
 *            Q3  at most ceil(granted cores) workers inside one task; when it shrinks, those inside finish first.
 * Not here:  what a task may ask for besides (inside.c).
 */
#include "private/error.h"
#include "runtime/leftover.h"
#include "runtime/worker.h"

static uint32_t whole_cores(const struct limits *limits, uint64_t main)
{
	uint32_t per_core = limits->units.per_core;
	uint32_t cores = (word_get(main, WEIR_CPU) + per_core - 1) / per_core;
	return cores ? cores : 1;
}

void task_measure(weir_pool *pool, weir_task *task)
{
	struct task_need *need = task->need;
	const struct limits *limits = &pool->tracker->ledger.limits;
	struct book_record record;
	if (book_read(pool->tracker->book, need->waiter.grant, &record))
		return;
	at_store(&need->cores, whole_cores(limits, record.main), relaxed, none);
	if (need->waiter.wish.elastic.more[WEIR_MEMORY])
		task_set_memory(need, word_get(record.main, WEIR_MEMORY) * limits->units.memory_bytes);
}

/* Shrinking and growing. ------------------------------------------------------------------------------------------- */

static uint64_t whole_lines(uint64_t bytes)
{
	return bytes > UINT64_MAX - CACHE_LINE ? bytes : (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

/* One at a time: who comes second is told so, and waits for nobody. */
static weir_status begin(weir_task *task, const weir_amount *amount, struct packed *units)
{
	if (!task || !amount)
		return error_set(WEIR_EINVAL, "task or amount is NULL");
	struct task_need *need = task->need;
	if (!need || !need_is_granted(need))
		return error_set(WEIR_EINVAL, "the task holds no grant: give it a demand, in a resource-aware pool");
	weir_status status = tracker_pack_amount(task->group->pool->tracker, amount, units);
	/* ORDER(resizing): acquire, pairs with the release in finish(). */
	if (!status && at_swap(&need->resizing, 1, acquire, resizing))
		status = error_set(WEIR_EBUSY, "another thread shrinks or grows the task at this moment");
	return status;
}

static weir_status finish(weir_task *task, weir_status status, bool waiters)
{
	/* ORDER(resizing): release, pairs with the acquire in begin(). */
	at_store(&task->need->resizing, 0, release, resizing);
	if (waiters)
		tracker_kick(task->group->pool->tracker);
	return status;
}

/* The cores that it has now. */
static void follow_cores(weir_task *task)
{
	struct task_need *need = task->need;
	struct weir_tracker *tracker = task->group->pool->tracker;
	struct book_record record;
	if (book_read(tracker->book, need->waiter.grant, &record))
		return;
	uint32_t cores = whole_cores(&tracker->ledger.limits, record.main);
	uint32_t before = at_swap(&need->cores, cores, relaxed, none);
	if (cores != before)
		task_change_help(task, (int)cores - (int)before);
}

/* Less memory than it allocated it cannot have. */
static bool cut_memory(struct task_need *need, uint64_t less)
{
	uint64_t left = at_load(&need->memory_left_bytes, relaxed, none);
	do {
		if (left < less)
			return false;
	} while (!at_cas_weak(&need->memory_left_bytes, &left, left - less, relaxed, relaxed, none));
	return true;
}

weir_status weir_task_shrink(weir_task *task, const weir_amount *to)
{
	struct packed units;
	weir_status status = begin(task, to, &units);
	if (status)
		return status;
	weir_pool *pool = task->group->pool;
	struct task_need *need = task->need;
	uint64_t has = at_load(&need->memory_bytes, relaxed, none), keeps = whole_lines(to->memory_bytes);
	uint64_t less = has > keeps ? has - keeps : 0;
	bool waiters = false;
	if (!cut_memory(need, less))
		return finish(task,
			      error_set(WEIR_EINVAL, "to.memory_bytes is %llu: weir_task_alloc() gave out %llu",
					(unsigned long long)to->memory_bytes,
					(unsigned long long)(has - at_load(&need->memory_left_bytes, relaxed, none))),
			      false);
	if (need->undrawn)
		leftover_give_back(pool, need, less);
	status = tracker_shrink(pool->tracker, need->waiter.grant, &units, &waiters);
	if (status) {
		at_add(&need->memory_left_bytes, less, relaxed, none);
		leftover_count(pool, need, less);
		return finish(task, status, waiters);
	}
	at_store(&need->memory_bytes, has - less, relaxed, none);
	follow_cores(task);
	return finish(task, WEIR_OK, waiters);
}

weir_status weir_task_grow(weir_task *task, const weir_amount *by)
{
	struct packed units;
	weir_status status = begin(task, by, &units);
	if (status)
		return status;
	weir_pool *pool = task->group->pool;
	struct task_need *need = task->need;
	struct packed floor;
	bool waiters = false;
	status = tracker_grow(
		pool->tracker, need->waiter.grant, &units,
		admission_floor(pool->admission, need->waiter.demand.task_class, need->waiter.node, &floor), &waiters);
	if (!status) {
		uint64_t more = whole_lines(by->memory_bytes);
		at_add(&need->memory_bytes, more, relaxed, none);
		at_add(&need->memory_left_bytes, more, relaxed, none);
		leftover_count(pool, need, more);
		if (more && !need->undrawn)
			leftover_yield(pool, need);
		follow_cores(task);
	}
	return finish(task, status, waiters);
}
