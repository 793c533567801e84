/* SPDX-License-Identifier: MIT */
/*
 * worker.c - the only loop: take, run, settle; sleep when there is nothing; stand in for those that block.
 *
 * Holds:     the threads.
 * Invariant: W1  a task runs once, on one worker.
 *            W2  what a task holds is back in the ledger before its group knows that it is done.
 *            W4  what a task spawned by macros it has joined when it ends.
 * Progress:  a worker never waits for another but in a join, whose child is being run then.
 * Not here:  where tasks come from (route.c), what is done without any (idle.c), fork-join's slow paths (fork.c).
 *
 * Seats: a node has as many seats as workers. A task that blocks lends its seat: a resting worker is woken, or a thread
 * made. When it comes back there is one worker too many (surplus): the next at a boundary whose deque is empty goes to
 * rest, or the next task that blocks lends it its seat.
 */
#include "runtime/worker.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numa/pin.h"
#include "private/error.h"
#include "private/log.h"
#include "runtime/leftover.h"
#include "runtime/producers.h"
#include "runtime/seat.h"

enum {
	DEQUE_CAPACITY = 4096,
	HANDED_MAX = 16 /* tasks in a row that a grant is handed to, before the worker looks at its queues */
};

_Thread_local struct worker *worker_self;

/* Running. ------------------------------------------------------------------------------------------------------- */

static void count_home(weir_pool *pool, const struct worker *worker, const weir_task *task)
{
	if (task->flags & TASK_HOMED)
		tally_add(&pool->tally,
			  worker->node == pool->queue_of[task->need->waiter.wish.home] ? POOL_RAN_HOME : POOL_RAN_AWAY,
			  1);
}

/* Who forked without joining: the children run within the task's grant, so they end before it does. */
void worker_join_rest(struct worker *worker, const weir_fork_slot *head)
{
	while (unlikely(worker->forks.face.head > head)) {
		LOG(WEIR_LOG_WARN, "a task ended without joining a child that it forked");
		weir_fork_slot *forgotten = worker->forks.face.head;
		(void)weir_join();
		CHECK("W4", worker->forks.face.head < forgotten);
	}
}

bool worker_wake_helpers(struct worker *worker)
{
	/* C of the argument in park.h, after P in publish() (forks.c). */
	if (!forks_public(&worker->forks))
		return false;
	route_wake(worker->pool, worker->node, false);
	const weir_task *root = at_load(&worker->root, relaxed, none);
	for (struct stolen *here = worker->stolen; here && here->root == root; here = here->outer)
		if (forks_awaited(here->slot))
			park_wake(&here->victim->park);
	return true;
}

void worker_share(struct worker *worker)
{
	uintptr_t root = (uintptr_t)at_load(&worker->root, relaxed, none);
	forks_publish_all(&worker->forks, worker->forks.face.head, root);
	(void)worker_wake_helpers(worker);
}

/* Whoever got a grant is READY, and whoever ended the one before it has it in hand. */
static ALWAYS_INLINE weir_task *handed_to(weir_pool *pool, struct worker *worker, struct waiter *waiter)
{
	weir_task *task = need_task(container_of(waiter, struct task_need, waiter));
	group_granted_by(worker, task->group);
	task_bind(pool, task, waiter->node);
	return task;
}

static ALWAYS_INLINE void end_grant(weir_pool *pool, struct task_need *need, bool ran)
{
	if (unlikely(at_load(&need->shown_grant, relaxed, none)))
		at_store(&need->shown_grant, 0, relaxed, none);
	if (unlikely(at_load(&pool->admission->gates, relaxed, none) & GATE_BREAKER))
		gate_ended(pool->admission, &need->waiter, ran, at_load(&need->memory_refused, relaxed, none) != 0);
	leftover_end(pool, need);
}

/* What is left to do once a task is gone whose grant did not go on at once. */
struct rest {
	struct batch batch;
	bool kick;
};

/* Where the next is not in hand, or the grant goes back to the ledger. */
static NOINLINE struct waiter *pass_on_slow(weir_pool *pool, struct worker *worker, uint32_t place, weir_grant grant,
					    bool inherits, struct rest *rest)
{
	struct waiter *next = NULL;
	bool stale = false;
	batch_init(&rest->batch);
	rest->kick = false;
	if (inherits) {
		next = admission_hand_on(pool->admission, place, grant, &rest->batch, &rest->kick, &stale);
		worker->hand = chains_hand(pool->admission);
	} else {
		stale = admission_give(pool->admission, grant, &rest->kick) != WEIR_OK;
	}
	if (unlikely(stale))
		LOG(WEIR_LOG_ERROR, "a task's grant was given back by somebody else while it ran");
	return next;
}

