/* SPDX-License-Identifier: MIT */
/*
 * route.c - from a grant to a queue, and from the queues to a worker: own, node, near, far.
 *
 * Holds:     nothing of its own; moves tasks between the queues of pool.h.
 * Invariant: Q1  a READY task is in exactly one queue.
 *            Q2  a bound task is taken by a worker that serves its node.
 *            Q3  at most ceil(granted cores) workers run one task and its forked children.
 * Progress:  lock-free; push is wait-free but for the exchange loops of the queues.
 * Not here:  running (worker.c), room (admission.c).
 *
 * Order of taking (but see take_fairly()): CRITICAL and HIGH of the node's inbox; the own deque; the own hand; NORMAL and
 * BEST_EFFORT of the inbox; the node's intakes; deques, hands and forked children of the node's other workers; then inbox (but for
 * what is bound), intakes, deques, hands and children of the other nodes by distance.
 */
#include "runtime/route.h"

#include <sched.h>

#include "numa/pin.h"
#include "private/membarrier.h"
#include "runtime/producers.h"

enum {
	STUCK_LOOKS = 32, /* at a hand that does not move, before it is stolen from: a few microseconds */
	TAKE_TRIES = 4,	  /* at an intake that others take from as well */
	SHARE_MIN = 8,	  /* calls of a lane whose producer pushes on and on */
	HERE = -1,	  /* the processor that we run on */
};

static inline uint32_t lane_of(const weir_task *task)
{
	return 2u * task->service + (task->flags & TASK_BOUND ? LANE_BOUND : LANE_FREE);
}

/* The member that is bound to a processor; UINT32_MAX: none. */
static uint32_t member_at(weir_pool *pool, struct node_queues *queue, int processor)
{
	uint32_t members = at_load(&queue->members, relaxed, none);
	for (uint32_t i = 0; i < members; i++) {
		struct worker *worker = queue_member(queue, i);
		if (worker && worker->core != PIN_ALL_CORES &&
		    pin_covers(pool->machine, worker->node, worker->core, processor))
			return i;
	}
	return UINT32_MAX;
}

/* Somebody to wake; rather not on the core that who submitted runs on: he would have to wait for that, or that for him. */
static int pick_sleeper(weir_pool *pool, struct node_queues *queue, int submitter)
{
	if (!pool->pinned || worker_self)
		return idlers_pick(&queue->idle);
	if (!idlers_any(&queue->idle))
		return -1;
	uint32_t there = member_at(pool, queue, submitter == HERE ? sched_getcpu() : submitter);
	return there == UINT32_MAX ? idlers_pick(&queue->idle) : idlers_pick_but(&queue->idle, there);
}

bool route_only_here(weir_pool *pool, uint32_t node)
{
	struct node_queues *queue = &pool->queue[node];
	if (!pool->pinned || at_load(&queue->idle.announced, relaxed, none) != 1)
		return false;
	for (uint32_t n = 0; unlikely(pool->nodes > 1) && n < pool->nodes; n++)
		if (n != node && pool->queue_of[n] == n && idlers_any(&pool->queue[n].idle))
			return false;
	uint32_t here = member_at(pool, queue, sched_getcpu());
	if (here == UINT32_MAX || !idlers_has(&queue->idle, here))
		return false;
	uint32_t core = pool->machine->node[node].first_core + queue_member(queue, here)->core;
	return pool->machine->first_thread[core + 1] - pool->machine->first_thread[core] == 1;
}

/* Who looks on and on leaves that by end_looking() (idle.c), and then looks once more: as in park.h, with `spinning` in the
 * place of the announcement, he sees what we have pushed, or we that he is gone. */
static bool anyone_looks(struct node_queues *queue)
{
	/* ORDER(announce): seq_cst, C of the argument in park.h. */
	return at_load(&queue->spinning, seq_cst, announce) != 0;
}

