/* SPDX-License-Identifier: MIT */
/*
 * scheduler.c - admission plus workers: which node, and which of its workers; dry runs; looking again.
 *
 * Holds:     how many placements each worker has (hints; a pool's real load is in its queues).
 * Invariant: H1  what schedule placed and finish took back leaves every worker's count where it was.
 * Progress:  lock-free.
 * Not here:  threads (worker.c).
 */
#include <alloca.h>
#include <stdlib.h>
#include <string.h>

#include <weir/scheduler.h>

#include "private/error.h"
#include "private/rcu.h"
#include "runtime/admission.h"
#include "runtime/scheduler.h"

enum { WORKERS_PER_NODE_MAX = 4096 };

struct weir_scheduler {
	struct weir_admission *admission;
	uint32_t nodes;
	uint32_t *first;	   /* first worker of each node; one more entry ends the last */
	_Atomic(uint32_t) *load;   /* by worker */
	_Atomic(uint32_t) pending; /* placements that wait */
	bool lent;		   /* by the pool that it is a part of */
};

static uint32_t workers_of(const struct weir_scheduler *scheduler, uint32_t node)
{
	return scheduler->first[node + 1] - scheduler->first[node];
}

weir_status weir_scheduler_create(weir_scheduler **out, weir_admission *admission,
				  const weir_scheduler_options *options)
{
	static const weir_scheduler_options none = {.size = sizeof(weir_scheduler_options)};
	if (!out)
		return error_set(WEIR_EINVAL, "out is NULL");
	*out = NULL;
	options = options ? options : &none;
	if (!admission)
		return error_set(WEIR_EINVAL, "admission is NULL");
	if (options->size != sizeof(*options))
		return error_set(WEIR_EINVAL, "options.size is %zu: use WEIR_SCHEDULER_OPTIONS() or set it to %zu",
				 options->size, sizeof(*options));
	if (options->workers_per_node > WORKERS_PER_NODE_MAX)
		return error_set(WEIR_EINVAL, "options.workers_per_node is %u: give 0 (one for each core) or 1 to %d",
				 options->workers_per_node, WORKERS_PER_NODE_MAX);
	const weir_machine *machine = admission->tracker->machine;
	struct weir_scheduler *scheduler = calloc(1, sizeof(*scheduler));
	if (!scheduler)
		return error_set(WEIR_ENOMEM, "no memory for a scheduler");
	scheduler->admission = admission;
	at_add(&admission->users, 1, relaxed, none);
	scheduler->nodes = machine->nodes;
	scheduler->first = calloc(machine->nodes + 1, sizeof(*scheduler->first));
	for (uint32_t n = 0; scheduler->first && n < machine->nodes; n++) {
		uint32_t cores = machine->node[n].cores;
		uint32_t workers = cores && options->workers_per_node ? options->workers_per_node : cores;
		scheduler->first[n + 1] = scheduler->first[n] + workers;
	}
	if (scheduler->first)
		scheduler->load = calloc(scheduler->first[machine->nodes], sizeof(*scheduler->load));
	if (!scheduler->load) {
		(void)weir_scheduler_destroy(scheduler);
		return error_set(WEIR_ENOMEM, "no memory for a scheduler of %u nodes", machine->nodes);
	}
	*out = scheduler;
	return WEIR_OK;
}

void scheduler_lend(weir_scheduler *scheduler, bool lent)
{
	scheduler->lent = lent;
}

weir_status weir_scheduler_destroy(weir_scheduler *scheduler)
{
	if (!scheduler)
		return WEIR_OK;
	if (scheduler->lent)
		return error_set(WEIR_EBUSY, "the scheduler is a pool's: it goes with weir_pool_destroy()");
	uint32_t pending = at_load(&scheduler->pending, relaxed, none);
	if (pending)
		return error_set(WEIR_EBUSY, "%u placements wait: cancel them first", pending);
	at_sub(&scheduler->admission->users, 1, relaxed, none);
	free(scheduler->first);
	free(scheduler->load);
	free(scheduler);
	return WEIR_OK;
}