/* Most often the next is in hand already. *grant: its handle from now on, even if nobody was left in there. */
static ALWAYS_INLINE struct waiter *hand_on(weir_pool *pool, struct worker *worker, weir_grant *grant)
{
	/* What is owed to a limit is paid by what comes back. */
	if (unlikely(!worker->hand) || unlikely(at_load(&pool->tracker->ledger.owed, relaxed, none)))
		return NULL;
	struct waiter *next = hand_on_at_once(worker->hand, grant);
	if (likely(next) && unlikely(hand_gets_low(worker->hand)))
		chains_fetch(pool->admission, worker->hand);
	return next;
}

/* The end of a task. worker: that took it from its queue; NULL: nobody did. It inherits if it may go on with the next that gets
 * its grant. Returns that one. */
static ALWAYS_INLINE weir_task *settle(weir_pool *pool, weir_task *task, struct worker *worker, bool inherits, bool ran,
				       weir_status status)
{
	weir_group *group = task->group;
	struct task_need *need = task->need;
	weir_task *next = NULL;
	struct rest rest;
	bool is_rest = false;
	if (unlikely(at_load(&task->blocks, relaxed, none)))
		task_free_blocks(task, pool->arenas);
	if (need) {
		if (likely(need_is_granted(need))) {
			end_grant(pool, need, ran);
			weir_grant grant = need->waiter.grant;
			struct waiter *waiter = inherits ? hand_on(pool, worker, &grant) : NULL;
			is_rest = !waiter;
			if (unlikely(is_rest))
				waiter = pass_on_slow(pool, worker, need->waiter.node, grant, inherits, &rest);
			if (likely(waiter))
				next = handed_to(pool, worker, waiter);
		}
		slots_put(pool->needs, need->index);
	}
	slots_put(pool->tasks, task->index);
	if (unlikely(status))
		group_set_error(group, status);
	tally_add(&pool->tally, !ran ? POOL_CANCELLED : status ? POOL_FAILED : POOL_COMPLETED, 1);
	if (worker)
		group_task_ended(worker, group);
	else
		group_task_done(group);
	if (unlikely(is_rest) && (rest.kick || rest.batch.first))
		admission_settle_rest(pool->admission, &rest.batch, rest.kick ? KICK_ALL : KICK_NONE);
	return next;
}

/* From its start to its end. outer: the task that it lies on top of, or NULL. handed: a grant was handed to it here. */
static ALWAYS_INLINE weir_status run_body(struct worker *worker, weir_task *task, weir_task *outer, bool handed)
{
	weir_pool *pool = worker->pool;
	count_home(pool, worker, task);
	if (!handed && !(task->flags & TASK_BOUND))
		task_set_node(task, worker->node);
	bool granted = handed || (task->need && need_is_granted(task->need));
	if (granted)
		leftover_begin(pool, task->need);
	task_open_help(task, granted ? at_load(&task->need->cores, relaxed, none) - 1 : TASK_HELP_ANY);
	weir_fork_slot *head = worker->forks.face.head;
	if (granted && unlikely(at_load(&pool->admission->gates, relaxed, none) & GATE_ADAPTIVE))
		gate_started(pool->admission, &task->need->waiter);
	if (unlikely(outer))
		worker_share(worker);
	/* Relaxed: thieves take it as a hint; what they take is decided by the slot's tag. */
	at_store(&worker->root, task, relaxed, none);
	weir_fork_slot *outer_head = worker->task_head;
	worker->task_head = head;
	uint32_t blocked = worker->blocked;
	worker->grants += granted;
	weir_status status = task->fn(task, task->argument);
	worker->grants -= granted;
	while (unlikely(worker->blocked > blocked))
		worker_block_end(worker); /* the task forgot weir_blocking_end() */
	if (unlikely(worker->forks.face.head > head))
		worker_join_rest(worker, head);
	worker->task_head = outer_head;
	at_store(&worker->root, outer, relaxed, none);
	return status;
}

/* Run a task. handed: it is the one that the task before returned here. Returns who got its grant, if this is to run it next;
 * it is granted. */
static ALWAYS_INLINE weir_task *run_one(struct worker *worker, weir_task *task, bool handed)
{
	weir_task *outer = handed ? NULL : at_load(&worker->root, relaxed, none);
	worker_tell_others(worker, task->group);
	bool ran = likely(!task_is_cancelled(task));
	weir_status status = ran ? run_body(worker, task, outer, handed) : WEIR_ECANCELED;
	/* On top of another task only that one's descendants may run. */
	return settle(worker->pool, task, worker, !outer, ran, status);
}