static void wake(weir_pool *pool, uint32_t node, bool bound, int submitter)
{
	struct node_queues *queue = &pool->queue[pool->queue_of[node]];
	if (anyone_looks(queue))
		return;
	int member = pick_sleeper(pool, queue, submitter);
	const uint32_t *order = &pool->machine->order[(size_t)node * pool->nodes];
	for (uint32_t i = 1; member < 0 && !bound && i < pool->nodes; i++) {
		if (pool->queue_of[order[i]] != order[i])
			continue;
		queue = &pool->queue[order[i]];
		if (anyone_looks(queue))
			return;
		member = pick_sleeper(pool, queue, submitter);
	}
	if (member >= 0)
		park_wake(&queue_member(queue, (uint32_t)member)->park);
}

void route_wake(weir_pool *pool, uint32_t node, bool bound)
{
	wake(pool, node, bound, HERE);
}

void route_wake_for(weir_pool *pool, uint32_t node, int submitter)
{
	wake(pool, node, false, submitter);
}

void route_push(weir_pool *pool, weir_task *task, struct worker *from)
{
	bool bound = task->flags & TASK_BOUND;
	bool homed = task->flags & (TASK_BOUND | TASK_HOMED);
	uint32_t node = task_node(task);
	if (from && from->pool == pool && !homed && task->service >= SERVICE_NORMAL && deque_push(&from->deque, task)) {
		route_wake(pool, from->node, false);
		return;
	}
	if (!homed)
		node = from && from->pool == pool ? from->node
						  : at_add(&pool->next_node, 1, relaxed, none) % pool->nodes;
	node = pool->queue_of[node];
	if (unlikely(lane_of(task) < LANE_NORMAL) && !at_load(&pool->urgent, relaxed, none))
		at_store(&pool->urgent, 1, relaxed, none);
	inbox_push(&pool->queue[node].lane[lane_of(task)], task->index);
	route_wake(pool, node, bound);
}

static weir_task *take_lane(weir_pool *pool, struct node_queues *queue, uint32_t lane)
{
	uint32_t index = inbox_take(&queue->lane[lane]);
	return index == INBOX_EMPTY ? NULL : pool_task(pool, index);
}

static weir_task *take_lanes(weir_pool *pool, struct node_queues *queue, uint32_t first, uint32_t end, uint32_t step)
{
	for (uint32_t lane = first; lane < end; lane += step) {
		weir_task *task = take_lane(pool, queue, lane);
		if (task)
			return task;
	}
	return NULL;
}

/* Q3: may one more worker run this root's children? */
struct help {
	struct worker *worker;
	weir_fork_slot *joined;
	weir_task *root;
	uint32_t counted;
};

static bool is_near_enough(const struct worker *thief, const weir_task *root)
{
	return task_help_left(root) == TASK_HELP_ANY || thief->node == thief->pool->queue_of[task_node(root)];
}

static bool may_help(void *context, uintptr_t tag)
{
	struct help *help = context;
	help->root = (weir_task *)tag;
	/* A joiner that leapfrogs is counted already. F9: while its child is not done the thief has nothing public but what the child
	 * forked. We look after we have seen what is public: if the thief was done before it made that public, we see that. */
	if (help->joined)
		return help->root == at_load(&help->worker->root, relaxed, none) && !forks_done(help->joined);
	return is_near_enough(help->worker, help->root) && task_helper_in(help->root, &help->counted);
}

/* Without counting: worth asking its worker? */
static bool may_ask(const struct worker *thief, const weir_task *root)
{
	return root && task_help_left(root) && is_near_enough(thief, root);
}

