/* SPDX-License-Identifier: MIT */
/*
 * admission.h - may it go, and where; and if not now, what then: verdicts, the waiting room, counters.
 * Usable without a pool.
 */
#ifndef WEIR_ADMISSION_H
#define WEIR_ADMISSION_H

#include <weir/clock.h>
#include <weir/strategy.h>
#include <weir/tracker.h>

WEIR_BEGIN_DECLS

typedef struct weir_admission weir_admission;

typedef enum weir_verdict { WEIR_ADMITTED = 0, WEIR_QUEUED = 1, WEIR_DEFERRED = 2, WEIR_REJECTED = 3 } weir_verdict;

#define WEIR_VERDICTS 4

typedef enum weir_cause {
	WEIR_CAUSE_NONE = 0,
	WEIR_CAUSE_INFEASIBLE = 1,  /* more than any permitted node's limit, or than a total: never */
	WEIR_CAUSE_SHORT = 2,	    /* some resource is short now */
	WEIR_CAUSE_FRAGMENTED = 3,  /* the nodes' spare room together would do, no node's does */
	WEIR_CAUSE_CLASS_FLOOR = 4, /* what is left is kept for higher classes */
	WEIR_CAUSE_CLAIMED = 5,	    /* what is left is kept for a task that has waited too long */
	WEIR_CAUSE_CONTENDED = 6,   /* others were in the middle of taking: try again at once */
	WEIR_CAUSE_QUEUE_FULL = 7,
	WEIR_CAUSE_SHUTDOWN = 8,
	WEIR_CAUSE_INVALID = 9,	  /* the demand itself is wrong: weir_error_text() says how */
	WEIR_CAUSE_DEADLINE = 10, /* it could not start, or end, in the time that it gave */
	WEIR_CAUSE_BREAKER = 11,  /* its class and shape keep failing: a breaker is open */
	WEIR_CAUSE_DEGRADED = 12, /* the machine is under pressure, and its class is held back */
	WEIR_CAUSE_RETRIES = 13,  /* retries are more than a tenth of first tries */
	WEIR_CAUSE_POLICY = 14	  /* the application's own policy refused */
} weir_cause;

#define WEIR_CAUSES 15

/* When a demand that would fit is held back, or one that would not goes: rules, to be added up. The ledger is always
 * asked, and asked last. */
typedef enum weir_admission_rule {
	WEIR_ADMIT_HARD = 0,	  /* the ledger alone decides */
	WEIR_ADMIT_WATERMARK = 1, /* lower classes leave a floor of every node to higher ones; by default CRITICAL 0,
				   * HIGH 2.5 %, NORMAL 5 %, BEST_EFFORT 15 %; CPU floors in whole cores, rounded down */
	WEIR_ADMIT_ADAPTIVE =
		2, /* while granted tasks wait longer for a worker than queue_delay_target_ns, use less of the
				   * limits, down to a tenth */
	WEIR_ADMIT_DEADLINE = 4, /* refuse at once what, by the measured rate of releases, cannot make its deadline */
	WEIR_ADMIT_OBSERVE = 8	 /* refuse nothing: what would be refused or wait starts without a grant; it is ADMITTED
				   * with the cause for which it would not have been, and counted so */
} weir_admission_rule;

#define WEIR_ADMISSION_RULES 15 /* all of them */

/* What admission says of a demand. */
typedef struct weir_decision {
	bool allowed; /* verdict == WEIR_ADMITTED */
	weir_verdict verdict;
	weir_cause cause;
	uint32_t short_resources; /* bit r: weir_resource r was short */
	uint64_t short_nodes;	  /* bit n: node n < 64 was short */
	bool short_total;	  /* a total, rather than a node, was short */
	char short_name[32];	  /* the first counted resource that was short, as the limits name it; "": none */
	uint64_t
		retry_after_ns; /* DEFERRED, or REJECTED but not for good: how long to wait first; UINT64_MAX: never; else 0 */
	uint32_t node;		/* ADMITTED */
	weir_grant grant; /* ADMITTED: give it back by weir_admission_release(). Zero where WEIR_ADMIT_OBSERVE let it go
				 * without one: cause then says why */
	uint64_t ticket;  /* QUEUED: for weir_admission_cancel(), weir_task_cancel() */
	/* INFEASIBLE: what was asked of one resource that is too much, and the most that there is of it where it may go; in cores,
	 * bytes, bytes/s or a number. asked is 0: no node has all that it needs. */
	weir_resource excess;
	double asked, limit;
} weir_decision;