/* Something else that this worker should do before it goes on with whom a grant was handed to. */
static bool is_wanted_elsewhere(struct worker *worker)
{
	struct node_queues *queue = &worker->pool->queue[worker->node];
	if (unlikely(at_load(&queue->surplus, relaxed, none)))
		return true;
	if (likely(!at_load(&worker->pool->urgent, relaxed, none)))
		return false;
	for (uint32_t lane = 0; lane < LANE_NORMAL; lane++)
		if (unlikely(inbox_hint(&queue->lane[lane])))
			return true;
	return false;
}

/* Others that its queues have for it, and that a grant which is handed on and on would keep waiting. */
static bool has_other_work(struct worker *worker)
{
	struct node_queues *queue = &worker->pool->queue[worker->node];
	for (uint32_t lane = LANE_NORMAL; lane < LANES; lane++)
		if (inbox_hint(&queue->lane[lane]))
			return true;
	return deque_count(&worker->deque) || handful_count(&worker->handful) || route_hint_outside(worker);
}

void worker_run(struct worker *worker, weir_task *task)
{
	task = run_one(worker, task, false);
	for (uint32_t handed = 1; task; handed++) {
		if (unlikely(is_wanted_elsewhere(worker) ||
			     unlikely(handed % HANDED_MAX == 0 && has_other_work(worker)))) {
			route_push(worker->pool, task, worker);
			return;
		}
		task = run_one(worker, task, true);
	}
}

static void run_fork(struct worker *worker, const struct found *found)
{
	weir_task *outer = at_load(&worker->root, relaxed, none);
	weir_fork_slot *head = worker->forks.face.head;
	weir_fork_slot *outer_head = worker->task_head;
	if (outer && outer != found->root)
		worker_share(worker);
	worker_tell_others(worker, found->root->group);
	at_store(&worker->root, found->root, relaxed, none);
	worker->task_head = head;
	bool granted = found->root->need && need_is_granted(found->root->need);
	struct stolen here = {
		.slot = found->fork, .victim = found->victim, .root = found->root, .outer = worker->stolen};
	worker->stolen = &here;
	worker->grants += granted;
	found->fork->run(&worker->forks.face, head, found->fork);
	worker->grants -= granted;
	worker->stolen = here.outer;
	worker->task_head = outer_head;
	CHECK("W4", worker->forks.face.head == head);
	at_store(&worker->root, outer, relaxed, none);
	tally_add(&worker->pool->tally, POOL_FORKED_STOLEN, 1);
	/* The root may end as soon as its child is done: count out first. */
	if (found->counted)
		task_helper_out(found->root, found->counted);
	if (forks_finish(found->fork))
		park_wake(&found->victim->park);
}

void worker_run_found(struct worker *worker, const struct found *found)
{
	if (found->task == &worker->own)
		worker_run_calls(worker);
	else if (found->task)
		worker_run(worker, found->task);
	else
		run_fork(worker, found);
}

void task_settle(weir_pool *pool, weir_task *task, bool ran, weir_status status)
{
	(void)settle(pool, task, NULL, false, ran, status);
}

/* What the group of a task learns that waited and was not granted. */
static weir_status status_of(const struct waiter *waiter)
{
	if (waiter_state(waiter) == WAITER_CANCELLED)
		return WEIR_ECANCELED;
	return waiter->cause == WEIR_CAUSE_INFEASIBLE ? WEIR_EINFEASIBLE : WEIR_ETIME;
}

/* A grant makes a task READY; anything else ends it. */
void task_decided(struct waiter *waiter)
{
	struct task_need *need = container_of(waiter, struct task_need, waiter);
	weir_task *task = need_task(need);
	weir_pool *pool = task->group->pool;
	group_granted(task->group);
	if (waiter_state(waiter) != WAITER_GRANTED) {
		task_settle(pool, task, false, status_of(waiter));
		return;
	}
	if (likely(waiter->grant.handle))
		task_bind(pool, task, waiter->node);
	route_push(pool, task, worker_self);
}

/* Standing in. --------------------------------------------------------------------------------------------------- */

static bool take_surplus(struct node_queues *queue)
{
	uint32_t surplus = at_load(&queue->surplus, relaxed, none);
	while (unlikely(surplus))
		if (at_cas_weak(&queue->surplus, &surplus, surplus - 1, relaxed, relaxed, none))
			return true;
	return false;
}