bool route_take_fork(struct worker *worker, struct worker *victim, weir_fork_slot *joined, struct found *found)
{
	weir_task *root = at_load(&victim->root, relaxed, none);
	if (joined ? root != at_load(&worker->root, relaxed, none) : !may_ask(worker, root))
		return false;
	struct help help = {.worker = worker, .joined = joined};
	bool raced = false;
	weir_fork_slot *slot = forks_steal(&victim->forks, worker->number, may_help, &help, &raced);
	if (!slot) {
		if (help.counted)
			task_helper_out(help.root, help.counted);
		return false;
	}
	*found = (struct found){.fork = slot, .victim = victim, .root = help.root, .counted = help.counted};
	return true;
}

/* Calls. --------------------------------------------------------------------------------------------------------- */

static weir_task *take_call(struct worker *worker)
{
	return route_take_call(worker) ? &worker->own : NULL;
}

/* The hand was filled: whoever sleeps may have looked at it before. C of the argument in park.h. */
static void tell_filled(struct worker *worker)
{
	if (handful_count(&worker->handful) > 1 && unlikely(route_idle(worker->pool, worker->node)))
		route_wake(worker->pool, worker->node, false);
}

static weir_task *take_filled(struct worker *worker)
{
	tell_filled(worker);
	return take_call(worker);
}

/* At most half of its share of what is there, so that others who come for it find some; alone, all. Where more is to come, enough to be
 * worth the way: who took them and is at something long is stolen from. */
static uint32_t share_of(const weir_pool *pool, uint32_t calls, bool more_comes)
{
	uint32_t share = calls / (pool->workers > 1 ? 2 * pool->workers : 1);
	if (more_comes && share < SHARE_MIN)
		share = SHARE_MIN;
	return share < 1 ? 1 : share < HANDFUL_MAX ? share : HANDFUL_MAX;
}

/* Into the own hand, which is open, some of what was seen, or lies there by now. group: only of this one; NULL: of any. Returns how many
 * entries. */
static uint32_t take_from(struct worker *worker, struct intake *in, struct intake_seen seen, const weir_group *group)
{
	struct call *hand = worker->handful.call;
	bool streams = !group && intake_streams(in);
	for (int tries = 0; tries < TAKE_TRIES && intake_seen_any(seen); tries++, seen = intake_see(in)) {
		uint32_t calls = intake_seen_calls(seen);
		uint32_t most = share_of(worker->pool, calls, streams);
		uint32_t entries =
			group ? intake_take_of(in, seen, hand, most, group) : intake_take(in, seen, hand, most);
		if (entries && streams)
			lag_found(&worker->lag, in, calls, entries > 1 ? entries : call_count(hand[0].run));
		if (entries)
			return entries;
	}
	return 0;
}

/* From the intakes of a node, another one first each time. lags: but from those whose producers push on and on. */
static weir_task *take_outside(struct worker *worker, uint32_t node, bool lags)
{
	struct node_queues *queue = &worker->pool->queue[node];
	uint32_t count = at_load(&queue->intakes, relaxed, none);
	uint32_t entries = 0;
	for (uint32_t i = 0; i < count && !entries; i++) {
		/* ORDER(intakes): acquire, pairs with the release in make(): it is whole. */
		struct intake *in = at_load(&queue->intake[(worker->intake_turn + i) % count], acquire, intakes);
		if (!in)
			continue;
		if (unlikely(lags) && intake_streams(in)) {
			lag_skipped(&worker->lag);
			continue;
		}
		/* Once: each load of its end may be a way to its producer and back. */
		struct intake_seen seen = intake_see(in);
		if (!intake_seen_any(seen))
			continue;
		if (!handful_open(&worker->handful))
			return take_call(worker);
		entries = take_from(worker, in, seen, NULL);
		handful_close(&worker->handful, entries);
		worker->intake_turn = (worker->intake_turn + i + 1) % count;
	}
	if (entries)
		return take_filled(worker);
	if (!lags)
		lag_nothing(&worker->lag);
	return NULL;
}

bool route_take_of(struct worker *worker, struct intake *in, const weir_group *group)
{
	if (!handful_open(&worker->handful))
		return false;
	uint32_t entries = take_from(worker, in, intake_see(in), group);
	handful_close(&worker->handful, entries);
	if (entries)
		tell_filled(worker);
	return entries != 0;
}

