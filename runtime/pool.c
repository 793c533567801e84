/* SPDX-License-Identifier: MIT */
/*
 * pool.c - a pool's life: made, drained, shut down, destroyed; its parts and its counts.
 *
 * Holds:     nothing but what struct weir_pool says.
 * Invariant: W5  when destroy returns, every task that was submitted ran or was cancelled.
 * Not here:  options (options.c), tasks (submit.c, worker.c).
 */
#include "runtime/pool.h"

#include <stdlib.h>
#include <string.h>

#include "numa/arena.h"
#include "numa/monitor.h"
#include "numa/ranks.h"
#include "private/error.h"
#include "private/log.h"
#include "private/membarrier.h"
#include "runtime/bell.h"
#include "runtime/guest.h"
#include "runtime/keeper.h"
#include "runtime/leftover.h"
#include "runtime/options.h"
#include "runtime/reserve.h"
#include "runtime/producers.h"
#include "runtime/scheduler.h"
#include "runtime/worker.h"

enum { GROUPS_MAX = 1 << 20, DRAIN_LOOK_NS = 1000000 };

static void init_need(void *slot, uint32_t number, uint64_t generation)
{
	struct task_need *need = slot;
	need->index = number;
	at_init(&need->waiter.state, generation * WAITER_STATES + WAITER_NEW);
}

static void init_group(void *slot, uint32_t number, uint64_t generation)
{
	(void)generation;
	weir_group *group = slot;
	group->index = number;
	park_init(&group->done);
}

/* The power of two that holds a slot. */
static uint32_t slot_bytes(size_t bytes)
{
	uint32_t power = CACHE_LINE;
	while (power < bytes)
		power *= 2;
	return power;
}

static weir_status make_slots_of(weir_pool *pool, const weir_options *options)
{
	weir_status status = slots_create_flat(&pool->tasks, options->tasks_max, sizeof(weir_task));
	if (!status)
		status =
			slots_create(&pool->needs, options->tasks_max, slot_bytes(sizeof(struct task_need)), init_need);
	if (!status)
		status = slots_create(&pool->groups, GROUPS_MAX, slot_bytes(sizeof(weir_group)), init_group);
	return status;
}

/* Workers of each node: one while they last, then always to whom most is owed for its cores. */
static void deal_workers(const weir_machine *machine, uint32_t workers, uint32_t *share)
{
	for (uint32_t dealt = 0; dealt < workers; dealt++) {
		uint32_t poorest = UINT32_MAX;
		for (uint32_t n = 0; n < machine->nodes; n++) {
			if (!machine->node[n].cores)
				continue;
			if (poorest == UINT32_MAX || (!share[n] && share[poorest]) ||
			    (!share[n] == !share[poorest] && (uint64_t)share[n] * machine->node[poorest].cores <
								     (uint64_t)share[poorest] * machine->node[n].cores))
				poorest = n;
		}
		share[poorest]++;
	}
}

static weir_status make_queue(weir_pool *pool, struct node_queues *queue, uint32_t members, uint32_t lanes_max)
{
	for (uint32_t lane = 0; lane < LANES; lane++)
		inbox_init(&queue->lane[lane], (char *)slots_base(pool->tasks) + offsetof(weir_task, link),
			   sizeof(weir_task));
	queue->member = calloc(members, sizeof(*queue->member));
	queue->intake = calloc(lanes_max, sizeof(*queue->intake));
	if (!queue->member || !queue->intake)
		return error_set(WEIR_ENOMEM, "no memory for %u workers and %u producers of a node", members,
				 lanes_max);
	weir_status status = idlers_init(&queue->idle, members);
	return status ? status : idlers_init(&queue->resting, members);
}

/* How many workers of a node may look for work at a time. Where there is one for each core, whoever submits needs a core too: they
 * would take each other's. */
static uint32_t spinners_max(const weir_pool *pool, uint32_t node, uint32_t workers)
{
	if (pool->idle == WEIR_IDLE_SPIN)
		return UINT32_MAX;
	if (pool->idle == WEIR_IDLE_BLOCK)
		return 0;
	uint32_t cores = pool->machine->node[node].cores;
	if (workers < cores)
		return workers;
	return cores > 1 ? cores - 1 : 1;
}

