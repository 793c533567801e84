/* SPDX-License-Identifier: MIT */
/*
 * gate.h - what may hold a demand back although the ledger has room: levels, the application's policy, breakers, the
 * deadline rule; and what lets one go although it has none: the observe rule. In front of the ledger, one relaxed load of
 * weir_admission.gates where nothing of it is in use.
 */
#ifndef WEIR_RUNTIME_GATE_H
#define WEIR_RUNTIME_GATE_H

#include <weir/policy.h>

#include "runtime/breaker.h"
#include "runtime/floors.h"
#include "runtime/law.h"
#include "runtime/levels.h"
#include "runtime/room.h"

struct weir_admission;

/* Bits of weir_admission.gates: the rules as they are, and what else is in use. */
enum {
	GATE_WATERMARK = WEIR_ADMIT_WATERMARK,
	GATE_ADAPTIVE = WEIR_ADMIT_ADAPTIVE,
	GATE_DEADLINE = WEIR_ADMIT_DEADLINE,
	GATE_OBSERVE = WEIR_ADMIT_OBSERVE,
	GATE_LEVEL = 16,   /* not GREEN, and it is to be obeyed */
	GATE_BREAKER = 32, /* of some class */
	GATE_POLICY = 64,
	GATE_FLOORS = GATE_WATERMARK | GATE_ADAPTIVE,
	GATE_ASKS = GATE_LEVEL | GATE_BREAKER | GATE_POLICY /* before the ledger is asked */
};

struct policy_box {
	weir_policy policy;
};

struct admission_gate {
	struct levels levels;
	struct law law;
	struct floors floors;
	_Atomic(uint32_t) floors_wanted;      /* how often since they were last set; see gate_set_floors() */
	_Atomic(struct breaker *) breaker;    /* NULL: never used; then kept to the end */
	weir_breaker_options breaker_options; /* resolved */
	_Atomic(struct policy_box *) policy;  /* RCU */
	_Atomic(uint32_t) feeding;	      /* somebody tells what the host does */
	/* The pool's; of one without: NULL. */
	const weir_monitor *monitor;
	/* Of the pool, NULL without one. */
	bool (*largest)(void *pool, weir_over_user *out); /* false: nobody uses more than granted */
	uint64_t (*kept)(const void *pool); /* pages of tasks that ended, in use as far as the kernel knows */
	void *pool;
	bool group; /* the control group's use is ours */
	/* By class and resource, what waits under the deadline rule, in units. */
	_Atomic(uint64_t) ahead[WEIR_CLASSES][WEIR_RESOURCES];
};

/* What the gate says before the ledger is asked. */
struct gate_answer {
	weir_verdict verdict; /* ADMITTED: ask the ledger */
	weir_cause cause;
	uint64_t retry_after_ns; /* 0: whatever fits the cause */
	bool free_only;		 /* not ADMITTED, but may go where nothing is held */
};

/* Errors: WEIR_EINVAL, WEIR_ENOMEM. What was made is ended by gate_fini(), also then. */
weir_status gate_init(struct weir_admission *admission, const weir_admission_options *options);
void gate_fini(struct weir_admission *admission);

/* Asked when gates has a bit of GATE_ASKS. */
void gate_ask(struct weir_admission *admission, struct waiter *waiter, uint32_t gates, struct gate_answer *answer);

/* The deadline rule, when there is no room now: true: it cannot make its deadline. */
bool gate_is_too_late(struct weir_admission *admission, const struct waiter *waiter);

/* The observe rule: it starts without a grant; cause: why it would not have. */
void gate_let_go(struct waiter *waiter, weir_cause cause);

/* A waiter goes into the room, and leaves it: granted, or not: its state and cause say it. */
void gate_entered(struct weir_admission *admission, struct waiter *waiter);
void gate_left(struct weir_admission *admission, struct waiter *waiter);

/* A first verdict other than QUEUED. */
void gate_decided(struct weir_admission *admission, struct waiter *waiter, const weir_decision *decision);

/* The end of a task that was granted. ran: false: it was cancelled first. memory_refused: the host had none for it. */
void gate_ended(struct weir_admission *admission, struct waiter *waiter, bool ran, bool memory_refused);

/* A granted task starts: the adaptive rule. */
void gate_started(struct weir_admission *admission, const struct waiter *waiter);

/* What may be tried for one that waits, in the order of service: who is before it was tried before. */
enum gate_hold { GATE_GO, GATE_FREE_ONLY, GATE_STAY };
enum gate_hold gate_holds(struct weir_admission *admission, const struct waiter *waiter, uint32_t gates);

/* The level keeps the class waiting. */
bool gate_keeps_class(const struct weir_admission *admission, weir_class task_class);

/* Nothing of the place's words is held; what lies in credits is recalled first. *waiters: somebody waits for what came back;
 * never set to false. */
bool gate_place_is_free(struct weir_admission *admission, uint32_t place, bool *waiters);

/* After a change of rules, factor or limits: the floors as they are to be. Returns when they are, or another is at it and
 * will look again. */
void gate_set_floors(struct weir_admission *admission);

/* Errors: WEIR_EINVAL: the text names the field. */
weir_status gate_check_rules(const char *field, uint32_t rules);

/* Rules, all at once. The caller settles. */
void gate_set_rules(struct weir_admission *admission, uint32_t rules);

/* A bit of gates, on or off. */
void gate_mark(struct weir_admission *admission, uint32_t bit, bool on);
/* The same, by what is used now; called after each change of that, by any number of threads. The bit may stay on for nothing
 * until the next change, never off for something. */
void gate_mark_used(struct weir_admission *admission, uint32_t bit, bool (*used)(struct weir_admission *admission));

/* What the host does, and that time has passed: levels and law move, who is to be told is told, and who waits is looked at
 * again. reading: NULL: only that time has passed. */
void gate_feed(struct weir_admission *admission, const weir_reading *reading);

/* The same, with what the monitor last read, if there is one. */
void gate_period(struct weir_admission *admission);

/* Nothing of it will change while nothing is held and nobody waits. */
bool gate_is_at_rest(const struct weir_admission *admission);
void gate_tell(struct weir_admission *admission, const weir_level_change *change);

#endif
