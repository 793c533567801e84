/* SPDX-License-Identifier: MIT */
/*
 * submit.c - the beginning of a task's way: made, ranked, admitted, routed.
 *
 * Holds:     nothing.
 * Invariant: W6  a submit that answers an error leaves nothing behind: no task, no room, no count.
 * Progress:  lock-free; never blocks.
 * Not here:  the end of a task (worker.c, task_settle()), what a running task may ask for (inside.c).
 */
#include <math.h>

#include "private/error.h"
#include "private/log.h"
#include "runtime/bell.h"
#include "runtime/limits.h"
#include "runtime/producers.h"
#include "runtime/reserve.h"
#include "runtime/worker.h"

static weir_task *make_task(weir_group *group, weir_task_fn fn, void *argument)
{
	weir_pool *pool = group->pool;
	/* Where more than one cache of slots is taken at once, what has no slot yet is counted as well (W8). */
	if (unlikely(!slots_at_hand(slots_cache(pool->tasks))) && producers_are_full(pool))
		return NULL;
	uint32_t index = slots_get(pool->tasks);
	if (unlikely(index == SLOTS_NONE))
		return NULL;
	weir_task *task = pool_task(pool, index);
	task->index = index;
	task->fn = fn;
	task->argument = argument;
	task->group = group;
	task->need = NULL;
	at_store(&task->blocks, NULL, relaxed, none);
	task_set_node(task, 0);
	task->service = SERVICE_NORMAL;
	task->flags = 0;
	return task;
}

static struct task_need *make_need(weir_pool *pool, weir_task *task, const weir_demand *demand)
{
	uint32_t index = slots_get(pool->needs);
	if (unlikely(index == SLOTS_NONE))
		return NULL;
	struct task_need *need = slots_at(pool->needs, index, pool->needs->slot_shift);
	need->index = index;
	need->waiter.grant = (weir_grant){0};
	at_store(&need->waiter.whose, task, relaxed, none);
	need->draws = demand->memory_drawn;
	need->undrawn = false;
	at_store(&need->shown_grant, 0, relaxed, none);
	at_store(&need->used_bytes, 0, relaxed, none);
	at_store(&need->declared_bytes, 0, relaxed, none);
	at_store(&need->memory_refused, 0, relaxed, none);
	task->need = need;
	return need;
}

static void drop_task(weir_pool *pool, weir_task *task)
{
	if (task->need)
		slots_put(pool->needs, task->need->index);
	slots_put(pool->tasks, task->index);
}

static uint32_t cores_of(const weir_demand *demand)
{
	double cores = ceil(demand->cores);
	return cores < 1 ? 1 : cores > 1e6 ? 1000000 : (uint32_t)cores;
}

/* What asks for no grant is carried along: class, home and cores. On a plain pool its amounts are not looked at; on another
 * it has none. */
static weir_status carry_need(weir_pool *pool, struct task_need *need, const weir_demand *demand)
{
	weir_status status = limits_check_demand(demand, pool->nodes);
	if (status)
		return status;
	if (demand->reservation.handle)
		return error_set(
			WEIR_EINVAL,
			"demand.reservation is %#llx: a plain pool has none; set options.resource_aware, or leave it 0",
			(unsigned long long)demand->reservation.handle);
	need->waiter.demand = *demand;
	need->waiter.wish.home = admission_home(pool->machine, demand);
	at_store(&need->memory_left_bytes, UINT64_MAX, relaxed, none);
	return WEIR_OK;
}