static weir_status make_queues(weir_pool *pool, const uint32_t *share, const weir_options *options)
{
	const weir_machine *machine = pool->machine;
	pool->queue = aligned_alloc(CACHE_LINE, machine->nodes * sizeof(*pool->queue));
	pool->queue_of = calloc(machine->nodes, sizeof(*pool->queue_of));
	pool->worker = calloc(pool->workers_max, sizeof(*pool->worker));
	if (pool->queue) /* dismantle() looks at it even if the others fail */
		memset(pool->queue, 0, machine->nodes * sizeof(*pool->queue));
	if (!pool->queue || !pool->queue_of || !pool->worker)
		return error_set(WEIR_ENOMEM, "no memory for the queues of %u nodes", machine->nodes);
	weir_status status = WEIR_OK;
	for (uint32_t n = 0; n < machine->nodes && !status; n++) {
		if (share[n])
			status = make_queue(pool, &pool->queue[n], share[n] + options->spares_max, options->lanes_max);
		pool->queue[n].seats = share[n];
		pool->queue[n].spinners_max = spinners_max(pool, n, share[n]);
		const uint32_t *order = &machine->order[(size_t)n * machine->nodes];
		uint32_t i = 0;
		while (!share[order[i]])
			i++;
		pool->queue_of[n] = order[i];
	}
	return status;
}

static weir_status start_workers(weir_pool *pool, const uint32_t *share)
{
	pthread_sigmask(SIG_SETMASK, NULL, &pool->signals);
	for (uint32_t n = 0; n < pool->nodes; n++) {
		uint32_t cores = pool->machine->node[n].cores;
		for (uint32_t w = 0; w < share[n]; w++) {
			weir_status status = worker_create(pool, n, w % cores);
			if (status)
				return status;
		}
	}
	return WEIR_OK;
}

static uint64_t kept_bytes(const void *pool)
{
	return leftover_bytes(pool);
}

/* Levels go by what the host does; an invented machine says nothing of it, unless the application brings a monitor of its own. */
static void watch(weir_pool *pool, const weir_options *options)
{
	pool->admission->monitor = pool->monitor;
	struct admission_gate *gate = &pool->admission->gate;
	if (!pool->machine->is_this && !options->monitor)
		return;
	gate->group = ranks_on_this_host() == 1;
	gate->largest = inside_largest;
	gate->kept = kept_bytes;
	gate->pool = pool;
	gate->monitor = pool->monitor;
	gate_period(pool->admission); /* what is in use now is not its tasks' */
}

static weir_status make_aware(weir_pool *pool, const weir_options *options)
{
	weir_tracker_options tracker = {
		.size = sizeof(tracker),
		.machine = options->machine,
		.limits = options->limits,
		.grants_max = options->tasks_max,
	};
	weir_status status = weir_tracker_create(&pool->tracker, &tracker);
	if (status)
		return status;
	pool->machine = pool->tracker->machine;
	weir_admission_options admission = {.size = sizeof(admission)};
	if (options->admission_options)
		admission = *options->admission_options;
	if (options->strategy)
		admission.strategy = options->strategy;
	if (options->admission)
		admission.rule = options->admission;
	if (options->waiting_max)
		admission.waiting_max = options->waiting_max;
	if (options->clock.now_ns)
		admission.clock = options->clock;
	status = weir_admission_create(&pool->admission, pool->tracker, &admission);
	if (!status) {
		at_add(&pool->admission->users, 1, relaxed, none);
		status = weir_scheduler_create(&pool->scheduler, pool->admission, NULL);
	}
	if (!status)
		scheduler_lend(pool->scheduler, true);
	if (!status)
		status = weir_monitor_create(&pool->monitor, pool->machine, options->monitor,
					     options->monitoring_interval_ns);
	if (!status) {
		monitor_lend(pool->monitor, true);
		status = weir_monitor_start(pool->monitor);
	}
	if (!status)
		watch(pool, options);
	return status;
}

