/* SPDX-License-Identifier: MIT */
/*
 * idle.c - a worker without work: it looks on for a while, then sleeps until somebody has something for it.
 *
 * Holds:     nothing; each node counts those who look on, and has the set of those who sleep (pool.h).
 * Invariant: W3  a sleeping worker was announced before it looked for the last time (park.h), and is not counted among those
 *                who look on.
 * Progress:  looking ends; sleep blocks.
 * Not here:  where it looks, and whom a push wakes (route.c), resting without a seat (worker.c).
 *
 * One worker less than a node has cores looks on at a time, so that whoever submits keeps a core. While one does, a push wakes
 * nobody: who stops looking looks once more after it has said so, and wakes the next if there is more than it takes.
 */
#include "private/clock.h"
#include "runtime/leftover.h"
#include "runtime/seat.h"
#include "runtime/worker.h"

enum {
	LOOKS = 16,	 /* at the queues between two looks at the clock */
	LOOK_PAUSES = 2, /* after each */
	SPIN_LOOKS = 64, /* in vain: then who spins goes behind its equals, who may be what it looks for (SCHED_FIFO) */
};
#define LOOK_NS_MIN WEIR_NS_PER_US
#define SEARCH_NS_MIN (50 * WEIR_NS_PER_US)
#define SEARCH_NS_MAX (5 * WEIR_NS_PER_MS)

/* While some worker runs a task it may have private forked children: one sleeper looks now and then. */
static bool become_searcher(struct worker *worker)
{
	weir_pool *pool = worker->pool;
	uint32_t nobody = 0;
	/* ORDER(announce): seq_cst, both, after our announcement; pairs with worker_stop_searching(), see there. */
	return at_load(&pool->searcher, seq_cst, announce) == 0 &&
	       at_cas(&pool->searcher, &nobody, worker->number + 1, seq_cst, seq_cst, announce);
}

bool worker_stop_searching(struct worker *worker)
{
	uint32_t searcher = worker->number + 1;
	/* ORDER(announce): seq_cst, before the look at who sleeps (W11): who goes to sleep meanwhile announces, then looks whether there
	 * is a searcher. It finds none, or worker_ask_for_sleepers() finds it. */
	return at_load(&worker->pool->searcher, relaxed, none) == searcher &&
	       at_cas(&worker->pool->searcher, &searcher, 0, seq_cst, relaxed, announce);
}

/* Awake is as good as running: who was woken, or found something, may be about to run it. */
bool worker_anyone_runs(weir_pool *pool)
{
	uint32_t count = at_load(&pool->worker_count, relaxed, none);
	for (uint32_t i = 0; i < count; i++) {
		/* ORDER(member): acquire, pairs with the release in enlist(). */
		struct worker *worker = at_load(&pool->worker[i], acquire, member);
		/* ORDER(announce): seq_cst, after our announce; pairs with the store of who wakes up, who picks a
		 * sleeper next: it finds us, or we see it. */
		if (worker && at_load(&worker->seat, seq_cst, announce) >= SEAT_AWAKE)
			return true;
	}
	return false;
}

static void sleep_for_work(struct worker *worker)
{
	weir_pool *pool = worker->pool;
	struct idlers *idle = &pool->queue[worker->node].idle;
	/* What is in another's hand will be ours soon, or gone: no reason to have barriers put into everybody. */
	if (route_any(worker)) {
		clock_give_way(worker->vain++);
		return;
	}
	worker->vain = 0;
	uint32_t ticket = park_ticket(&worker->park);
	uint64_t search_ns = worker->search_ns ? worker->search_ns : SEARCH_NS_MIN;
	bool clearing = false, slept = false;
	uint32_t lends = seat_sleep(worker);
	route_barrier(pool);
	/* ORDER(announce): seq_cst, R of the argument in park.h: the end of the pool is a push as well. */
	if (!route_any(worker) && !at_load(&pool->stopping, seq_cst, announce)) {
		bool last = !worker_anyone_runs(pool), searching = !last && become_searcher(worker);
		tally_add(&pool->tally, POOL_PARKED, 1);
		clearing = last && leftover_bytes(pool);
		park_wait(&worker->park, ticket, searching ? search_ns : clearing ? LEFTOVER_IDLE_NS : 0);
		slept = true;
	}
	bool lent;
	seat_wake(worker, lends, &lent);
	(void)worker_stop_searching(worker);
	if (slept && !lent)
		worker->search_ns = search_ns * 2 < SEARCH_NS_MAX ? search_ns * 2 : SEARCH_NS_MAX;
	/* False: picked, and woken for something. Whoever picks us hands on if there is more (wake_next). */
	if (idlers_retract(idle, worker->member) && clearing)
		leftover_clear(pool);
}

