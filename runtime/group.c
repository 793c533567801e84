/* SPDX-License-Identifier: MIT */
/*
 * group.c - groups: count, wait, cancel, chain.
 *
 * Holds:     groups in slots, successors on the heap.
 * Invariant: G2  a successor is released once, when its earlier group's epoch has passed the one it was registered in.
 * Progress:  lock-free but for chains and waits from inside tasks (waits.c); wait blocks.
 * Not here:  counting (pending.c), running (worker.c), admission of held tasks (submit.c), waits that could never end (waits.c).
 *
 * G2: pending goes from 1 to 0 and the epoch up by one in a single exchange. A successor is pushed first, then the
 * state is looked at again; who ends the group exchanges the state first, then looks for successors; all four are
 * seq_cst, so one of them sees the other. Whoever flushes takes only those whose epoch has passed and puts the rest
 * back.
 */
#include <stdlib.h>
#include <string.h>

#include "private/clock.h"
#include "private/error.h"
#include "runtime/guest.h"
#include "runtime/waits.h"
#include "runtime/why.h"
#include "runtime/worker.h"

enum { WAIT_LOOKS = 64 }; /* between two looks at the clock */

/* A group that starts when another is done. */
struct successor {
	struct successor *next;
	struct wait_edge edge; /* from the later group to the earlier, in the epoch in which it was registered */
};

/* What can be known of a group in a caller's hand: its slot is a group for the pool's life. */
static weir_status check_alive(const weir_group *group)
{
	if (!group)
		return error_set(WEIR_EINVAL, "group is NULL");
	return group->alive ? WEIR_OK : error_set(WEIR_EINVAL, "the group was destroyed");
}

weir_status weir_group_create(weir_group **out, weir_pool *pool)
{
	if (!out)
		return error_set(WEIR_EINVAL, "out is NULL");
	*out = NULL;
	if (!pool)
		return error_set(WEIR_EINVAL, "pool is NULL");
	if (unlikely(!pool_is_here(pool)))
		return pool_elsewhere();
	uint32_t index = slots_get(pool->groups);
	if (index == SLOTS_NONE)
		return error_set(WEIR_ENOMEM, "no memory for a group, or a million of them are there");
	weir_group *group = slots_at(pool->groups, index, pool->groups->slot_shift);
	group->index = index;
	group->pool = pool;
	at_store(&group->error, WEIR_OK, relaxed, none);
	at_store(&group->cancelled, 0, relaxed, none);
	at_store(&group->ungranted, 0, relaxed, none);
	at_store(&group->held, GROUP_GO, relaxed, none);
	group->alive = true;
	*out = group;
	return WEIR_OK;
}

weir_status weir_group_destroy(weir_group *group)
{
	if (!group)
		return WEIR_OK;
	if (!group->alive)
		return error_set(WEIR_EINVAL, "the group was destroyed before");
	uint32_t pending = group_pending_now(group);
	if (pending)
		return error_set(WEIR_EBUSY, "the group has %u pending tasks: wait for it first", pending);
	/* ORDER(held): acquire, pairs with the exchange in release_later(), which has read the group. */
	if (at_load(&group->held, acquire, held) != GROUP_GO)
		return error_set(WEIR_EBUSY, "the group is chained to another: wait for that one first");
	/* It is done, so who ended it is on the way to those after it, and through with this group at once.
	 * ORDER(group_done): acquire, pairs with the release in flush_successors(). */
	for (uint32_t looks = 0; unlikely(at_load(&group->successor_count, acquire, group_done)); looks++)
		clock_give_way(looks);
	group->alive = false;
	slots_put(group->pool->groups, group->index);
	return WEIR_OK;
}

uint64_t weir_group_pending(const weir_group *group)
{
	return group ? group_pending_now((weir_group *)group) : 0;
}

bool weir_group_cancelled(const weir_group *group)
{
	return group && at_load(&((weir_group *)group)->cancelled, relaxed, none);
}

weir_status weir_group_reset(weir_group *group)
{
	weir_status status = check_alive(group);
	if (status)
		return status;
	if (weir_group_pending(group))
		return error_set(WEIR_EBUSY, "the group has pending tasks: wait for it first");
	at_store(&group->error, WEIR_OK, relaxed, none);
	at_store(&group->cancelled, 0, relaxed, none);
	return WEIR_OK;
}

/* Chains. -------------------------------------------------------------------------------------------------------- */

/* Held tasks that a thread is starting. A start may end a task at once (its group was cancelled), which may end its
 * group, which releases the next one: those tasks join the list below on the stack, so that a long chain needs no deep
 * stack. */