static void say_what_it_is(const weir_pool *pool)
{
	LOG(WEIR_LOG_INFO, "pool: %u workers on %u nodes of machine %s, %s", pool->workers, pool->nodes,
	    pool->machine->name, pool->aware ? "resource-aware" : "plain");
}

static weir_status assemble(weir_pool *pool, const weir_options *options)
{
	pool->aware = options->resource_aware;
	pool->forks_max = options->forks_max;
	pool->idle = options->idle;
	pool->spin_ns = options->spin_ns;
	pool->stack_bytes = options->stack_bytes;
	pool->asymmetric = membarrier_ready();
	park_init(&pool->drained);
	pthread_mutex_init(&pool->waits_lock, NULL);
	weir_status status =
		pool->aware ? make_aware(pool, options) : weir_machine_create(&pool->machine, options->machine);
	if (status)
		return status;
	pool->nodes = pool->machine->nodes;
	pool->pinned = !options->no_pinning && pool->machine->is_this;
	pool->process = at_load(&process_number, relaxed, none);
	pool->workers = options->workers ? options->workers : pool->machine->cores;
	pool->workers_max = pool->workers + options->spares_max;
	if (!tally_init(&pool->tally, POOL_COUNTERS) || !tally_init(&pool->undrawn, pool->nodes))
		return error_set(WEIR_ENOMEM, "no memory for counters");
	pool->arenas = arenas_create(pool->machine);
	if (!pool->arenas)
		return WEIR_ENOMEM;
	if (pool->aware)
		arenas_keep_pages(pool->arenas);
	status = make_slots_of(pool, options);
	if (!status)
		status = producers_create(&pool->producers, options->lanes_max, options->tasks_max);
	if (!status && pool->aware) {
		pool->admission->waiters[1].slots = pool->needs;
		pool->admission->waiters[1].offset = offsetof(struct task_need, waiter);
	}
	uint32_t *share = calloc(pool->nodes, sizeof(*share));
	if (!status && !share)
		status = error_set(WEIR_ENOMEM, "no memory for %u nodes", pool->nodes);
	if (!status) {
		deal_workers(pool->machine, pool->workers, share);
		status = make_queues(pool, share, options);
	}
	if (!status && !options->no_guests)
		status = guests_create(pool);
	if (!status && pool->guests && pool->producers && !options->always_wake)
		status = bell_create(pool);
	if (!status)
		status = start_workers(pool, share);
	/* Last: what it looks at is all there. */
	if (!status && pool->aware)
		status = keeper_start(&pool->keeper, pool->admission, options->monitoring_interval_ns);
	free(share);
	return status;
}

/* Whatever is there of a pool that nobody uses. */
static void dismantle(weir_pool *pool)
{
	bell_destroy(pool);
	workers_stop(pool);
	stocks_await_leaving(pool);
	keeper_stop(pool->keeper);
	for (uint32_t n = 0; pool->queue && n < pool->nodes; n++) {
		free(pool->queue[n].member);
		free(pool->queue[n].intake);
		idlers_fini(&pool->queue[n].idle);
		idlers_fini(&pool->queue[n].resting);
	}
	free(pool->queue);
	free(pool->queue_of);
	free(pool->worker);
	producers_destroy(pool->producers);
	guests_destroy(pool);
	slots_destroy(pool->tasks);
	slots_destroy(pool->needs);
	slots_destroy(pool->groups);
	if (pool->arenas)
		arenas_destroy(pool->arenas);
	if (pool->tally.shared)
		tally_fini(&pool->tally);
	if (pool->undrawn.shared)
		tally_fini(&pool->undrawn);
	if (pool->monitor)
		monitor_lend(pool->monitor, false);
	weir_monitor_destroy(pool->monitor);
	if (pool->scheduler) {
		scheduler_lend(pool->scheduler, false);
		(void)weir_scheduler_destroy(pool->scheduler);
	}
	if (pool->admission) {
		at_sub(&pool->admission->users, 1, relaxed, none);
		(void)weir_admission_destroy(pool->admission);
	}
	if (pool->tracker)
		(void)weir_tracker_destroy(pool->tracker);
	else
		weir_machine_destroy(pool->machine);
	pthread_mutex_destroy(&pool->waits_lock);
	free(pool);
}