static bool anyone_sleeps(weir_pool *pool)
{
	for (uint32_t n = 0; n < pool->nodes; n++)
		if (pool->queue_of[n] == n && idlers_any(&pool->queue[n].idle))
			return true;
	return false;
}

/* The searcher found something to do, or a thief took all that its victim had made public: nobody would ask again. */
static void ask_all(weir_pool *pool)
{
	uint32_t count = at_load(&pool->worker_count, relaxed, none);
	for (uint32_t i = 0; i < count; i++) {
		/* ORDER(member): acquire, pairs with the release in enlist(). */
		struct worker *other = at_load(&pool->worker[i], acquire, member);
		if (other && seat_is_taken(other) && route_may_ask(other))
			forks_ask(&other->forks);
	}
}

/* Who goes from idle to work wakes the next, while there is more to do. If somebody sleeps and nobody looks for private work now
 * and then, it asks whoever is awake for some, itself too: the next forked child becomes public, and wakes one, who takes it
 * and asks in turn, or will be the searcher when it sleeps again. So as long as somebody forks and somebody sleeps, there
 * is a searcher, or who forks is asked. */
void worker_ask_for_sleepers(weir_pool *pool)
{
	/* ORDER(announce): seq_cst, before the look at who sleeps; pairs with become_searcher(). */
	if (!at_load(&pool->searcher, seq_cst, announce) && anyone_sleeps(pool))
		ask_all(pool);
}

static void wake_next(struct worker *worker)
{
	weir_pool *pool = worker->pool;
	worker_ask_for_sleepers(pool);
	if (route_any(worker))
		route_wake(pool, worker->node, false);
}

static bool begin_looking(struct node_queues *queue)
{
	uint32_t spinning = at_load(&queue->spinning, relaxed, none);
	do {
		if (spinning >= queue->spinners_max)
			return false;
	} while (!at_cas_weak(&queue->spinning, &spinning, spinning + 1, relaxed, relaxed, none));
	return true;
}

static void end_looking(struct node_queues *queue)
{
	/* ORDER(announce): seq_cst, before the last look, in wake_next() or sleep_for_work(); see anyone_looks() (route.c). */
	at_sub(&queue->spinning, 1, seq_cst, announce);
}

/* Look for a while, or until there is something to do. For spin_ns where that has been of use; where it was not, for less and
 * less: who is woken every now and then for one task alone is soon asleep again, and off a core that others may need. */
static bool look(struct worker *worker, struct found *found)
{
	uint64_t most_ns = worker->pool->spin_ns;
	uint64_t begun_ns = weir_clock_monotonic_ns();
	do {
		for (int i = 0; i < LOOKS; i++) {
			if (route_take(worker, found)) {
				worker->look_ns = most_ns;
				return true;
			}
			for (int p = 0; p < LOOK_PAUSES; p++)
				at_pause();
		}
	} while (weir_clock_monotonic_ns() - begun_ns < worker->look_ns);
	worker->look_ns = worker->look_ns > LOOK_NS_MIN ? worker->look_ns / 2
			  : most_ns < LOOK_NS_MIN	? most_ns
							: LOOK_NS_MIN;
	return false;
}

/* The looks that are left out are spent before anything is told: there is more to come. But not if nobody pushes on and on any more:
 * the ends that we have not told of may be waited for. */
NOINLINE static bool lag(struct worker *worker, struct node_queues *queue, struct found *found)
{
	if (!begin_looking(queue)) {
		lag_end(&worker->lag);
		return false;
	}
	bool got = false;
	uint64_t begun_ns = weir_clock_monotonic_ns();
	for (int i = 1; !got && worker->lag.left; i++) {
		got = route_take(worker, found);
		for (int p = 0; !got && p < LOOK_PAUSES; p++)
			at_pause();
		if (worker->lag.idle || (i % LOOKS == 0 && weir_clock_monotonic_ns() - begun_ns >= LAG_NS_MAX))
			lag_end(&worker->lag);
	}
	lag_end(&worker->lag);
	end_looking(queue);
	if (got)
		wake_next(worker);
	return got;
}

bool worker_idle(struct worker *worker, struct found *found)
{
	weir_pool *pool = worker->pool;
	struct node_queues *queue = &pool->queue[worker->node];
	if (worker->lag.left && lag(worker, queue, found))
		return true;
	worker_tell(worker);
	group_stock_back();
	if (begin_looking(queue)) {
		bool got = look(worker, found);
		end_looking(queue);
		if (got) {
			wake_next(worker);
			return true;
		}
	}
	if (pool->idle != WEIR_IDLE_SPIN)
		sleep_for_work(worker);
	else if (++worker->vain % SPIN_LOOKS == 0)
		clock_yield();
	if (!route_take(worker, found))
		return false;
	wake_next(worker);
	return true;
}