bool route_hint_outside(struct worker *worker)
{
	struct node_queues *queue = &worker->pool->queue[worker->node];
	uint32_t count = at_load(&queue->intakes, relaxed, none);
	for (uint32_t i = 0; i < count; i++) {
		/* ORDER(intakes): acquire, as in take_outside(). */
		struct intake *in = at_load(&queue->intake[i], acquire, intakes);
		if (in && intake_hint(in))
			return true;
	}
	return false;
}

/* Its owner is at something long, or its thread is not running. One victim is watched at a time. */
static bool is_stuck(struct worker *worker, struct worker *victim)
{
	uint64_t next = at_load(&victim->handful.next, relaxed, none);
	struct worker *watched = worker->watched;
	if (watched == victim && worker->watched_next == next)
		return ++worker->watched_looks >= STUCK_LOOKS;
	if (watched && watched != victim && handful_count(&watched->handful) &&
	    at_load(&watched->handful.next, relaxed, none) == worker->watched_next)
		return false;
	worker->watched = victim;
	worker->watched_next = next;
	worker->watched_looks = 0;
	return false;
}

static weir_task *steal_calls(struct worker *worker, struct worker *victim)
{
	if (!is_stuck(worker, victim) || !handful_open(&worker->handful))
		return NULL;
	uint32_t entries = handful_steal(&victim->handful, &worker->handful);
	handful_close(&worker->handful, entries);
	return entries ? take_filled(worker) : NULL;
}

static weir_task *steal_task(struct worker *victim)
{
	bool raced;
	weir_task *task;
	do {
		task = deque_steal(&victim->deque, &raced);
	} while (!task && raced);
	return task;
}

/* Everything that one node's workers have to steal, from a random one on. */
static bool steal_from_node(struct worker *worker, uint32_t node, struct found *found)
{
	struct node_queues *queue = &worker->pool->queue[node];
	uint32_t members = at_load(&queue->members, relaxed, none);
	if (!members)
		return false;
	worker->random = worker->random * UINT64_C(2862933555777941757) + UINT64_C(3037000493);
	uint32_t start = (uint32_t)(worker->random >> 33) % members;
	for (uint32_t i = 0; i < members; i++) {
		struct worker *victim = queue_member(queue, (start + i) % members);
		if (victim == worker || !victim)
			continue;
		if (deque_count(&victim->deque) && (found->task = steal_task(victim)))
			return true;
		if (handful_count(&victim->handful) && (found->task = steal_calls(worker, victim)))
			return true;
		if (route_take_fork(worker, victim, NULL, found))
			return true;
	}
	return false;
}

static bool take_far(struct worker *worker, bool lags, struct found *found)
{
	weir_pool *pool = worker->pool;
	const uint32_t *order = &pool->machine->order[(size_t)worker->node * pool->nodes];
	for (uint32_t i = 1; i < pool->nodes; i++) {
		uint32_t node = order[i];
		if (pool->queue_of[node] != node)
			continue;
		found->task = take_lanes(pool, &pool->queue[node], LANE_FREE, LANES, 2);
		if (!found->task)
			found->task = take_outside(worker, node, lags);
		if (found->task || steal_from_node(worker, node, found)) {
			tally_add(&pool->tally, POOL_STOLEN_FAR, 1);
			return true;
		}
	}
	return false;
}

/* What is before NORMAL tasks of the inbox may never end: the deque of a task that submits itself again, or plain tasks
 * from outside while granted ones hold their room. So now and then it is the other way round. */
