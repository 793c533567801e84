/* SPDX-License-Identifier: MIT */
/*
 * metrics.c - what has been decided, done and waited for, gathered into one snapshot.
 *
 * Holds:     nothing.
 * Not here:  the text forms (metrics_json.c, metrics_prometheus.c), the counting (counts.c and who counts).
 */
#include <weir/metrics.h>

#include <stdio.h>
#include <string.h>

#include "private/error.h"
#include "private/rcu.h"
#include "runtime/pool.h"

enum { AUDIT_TRIES = 3 };

_Static_assert(WEIR_STRATEGY_KINDS == (int)STRATEGY_KINDS, "the public count of kinds is the true one");

static weir_status check(const void *of, const weir_metrics *out)
{
	if (!of || !out)
		return error_set(WEIR_EINVAL, "%s is NULL", of ? "out" : "pool or admission");
	if (out->size != sizeof(*out))
		return error_set(WEIR_EINVAL, "out->size is %zu: set it to sizeof(weir_metrics), %zu", out->size,
				 sizeof(*out));
	if (out->nodes_capacity && !out->node)
		return error_set(WEIR_EINVAL, "out->nodes_capacity is %u and out->node is NULL", out->nodes_capacity);
	return WEIR_OK;
}

/* Empty, but for what is the caller's. */
static void clear(weir_metrics *out)
{
	*out = (weir_metrics){.size = sizeof(*out), .nodes_capacity = out->nodes_capacity, .node = out->node};
}

static void get_decisions(struct tally *tally, weir_metrics *out)
{
	for (uint32_t k = 0; k < WEIR_CLASSES; k++) {
		for (uint32_t v = 0; v < WEIR_VERDICTS; v++)
			for (uint32_t c = 0; c < WEIR_CAUSES; c++)
				out->decisions[k][v][c] =
					tally_sum(tally, count_of_decision(k, (weir_verdict)v, (weir_cause)c));
		histogram_sum(tally, COUNT_WAIT + k * HISTOGRAM_COUNTERS, &out->wait[k]);
	}
	histogram_sum(tally, COUNT_DECIDING, &out->deciding);
}

static void get_strategy(struct weir_admission *admission, weir_metrics *out)
{
	rcu_enter();
	/* ORDER(strategy): acquire, pairs with the release in admission_set_strategy(). */
	const struct strategy_box *box = at_load(&admission->strategy, acquire, strategy);
	snprintf(out->strategy, sizeof(out->strategy), "%s", box->strategy.name ? box->strategy.name : "unnamed");
	rcu_leave();
	out->rules = at_load(&admission->gates, relaxed, none) & WEIR_ADMISSION_RULES;
}

static void get_node(struct weir_admission *admission, uint32_t node, weir_node_metrics *out)
{
	weir_usage usage;
	(void)weir_tracker_usage(admission->tracker, node, &usage);
	*out = (weir_node_metrics){.held = usage.held, .limit = usage.limit};
	for (uint32_t kind = 0; kind < STRATEGY_KINDS; kind++)
		out->grants[kind] = tally_sum(&admission->tally, COUNT_GRANTS + node * STRATEGY_KINDS + kind);
}

static void get_resources(struct weir_admission *admission, weir_metrics *out)
{
	const struct ledger *ledger = &admission->tracker->ledger;
	weir_usage usage;
	(void)weir_tracker_usage(admission->tracker, WEIR_ALL_NODES, &usage);
	out->held = usage.held;
	out->limit = usage.limit;
	out->grants_live = usage.grants;
	memcpy(out->counted_name, ledger->limits.name, sizeof(out->counted_name));
	out->nodes = ledger->nodes < out->nodes_capacity ? ledger->nodes : out->nodes_capacity;
	for (uint32_t n = 0; n < out->nodes; n++)
		get_node(admission, n, &out->node[n]);
}

static void get_gate(struct weir_admission *admission, weir_metrics *out)
{
	weir_level_change level;
	levels_look(&admission->gate.levels, &level);
	out->level = level.to;
	out->pressure = level.pressure;
	out->level_changes = at_load(&admission->gate.levels.changes, relaxed, none);
	/* ORDER(breaker): acquire, pairs with the release of who made it: its counts are zero or counted. */
	struct breaker *breaker = at_load(&admission->gate.breaker, acquire, breaker);
	if (!breaker)
		return;
	out->breaker_opened = at_load(&breaker->opened, relaxed, none);
	out->breaker_half_opened = at_load(&breaker->half_opened, relaxed, none);
	out->breaker_closed = at_load(&breaker->closed, relaxed, none);
	for (uint32_t k = 0; k < WEIR_CLASSES; k++) {
		out->breaker_refused[k] = at_load(&breaker->refused[k], relaxed, none);
		out->breaker_would_refuse[k] = at_load(&breaker->would_refuse[k], relaxed, none);
	}
}

/* A number that every grant and every release through admission changes. */
static uint64_t movements(struct weir_admission *admission)
{
	uint64_t sum = book_count(admission->tracker->book);
	for (uint32_t k = 0; k <= WEIR_CLASSES; k++)
		sum += tally_sum(&admission->tally, count_of_decision(k, WEIR_ADMITTED, WEIR_CAUSE_NONE));
	return sum + tally_sum(&admission->tally, COUNT_GRANTED_LATER) + at_load(&admission->waiting, relaxed, none);
}

static weir_audit audit(struct weir_admission *admission)
{
	for (int tries = 0; tries < AUDIT_TRIES; tries++) {
		uint64_t before = movements(admission);
		if (!weir_tracker_audit(admission->tracker))
			return WEIR_AUDIT_SOUND;
		if (movements(admission) != before)
			return WEIR_AUDIT_MOVING;
	}
	return WEIR_AUDIT_WRONG;
}

const char *weir_audit_name(weir_audit audit)
{
	static const char *const name[] = {"sound", "moving", "wrong"};
	return (unsigned)audit < ARRAY_LENGTH(name) ? name[audit] : "?";
}

static void get_admission(struct weir_admission *admission, weir_metrics *out)
{
	out->resource_aware = true;
	out->taken_at_ns = clock_now_ns(&admission->clock);
	out->admission.size = sizeof(out->admission);
	(void)weir_admission_counts_get(admission, &out->admission);
	get_decisions(&admission->tally, out);
	get_strategy(admission, out);
	get_gate(admission, out);
	get_resources(admission, out);
	out->audit = audit(admission);
}

weir_status weir_metrics_of_admission(weir_admission *admission, weir_metrics *out)
{
	weir_status status = check(admission, out);
	if (status)
		return status;
	clear(out);
	get_admission(admission, out);
	return WEIR_OK;
}

weir_status weir_metrics_get(weir_pool *pool, weir_metrics *out)
{
	weir_status status = check(pool, out);
	if (status)
		return status;
	clear(out);
	out->taken_at_ns = weir_clock_monotonic_ns();
	if (pool->aware)
		get_admission(pool->admission, out);
	out->workers = pool->workers;
	out->pool.size = sizeof(out->pool);
	return weir_pool_counts_get(pool, &out->pool);
}