struct starting {
	weir_pool *pool;
	uint32_t first;
	uint32_t last;
	struct starting *below;
};

static _Thread_local struct starting *starting;

/* Start a list of tasks, linked from first to last. */
static void start_held(weir_pool *pool, uint32_t first, uint32_t last)
{
	for (struct starting *one = starting; one; one = one->below) {
		if (one->pool != pool)
			continue;
		if (one->first == GROUP_NOBODY)
			one->first = first;
		else
			at_store(&pool_task(pool, one->last)->link.next, first, relaxed, none);
		one->last = last;
		return;
	}
	struct starting self = {.pool = pool, .first = first, .last = last, .below = starting};
	starting = &self;
	while (self.first != GROUP_NOBODY) {
		weir_task *task = pool_task(pool, self.first);
		self.first = at_load(&task->link.next, relaxed, none);
		task_start(pool, task);
	}
	starting = self.below;
}

/* One group less to wait for; after the last, in the same exchange, the held tasks go: who chains `later` to one more
 * group comes before that or after. */
static void release_later(weir_group *later)
{
	uint64_t held = at_load(&later->held, relaxed, none);
	uint64_t rest;
	/* Before: a cancelled group may be destroyed as soon as it waits for nobody. */
	weir_pool *pool = later->pool;
	do {
		rest = held - GROUP_BEFORE_ONE;
		if (rest < GROUP_BEFORE_ONE)
			rest = GROUP_GO;
		/* ORDER(held): acq_rel, from each earlier group to whoever starts the held tasks; acquire, pairs with
		 * the release in group_hold(). */
	} while (!at_cas_weak(&later->held, &held, rest, acq_rel, relaxed, held));
	if (rest != GROUP_GO)
		return;
	uint32_t index = group_held_task(held);
	uint32_t newest = index;
	uint32_t oldest = GROUP_NOBODY;
	while (index != GROUP_NOBODY) {
		weir_task *task = pool_task(pool, index);
		uint32_t next = at_load(&task->link.next, relaxed, none);
		at_store(&task->link.next, oldest, relaxed, none);
		oldest = index;
		index = next;
	}
	if (oldest != GROUP_NOBODY)
		start_held(pool, oldest, newest);
}

/* One group more to wait for. */
static void wait_for_one_more(weir_group *later)
{
	uint64_t held = at_load(&later->held, relaxed, none);
	uint64_t wanted;
	do {
		wanted = held == GROUP_GO ? GROUP_BEFORE_ONE | GROUP_NOBODY : held + GROUP_BEFORE_ONE;
		/* Relaxed: what is held stays what it was. */
	} while (!at_cas_weak(&later->held, &held, wanted, relaxed, relaxed, none));
}

static void push_successor(weir_group *first, struct successor *one)
{
	one->next = at_load(&first->successors, relaxed, none);
	/* ORDER(successor): seq_cst, see G2 above; release of the successor's fields. */
	while (!at_cas_weak(&first->successors, &one->next, one, seq_cst, relaxed, successor))
		;
}

static void flush_successors(weir_group *first)
{
	for (;;) {
		/* ORDER(successor): seq_cst, see G2 above. */
		struct successor *one = at_swap(&first->successors, NULL, seq_cst, successor);
		uint32_t epoch = group_epoch(at_load(&first->state, seq_cst, successor));
		struct successor *next;
		for (; one; one = next) {
			next = one->next;
			if (one->edge.epoch == epoch) {
				push_successor(first, one);
				continue;
			}
			weir_group *later = one->edge.from;
			waits_forget(first->pool, &one->edge);
			free(one);
			/* Before the later one starts: who has waited for that may destroy this.
			 * ORDER(group_done): release, pairs with the acquire in weir_group_destroy(). */
			at_sub(&first->successor_count, 1, release, group_done);
			release_later(later);
		}
		if (epoch == group_epoch(at_load(&first->state, seq_cst, successor)))
			return;
	}
}

