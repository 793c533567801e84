/* SPDX-License-Identifier: MIT */
/*
 * policy.h - what may hold a demand back although the ledger has room: circuit breakers, levels of degradation, and the
 * application's own policy. All of it acts in front of the ledger, and costs one load where none of it is in use.
 */
#ifndef WEIR_POLICY_H
#define WEIR_POLICY_H

#include <weir/admission.h>
#include <weir/monitor.h>

WEIR_BEGIN_DECLS

/* Circuit breakers. One for each class and shape: a shape is the power of two of each amount, in the ledger's units.
 * Outcomes are counted in windows; an outcome is exhausted when the waiting room was full, the demand's time ran out, or
 * the host had no memory for its task (weir_task_alloc()); waiting is none. Too many exhausted ones open the breaker:
 * demands are REJECTED with BREAKER at once. Then a few probes are let through, and it closes when they go well.
 * 256 shapes have a breaker of their own; those that come later share one for each class. */
typedef enum weir_breaker_mode {
	WEIR_BREAKER_OFF = 0, /* nothing is counted, nothing refused; what was known is forgotten */
	WEIR_BREAKER_ON = 1,
	WEIR_BREAKER_FORCED_OPEN =
		2, /* everything is refused, with retry_after_ns open_ns_max, until another mode is set */
	WEIR_BREAKER_DISABLED = 3, /* outcomes are counted, the state stays as it is, nothing is refused */
	WEIR_BREAKER_OBSERVE = 4   /* as ON, but what would be refused is let through, and counted */
} weir_breaker_mode;

#define WEIR_BREAKER_MODES 5

typedef enum weir_breaker_state {
	WEIR_BREAKER_CLOSED = 0,
	WEIR_BREAKER_OPEN = 1,
	WEIR_BREAKER_HALF_OPEN = 2
} weir_breaker_state;

/* Zero means the default. */
typedef struct weir_breaker_options {
	size_t size;
	uint64_t window_ns;	     /* 0: 100 ms; 1 ms to 1 min */
	uint32_t windows;	     /* that count; 0: 10; at most 16 */
	uint32_t outcomes_min;	     /* in all of them, before it may open; 0: 20; at most 1,000,000 */
	uint32_t exhausted_permille; /* of the outcomes, from which on it opens; 0: 500; at most 1000 */
	uint64_t open_ns;	 /* the first time; twice as long each time that it opens again; 0: 100 ms; 1 ms to 1 h.
				      * Jittered: between half of it and all of it */
	uint64_t open_ns_max;	 /* 0: 30 s; open_ns to 1 h */
	uint32_t probes;	 /* 0: 3; at most 8 */
	uint64_t probe_lease_ns; /* a probe that has not been granted by then has failed; half-open ends after two of
				      * them, whatever happened; 0: 1 s; 1 ms to 1 h */
	uint64_t seed;		 /* of the jitter; 0: the address of the breakers */
} weir_breaker_options;

#define WEIR_BREAKER_OPTIONS(...) WEIR_LITERAL_(weir_breaker_options, .size = sizeof(weir_breaker_options), __VA_ARGS__)

/* What the breaker of a demand's class and shape is at. */
typedef struct weir_breaker_view {
	size_t size;
	weir_breaker_mode mode;
	weir_breaker_state state;
	bool shared;			      /* with other shapes of the class: the table is full */
	uint32_t outcomes;		      /* in the windows that count */
	uint32_t exhausted;		      /* of these */
	uint32_t probes_out;		      /* HALF_OPEN: let through and not decided */
	uint64_t open_for_ns;		      /* OPEN: until probes are let through */
	uint64_t refused;		      /* of the whole class, so far */
	uint64_t would_refuse;		      /* of the whole class, so far: OBSERVE */
	uint64_t opened, half_opened, closed; /* transitions of all breakers so far */
} weir_breaker_view;

/* Set the mode of a class's breakers. The first time that one is not OFF makes them (132 KiB at most).
 * Errors:  WEIR_EINVAL, WEIR_ENOMEM. Thread: any. */
WEIR_API weir_status weir_admission_breaker_set(weir_admission *admission, weir_class task_class,
						weir_breaker_mode mode);

/* Look at the breaker of the demand's class and shape. out->size must be set. Errors: WEIR_EINVAL. Thread: any. */
WEIR_API weir_status weir_admission_breaker_get(weir_admission *admission, const weir_demand *demand,
						weir_breaker_view *out);

WEIR_API const char *weir_breaker_mode_name(weir_breaker_mode mode);
WEIR_API const char *weir_breaker_state_name(weir_breaker_state state);

/* Levels of degradation: by pressure, the largest of
 *   - memory in use that live grants do not cover, as a part of the memory that they do not cover (at least 5 % of all). All:
 *     what this process may use of the machine, or the limits where these are more: limits below it are the ledger's business;
 *   - the host's stalls on memory: per cent of the last 10 s in which all tasks stalled, by 10 %;
 *   - under WEIR_ADMIT_ADAPTIVE, the delay between grant and start, by queue_delay_max_ns.
 * So a full machine whose use is covered by grants is GREEN. A level is entered at once, and left when the pressure was
 * 0.05 below its threshold for 100 ms. A node where nothing is held admits the first that waits whatever the level.
 * Who waits by a level starts when it is left; who asked not to wait (when_short) is deferred, or rejected, instead. */