static bool give_up_seat(struct worker *worker)
{
	struct node_queues *queue = &worker->pool->queue[worker->node];
	return unlikely(at_load(&queue->surplus, relaxed, none)) && !deque_count(&worker->deque) &&
	       !handful_any(&worker->handful) && take_surplus(queue);
}

static void rest(struct worker *worker)
{
	worker_tell(worker);
	weir_pool *pool = worker->pool;
	/* Who woke us for something that we did not find relies on us. */
	if (route_any(worker))
		route_wake(pool, worker->node, false);
	struct idlers *resting = &pool->queue[worker->node].resting;
	uint32_t ticket = park_ticket(&worker->park);
	seat_leave(worker);
	idlers_announce(resting, worker->member);
	/* ORDER(announce): seq_cst, as in sleep_for_work() (idle.c). */
	while (!at_load(&pool->stopping, seq_cst, announce)) {
		park_wait(&worker->park, ticket, 0);
		if (!idlers_retract(resting, worker->member))
			return; /* picked: a seat is ours */
		ticket = park_ticket(&worker->park);
		idlers_announce(resting, worker->member);
	}
	(void)idlers_retract(resting, worker->member);
}

/* Who comes in for this worker is one too many, perhaps asleep among the idle, or rested, or is new. */
static bool lend_seat(struct worker *worker)
{
	struct node_queues *queue = &worker->pool->queue[worker->node];
	if (take_surplus(queue))
		return true;
	int member = idlers_pick(&queue->resting);
	if (member < 0)
		return worker_create(worker->pool, worker->node, PIN_ALL_CORES) == WEIR_OK;
	park_wake(&queue_member(queue, (uint32_t)member)->park);
	return true;
}

static void take_seat_again(struct worker *worker)
{
	at_add(&worker->pool->queue[worker->node].surplus, 1, relaxed, none);
}

bool worker_block_begin(struct worker *worker)
{
	if (worker->blocked++)
		return worker->stood_in;
	at_add(&worker->pool->blocked, 1, relaxed, none);
	worker_tell(worker);
	worker_share(worker);
	worker->stood_in = lend_seat(worker);
	return worker->stood_in;
}

void worker_block_end(struct worker *worker)
{
	if (--worker->blocked)
		return;
	at_sub(&worker->pool->blocked, 1, relaxed, none);
	if (worker->stood_in)
		take_seat_again(worker);
	worker->stood_in = false;
}

void worker_sleep_in_join(struct worker *worker, uint32_t ticket)
{
	bool lent = !worker->blocked &&
		    (at_load(&worker->pool->blocked, relaxed, none) ? lend_seat(worker)
								    : take_surplus(&worker->pool->queue[worker->node]));
	park_wait(&worker->park, ticket, 0);
	if (lent)
		take_seat_again(worker);
}

void weir_blocking_begin(void)
{
	if (worker_self && at_load(&worker_self->root, relaxed, none) && !worker_block_begin(worker_self))
		LOG(WEIR_LOG_DEBUG, "spares_max reached: a task blocks and nobody stands in");
}

void weir_blocking_end(void)
{
	if (worker_self && worker_self->blocked)
		worker_block_end(worker_self);
}

/* Threads. ------------------------------------------------------------------------------------------------------- */

static void *worker_main(void *argument)
{
	struct worker *worker = argument;
	weir_pool *pool = worker->pool;
	worker_self = worker;
	producers_hand_on(pool);
	if (pool->pinned && pin_thread(pool->machine, worker->node, worker->core))
		LOG(WEIR_LOG_WARN, "worker %u is not pinned: %s", worker->number, weir_error_text());
	seat_sit(worker);
	/* Whoever was idle goes on as one until it has something: then it wakes the next (worker_idle()). */
	bool idle = false;
	while (!at_load(&pool->stopping, relaxed, none)) {
		struct found found;
		if (unlikely(give_up_seat(worker))) {
			rest(worker);
			seat_sit(worker);
		} else if ((!idle && route_take(worker, &found)) || worker_idle(worker, &found)) {
			worker_run_found(worker, &found);
			worker->search_ns = 0;
			worker->vain = 0;
			idle = false;
		} else {
			idle = true;
		}
	}
	seat_leave(worker);
	return NULL;
}

static void name_thread(const struct worker *worker)
{
	char name[16];
	snprintf(name, sizeof(name), "weir/%u.%u", worker->node, worker->member);
	(void)pthread_setname_np(worker->thread, name);
}

static void free_worker(struct worker *worker)
{
	forks_fini(&worker->forks);
	deque_fini(&worker->deque);
	free(worker);
}