static weir_task *take_fairly(struct worker *worker)
{
	weir_pool *pool = worker->pool;
	struct node_queues *queue = &pool->queue[worker->node];
	weir_task *task = NULL;
	if (worker->takes % (2 * ROUTE_FAIR_TAKES) == 0)
		return (task = take_call(worker)) ? task : take_outside(worker, worker->node, false);
	for (uint32_t lane = LANE_NORMAL; lane < LANES && !task; lane += 2) {
		task = take_lane(pool, queue, lane + LANE_BOUND);
		if (!task)
			task = take_lane(pool, queue, lane + LANE_FREE);
	}
	return task;
}

bool route_take(struct worker *worker, struct found *found)
{
	weir_pool *pool = worker->pool;
	struct node_queues *queue = &pool->queue[worker->node];
	*found = (struct found){0};
	if (unlikely(at_load(&pool->urgent, relaxed, none)) &&
	    (found->task = take_lanes(pool, queue, 0, LANE_NORMAL, 1)))
		return true;
	if (unlikely(++worker->takes % ROUTE_FAIR_TAKES == 0) && (found->task = take_fairly(worker)))
		return true;
	if ((found->task = deque_pop(&worker->deque)) || (found->task = take_call(worker)))
		return true;
	if ((found->task = take_lanes(pool, queue, LANE_NORMAL, LANES, 1)))
		return true;
	bool lags = lag_skips(&worker->lag);
	if ((found->task = take_outside(worker, worker->node, lags)))
		return true;
	if (steal_from_node(worker, worker->node, found)) {
		tally_add(&pool->tally, POOL_STOLEN_NEAR, 1);
		return true;
	}
	return pool->nodes > 1 && take_far(worker, lags, found);
}

static bool any_on_node(struct worker *worker, uint32_t node)
{
	weir_pool *pool = worker->pool;
	struct node_queues *queue = &pool->queue[node];
	for (uint32_t lane = 0; lane < LANES; lane += node == worker->node ? 1 : 2)
		if (inbox_any(&queue->lane[lane]))
			return true;
	/* ORDER(announce): seq_cst, as below; a relaxed load may be made before our announcement is seen (not on x86-64). */
	uint32_t intakes = at_load(&queue->intakes, seq_cst, announce);
	for (uint32_t i = 0; i < intakes; i++) {
		/* ORDER(announce): seq_cst, pairs with make(): one that is not seen yet has a producer that sees us. */
		struct intake *in = at_load(&queue->intake[i], seq_cst, announce);
		if (in && intake_any(in))
			return true;
	}
	/* ORDER(announce): seq_cst, as for the intakes, pairs with enlist(). */
	uint32_t members = at_load(&queue->members, seq_cst, announce);
	for (uint32_t i = 0; i < members; i++) {
		struct worker *victim = queue_member(queue, i);
		if (!victim)
			continue;
		if (deque_any(&victim->deque) || handful_any(&victim->handful))
			return true;
		if (victim != worker && forks_public(&victim->forks) &&
		    may_ask(worker, at_load(&victim->root, relaxed, none)))
			return true;
	}
	return false;
}

void route_barrier(weir_pool *pool)
{
	/* ORDER(announce): seq_cst, pairs with make() (producers.c): without intakes there is nobody to have a barrier put into. */
	if (pool->asymmetric && pool->producers && at_load(&pool->producers->made, seq_cst, announce))
		membarrier_all();
}

bool route_any(struct worker *worker)
{
	weir_pool *pool = worker->pool;
	for (uint32_t n = 0; n < pool->nodes; n++)
		if (pool->queue_of[n] == n && any_on_node(worker, n))
			return true;
	return false;
}

bool route_sleeper_for(struct worker *worker)
{
	weir_pool *pool = worker->pool;
	uint32_t help = task_help_left(at_load(&worker->root, relaxed, none));
	if (!help || forks_public(&worker->forks))
		return false;
	if (idlers_any(&pool->queue[worker->node].idle))
		return true;
	for (uint32_t n = 0; help == TASK_HELP_ANY && n < pool->nodes; n++)
		if (pool->queue_of[n] == n && idlers_any(&pool->queue[n].idle))
			return true;
	return false;
}