/* The least loaded worker of a node: a hint, so nothing is taken. */
static uint32_t least_loaded(const struct weir_scheduler *scheduler, uint32_t node)
{
	node = scheduler->admission->tracker->machine->cores_near[node];
	uint32_t best = WEIR_NO_WORKER;
	uint32_t least = UINT32_MAX;
	for (uint32_t w = 0; w < workers_of(scheduler, node); w++) {
		uint32_t load = at_load(&scheduler->load[scheduler->first[node] + w], relaxed, none);
		if (load < least) {
			least = load;
			best = w;
		}
	}
	return best;
}

static _Atomic(uint32_t) *load_of(struct weir_scheduler *scheduler, uint32_t node, uint32_t worker)
{
	node = scheduler->admission->tracker->machine->cores_near[node];
	return worker < workers_of(scheduler, node) ? &scheduler->load[scheduler->first[node] + worker] : NULL;
}

static void place(struct weir_scheduler *scheduler, weir_placement *placement)
{
	placement->worker = least_loaded(scheduler, placement->decision.node);
	_Atomic(uint32_t) *load = load_of(scheduler, placement->decision.node, placement->worker);
	if (load)
		at_add(load, 1, relaxed, none);
}

/* A placement that waits. */
struct pending {
	struct weir_scheduler *scheduler;
	weir_placed_fn placed;
	void *context;
};

static void pending_decided(uint64_t ticket, weir_grant grant, uint32_t node, weir_cause cause, void *context)
{
	struct pending *pending = context;
	struct pending done = *pending;
	free(pending);
	weir_placement placement = {.worker = WEIR_NO_WORKER};
	placement.decision.ticket = ticket;
	placement.decision.grant = grant;
	placement.decision.node = node;
	if (grant.handle || cause == WEIR_CAUSE_SHORT) { /* the observe rule: it starts without a grant */
		placement.decision.allowed = true;
		placement.decision.cause = cause;
		place(done.scheduler, &placement);
	} else {
		placement.decision.verdict = WEIR_REJECTED;
		placement.decision.cause = cause;
		placement.decision.retry_after_ns = UINT64_MAX;
	}
	at_sub(&done.scheduler->pending, 1, relaxed, none);
	done.placed(ticket, &placement, done.context);
}

weir_placement weir_scheduler_schedule(weir_scheduler *scheduler, const weir_demand *demand, weir_placed_fn placed,
				       void *context)
{
	weir_placement placement = {.worker = WEIR_NO_WORKER};
	placement.decision =
		(weir_decision){.verdict = WEIR_REJECTED, .cause = WEIR_CAUSE_INVALID, .retry_after_ns = UINT64_MAX};
	if (!scheduler) {
		(void)error_set(WEIR_EINVAL, "scheduler is NULL");
		return placement;
	}
	struct pending *pending = NULL;
	if (placed && demand && demand->when_short == WEIR_QUEUE) {
		pending = malloc(sizeof(*pending));
		if (!pending) {
			(void)error_set(WEIR_ENOMEM, "no memory for a placement that waits");
			return placement;
		}
		*pending = (struct pending){.scheduler = scheduler, .placed = placed, .context = context};
		at_add(&scheduler->pending, 1, relaxed, none);
	}
	placement.decision =
		weir_admission_admit(scheduler->admission, demand, pending ? pending_decided : NULL, pending);
	if (pending && placement.decision.verdict != WEIR_QUEUED) {
		at_sub(&scheduler->pending, 1, relaxed, none);
		free(pending);
	}
	if (placement.decision.allowed)
		place(scheduler, &placement);
	return placement;
}

