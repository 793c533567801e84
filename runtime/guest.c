/* SPDX-License-Identifier: MIT */
/*
 * guest.c - a thread outside that waits works meanwhile: who may, in whose seat, and at what.
 *
 * Holds:     which core each processor is of.
 * Invariant: W9, W10 of seat.h; never more threads at work than the pool has workers and stand-ins.
 * Progress:  as worker.c; a guest that finds no seat, or nothing to run, waits as if there were no guests.
 * Not here:  the protocol of lending (seat.c), waiting itself (group.c).
 *
 * Who. A thread outside all tasks, with as much of its stack left as a task may count on, but for a quarter: a thread that was
 * made with the pool's stack_bytes, or the program's first with a limit of that, has used some. It takes the seat of the
 * worker that is pinned to the processor it runs on, so that two threads at work do not share one; if that one is awake it takes
 * none. Where no worker is pinned, any of the node will do.
 *
 * At what. At the function that it would submit and wait for (guest_run()); or at what it has submitted to the group that it waits
 * for, which nobody has taken yet (guest_help()): never at others' work, which may take longer than what it waits for. While
 * others' work waits on the node it gives the seat back after a handful, as a worker would look elsewhere now and then.
 */
#include "runtime/guest.h"

#include <sched.h>
#include <stdlib.h>

#include "private/error.h"
#include "runtime/bell.h"
#include "runtime/producers.h"
#include "runtime/seat.h"
#include "runtime/worker.h"

struct guests {
	uint32_t processors;
	struct place {
		uint32_t node; /* UINT32_MAX: not one of the pool's */
		uint32_t core; /* of the node */
	} place[];	       /* by processor */
};

weir_status guests_create(weir_pool *pool)
{
	const weir_machine *machine = pool->machine;
	uint32_t processors = 0;
	uint32_t threads = machine->first_thread[machine->cores];
	for (uint32_t t = 0; machine->is_this && t < threads; t++)
		if (machine->thread[t] >= processors)
			processors = machine->thread[t] + 1;
	struct guests *guests = malloc(sizeof(*guests) + processors * sizeof(guests->place[0]));
	if (!guests)
		return error_set(WEIR_ENOMEM, "no memory for a table of %u processors", processors);
	guests->processors = processors;
	for (uint32_t p = 0; p < processors; p++)
		guests->place[p].node = UINT32_MAX;
	for (uint32_t n = 0; processors && n < machine->nodes; n++)
		for (uint32_t c = 0; c < machine->node[n].cores; c++)
			for (uint32_t core = machine->node[n].first_core + c, t = machine->first_thread[core];
			     t < machine->first_thread[core + 1]; t++)
				guests->place[machine->thread[t]] = (struct place){.node = n, .core = c};
	pool->guests = guests;
	return WEIR_OK;
}

void guests_destroy(weir_pool *pool)
{
	free(pool->guests);
}

/* Who. ---------------------------------------------------------------------------------------------------------- */

/* The calling thread's stack; both the same: not known. */
static _Thread_local struct {
	uintptr_t low, high;
} stack __attribute__((tls_model("initial-exec")));

/* For the program's first thread this reads /proc/self/maps: once. */
COLD static void learn_stack(void)
{
	pthread_attr_t attr;
	void *low = NULL;
	size_t bytes = 0;
	if (!pthread_getattr_np(pthread_self(), &attr)) {
		(void)pthread_attr_getstack(&attr, &low, &bytes);
		pthread_attr_destroy(&attr);
	}
	stack.low = low ? (uintptr_t)low : 1;
	stack.high = stack.low + bytes;
}

/* A thread may also run on a stack that it was not made with: then nothing is known. */
static bool has_stack(const weir_pool *pool)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	if (unlikely(!stack.low))
		learn_stack();
	return here > stack.low && here <= stack.high && here - stack.low >= pool->stack_bytes - pool->stack_bytes / 4;
}

struct guest {
	struct worker *worker;
	bool called; /* somebody woke it for something */
	int cancel;  /* the calling thread's state */
};

static bool borrow(struct guest *guest, struct worker *worker)
{
	/* Relaxed: a hint; the exchange decides. */
	if (!worker || at_load(&worker->seat, relaxed, none) != SEAT_ASLEEP || !seat_borrow(worker, &guest->called))
		return false;
	guest->worker = worker;
	return true;
}

static bool sit_anywhere(struct guest *guest, struct node_queues *queue)
{
	uint32_t members = at_load(&queue->members, relaxed, none);
	for (uint32_t m = 0; m < members; m++)
		if (borrow(guest, queue_member(queue, m)))
			return true;
	return false;
}

/* Workers of a node are pinned to its cores in turn. */
static bool sit_at(struct guest *guest, weir_pool *pool, const struct place *place)
{
	struct node_queues *queue = &pool->queue[place->node];
	if (!pool->pinned || place->core >= queue->seats)
		return sit_anywhere(guest, queue);
	uint32_t cores = pool->machine->node[place->node].cores;
	for (uint32_t m = place->core; m < queue->seats; m += cores)
		if (seat_is_taken(queue_member(queue, m)))
			return false;
	for (uint32_t m = place->core; m < queue->seats; m += cores)
		if (borrow(guest, queue_member(queue, m)))
			return true;
	return false;
}