typedef enum weir_level {
	WEIR_LEVEL_GREEN = 0,
	WEIR_LEVEL_YELLOW = 1, /* from 0.70: elastic demands get their least; BEST_EFFORT waits */
	WEIR_LEVEL_ORANGE = 2, /* from 0.85: BEST_EFFORT is rejected, NORMAL waits */
	WEIR_LEVEL_RED = 3,    /* from 0.95: HIGH and CRITICAL only */
	WEIR_LEVEL_BLACK = 4   /* from 1.00: CRITICAL only */
} weir_level;

#define WEIR_LEVELS 5

typedef enum weir_degrade { WEIR_DEGRADE_ON = 0, WEIR_DEGRADE_OFF = 1, WEIR_DEGRADE_OBSERVE = 2 } weir_degrade;

/* The running task whose use is furthest above what it was granted. A task's use is what it took by weir_task_alloc()
 * and what it declared by weir_task_declare(); malloc() is not seen. */
typedef struct weir_over_user {
	weir_grant grant; /* zero: there is none */
	uint32_t node;
	uint64_t used_bytes;
	uint64_t granted_bytes;
} weir_over_user;

typedef struct weir_level_change {
	size_t size;
	weir_level from, to;
	double pressure;	      /* 1.0 is BLACK */
	double memory, stalls, delay; /* its parts */
	uint64_t used_bytes; /* by this process or its cgroup, since admission began, as far as the monitor knows */
	uint64_t granted_bytes;
	weir_over_user largest;
} weir_level_change;

/* Called by the thread that found out, outside any decision; it may call weir, and must not block for long.
 * change: valid until it returns. */
typedef void (*weir_level_fn)(const weir_level_change *change, void *context);

/* Zero means the default. */
typedef struct weir_level_options {
	size_t size;
	weir_degrade degrade; /* ON; OFF: no levels; OBSERVE: levels are found, told and shown, nothing is held back */
	uint32_t enter_permille
		[WEIR_LEVELS];	     /* of pressure, rising from YELLOW to BLACK; 0: 700, 850, 950, 1000. [0] is not
					       * used */
	uint32_t leave_permille;     /* below that, to leave; 0: 50; at most 500 */
	uint64_t leave_ns;	     /* for so long; 0: 100 ms */
	uint32_t stall_permille;     /* of the last 10 s, that is a pressure of 1; 0: 100 */
	uint64_t queue_delay_max_ns; /* that is a pressure of 1; 0: 10 x queue_delay_target_ns */
	weir_level_fn level_changed; /* NULL: nobody is told. A pool that is GREEN and idle (nothing held, nobody waits) looks at
				      * no pressure and tells nobody: weir_admission_feed() does it at once; a first grant wakes it */
	void *context;
} weir_level_options;

#define WEIR_LEVEL_OPTIONS(...) WEIR_LITERAL_(weir_level_options, .size = sizeof(weir_level_options), __VA_ARGS__)

/* The level, and what it comes from: `to` is the level now, `from` the one before. out->size must be set.
 * Errors: WEIR_EINVAL. Thread: any. */
WEIR_API weir_status weir_admission_level_get(weir_admission *admission, weir_level_change *out);

/* Tell admission what the host does, and when it is. A resource-aware pool does it itself, with its monitor's last
 * reading, every 100 ms while something is held or waits; this is for programs without a pool, for virtual time, and to do it now. The first reading is what was in use before:
 * it does not count. reading: NULL: nothing new is known, only time has passed.
 * Errors:  WEIR_EINVAL. Thread: any; one at a time. */
WEIR_API weir_status weir_admission_feed(weir_admission *admission, const weir_reading *reading);

/* Tell admission how long a granted demand waited until it started: what WEIR_ADMIT_ADAPTIVE goes by. A pool does it itself.
 * Errors: WEIR_EINVAL. Thread: any. */
WEIR_API weir_status weir_admission_note_delay(weir_admission *admission, uint64_t delay_ns);

WEIR_API const char *weir_level_name(weir_level level);

/* The application's own policy: asked about every demand before the ledger is, and again before one that waits starts. Of those
 * who wait and are alike (class, priority, amounts, home) it is asked about the oldest only; the others wait behind it. While
 * a policy is set, or any class's breaker is not OFF, or a level not GREEN, grants are not handed on without the ledger. */
typedef struct weir_policy_view {
	size_t size;
	uint64_t now_ns;    /* by admission's clock */
	uint64_t waited_ns; /* 0 the first time */
	uint64_t waiting;   /* demands in the waiting room */
	weir_level level;
	uint32_t rules; /* WEIR_ADMIT_..., added up */
} weir_policy_view;

/* Returns: WEIR_ADMITTED: the ledger decides; WEIR_QUEUED: it waits, and is asked about again whenever the waiting room is
 * looked at (at a release, at a switch, and at each weir_admission_feed()); WEIR_DEFERRED, WEIR_REJECTED: refused, and
 * from one that waits already, the same as WEIR_QUEUED. Where a demand cannot wait, QUEUED is DEFERRED.
 * It must not block, and must not call what asks for or releases room. Thread: any, many at once. */
typedef weir_verdict (*weir_policy_fn)(const weir_demand *demand, const weir_policy_view *view, void *context);

typedef struct weir_policy {
	weir_policy_fn fn;
	void *context;
	const char *name; /* for people; NULL: "policy". Not copied */
} weir_policy;

/* Switch while running; NULL: none. Demands that wait are looked at again. Returns when nobody uses the old one any more.
 * Errors: WEIR_EINVAL, WEIR_ENOMEM. Thread: any, not from inside a policy. */
WEIR_API weir_status weir_admission_set_policy(weir_admission *admission, const weir_policy *policy);

WEIR_END_DECLS

#endif