weir_status weir_scheduler_finish(weir_scheduler *scheduler, const weir_placement *placement)
{
	if (!scheduler || !placement)
		return error_set(WEIR_EINVAL, "scheduler or placement is NULL");
	if (placement->decision.node >= scheduler->nodes)
		return error_set(WEIR_EINVAL, "placement.node is %u: the machine has %u node%s",
				 placement->decision.node, scheduler->nodes, plural(scheduler->nodes));
	bool observed = placement->decision.allowed && !placement->decision.grant.handle && placement->decision.cause;
	weir_status status =
		observed ? WEIR_OK : weir_admission_release(scheduler->admission, placement->decision.grant);
	_Atomic(uint32_t) *load = load_of(scheduler, placement->decision.node, placement->worker);
	if (!status && load)
		at_sub(load, 1, relaxed, none);
	return status;
}

/* Dry run. ------------------------------------------------------------------------------------------------------- */

static weir_cause cause_of(enum ledger_answer answer, const struct shortage *why)
{
	if (answer == LEDGER_TAKEN)
		return WEIR_CAUSE_NONE;
	if (answer == LEDGER_CLAIMED)
		return WEIR_CAUSE_CLAIMED;
	return why->by_floor ? WEIR_CAUSE_CLASS_FLOOR : WEIR_CAUSE_SHORT;
}

static void fill_scores(struct weir_admission *admission, const struct waiter *waiter, const struct rank *rank,
			uint32_t count, weir_node_score *scores, uint32_t nodes)
{
	struct weir_tracker *tracker = admission->tracker;
	const struct ledger *ledger = &tracker->ledger;
	bool waiters = false;
	for (uint32_t n = 0; n < nodes; n++)
		scores[n] = (weir_node_score){.score = WEIR_SCORE_NEVER,
					      .cause = WEIR_CAUSE_INFEASIBLE,
					      .distance = strategy_distance(ledger, waiter->wish.home, n)};
	for (uint32_t i = 0; i < count; i++) {
		uint32_t n = rank[i].node;
		struct shortage why = {0};
		struct packed floor;
		if (n >= nodes || !ledger_feasible(ledger, &waiter->wish.units, n, &why))
			continue;
		enum ledger_answer answer = tracker_look(
			tracker, &waiter->wish.units, admission_floor(admission, waiter->demand.task_class, n, &floor),
			n, &why, &waiters);
		scores[n] = (weir_node_score){.score = rank[i].score,
					      .fits = answer == LEDGER_TAKEN,
					      .cause = cause_of(answer, &why),
					      .short_resources = why.resources,
					      .distance = rank[i].distance};
	}
	if (unlikely(waiters))
		admission_settle(admission);
}

/* What admission would say of it. */
static weir_status never_fits(const struct weir_admission *admission, const struct waiter *waiter)
{
	weir_decision decision = {
		.verdict = WEIR_REJECTED, .cause = WEIR_CAUSE_INFEASIBLE, .retry_after_ns = UINT64_MAX};
	if (!admission_is_infeasible(admission, waiter, &decision))
		return error_set(WEIR_EINFEASIBLE,
				 "the strategy gives no node that the demand permits a score: it starts nowhere");
	return admission_refusal(&decision);
}

