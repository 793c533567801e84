/* SPDX-License-Identifier: MIT */
/*
 * metrics_prometheus.c - a snapshot in the text format of Prometheus, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/).
 *
 * Holds:     nothing.
 */
#include <stdio.h>

#include <weir/metrics.h>

#include "runtime/text.h"

static void head(struct text *text, const char *name, const char *type, const char *help)
{
	text_say(text, "# HELP weir_%s %s\n# TYPE weir_%s %s\n", name, help, name, type);
}

static void counter(struct text *text, const char *name, const char *help, uint64_t value)
{
	head(text, name, "counter", help);
	text_say(text, "weir_%s %llu\n", name, (unsigned long long)value);
}

static void gauge(struct text *text, const char *name, const char *help, double value)
{
	head(text, name, "gauge", help);
	text_say(text, "weir_%s %.17g\n", name, value);
}

/* A label's value, with what the format wants escaped. */
static void say_label(struct text *text, const char *value)
{
	for (; *value; value++)
		if (*value == '\n')
			text_say(text, "\\n");
		else
			text_say(text, *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
}

static void say_pool(struct text *text, const weir_metrics *m)
{
	const weir_pool_counts *pool = &m->pool;
	gauge(text, "workers", "Worker threads.", m->workers);
	counter(text, "tasks_submitted_total", "Tasks submitted.", pool->submitted);
	head(text, "tasks_ended_total", "counter", "Tasks that ended, by how.");
	text_say(text, "weir_tasks_ended_total{how=\"completed\"} %llu\n", (unsigned long long)pool->completed);
	text_say(text, "weir_tasks_ended_total{how=\"failed\"} %llu\n", (unsigned long long)pool->failed);
	text_say(text, "weir_tasks_ended_total{how=\"cancelled\"} %llu\n", (unsigned long long)pool->cancelled);
	counter(text, "tasks_refused_total", "Submissions that were refused.", pool->refused);
	head(text, "steals_total", "counter", "Tasks taken from another worker, by where it was.");
	text_say(text, "weir_steals_total{from=\"near\"} %llu\n", (unsigned long long)pool->stolen_near);
	text_say(text, "weir_steals_total{from=\"far\"} %llu\n", (unsigned long long)pool->stolen_far);
	counter(text, "forks_stolen_total", "Forked children that another worker ran.", pool->forked_stolen);
	counter(text, "parks_total", "Times that a worker went to sleep.", pool->parked);
	gauge(text, "spares", "Threads that stand or stood in for blocked tasks.", (double)pool->spares);
}

static void say_decisions(struct text *text, const weir_metrics *m)
{
	head(text, "decisions_total", "counter", "First verdicts of admission.");
	for (int k = 0; k < WEIR_CLASSES; k++)
		for (int v = 0; v < WEIR_VERDICTS; v++)
			for (int c = 0; c < WEIR_CAUSES; c++)
				if (m->decisions[k][v][c])
					text_say(
						text,
						"weir_decisions_total{class=\"%s\",verdict=\"%s\",cause=\"%s\"} %llu\n",
						weir_class_name((weir_class)k), weir_verdict_name((weir_verdict)v),
						weir_cause_name((weir_cause)c),
						(unsigned long long)m->decisions[k][v][c]);
	const weir_admission_counts *a = &m->admission;
	gauge(text, "waiting", "Demands in the waiting room.", (double)a->waiting);
	gauge(text, "waiting_max_seen", "The most that were there at once.", (double)a->waiting_max_seen);
	counter(text, "granted_later_total", "Demands that waited and were granted.", a->granted_later);
	counter(text, "cancelled_total", "Demands that were cancelled while they waited.", a->cancelled);
	counter(text, "overtakes_total", "Waiting demands that a younger one passed by.", a->overtakes);
	counter(text, "claims_total", "Times that room was kept for a demand that waited too long.", a->claims);
	counter(text, "expired_total", "Demands that waited and were given up.", a->expired);
	counter(text, "infeasible_later_total", "Demands that waited when the limits came down below them.",
		a->infeasible_later);
	counter(text, "stalls_total", "Times that demands waited for a second on end.", a->stalls);
	counter(text, "first_tries_total", "First tries of demands that do not wait.", a->first_tries);
	counter(text, "retries_total", "Tries after these.", a->retries);
	counter(text, "strategy_switches_total", "Switches of the strategy.", a->strategy_epoch);
	head(text, "strategy_info", "gauge", "The strategy in use.");
	text_say(text, "weir_strategy_info{strategy=\"");
	say_label(text, m->strategy);
	text_say(text, "\"} 1\n");
}

static void say_class(struct text *text, const char *name, const char *help, const uint64_t of_class[WEIR_CLASSES])
{
	head(text, name, "counter", help);
	for (int k = 0; k < WEIR_CLASSES; k++)
		text_say(text, "weir_%s{class=\"%s\"} %llu\n", name, weir_class_name((weir_class)k),
			 (unsigned long long)of_class[k]);
}

/* What stands before the ledger, and what was taken ahead. */
static void say_gate(struct text *text, const weir_metrics *m)
{
	const weir_admission_counts *a = &m->admission;
	head(text, "reservations_total", "counter", "Reservations made, and what became of them.");
	text_say(text, "weir_reservations_total{what=\"made\"} %llu\n", (unsigned long long)a->reservations);
	text_say(text, "weir_reservations_total{what=\"bound\"} %llu\n", (unsigned long long)a->reservations_bound);
	text_say(text, "weir_reservations_total{what=\"released\"} %llu\n",
		 (unsigned long long)a->reservations_released);
	text_say(text, "weir_reservations_total{what=\"expired\"} %llu\n", (unsigned long long)a->reservations_expired);
	gauge(text, "level", "Level of degradation: 0 green, 1 yellow, 2 orange, 3 red, 4 black.", (double)m->level);
	gauge(text, "pressure", "What the level comes from; 1 is black.", m->pressure);
	counter(text, "level_changes_total", "Changes of the level.", m->level_changes);
	head(text, "breaker_transitions_total", "counter", "Transitions of the circuit breakers.");
	text_say(text, "weir_breaker_transitions_total{to=\"open\"} %llu\n", (unsigned long long)m->breaker_opened);
	text_say(text, "weir_breaker_transitions_total{to=\"half open\"} %llu\n",
		 (unsigned long long)m->breaker_half_opened);
	text_say(text, "weir_breaker_transitions_total{to=\"closed\"} %llu\n", (unsigned long long)m->breaker_closed);
	say_class(text, "breaker_refused_total", "Demands that an open breaker refused.", m->breaker_refused);
	say_class(text, "breaker_would_refuse_total", "Demands that an observed breaker would have refused.",
		  m->breaker_would_refuse);
	gauge(text, "audit", "Spare room and grants make the limits: 0 sound, 1 moving, 2 wrong.", (double)m->audit);
}

static void say_buckets(struct text *text, const char *name, const char *label, const weir_histogram *h)
{
	const char *comma = *label ? "," : "";
	uint64_t below = 0;
	for (uint32_t i = 0; i + 1 < WEIR_BUCKETS; i++) {
		below += h->bucket[i];
		text_say(text, "weir_%s_bucket{%s%sle=\"%.9g\"} %llu\n", name, label, comma,
			 (double)weir_histogram_bound_ns(i) / 1e9, (unsigned long long)below);
	}
	const char *open = *label ? "{" : "", *close = *label ? "}" : "";
	text_say(text, "weir_%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, label, comma, (unsigned long long)h->count);
	text_say(text, "weir_%s_sum%s%s%s %.9f\n", name, open, label, close, (double)h->sum_ns / 1e9);
	text_say(text, "weir_%s_count%s%s%s %llu\n", name, open, label, close, (unsigned long long)h->count);
}

static void say_times(struct text *text, const weir_metrics *m)
{
	head(text, "wait_seconds", "histogram", "From the verdict of a demand that waits to its grant.");
	for (int k = 0; k < WEIR_CLASSES; k++) {
		char label[48];
		snprintf(label, sizeof(label), "class=\"%s\"", weir_class_name((weir_class)k));
		say_buckets(text, "wait_seconds", label, &m->wait[k]);
	}
	head(text, "deciding_seconds", "histogram", "How long a first verdict took, of one in 64.");
	say_buckets(text, "deciding_seconds", "", &m->deciding);
}

static double amount_of(const weir_amount *amount, int resource)
{
	switch (resource) {
	case WEIR_CPU:
		return amount->cores;
	case WEIR_MEMORY:
		return (double)amount->memory_bytes;
	case WEIR_BANDWIDTH:
		return (double)amount->bandwidth_bytes_s;
	default:
		return (double)amount->counted[resource - WEIR_COUNTED];
	}
}

static void say_amounts(struct text *text, const char *name, const weir_metrics *m, const char *node,
			const weir_amount *amount)
{
	for (int r = 0; r < WEIR_RESOURCES; r++) {
		bool counted = r >= WEIR_COUNTED;
		if (counted && !m->counted_name[r - WEIR_COUNTED][0])
			continue;
		text_say(text, "weir_%s{node=\"%s\",resource=\"", name, node);
		say_label(text, counted ? m->counted_name[r - WEIR_COUNTED] : weir_resource_name((weir_resource)r));
		text_say(text, "\"} %.17g\n", amount_of(amount, r));
	}
}

static void say_resources(struct text *text, const weir_metrics *m)
{
	static const char *const kind[WEIR_STRATEGY_KINDS] = {"first", "best", "worst", "custom"};
	head(text, "held", "gauge", "Granted now: cores, bytes, bytes per second, pieces.");
	say_amounts(text, "held", m, "all", &m->held);
	char node[16];
	for (uint32_t n = 0; m->node && n < m->nodes; n++) {
		snprintf(node, sizeof(node), "%u", n);
		say_amounts(text, "held", m, node, &m->node[n].held);
	}
	head(text, "limit", "gauge", "What may be granted.");
	say_amounts(text, "limit", m, "all", &m->limit);
	for (uint32_t n = 0; m->node && n < m->nodes; n++) {
		snprintf(node, sizeof(node), "%u", n);
		say_amounts(text, "limit", m, node, &m->node[n].limit);
	}
	gauge(text, "grants_live", "Live grants.", (double)m->grants_live);
	head(text, "grants_total", "counter", "Grants made, by node and by the strategy that chose it.");
	for (uint32_t n = 0; m->node && n < m->nodes; n++)
		for (int k = 0; k < WEIR_STRATEGY_KINDS; k++)
			text_say(text, "weir_grants_total{node=\"%u\",strategy=\"%s\"} %llu\n", n, kind[k],
				 (unsigned long long)m->node[n].grants[k]);
}

size_t weir_metrics_prometheus(const weir_metrics *metrics, char *out, size_t size)
{
	struct text text = {.at = out, .size = out ? size : 0};
	if (out && size)
		*out = '\0';
	if (!metrics)
		return 0;
	if (metrics->workers)
		say_pool(&text, metrics);
	if (metrics->resource_aware) {
		say_decisions(&text, metrics);
		say_gate(&text, metrics);
		say_times(&text, metrics);
		say_resources(&text, metrics);
	}
	return text.used;
}
