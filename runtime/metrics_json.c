/* SPDX-License-Identifier: MIT */
/*
 * metrics_json.c - a snapshot as JSON.
 *
 * Holds:     nothing. The home of jansson in the library.
 */
#include <jansson.h>

#include <weir/metrics.h>

/* JSON's integers are signed here; what is larger (a bound that is none) is the largest. */
static json_t *number(uint64_t value)
{
	return json_integer(value < INT64_MAX ? (json_int_t)value : INT64_MAX);
}

static void put(json_t *object, const char *key, uint64_t value)
{
	(void)json_object_set_new(object, key, number(value));
}

/* A counter by the name that it has. */
#define PUT(out, from, field) put(out, #field, (from)->field)

static json_t *pool_object(const weir_metrics *m)
{
	const weir_pool_counts *pool = &m->pool;
	json_t *out = json_object();
	put(out, "workers", m->workers);
	PUT(out, pool, submitted);
	PUT(out, pool, completed);
	PUT(out, pool, failed);
	PUT(out, pool, cancelled);
	PUT(out, pool, refused);
	PUT(out, pool, stolen_near);
	PUT(out, pool, stolen_far);
	PUT(out, pool, forked_shared);
	PUT(out, pool, forked_stolen);
	PUT(out, pool, parked);
	PUT(out, pool, spares);
	PUT(out, pool, ran_home);
	PUT(out, pool, ran_away);
	PUT(out, pool, lent);
	return out;
}

/* Of each class, verdict and cause; what is zero is left out. */
static json_t *decisions_object(const weir_metrics *m)
{
	json_t *classes = json_object();
	for (int k = 0; k < WEIR_CLASSES; k++) {
		json_t *verdicts = json_object();
		for (int v = 0; v < WEIR_VERDICTS; v++) {
			json_t *causes = json_object();
			for (int c = 0; c < WEIR_CAUSES; c++)
				if (m->decisions[k][v][c])
					put(causes, weir_cause_name((weir_cause)c), m->decisions[k][v][c]);
			(void)json_object_set_new(verdicts, weir_verdict_name((weir_verdict)v), causes);
		}
		(void)json_object_set_new(classes, weir_class_name((weir_class)k), verdicts);
	}
	return classes;
}

static json_t *histogram_object(const weir_histogram *h)
{
	json_t *out = json_object();
	put(out, "count", h->count);
	put(out, "sum_ns", h->sum_ns);
	put(out, "p50_ns", weir_histogram_quantile_ns(h, 0.50));
	put(out, "p99_ns", weir_histogram_quantile_ns(h, 0.99));
	json_t *buckets = json_array();
	for (uint32_t i = 0; i < WEIR_BUCKETS; i++)
		(void)json_array_append_new(buckets, number(h->bucket[i]));
	(void)json_object_set_new(out, "buckets", buckets);
	return out;
}

static json_t *reservations_object(const weir_admission_counts *a)
{
	json_t *out = json_object();
	put(out, "made", a->reservations);
	put(out, "bound", a->reservations_bound);
	put(out, "released", a->reservations_released);
	put(out, "expired", a->reservations_expired);
	return out;
}

static json_t *level_object(const weir_metrics *m)
{
	json_t *out = json_object();
	(void)json_object_set_new(out, "now", json_string(weir_level_name(m->level)));
	put(out, "changes", m->level_changes);
	(void)json_object_set_new(out, "pressure", json_real(m->pressure));
	return out;
}

static json_t *breaker_object(const weir_metrics *m)
{
	json_t *out = json_object();
	put(out, "opened", m->breaker_opened);
	put(out, "half_opened", m->breaker_half_opened);
	put(out, "closed", m->breaker_closed);
	json_t *refused = json_object(), *would_refuse = json_object();
	for (int k = 0; k < WEIR_CLASSES; k++) {
		put(refused, weir_class_name((weir_class)k), m->breaker_refused[k]);
		put(would_refuse, weir_class_name((weir_class)k), m->breaker_would_refuse[k]);
	}
	(void)json_object_set_new(out, "refused", refused);
	(void)json_object_set_new(out, "would_refuse", would_refuse);
	return out;
}