weir_status weir_scheduler_select(weir_scheduler *scheduler, const weir_demand *demand, weir_selection *out,
				  weir_node_score *scores, uint32_t nodes)
{
	if (!scheduler || !out)
		return error_set(WEIR_EINVAL, "scheduler or out is NULL");
	if (scores && nodes < scheduler->nodes)
		return error_set(WEIR_EINVAL, "nodes is %u: the machine has %u node%s", nodes, scheduler->nodes,
				 plural(scheduler->nodes));
	struct weir_admission *admission = scheduler->admission;
	struct ledger *ledger = &admission->tracker->ledger;
	struct waiter waiter;
	weir_status status = admission_prepare(admission, &waiter, demand);
	if (status)
		return status;
	struct rank *rank = alloca(scheduler->nodes * sizeof(*rank));
	rcu_enter();
	/* ORDER(strategy): acquire, pairs with the release in admission_set_strategy(). */
	const struct strategy_box *box = at_load(&admission->strategy, acquire, strategy);
	uint32_t count = strategy_rank_all(&box->strategy, ledger, &waiter.wish, rank);
	rcu_leave();
	weir_node_score *all = alloca(scheduler->nodes * sizeof(*all));
	fill_scores(admission, &waiter, rank, count, all, scheduler->nodes);
	if (scores)
		memcpy(scores, all, scheduler->nodes * sizeof(*all));
	*out = (weir_selection){.node = NO_NODE, .worker = WEIR_NO_WORKER, .cause = WEIR_CAUSE_INFEASIBLE};
	for (uint32_t i = 0; i < count && !out->fits; i++) {
		uint32_t n = rank[i].node;
		if (all[n].score == WEIR_SCORE_NEVER || (out->node != NO_NODE && !all[n].fits))
			continue;
		*out = (weir_selection){
			.node = n, .worker = least_loaded(scheduler, n), .fits = all[n].fits, .cause = all[n].cause};
	}
	if (out->cause == WEIR_CAUSE_SHORT && admission_is_fragmented(admission, &waiter))
		out->cause = WEIR_CAUSE_FRAGMENTED;
	if (out->node == NO_NODE)
		return never_fits(admission, &waiter);
	return WEIR_OK;
}

/* Balance. ------------------------------------------------------------------------------------------------------- */

static double used_part(struct weir_tracker *tracker, uint32_t node, weir_resource resource, bool *has)
{
	uint32_t most = packed_get(ledger_own_limit(&tracker->ledger, node), resource);
	*has = most != 0;
	return most ? 1.0 - (double)packed_get(tracker_own_spare(tracker, node), resource) / most : 0;
}

static double utilisation_gap(struct weir_tracker *tracker)
{
	double gap = 0;
	for (int r = 0; r < WEIR_RESOURCES; r++) {
		double least = 1, most = 0;
		for (uint32_t n = 0; n < tracker->ledger.nodes; n++) {
			bool has;
			double used = used_part(tracker, n, (weir_resource)r, &has);
			if (!has)
				continue;
			least = used < least ? used : least;
			most = used > most ? used : most;
		}
		gap = most - least > gap ? most - least : gap;
	}
	return gap;
}

weir_status weir_scheduler_rebalance(weir_scheduler *scheduler, weir_rebalance_report *out)
{
	if (!scheduler || !out)
		return error_set(WEIR_EINVAL, "scheduler or out is NULL");
	struct weir_admission *admission = scheduler->admission;
	weir_admission_counts before = {.size = sizeof(before)};
	weir_admission_counts after = {.size = sizeof(after)};
	*out = (weir_rebalance_report){.utilisation_gap = utilisation_gap(admission->tracker)};
	(void)weir_admission_counts_get(admission, &before);
	admission_settle(admission);
	(void)weir_admission_counts_get(admission, &after);
	out->waiting = (uint32_t)before.waiting;
	out->started = (uint32_t)(after.granted_later - before.granted_later);
	return WEIR_OK;
}

double weir_scheduler_fragmentation(weir_scheduler *scheduler)
{
	if (!scheduler)
		return 0;
	struct weir_tracker *tracker = scheduler->admission->tracker;
	double worst = 0;
	for (int r = 0; r < WEIR_RESOURCES; r++) {
		uint64_t sum = 0, largest = 0;
		for (uint32_t n = 0; n < tracker->ledger.nodes; n++) {
			uint64_t units = packed_get(tracker_own_spare(tracker, n), (weir_resource)r);
			sum += units;
			largest = units > largest ? units : largest;
		}
		double scattered = sum ? 1.0 - (double)largest / (double)sum : 0;
		worst = scattered > worst ? scattered : worst;
	}
	return worst;
}

weir_admission *weir_scheduler_admission(weir_scheduler *scheduler)
{
	return scheduler ? scheduler->admission : NULL;
}