static weir_status prepare_need(weir_pool *pool, weir_task *task, const weir_demand *demand)
{
	struct task_need *need = make_need(pool, task, demand);
	if (!need)
		return error_set(
			WEIR_EFULL,
			"options.tasks_max is %u, and so many tasks with demands are there: wait for some, or raise it",
			pool->needs->live_max);
	weir_status status;
	need->asks = pool->aware &&
		     (demand->size != sizeof(*demand) || demand->reservation.handle || !limits_is_empty(demand));
	if (need->asks) {
		status = admission_prepare(pool->admission, &need->waiter, demand);
		/* Blocks are in steps of a line: the last one may fill it. The ledger's unit is a multiple of that. */
		task_set_memory(need, (demand->memory_bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
		need->waiter.cancelled = &task->group->cancelled;
		need->waiter.holders = &task->group->holders;
		need->waiter.decided = task_decided;
		need->waiter.may_be_lent = true;
		need->waiter.tells_end = true;
		waiter_renew(&need->waiter);
	} else {
		status = carry_need(pool, need, demand);
	}
	if (status)
		return status;
	at_store(&need->cores, cores_of(demand), relaxed, none);
	task->service = (uint8_t)room_service(demand->task_class);
	if (need->waiter.wish.home != NO_NODE) {
		task_set_node(task, need->waiter.wish.home);
		task->flags |= TASK_HOMED;
	}
	need->home_memory_node = pool->machine->memory_near[task_node(task)];
	return WEIR_OK;
}

/* What a decision that is no grant means to the submitter. */
static weir_status refusal(const weir_decision *decision, const weir_demand *demand, bool asked_to_be_deferred)
{
	char text[256];
	if (decision->cause == WEIR_CAUSE_DEADLINE)
		return error_set(WEIR_ETIME,
				 "demand.deadline_ns is %llu and run_ns %llu: it cannot start, or end, in the time "
				 "that it gives",
				 (unsigned long long)demand->deadline_ns, (unsigned long long)demand->run_ns);
	bool for_room = decision->cause != WEIR_CAUSE_DEGRADED && decision->cause != WEIR_CAUSE_POLICY;
	if (decision->verdict != WEIR_DEFERRED || asked_to_be_deferred || !for_room)
		return admission_refusal(decision);
	weir_decision_text(decision, text, sizeof(text));
	return error_set(WEIR_EDEADLK, "a task that holds a grant waits for this group, and there is no room: %s",
			 text);
}

/* A demand of no amount has those of the reservation. */
static void take_over(weir_pool *pool, struct task_need *need)
{
	weir_amount amount = limits_amount(&pool->tracker->ledger.limits, need->waiter.wish.units);
	if (!limits_is_empty(&need->waiter.demand))
		return;
	at_store(&need->cores, cores_of(&(weir_demand){.cores = amount.cores}), relaxed, none);
	task_set_memory(need, amount.memory_bytes);
}

/* Ask for the room of a task that is counted as ungranted. WEIR_OK: it is on its way (granted, or waiting). */
static weir_status ask(weir_pool *pool, weir_task *task, weir_decision *decision)
{
	weir_group *group = task->group;
	struct task_need *need = task->need;
	bool asked_to_be_deferred = need->waiter.demand.when_short == WEIR_DEFER;
	bool kick = false;
	uint64_t ticket = waiter_ticket(&need->waiter, need->index);
	/* ORDER(ungranted): seq_cst on all four, with waits.c: we were counted before; of adder and holder one sees the
	 * other. */
	bool may_wait = at_load(&group->holders, seq_cst, ungranted) == 0;
	weir_status status = WEIR_OK;
	if (unlikely(need->waiter.demand.reservation.handle)) {
		status = reserve_bind(pool->admission, &need->waiter, decision, &kick);
		if (!status)
			take_over(pool, need);
	} else {
		admission_ask(pool->admission, &need->waiter, may_wait, decision, &kick);
	}
	if (decision->verdict == WEIR_QUEUED)
		decision->ticket = ticket; /* the task may be gone by now */
	if (decision->verdict == WEIR_ADMITTED) {
		group_granted(group);
		if (likely(decision->grant.handle))
			task_bind(pool, task, decision->node);
		route_push(pool, task, worker_self);
	}
	/* ORDER(cancel): seq_cst, with weir_group_cancel(): its sweep came before our push, or we see it. */
	bool swept = decision->verdict == WEIR_QUEUED && at_load(&group->cancelled, seq_cst, cancel);
	if (swept)
		admission_sweep(pool->admission);
	if (decision->verdict == WEIR_DEFERRED || decision->verdict == WEIR_REJECTED) {
		group_granted(group);
		status = status ? status : refusal(decision, &need->waiter.demand, asked_to_be_deferred);
	}
	if (decision->verdict == WEIR_QUEUED && !swept)
		admission_settle_arrival(pool->admission);
	else if (kick)
		admission_settle(pool->admission);
	return status;
}

void task_start(weir_pool *pool, weir_task *task)
{
	weir_group *group = task->group;
	bool asks = task->need && task->need->asks;
	/* Nobody has its ticket's say any more but who cancelled it before. */
	bool cancelled = asks && !waiter_move(&task->need->waiter, WAITER_HELD, WAITER_NEW);
	if (cancelled || task_is_cancelled(task)) {
		if (asks)
			group_granted(group);
		task_settle(pool, task, false, WEIR_ECANCELED);
		return;
	}
	if (!asks) {
		route_push(pool, task, worker_self);
		return;
	}
	weir_decision decision;
	weir_status status = ask(pool, task, &decision);
	if (status) {
		LOG(WEIR_LOG_WARN, "a task that came after another group ends without running: %s", weir_error_text());
		task_settle(pool, task, false, status);
	}
}

/* A decision that nobody asked admission for. */
static weir_status refuse(weir_decision *decision, weir_status status, weir_cause cause)
{
	*decision = (weir_decision){.verdict = WEIR_REJECTED, .cause = cause, .retry_after_ns = UINT64_MAX};
	if (cause == WEIR_CAUSE_QUEUE_FULL)
		decision->retry_after_ns = admission_backoff_ns(0);
	return status;
}

static weir_status check_submit(const weir_group *group, weir_task_fn fn, weir_decision *decision)
{
	if (!group || !fn || !group->alive)
		return refuse(decision,
			      error_set(WEIR_EINVAL, "%s",
					!group ? "group is NULL"
					: !fn  ? "fn is NULL"
					       : "the group was destroyed"),
			      WEIR_CAUSE_INVALID);
	weir_pool *pool = group->pool;
	if (unlikely(!pool_is_here(pool)))
		return refuse(decision, pool_elsewhere(), WEIR_CAUSE_INVALID);
	uint32_t closed = at_load(&pool->closed, relaxed, none);
	if (unlikely(closed) && (closed == POOL_CANCELS || !worker_self || worker_self->pool != pool))
		return refuse(decision,
			      error_set(WEIR_ESHUTDOWN, "the pool is shut down and takes no more tasks%s",
					closed == POOL_CANCELS ? "" : " from outside"),
			      WEIR_CAUSE_SHUTDOWN);
	if (unlikely(at_load(&((weir_group *)group)->cancelled, relaxed, none)))
		return refuse(
			decision,
			error_set(WEIR_ECANCELED, "the group was cancelled: weir_group_reset() makes it usable again"),
			WEIR_CAUSE_NONE);
	return WEIR_OK;
}

/* Keep it back until the groups before its own are done; it can be cancelled meanwhile. False: they are. */
static bool hold(weir_group *group, weir_task *task, bool asks, weir_decision *decision)
{
	if (asks) {
		decision->ticket = waiter_ticket(&task->need->waiter, task->need->index);
		waiter_set(&task->need->waiter, WAITER_HELD);
	}
	if (group_hold(group, task))
		return true;
	decision->ticket = 0;
	if (asks)
		waiter_set(&task->need->waiter, WAITER_NEW);
	return false;
}

/* Count in; from here on the task is the pool's, unless ask() refuses it. */
static weir_status launch(weir_pool *pool, weir_task *task, weir_decision *decision)
{
	weir_group *group = task->group;
	bool asks = task->need && task->need->asks;
	group_count_in(group, 1);
	if (asks)
		group_count_ungranted(group, 1);
	weir_status status = WEIR_OK;
	/* ORDER(held): acquire, pairs with the exchange in release_later(): what comes after sees what came before. */
	if (unlikely(at_load(&group->held, acquire, held) != GROUP_GO)) {
		if (asks && admission_refuse_infeasible(pool->admission, &task->need->waiter, decision)) {
			group_granted(group);
			status = refusal(decision, &task->need->waiter.demand, false);
		} else if (hold(group, task, asks, decision)) {
			decision->verdict = asks ? WEIR_QUEUED : WEIR_ADMITTED;
			decision->allowed = !asks;
			return WEIR_OK;
		}
	}
	if (!status && !asks) {
		route_push(pool, task, worker_self);
		return WEIR_OK;
	}
	if (!status)
		status = ask(pool, task, decision);
	if (status) {
		/* It never was the group's. */
		drop_task(pool, task);
		group_task_done(group);
	}
	return status;
}

/* Where the calling thread writes its plain tasks for this group; NULL: they go by the inbox or the deque. */
static inline struct intake *intake_for(const weir_group *group, uint32_t wanted, bool *full)
{
	weir_pool *pool = group->pool;
	*full = false;
	/* ORDER(held): acquire, as in launch(). */
	if ((worker_self && worker_self->pool == pool) ||
	    at_load(&((weir_group *)group)->held, acquire, held) != GROUP_GO)
		return NULL;
	struct intake *in = producers_at_hand(pool);
	return likely(in) && likely(in->left >= wanted) ? in : producers_ask(pool, wanted, full);
}

/* Counted before they can end, as in weir_submit_decision(). */
static inline void count_calls(struct intake *in, weir_group *group, uint32_t calls)
{
	group_count_in(group, calls);
	tally_add(&group->pool->tally, POOL_SUBMITTED, calls);
	in->left -= calls;
}

/* Somebody was idle as it was shown. By itself, so that who finds nobody does not call. */
NOINLINE static void wake_for_calls(struct intake *in, weir_pool *pool)
{
	/* Whoever looks on and on has no barrier put into us as it stops: route_wake() is to see that it has, or it our call. */
	intake_show_again(in);
	if (!bell_takes(pool, in))
		route_wake(pool, in->node, false);
}

static ALWAYS_INLINE void show_calls(struct intake *in, weir_pool *pool)
{
	intake_show(in);
	if (unlikely(route_idle(pool, in->node)))
		wake_for_calls(in, pool);
}

/* A task without demand from outside, to an open place. */
static inline void submit_call(struct intake *in, weir_group *group, weir_task_fn fn, void *argument)
{
	count_calls(in, group, 1);
	intake_write(in, fn, argument, group, 0);
	show_calls(in, group->pool);
}

weir_status weir_submit_decision(weir_group *group, weir_task_fn fn, void *argument, const weir_demand *demand,
				 weir_decision *out)
{
	weir_decision decision = {.allowed = true};
	bool counted = false;
	weir_status status = check_submit(group, fn, &decision);
	weir_task *task = NULL;
	bool full = false;
	struct intake *in = !status && !demand ? intake_for(group, 1, &full) : NULL;
	if (in) {
		submit_call(in, group, fn, argument);
		if (out)
			*out = decision;
		return WEIR_OK;
	}
	if (!status) {
		task = full ? NULL : make_task(group, fn, argument);
		if (!task)
			status = refuse(&decision,
					error_set(WEIR_EFULL,
						  "options.tasks_max is %u, and so many tasks are there: wait for "
						  "some, or raise it",
						  group->pool->tasks->live_max),
					WEIR_CAUSE_QUEUE_FULL);
	}
	if (!status && demand) {
		status = prepare_need(group->pool, task, demand);
		if (status) {
			drop_task(group->pool, task);
			refuse(&decision, status, status == WEIR_EFULL ? WEIR_CAUSE_QUEUE_FULL : WEIR_CAUSE_INVALID);
			counted = group->pool->aware;
			if (counted)
				admission_count(group->pool->admission, demand->task_class, &decision);
		}
	}
	if (!status) {
		/* Counted before it can end, or is_drained() would see as many ends as tasks while we, a task, still
		 * run. */
		tally_add(&group->pool->tally, POOL_SUBMITTED, 1);
		status = launch(group->pool, task, &decision);
		counted = decision.verdict != WEIR_ADMITTED;
		if (status)
			tally_add(&group->pool->tally, POOL_SUBMITTED, UINT64_MAX);
	}
	if (group && status)
		tally_add(&group->pool->tally, POOL_REFUSED, 1);
	/* What admission decided it has said itself. */
	if (status && !counted)
		LOG(WEIR_LOG_DEBUG, "submit refused: %s", weir_error_text());
	if (out)
		*out = decision;
	return status;
}

weir_status weir_submit(weir_group *group, weir_task_fn fn, void *argument, const weir_demand *demand)
{
	if (likely(!demand) && group && fn && likely(group->alive) && !at_load(&group->pool->closed, relaxed, none) &&
	    !at_load(&group->cancelled, relaxed, none)) {
		bool full;
		struct intake *in = intake_for(group, 1, &full);
		if (likely(in)) {
			submit_call(in, group, fn, argument);
			return WEIR_OK;
		}
	}
	return weir_submit_decision(group, fn, argument, demand, NULL);
}

/* Many at once. -------------------------------------------------------------------------------------------------- */

struct many {
	weir_task_fn fn;
	char *base;
	size_t stride;
	uint32_t slice; /* tasks in one entry */
};

static void *argument_at(const struct many *many, size_t i)
{
	return (void *)((uintptr_t)many->base + i * many->stride);
}

/* Up to `count` tasks from task `first` on, as far as the open segment goes. Returns how many. */
static uint32_t submit_calls(struct intake *in, weir_group *group, const struct many *many, size_t first, size_t count)
{
	uint32_t places = INTAKE_PLACES - (in->place & INTAKE_CALLS);
	uint32_t calls = in->left < places * many->slice ? in->left : places * many->slice;
	if (calls > count)
		calls = (uint32_t)count;
	count_calls(in, group, calls);
	for (uint32_t done = 0, slice; done < calls; done += slice) {
		slice = many->slice < calls - done ? many->slice : calls - done;
		intake_write(in, many->fn, argument_at(many, first + done), group,
			     slice > 1 ? call_run(slice, many->stride) : 0);
	}
	show_calls(in, group->pool);
	return calls;
}

/* Each worker should find some of it: an entry is taken as a whole. */
static uint32_t slice_of(const weir_pool *pool, size_t count)
{
	size_t slice = count / (4 * (size_t)pool->workers);
	return slice < 1 ? 1 : slice < CALL_RUN_MAX ? (uint32_t)slice : CALL_RUN_MAX;
}

static weir_status submit_many(weir_group *group, const struct many *many, size_t count, const weir_demand *demand,
			       size_t *taken)
{
	weir_decision decision = {.allowed = true};
	weir_status status = WEIR_OK;
	while (*taken < count && !status) {
		size_t rest = count - *taken;
		bool full = false;
		struct intake *in = NULL;
		if (!demand && !(status = check_submit(group, many->fn, &decision)))
			in = intake_for(group, rest < UINT32_MAX ? (uint32_t)rest : UINT32_MAX, &full);
		if (in) {
			*taken += submit_calls(in, group, many, *taken, rest);
			continue;
		}
		/* By the deque, or the inbox; or it says why not. */
		status = weir_submit_decision(group, many->fn, argument_at(many, *taken), demand, NULL);
		*taken += !status;
	}
	return status;
}

weir_status weir_submit_batch(weir_group *group, weir_task_fn fn, void *base, size_t stride, size_t count,
			      const weir_demand *demand, size_t *taken)
{
	size_t done = 0;
	weir_decision decision;
	weir_status status = check_submit(group, fn, &decision);
	if (!status && stride > CALL_STRIDE_MAX)
		status = error_set(WEIR_EINVAL, "stride is %zu: give 0 to 2^%d - 1 bytes", stride, CALL_STRIDE_BITS);
	if (status && group)
		tally_add(&group->pool->tally, POOL_REFUSED, 1);
	if (!status) {
		struct many many = {.fn = fn, .base = base, .stride = stride, .slice = slice_of(group->pool, count)};
		status = submit_many(group, &many, count, demand, &done);
	}
	if (taken)
		*taken = done;
	return status;
}

/* Lanes. --------------------------------------------------------------------------------------------------------- */

static weir_status check_producer(const weir_pool *pool)
{
	if (!pool)
		return error_set(WEIR_EINVAL, "pool is NULL");
	if (worker_self && worker_self->pool == pool)
		return error_set(WEIR_EINVAL, "a task of the pool needs no queue of its own: its worker has one");
	return WEIR_OK;
}

weir_status weir_producer_register(weir_pool *pool)
{
	weir_status status = check_producer(pool);
	if (!status && !producers_have_mine(pool))
		status =
			error_set(WEIR_EFULL,
				  "%u threads have a queue of their own (options.lanes_max), or more than %u use weir, "
				  "or options.tasks_max is below that: this one shares one",
				  pool->producers ? pool->producers->lanes_max : 0, THREADS_MAX);
	return status;
}

weir_status weir_producer_unregister(weir_pool *pool)
{
	weir_status status = check_producer(pool);
	if (!status)
		producers_hand_on(pool);
	return status;
}