weir_status weir_pool_create(weir_pool **out, const weir_options *given)
{
	if (!out)
		return error_set(WEIR_EINVAL, "out is NULL");
	*out = NULL;
	if (worker_self)
		return error_set(WEIR_EDEADLK, "a pool cannot be created from inside a task");
	struct resolved resolved;
	weir_status status = options_resolve(&resolved, given);
	if (status)
		return status;
	weir_pool *pool = aligned_alloc(CACHE_LINE, sizeof(*pool));
	if (!pool)
		return error_set(WEIR_ENOMEM, "no memory for a pool");
	memset(pool, 0, sizeof(*pool));
	status = assemble(pool, &resolved.options);
	if (status) {
		dismantle(pool);
		return status;
	}
	say_what_it_is(pool);
	*out = pool;
	return WEIR_OK;
}

/* A task is counted as ended a moment before its group knows it. */
static bool any_group_pending(weir_pool *pool)
{
	uint32_t made = slots_made(pool->groups);
	for (uint32_t i = 0; i < made; i++)
		if (weir_group_pending(slots_at(pool->groups, i, pool->groups->slot_shift)))
			return true;
	return false;
}

/* Ended first, submitted second: both only grow, and what ends was counted as submitted before it began (edge tally),
 * so equal sums mean that at the moment between the two nothing was pending. (A submit that is refused counts itself in
 * and out, both on its own thread's counter: it can make the second sum larger, never smaller.) */
static bool is_drained(weir_pool *pool)
{
	uint64_t ended = tally_sum(&pool->tally, POOL_COMPLETED) + tally_sum(&pool->tally, POOL_FAILED) +
			 tally_sum(&pool->tally, POOL_CANCELLED);
	return ended == tally_sum(&pool->tally, POOL_SUBMITTED) && !any_group_pending(pool);
}

static weir_status check_outside(const weir_pool *pool)
{
	if (!pool)
		return error_set(WEIR_EINVAL, "pool is NULL");
	if (!pool_is_here(pool))
		return pool_elsewhere();
	if (worker_self && worker_self->pool == pool)
		return error_set(WEIR_EDEADLK, "a task cannot wait for the end of all tasks of its own pool");
	return WEIR_OK;
}

weir_status weir_pool_drain(weir_pool *pool)
{
	weir_status status = check_outside(pool);
	if (status)
		return status;
	/* ORDER(announce): seq_cst, so that who ends a task after our last look wakes us; what that look loads is not
	 * seq_cst and may be a moment old, hence the timeout. */
	at_add(&pool->drainers, 1, seq_cst, announce);
	for (;;) {
		uint32_t ticket = park_ticket(&pool->drained);
		if (is_drained(pool))
			break;
		park_wait(&pool->drained, ticket, DRAIN_LOOK_NS);
	}
	at_sub(&pool->drainers, 1, relaxed, none);
	return WEIR_OK;
}

static void cancel_all_groups(weir_pool *pool)
{
	uint32_t made = slots_made(pool->groups);
	for (uint32_t i = 0; i < made; i++) {
		weir_group *group = slots_at(pool->groups, i, pool->groups->slot_shift);
		if (group && group->alive && weir_group_pending(group))
			weir_group_cancel(group);
	}
}

weir_status weir_pool_shutdown(weir_pool *pool, weir_shutdown how)
{
	weir_status status = check_outside(pool);
	if (status)
		return status;
	if ((unsigned)how > WEIR_SHUTDOWN_CANCEL)
		return error_set(WEIR_EINVAL, "how is %d: give WEIR_SHUTDOWN_DRAIN or WEIR_SHUTDOWN_CANCEL", (int)how);
	uint32_t open = POOL_OPEN;
	/* Nobody from outside can use them any more, and tasks that are still to run may need their room. */
	if (pool->aware)
		reserve_close(pool->admission);
	if (how == WEIR_SHUTDOWN_CANCEL) {
		at_store(&pool->closed, POOL_CANCELS, relaxed, none);
		if (pool->aware)
			admission_close(pool->admission);
		cancel_all_groups(pool);
	} else {
		at_cas(&pool->closed, &open, POOL_DRAINS, relaxed, relaxed, none);
	}
	return weir_pool_drain(pool);
}