/* Find a seat. On an invented machine nobody runs anywhere. */
static bool sit(struct guest *guest, weir_pool *pool)
{
	const struct guests *guests = pool->guests;
	if (!guests || worker_self || !has_stack(pool))
		return false;
	for (uint32_t n = 0; !guests->processors && n < pool->nodes; n++)
		if (pool->queue_of[n] == n && !at_load(&pool->queue[n].surplus, relaxed, none) &&
		    sit_anywhere(guest, &pool->queue[n]))
			return true;
	int here = guests->processors ? sched_getcpu() : -1;
	if (here < 0 || (uint32_t)here >= guests->processors)
		return false;
	const struct place *place = &guests->place[here];
	return place->node != UINT32_MAX && pool->queue_of[place->node] == place->node &&
	       !at_load(&pool->queue[place->node].surplus, relaxed, none) && sit_at(guest, pool, place);
}

/* At what. ------------------------------------------------------------------------------------------------------ */

/* From sleep to work, as a worker does that found something (idle.c). Nobody can cancel a worker: who is one for a while can be
 * cancelled afterwards, or its seat would never come back. */
static void begin(struct guest *guest)
{
	struct worker *worker = guest->worker;
	weir_pool *pool = worker->pool;
	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &guest->cancel);
	tally_add(&pool->tally, POOL_LENT, 1);
	worker_stop_searching(worker);
	worker_ask_for_sleepers(pool);
	/* Who called it did not mean what it runs now, or not that alone. */
	if (guest->called && route_any(worker))
		route_wake(pool, worker->node, false);
}

static void end(const struct guest *guest)
{
	seat_give_back(guest->worker, guest->called);
	(void)pthread_setcancelstate(guest->cancel, NULL);
}

bool guest_run(weir_pool *pool, weir_task_fn fn, void *argument, weir_status *status)
{
	struct guest guest;
	weir_group *group;
	if (at_load(&pool->closed, relaxed, none) || !sit(&guest, pool))
		return false;
	/* Another guest left something, and the worker is on its way to it, or a thief is at it and may give it back: who runs calls here
	 * would run that too. */
	if (unlikely(handful_any(&guest.worker->handful))) {
		seat_give_back(guest.worker, guest.called);
		return false;
	}
	*status = weir_group_create(&group, pool);
	if (unlikely(*status)) {
		seat_give_back(guest.worker, guest.called);
		return true;
	}
	struct worker *worker = guest.worker;
	worker->own.fn = fn;
	worker->own.argument = argument;
	worker->own.group = group;
	group_count_one(group);
	tally_add(&pool->tally, POOL_SUBMITTED, 1);
	begin(&guest);
	/* Nobody slept who looks for private work now and then, or he may sleep for long: the first child wakes somebody. */
	if (route_idle(pool, worker->node))
		forks_ask(&worker->forks);
	worker_run_calls(worker);
	end(&guest);
	*status = group_outcome(group);
	(void)weir_group_destroy(group);
	return true;
}

/* Does anything of others wait on the node? A hint. */
static bool others_wait(struct worker *worker, const struct intake *mine)
{
	struct node_queues *queue = &worker->pool->queue[worker->node];
	if (at_load(&queue->surplus, relaxed, none))
		return true;
	for (uint32_t lane = 0; lane < LANES; lane++)
		if (inbox_hint(&queue->lane[lane]))
			return true;
	uint32_t count = at_load(&queue->intakes, relaxed, none);
	for (uint32_t i = 0; i < count; i++) {
		/* ORDER(intakes): acquire, pairs with the release in make(): it is whole. */
		struct intake *in = at_load(&queue->intake[i], acquire, intakes);
		if (in && in != mine && intake_hint(in))
			return true;
	}
	return false;
}

/* What members of the group have submitted, or one more handful. False: nothing is left, or it is not the group's turn. */
static bool run_some(struct worker *worker, struct intake *mine, weir_group *group)
{
	weir_task *task = deque_pop(&worker->deque);
	if (task && task->group != group) {
		route_push(worker->pool, task, worker);
		return false;
	}
	if (task)
		worker_run(worker, task);
	else if (route_take_call(worker) || (route_take_of(worker, mine, group) && route_take_call(worker)))
		worker_run_calls(worker);
	else
		return false;
	return true;
}

/* Returns whether it has run something. */
static bool help(weir_pool *pool, struct intake *mine, weir_group *group, uint32_t epoch)
{
	struct guest guest;
	if (!intake_is_next(mine, group) || !sit(&guest, pool))
		return false;
	struct worker *worker = guest.worker;
	if (!route_take_of(worker, mine, group)) {
		seat_give_back(worker, guest.called);
		return false;
	}
	begin(&guest);
	/* Nobody was woken for this: as in guest_run(). */
	if (mine->habit.rang && route_idle(pool, worker->node))
		forks_ask(&worker->forks);
	while (run_some(worker, mine, group) && !group_is_done(group, epoch))
		if (!handful_count(&worker->handful) && others_wait(worker, mine))
			break;
	end(&guest);
	return true;
}

/* What the calling thread has pushed to, and waits for now; NULL: nothing, or the pool has no guests. */
static struct intake *lane_of_waiter(weir_pool *pool)
{
	struct intake *mine = producers_mine(pool);
	if (mine)
		intake_waits(mine);
	return pool->guests ? mine : NULL;
}

void guest_help(weir_group *group, uint32_t epoch)
{
	weir_pool *pool = group->pool;
	struct intake *mine = lane_of_waiter(pool);
	if (mine)
		bell_waits(pool, mine, help(pool, mine, group, epoch));
}

void guest_was_late(weir_group *group)
{
	struct intake *mine = lane_of_waiter(group->pool);
	if (mine)
		bell_waits(group->pool, mine, false);
}