/* The decision in words, "queued: memory is short on nodes 0 and 2". Returns the length, as snprintf(). Thread: any. */
WEIR_API size_t weir_decision_text(const weir_decision *decision, char *text, size_t size);
WEIR_API const char *weir_verdict_name(weir_verdict verdict);
WEIR_API const char *weir_cause_name(weir_cause cause);

typedef struct weir_admission_options {
	size_t size;
	const weir_strategy *strategy; /* NULL: WEIR_FIRST_FIT. Copied. */
	uint32_t rule;		       /* WEIR_ADMIT_..., added up */
	uint32_t
		waiting_max; /* demands in the waiting room; CRITICAL ones may be an eighth and one more; 0: 1,048,576 */
	uint32_t overtakes_max;	   /* how often a waiting demand is passed by before room is kept for it; 0: 64 */
	uint64_t overtaken_ns_max; /* or how long it waits; 0: 5 ms */
	/* Across classes: the head of a lower class is raised by one class, as far as keeping room goes, each time that so many
	 * grants of higher classes have passed it, or that it has been the head so long. */
	uint32_t aging_overtakes; /* 0: 256 */
	uint64_t aging_ns_max;	  /* 0: 100 ms */
	uint32_t
		retry_permille; /* retries (demand.attempt above 0) per 1,000 first tries of demands that do not wait, and 10 a
				    * second anyhow; 0: 100; UINT32_MAX: any number */
	uint32_t reservations_max; /* held or bound; 0: 65,536; at most 16,777,215 */
	weir_clock clock;
	uint32_t class_floor_permille
		[WEIR_CLASSES];		  /* of each node, kept from a class by WEIR_ADMIT_WATERMARK; 0: 25 (HIGH), 50
						      * (NORMAL), 150 (BEST_EFFORT); at most 900; UINT32_MAX: nothing */
	uint64_t queue_delay_target_ns;	  /* between grant and start, for WEIR_ADMIT_ADAPTIVE; 0: 5 ms */
	uint64_t queue_delay_interval_ns; /* in which the shortest delay counts; 0: 100 ms */
	/* Of <weir/policy.h>; copied. NULL: the defaults; no policy. */
	const struct weir_breaker_options *breaker;
	const struct weir_level_options *levels;
	const struct weir_policy *policy;
} weir_admission_options;

#define WEIR_ADMISSION_OPTIONS(...) \
	WEIR_LITERAL_(weir_admission_options, .size = sizeof(weir_admission_options), __VA_ARGS__)

/* Build admission on a tracker, which must outlive it. One tracker has at most one.
 * Errors:  WEIR_EINVAL, WEIR_EBUSY (the tracker has one), WEIR_ENOMEM. Thread: any. */
WEIR_API WEIR_MUST_USE weir_status weir_admission_create(weir_admission **out, weir_tracker *tracker,
							 const weir_admission_options *options);
/* Errors: WEIR_EBUSY while demands wait (cancel them first), or a pool or a scheduler is built on it. */
WEIR_API weir_status weir_admission_destroy(weir_admission *admission);

/* Called once for each QUEUED demand, from the thread whose release, cancellation or look at the time decided it: with its
 * grant and node; or with a zero grant and why: WEIR_CAUSE_NONE: it was cancelled, WEIR_CAUSE_DEADLINE: wait_ns_max or
 * deadline_ns was over, WEIR_CAUSE_INFEASIBLE: the limits came down below it; WEIR_CAUSE_SHORT: it starts without a
 * grant, by WEIR_ADMIT_OBSERVE. May call weir; must not block. */
typedef void (*weir_granted_fn)(uint64_t ticket, weir_grant grant, uint32_t node, weir_cause cause, void *context);