weir_status weir_pool_destroy(weir_pool *pool)
{
	if (!pool)
		return WEIR_OK;
	weir_status status = weir_pool_shutdown(pool, WEIR_SHUTDOWN_DRAIN);
	if (status)
		return status;
	dismantle(pool);
	return WEIR_OK;
}

uint32_t weir_pool_workers(const weir_pool *pool)
{
	return pool ? pool->workers : 0;
}

const weir_machine *weir_pool_machine(const weir_pool *pool)
{
	return pool ? pool->machine : NULL;
}

weir_tracker *weir_pool_tracker(weir_pool *pool)
{
	return pool ? pool->tracker : NULL;
}

weir_admission *weir_pool_admission(weir_pool *pool)
{
	return pool ? pool->admission : NULL;
}

weir_scheduler *weir_pool_scheduler(weir_pool *pool)
{
	return pool ? pool->scheduler : NULL;
}

weir_monitor *weir_pool_monitor(weir_pool *pool)
{
	return pool ? pool->monitor : NULL;
}

weir_status weir_pool_set_strategy(weir_pool *pool, const weir_strategy *strategy)
{
	if (!pool || !pool->aware)
		return error_set(WEIR_EINVAL, "a strategy is for resource-aware pools: set options.resource_aware");
	return weir_admission_set_strategy(pool->admission, strategy);
}

static void say_limits(const weir_pool *pool)
{
	const struct ledger *ledger = &pool->tracker->ledger;
	for (uint32_t n = 0; n < pool->nodes; n++) {
		weir_amount limit = limits_amount(&ledger->limits, ledger_own_limit(ledger, n));
		LOG(WEIR_LOG_INFO, "pool: node %u: from now on up to %g cores and %llu bytes", n, limit.cores,
		    (unsigned long long)limit.memory_bytes);
	}
}

weir_status weir_pool_set_limits(weir_pool *pool, const weir_limits *limits)
{
	if (!pool || !pool->aware)
		return error_set(WEIR_EINVAL, "limits are for resource-aware pools: set options.resource_aware");
	weir_status status = weir_tracker_set_limits(pool->tracker, limits);
	if (!status) {
		leftover_trim(pool);
		say_limits(pool);
	}
	return status;
}

weir_status weir_pool_counts_get(weir_pool *pool, weir_pool_counts *out)
{
	if (!pool || !out)
		return error_set(WEIR_EINVAL, "%s is NULL", pool ? "out" : "pool");
	if (out->size != sizeof(*out))
		return error_set(WEIR_EINVAL, "out->size is %zu: set it to sizeof(weir_pool_counts), %zu", out->size,
				 sizeof(*out));
	struct tally *tally = &pool->tally;
	*out = (weir_pool_counts){
		.size = sizeof(*out),
		.completed = tally_sum(tally, POOL_COMPLETED),
		.failed = tally_sum(tally, POOL_FAILED),
		.cancelled = tally_sum(tally, POOL_CANCELLED),
		.submitted = tally_sum(tally, POOL_SUBMITTED),
		.refused = tally_sum(tally, POOL_REFUSED),
		.stolen_near = tally_sum(tally, POOL_STOLEN_NEAR),
		.stolen_far = tally_sum(tally, POOL_STOLEN_FAR),
		.forked_shared = tally_sum(tally, POOL_FORKED_SHARED),
		.forked_stolen = tally_sum(tally, POOL_FORKED_STOLEN),
		.parked = tally_sum(tally, POOL_PARKED),
		.spares = at_load(&pool->worker_count, relaxed, none) - pool->workers,
		.ran_home = tally_sum(tally, POOL_RAN_HOME),
		.ran_away = tally_sum(tally, POOL_RAN_AWAY),
		.lent = tally_sum(tally, POOL_LENT),
	};
	return WEIR_OK;
}
