/* SPDX-License-Identifier: MIT */
/*
 * metrics.h - what has been decided, done and waited for since the beginning: as a C snapshot, as JSON, and in the text
 * format of Prometheus.
 */
#ifndef WEIR_METRICS_H
#define WEIR_METRICS_H

#include <weir/histogram.h>
#include <weir/policy.h>
#include <weir/pool.h>

WEIR_BEGIN_DECLS

/* Grants are counted by the strategy that chose their node: first, best and worst fit each for itself, the
 * application's own strategies together. */
#define WEIR_STRATEGY_KINDS 4

/* Whether spare room and live grants make the limits (weir_tracker_audit()). */
typedef enum weir_audit {
	WEIR_AUDIT_SOUND = 0,
	WEIR_AUDIT_MOVING = 1, /* not comparable: room was taken or given meanwhile */
	WEIR_AUDIT_WRONG = 2   /* three times a difference, and nothing was seen to move */
} weir_audit;

typedef struct weir_node_metrics {
	weir_amount held;
	weir_amount limit;
	uint64_t grants[WEIR_STRATEGY_KINDS]; /* made there so far */
} weir_node_metrics;

typedef struct weir_metrics {
	size_t size;	      /* sizeof(weir_metrics) */
	uint64_t taken_at_ns; /* by the pool's clock */
	uint32_t workers;     /* 0: admission without a pool */
	bool resource_aware;  /* false: only pool is filled in below */
	weir_pool_counts pool;
	weir_admission_counts admission;
	uint64_t decisions[WEIR_CLASSES][WEIR_VERDICTS][WEIR_CAUSES]; /* first verdicts */
	weir_histogram
		wait[WEIR_CLASSES]; /* of those that waited and were granted: from their verdict to their grant */
	weir_histogram deciding;    /* how long first verdicts took, of one in 64 */
	char strategy[32];	    /* in use now */
	uint32_t rules;		    /* WEIR_ADMIT_... */
	weir_level level;	    /* of degradation, now */
	uint64_t level_changes;	    /* so far */
	double pressure;	    /* that the level comes from; 1.0 is BLACK */
	uint64_t breaker_opened, breaker_half_opened, breaker_closed; /* transitions of all breakers so far */
	uint64_t breaker_refused[WEIR_CLASSES];
	uint64_t breaker_would_refuse[WEIR_CLASSES]; /* WEIR_BREAKER_OBSERVE */
	weir_audit audit;
	char counted_name[WEIR_COUNTED_MAX][32];
	weir_amount held; /* on all nodes */
	weir_amount limit;
	uint64_t grants_live;
	uint32_t nodes;		 /* valid entries of node[] */
	uint32_t nodes_capacity; /* in: how many entries node[] has room for */
	weir_node_metrics *node; /* the caller's; may be NULL with capacity 0 */
} weir_metrics;

/* Take a snapshot; each number is exact at an instant of its own, and all of them at rest. out->size, node and
 * nodes_capacity are the caller's. Takes some 100 us: for every second, not for every task.
 * Errors:  WEIR_EINVAL. Thread: any. */
WEIR_API weir_status weir_metrics_get(weir_pool *pool, weir_metrics *out);

/* The same of admission without a pool. */
WEIR_API weir_status weir_metrics_of_admission(weir_admission *admission, weir_metrics *out);

WEIR_API const char *weir_audit_name(weir_audit audit);

/* A snapshot as one JSON object, or as Prometheus's text (names weir_..., counters end in _total, times in seconds).
 * Returns the length without the terminating zero, as snprintf(). Where size is too small the JSON is left empty and
 * Prometheus's text is cut. 0: metrics is NULL, or no memory. Thread: any. */
WEIR_API size_t weir_metrics_json(const weir_metrics *metrics, char *text, size_t size);
WEIR_API size_t weir_metrics_prometheus(const weir_metrics *metrics, char *text, size_t size);

WEIR_END_DECLS

#endif