static struct worker *make_worker(weir_pool *pool, uint32_t node, uint32_t core)
{
	struct worker *worker = aligned_alloc(CACHE_LINE, sizeof(*worker));
	if (!worker)
		return NULL;
	memset(worker, 0, sizeof(*worker));
	if (forks_init(&worker->forks, pool->forks_max)) {
		free(worker);
		return NULL;
	}
	if (deque_init(&worker->deque, DEQUE_CAPACITY)) {
		forks_fini(&worker->forks);
		free(worker);
		return NULL;
	}
	park_init(&worker->park);
	handful_init(&worker->handful, !pool->asymmetric);
	worker->own.index = TASK_NO_SLOT;
	worker->own.service = SERVICE_NORMAL;
	task_set_node(&worker->own, node);
	task_open_help(&worker->own, TASK_HELP_ANY);
	worker->pool = pool;
	worker->node = node;
	worker->core = core;
	worker->look_ns = pool->spin_ns;
	fork_entries(&worker->forks.face);
	return worker;
}

/* Take the next number in the pool and in the node. False: there is none. Who walks the arrays skips numbers that are
 * taken and not filled in yet. */
static bool enlist(weir_pool *pool, struct worker *worker)
{
	uint32_t number = at_load(&pool->worker_count, relaxed, none);
	do {
		if (number >= pool->workers_max)
			return false;
	} while (!at_cas_weak(&pool->worker_count, &number, number + 1, relaxed, relaxed, none));
	struct node_queues *queue = &pool->queue[worker->node];
	worker->number = number;
	/* ORDER(announce): seq_cst, before what the worker will have: P of the argument in park.h. */
	worker->member = at_add(&queue->members, 1, seq_cst, announce);
	worker->random = number * UINT64_C(0x9e3779b97f4a7c15) + 1;
	/* ORDER(member): release, pairs with the acquires of those who walk the arrays. */
	at_store(&queue->member[worker->member], worker, release, member);
	at_store(&pool->worker[number], worker, release, member);
	return true;
}

/* With the signals and the processors that the pool's first workers have, whoever makes it: a stand-in outlives the guest that it
 * was made for. Returns an errno. */
static int create_thread(weir_pool *pool, struct worker *worker)
{
	pthread_attr_t attr;
	sigset_t before;
	cpu_set_t cores;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, pool->stack_bytes);
	if (worker->core == PIN_ALL_CORES && !pool->pinned &&
	    !pthread_getaffinity_np(pool_worker(pool, 0)->thread, sizeof(cores), &cores))
		(void)pthread_attr_setaffinity_np(&attr, sizeof(cores), &cores);
	pthread_sigmask(SIG_SETMASK, &pool->signals, &before);
	int failed = pthread_create(&worker->thread, &attr, worker_main, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return failed;
}

weir_status worker_create(weir_pool *pool, uint32_t node, uint32_t core)
{
	if (at_load(&pool->worker_count, relaxed, none) >= pool->workers_max)
		return error_set(WEIR_EFULL, "%u workers and stand-ins are there: raise options.spares_max",
				 pool->workers_max);
	struct worker *worker = make_worker(pool, node, core);
	if (!worker)
		return error_set(WEIR_ENOMEM, "no memory for a worker");
	if (!enlist(pool, worker)) {
		free_worker(worker);
		return error_set(WEIR_EFULL, "%u workers and stand-ins are there: raise options.spares_max",
				 pool->workers_max);
	}
	int failed = create_thread(pool, worker);
	if (failed) {
		/* It stays in the arrays, as one that never takes part; workers_stop() frees it. */
		worker->thread = 0;
		return error_set_errno(WEIR_ESYSTEM, failed, "cannot start a thread of %llu bytes of stack",
				       (unsigned long long)pool->stack_bytes);
	}
	name_thread(worker);
	return WEIR_OK;
}

void workers_stop(weir_pool *pool)
{
	/* ORDER(announce): seq_cst, as a push: a worker that announces itself idle or resting afterwards sees it. */
	at_store(&pool->stopping, 1, seq_cst, announce);
	uint32_t count = at_load(&pool->worker_count, relaxed, none);
	for (uint32_t i = 0; i < count; i++)
		park_wake(&pool_worker(pool, i)->park);
	for (uint32_t i = 0; i < count; i++)
		if (pool_worker(pool, i)->thread)
			pthread_join(pool_worker(pool, i)->thread, NULL);
	for (uint32_t i = 0; i < count; i++)
		free_worker(pool_worker(pool, i));
	at_store(&pool->worker_count, 0, relaxed, none);
}