/* Decide about a demand. Where it is short and demand->when_short is WEIR_QUEUE, it waits and granted is called later;
 * with granted NULL it is deferred instead. WEIR_FAIL: it is rejected, with the same causes. A deadline_ns that is over before
 * it could end (run_ns) is rejected at once.
 * Thread: any; never blocks. */
WEIR_API weir_decision weir_admission_admit(weir_admission *admission, const weir_demand *demand,
					    weir_granted_fn granted, void *context);

/* Give a grant back; whoever waits and now fits is granted: by this thread before it returns, or by another that is at
 * it already. Errors: WEIR_ESTALE. */
WEIR_API weir_status weir_admission_release(weir_admission *admission, weir_grant grant);

/* Take a waiting demand out of the room; its granted function is called with no grant.
 * Errors:  WEIR_ESTALE: it was granted or cancelled before (its function was or will be called with that). */
WEIR_API weir_status weir_admission_cancel(weir_admission *admission, uint64_t ticket);

/* Do what is due by now: give up demands whose time has passed, and whatever else happens by itself. A pool does it (in a
 * thread named weir/keeper); without one, or in virtual time, call it when the clock has come to next_ns, and to learn a
 * new next_ns after asking for something with a time in it (wait_ns_max, deadline_ns).
 * next_ns: by the admission's clock, at most 100 ms ahead while something is held or waits; UINT64_MAX: nothing is due; NULL:
 *          not wanted.
 * Errors:  WEIR_EINVAL. Thread: any, many at once; calls the granted functions of whom it decides about. */
WEIR_API weir_status weir_admission_tick(weir_admission *admission, uint64_t *next_ns);

/* Switch while running; demands that wait are looked at again. Returns when nobody uses the old one any more.
 * Errors: WEIR_EINVAL. Thread: any, not from inside a score or granted function. */
WEIR_API weir_status weir_admission_set_strategy(weir_admission *admission, const weir_strategy *strategy);
WEIR_API weir_status weir_admission_set_rule(weir_admission *admission, uint32_t rule);

/* Rules as text: "hard", "watermark+deadline". parse: errors: WEIR_EINVAL: the text names the word. text: returns the length, as
 * snprintf(). Thread: any. */
WEIR_API weir_status weir_rules_parse(uint32_t *out, const char *text);
WEIR_API size_t weir_rules_text(uint32_t rules, char *text, size_t size);

typedef struct weir_admission_counts {
	size_t size;
	uint64_t asked;
	uint64_t verdict[WEIR_VERDICTS]; /* first verdicts: they sum to asked */
	uint64_t cause[WEIR_VERDICTS][WEIR_CAUSES];
	uint64_t by_class[WEIR_CLASSES][WEIR_VERDICTS];
	uint64_t granted_later;	   /* QUEUED, then granted */
	uint64_t cancelled;	   /* QUEUED, then cancelled */
	uint64_t expired;	   /* QUEUED, then given up: wait_ns_max or deadline_ns was over */
	uint64_t infeasible_later; /* QUEUED, then given up: the limits came down below it */
	uint64_t waiting;	   /* now in the room */
	uint64_t waiting_max_seen; /* with up to 64 a thread that had just been granted */
	uint64_t overtakes;	   /* waiting demands passed by a younger one */
	uint64_t stalls;	   /* times that demands waited for a second on end: the log says once what was short */
	uint64_t claims;	   /* times that room was kept for a demand that waited too long */
	uint64_t strategy_epoch;   /* switches so far */
	uint64_t first_tries;	   /* of demands that do not wait */
	uint64_t retries;	   /* of these, those that said so (demand.attempt) */
	uint64_t reservations;	   /* made: at rest, held ones and the three below */
	uint64_t reservations_bound;
	uint64_t reservations_released; /* before they were bound */
	uint64_t reservations_expired;
} weir_admission_counts;

/* Exact at rest. Errors: WEIR_EINVAL. Thread: any. */
WEIR_API weir_status weir_admission_counts_get(weir_admission *admission, weir_admission_counts *out);

WEIR_API weir_tracker *weir_admission_tracker(weir_admission *admission);

WEIR_END_DECLS

#endif
