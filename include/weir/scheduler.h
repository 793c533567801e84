/* SPDX-License-Identifier: MIT */
/*
 * scheduler.h - admission plus workers: which node, and which of its workers, for a demand. A pool has one inside;
 * here it is usable alone, by programs that run things by other means than weir's threads.
 */
#ifndef WEIR_SCHEDULER_H
#define WEIR_SCHEDULER_H

#include <weir/admission.h>

WEIR_BEGIN_DECLS

typedef struct weir_scheduler weir_scheduler;

typedef struct weir_scheduler_options {
	size_t size;
	uint32_t workers_per_node; /* 0: one for each core of the node; at most 4,096 */
} weir_scheduler_options;

#define WEIR_SCHEDULER_OPTIONS(...) \
	WEIR_LITERAL_(weir_scheduler_options, .size = sizeof(weir_scheduler_options), __VA_ARGS__)

/* Build a scheduler on an admission controller, which must outlive it.
 * Errors: WEIR_EINVAL, WEIR_ENOMEM. Thread: any. */
WEIR_API WEIR_MUST_USE weir_status weir_scheduler_create(weir_scheduler **out, weir_admission *admission,
							 const weir_scheduler_options *options);
/* Errors: WEIR_EBUSY while placements wait (cancel their tickets by weir_admission_cancel()), or if it is a pool's.
 * NULL: nothing happens. */
WEIR_API weir_status weir_scheduler_destroy(weir_scheduler *scheduler);

/* Where something was placed. worker counts from 0 within its node; WEIR_NO_WORKER: the node has none. */
typedef struct weir_placement {
	weir_decision decision;
	uint32_t worker; /* a hint: the node's least loaded worker just now */
} weir_placement;

#define WEIR_NO_WORKER UINT32_MAX

/* As weir_granted_fn, with the worker. */
typedef void (*weir_placed_fn)(uint64_t ticket, const weir_placement *placement, void *context);

/* Admit a demand and choose its worker: at once, or when room comes (placed is then called; NULL: defer instead).
 * Thread: any. */
WEIR_API weir_placement weir_scheduler_schedule(weir_scheduler *scheduler, const weir_demand *demand,
						weir_placed_fn placed, void *context);

/* What was placed is finished: its worker is less loaded, its grant goes back. Errors: WEIR_ESTALE. */
WEIR_API weir_status weir_scheduler_finish(weir_scheduler *scheduler, const weir_placement *placement);

/* One node's part of a dry run. */
typedef struct weir_node_score {
	int64_t score;	  /* WEIR_SCORE_NEVER: not permitted, or infeasible there */
	bool fits;	  /* has room now that is not kept for others */
	weir_cause cause; /* why not: INFEASIBLE, SHORT, CLASS_FLOOR or CLAIMED */
	uint32_t short_resources;
	uint32_t distance;
} weir_node_score;

typedef struct weir_selection {
	uint32_t node;	 /* the best node with room; without one, the best that is permitted */
	uint32_t worker; /* a hint */
	bool fits;
	weir_cause cause; /* why not, where it does not fit: as a node's, or FRAGMENTED */
} weir_selection;

/* A dry run: what would be chosen for this demand now, and the score of every node. Takes nothing.
 * scores: nodes entries, or NULL. Errors: WEIR_EINVAL, WEIR_EINFEASIBLE. Thread: any. */
WEIR_API weir_status weir_scheduler_select(weir_scheduler *scheduler, const weir_demand *demand, weir_selection *out,
					   weir_node_score *scores, uint32_t nodes);

typedef struct weir_rebalance_report {
	double utilisation_gap; /* between the fullest and the emptiest node, of the resource with the largest gap */
	uint32_t waiting;	/* demands looked at again */
	uint32_t started;	/* of these, granted */
} weir_rebalance_report;

/* Look again at everything that waits: whatever fits on another node than before starts there. Never touches what runs.
 * Releases do the same by themselves; this is for after a switch of the strategy, or to be sure. Thread: any. */
WEIR_API weir_status weir_scheduler_rebalance(weir_scheduler *scheduler, weir_rebalance_report *out);

/* 0: the spare room is in one piece; towards 1: it is scattered so that the largest demand that would fit in the sum of
 * the nodes fits on none. 1 - (largest spare on a node / spare in all), of the resource where it is largest. */
WEIR_API double weir_scheduler_fragmentation(weir_scheduler *scheduler);

WEIR_API weir_admission *weir_scheduler_admission(weir_scheduler *scheduler);

WEIR_END_DECLS

#endif