weir_status weir_group_after(weir_group *later, weir_group *first)
{
	weir_status status = check_alive(later);
	if (!status)
		status = check_alive(first);
	if (status)
		return status;
	if (later == first)
		return error_set(WEIR_EINVAL, "a group cannot come after itself");
	if (later->pool != first->pool)
		return error_set(WEIR_EINVAL, "the groups belong to two pools");
	if (weir_group_pending(later) && at_load(&later->held, relaxed, none) == GROUP_GO)
		return error_set(WEIR_EINVAL,
				 "the later group has tasks that may run already: chain it before submitting to it");
	(void)group_close(first);
	/* ORDER(successor): seq_cst, see G2 above. */
	uint64_t state = at_load(&first->state, seq_cst, successor);
	if (!group_pending(state))
		return WEIR_OK;
	struct successor *one = malloc(sizeof(*one));
	if (!one)
		return error_set(WEIR_ENOMEM, "no memory to chain groups");
	*one = (struct successor){.edge = {.from = later, .to = first, .epoch = group_epoch(state)}};
	at_add(&first->successor_count, 1, relaxed, none);
	status = waits_register(later->pool, &one->edge);
	if (status) {
		/* ORDER(group_done): release, pairs with the acquire in weir_group_destroy(). */
		at_sub(&first->successor_count, 1, release, group_done);
		free(one);
		return status;
	}
	wait_for_one_more(later);
	push_successor(first, one);
	(void)group_close(first); /* the state may be of a later epoch than the close before */
	/* *one may be released, and freed, by now. */
	if (group_epoch(at_load(&first->state, seq_cst, successor)) != group_epoch(state))
		flush_successors(first);
	return WEIR_OK;
}

bool group_hold(weir_group *group, weir_task *task)
{
	/* ORDER(held): acquire, pairs with the exchange in release_later(): what comes after sees what came before. */
	uint64_t held = at_load(&group->held, acquire, held);
	do {
		if (likely(held == GROUP_GO))
			return false;
		at_store(&task->link.next, group_held_task(held), relaxed, none);
		/* ORDER(held): release, pairs with the acquire in release_later() and cancel_held(). */
	} while (!at_cas_weak(&group->held, &held, (held & ~(uint64_t)UINT32_MAX) | task->index, acq_rel, acquire,
			      held));
	return true;
}

void group_ended(weir_group *group)
{
	/* A wake that nobody needs is harmless, and a flush takes only successors whose epoch has passed. */
	park_wake(&group->done);
	/* ORDER(successor): seq_cst, see G2 above. */
	if (at_load(&group->successors, seq_cst, successor))
		flush_successors(group);
}

/* Cancelling. ---------------------------------------------------------------------------------------------------- */

static void cancel_held(weir_group *group)
{
	uint64_t held = at_load(&group->held, relaxed, none);
	uint32_t head;
	do {
		head = group_held_task(held);
		if (held == GROUP_GO || head == GROUP_NOBODY)
			return;
		/* ORDER(held): acquire, pairs with the release in group_hold(). */
	} while (!at_cas_weak(&group->held, &held, held | GROUP_NOBODY, acq_rel, relaxed, held));
	weir_pool *pool = group->pool;
	while (head != GROUP_NOBODY) {
		weir_task *task = pool_task(pool, head);
		head = at_load(&task->link.next, relaxed, none);
		task_start(pool, task); /* which sees that its group is cancelled */
	}
}

void weir_group_cancel(weir_group *group)
{
	if (!group)
		return;
	weir_pool *pool = group->pool;
	/* ORDER(cancel): seq_cst: a submitter that did not see it has pushed before our sweep. */
	if (at_swap(&group->cancelled, 1, seq_cst, cancel))
		return;
	cancel_held(group);
	if (pool->aware) {
		admission_sweep(pool->admission);
		admission_settle(pool->admission);
	}
}

weir_status weir_task_cancel(weir_pool *pool, uint64_t ticket)
{
	if (!pool)
		return error_set(WEIR_EINVAL, "pool is NULL");
	struct task_need *need = slots_find(pool->needs, ticket_slot(ticket), pool->needs->slot_shift);
	if (need && waiter_move_use(&need->waiter, ticket, WAITER_HELD, WAITER_CANCELLED))
		return WEIR_OK; /* whoever starts its group's tasks ends it */
	if (!need || !pool->aware || !admission_cancel(pool->admission, &need->waiter, ticket))
		return error_set(WEIR_ESTALE,
				 "ticket %#llx does not wait: its task was started, cancelled or given up before",
				 (unsigned long long)ticket);
	admission_settle(pool->admission);
	return WEIR_OK;
}

weir_status weir_why_pending(weir_pool *pool, uint64_t ticket, weir_why *out)
{
	if (!pool || !pool->aware)
		return error_set(WEIR_EINVAL, "%s", pool ? "nothing waits for room in a plain pool" : "pool is NULL");
	struct task_need *need = slots_find(pool->needs, ticket_slot(ticket), pool->needs->slot_shift);
	return why_pending(pool->admission, need ? &need->waiter : NULL, ticket, out);
}

/* Waiting. ------------------------------------------------------------------------------------------------------- */

/* Run members of the group that lie on top of the own deque: descendants of what is waited for, so their end cannot
 * depend on ours. */