static json_t *admission_object(const weir_metrics *m)
{
	const weir_admission_counts *a = &m->admission;
	json_t *out = json_object();
	PUT(out, a, asked);
	PUT(out, a, waiting);
	PUT(out, a, waiting_max_seen);
	PUT(out, a, granted_later);
	PUT(out, a, cancelled);
	PUT(out, a, overtakes);
	PUT(out, a, claims);
	PUT(out, a, strategy_epoch);
	PUT(out, a, expired);
	PUT(out, a, infeasible_later);
	PUT(out, a, stalls);
	PUT(out, a, first_tries);
	PUT(out, a, retries);
	(void)json_object_set_new(out, "reservations", reservations_object(a));
	(void)json_object_set_new(out, "level", level_object(m));
	(void)json_object_set_new(out, "breaker", breaker_object(m));
	(void)json_object_set_new(out, "strategy", json_string(m->strategy));
	put(out, "rules", m->rules);
	(void)json_object_set_new(out, "decisions", decisions_object(m));
	json_t *wait = json_object();
	for (int k = 0; k < WEIR_CLASSES; k++)
		(void)json_object_set_new(wait, weir_class_name((weir_class)k), histogram_object(&m->wait[k]));
	(void)json_object_set_new(out, "wait", wait);
	(void)json_object_set_new(out, "deciding", histogram_object(&m->deciding));
	return out;
}

static json_t *amount_object(const weir_metrics *m, const weir_amount *amount)
{
	json_t *out = json_object();
	(void)json_object_set_new(out, "cores", json_real(amount->cores));
	put(out, "memory_bytes", amount->memory_bytes);
	put(out, "bandwidth_bytes_s", amount->bandwidth_bytes_s);
	for (int c = 0; c < WEIR_COUNTED_MAX; c++)
		if (m->counted_name[c][0])
			put(out, m->counted_name[c], amount->counted[c]);
	return out;
}

static json_t *resources_object(const weir_metrics *m)
{
	static const char *const kind[WEIR_STRATEGY_KINDS] = {"first", "best", "worst", "custom"};
	json_t *out = json_object();
	(void)json_object_set_new(out, "held", amount_object(m, &m->held));
	(void)json_object_set_new(out, "limit", amount_object(m, &m->limit));
	put(out, "grants_live", m->grants_live);
	(void)json_object_set_new(out, "audit", json_string(weir_audit_name(m->audit)));
	json_t *nodes = json_array();
	for (uint32_t n = 0; m->node && n < m->nodes; n++) {
		json_t *node = json_object();
		put(node, "node", n);
		(void)json_object_set_new(node, "held", amount_object(m, &m->node[n].held));
		(void)json_object_set_new(node, "limit", amount_object(m, &m->node[n].limit));
		json_t *grants = json_object();
		for (int k = 0; k < WEIR_STRATEGY_KINDS; k++)
			put(grants, kind[k], m->node[n].grants[k]);
		(void)json_object_set_new(node, "grants", grants);
		(void)json_array_append_new(nodes, node);
	}
	(void)json_object_set_new(out, "nodes", nodes);
	return out;
}

size_t weir_metrics_json(const weir_metrics *metrics, char *text, size_t size)
{
	if (text && size)
		*text = '\0';
	if (!metrics)
		return 0;
	json_t *root = json_object();
	put(root, "taken_at_ns", metrics->taken_at_ns);
	if (metrics->workers)
		(void)json_object_set_new(root, "pool", pool_object(metrics));
	if (metrics->resource_aware) {
		(void)json_object_set_new(root, "admission", admission_object(metrics));
		(void)json_object_set_new(root, "resources", resources_object(metrics));
	}
	size_t length = json_dumpb(root, text, text ? size : 0, JSON_COMPACT);
	/* jansson ends nothing by a zero, and leaves gaps in what does not fit. */
	if (text && size)
		text[length < size ? length : 0] = '\0';
	json_decref(root);
	return length;
}