static void help(struct worker *worker, weir_group *group, uint32_t epoch)
{
	while (!group_is_done(group, epoch)) {
		weir_task *task = deque_pop(&worker->deque);
		if (!task)
			return;
		if (task->group != group) {
			route_push(worker->pool, task, worker);
			return;
		}
		worker_run(worker, task);
	}
}

/* As idle workers do, but never on and on: somebody else may need the core, or our seat. */
static void spin_until_done(weir_group *group, uint32_t epoch)
{
	weir_pool *pool = group->pool;
	if (pool->idle == WEIR_IDLE_BLOCK)
		return;
	uint64_t until = weir_clock_monotonic_ns() + pool->spin_ns;
	do {
		for (int i = 0; i < WAIT_LOOKS; i++) {
			if (group_is_done(group, epoch))
				return;
			at_pause();
		}
	} while (weir_clock_monotonic_ns() < until);
}

static void sleep_until_done(weir_group *group, uint32_t epoch)
{
	if (!group_close(group))
		return;
	for (;;) {
		uint32_t ticket = park_ticket(&group->done);
		if (group_is_done(group, epoch))
			return;
		park_wait(&group->done, ticket, 0);
	}
}

void group_sleep(weir_group *group)
{
	sleep_until_done(group, group_epoch(at_load(&group->state, relaxed, none)));
}

static weir_status block(struct worker *worker, weir_group *group, uint32_t epoch)
{
	weir_status status = WEIR_OK;
	if (worker_block_begin(worker))
		sleep_until_done(group, epoch);
	else if (at_load(&worker->pool->worker_count, relaxed, none) >= worker->pool->workers_max)
		status = error_set(WEIR_EDEADLK, "%u threads are blocked or stand in already: raise options.spares_max",
				   worker->pool->workers_max);
	else
		status = error_set(
			WEIR_EDEADLK,
			"no thread of %llu bytes of stack can be started to stand in: lower options.stack_bytes, or "
			"raise the limit of address space or of threads",
			(unsigned long long)worker->pool->stack_bytes);
	worker_block_end(worker);
	return status;
}

static weir_status wait_inside(struct worker *worker, weir_task *self, weir_group *group, uint32_t epoch)
{
	if (self->group == group)
		return error_set(WEIR_EDEADLK, "a task cannot wait for its own group");
	struct wait_edge edge = {.from = self->group,
				 .to = group,
				 .epoch = epoch,
				 .grant = worker->grants != 0,
				 .below = worker->waiting};
	worker->waiting = &edge;
	/* Who holds no grant makes himself known when he is about to sleep. */
	weir_status status = edge.grant ? waits_register(worker->pool, &edge) : WEIR_OK;
	if (!status) {
		help(worker, group, epoch);
		worker_tell(worker);
		spin_until_done(group, epoch);
	}
	if (!status && !group_is_done(group, epoch))
		status = waits_register(worker->pool, &edge);
	if (!status && !group_is_done(group, epoch))
		status = block(worker, group, epoch);
	waits_forget(worker->pool, &edge);
	worker->waiting = edge.below;
	return status;
}

weir_status group_outcome(const weir_group *group)
{
	weir_status error = at_load(&group->error, relaxed, none);
	if (error == WEIR_ETIME)
		return error_set(error,
				 "a task of the group was given up, or answered so itself: it could not start within "
				 "demand.wait_ns_max, or end within demand.deadline_ns");
	if (error)
		return error_set(error, "a task of the group ended with status %d (%s)", error,
				 weir_status_text(error));
	if (at_load(&group->cancelled, relaxed, none))
		return error_set(WEIR_ECANCELED, "the group was cancelled");
	return WEIR_OK;
}

weir_status weir_group_wait(weir_group *group)
{
	weir_status alive = check_alive(group);
	if (alive)
		return alive;
	uint32_t epoch = group_epoch(at_load(&group->state, relaxed, none));
	struct worker *worker = worker_self;
	weir_task *self = worker && worker->pool == group->pool ? at_load(&worker->root, relaxed, none) : NULL;
	if (self && !group_is_done(group, epoch)) {
		weir_status status = wait_inside(worker, self, group, epoch);
		if (status)
			return status;
	} else if (!group_is_done(group, epoch)) {
		if (unlikely(!pool_is_here(group->pool)))
			return pool_elsewhere();
		if (!worker)
			guest_help(group, epoch);
		spin_until_done(group, epoch);
		sleep_until_done(group, epoch);
	} else if (!worker) {
		guest_was_late(group);
	}
	return group_outcome(group);
}
