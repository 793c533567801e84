/* SPDX-License-Identifier: MIT */
/*
 * admission.h - may it go, and where; and if not now, then when: the only place that takes from the ledger for tasks.
 *
 * A caller asks; what is granted later comes back in a batch from admission_kick(), to whoever kicked. Nothing here
 * calls up: the caller delivers the batch.
 */
#ifndef WEIR_RUNTIME_ADMISSION_H
#define WEIR_RUNTIME_ADMISSION_H

#include <weir/admission.h>
#include <weir/monitor.h>

#include "private/clock.h"
#include "private/tally.h"
#include "runtime/budget.h"
#include "runtime/chain.h"
#include "runtime/counts.h"
#include "runtime/expiry.h"
#include "runtime/park.h"
#include "runtime/queue_delay.h"
#include "runtime/gate.h"
#include "runtime/rates.h"
#include "runtime/room.h"
#include "runtime/stall.h"
#include "runtime/tracker.h"

/* Waiters that were decided, linked by next; each has its state, grant and node. */
struct batch {
	struct waiter *first;
	struct waiter **end;
	uint32_t count;
};

static inline void batch_init(struct batch *batch)
{
	batch->first = NULL;
	batch->end = &batch->first;
	batch->count = 0;
}

/* A strategy in use and the switch that brought it. */
struct strategy_box {
	weir_strategy strategy;
	uint64_t epoch;
};

/* Things that are done when a time has come (tick.c). */
enum admission_due {
	DUE_ROOM,	  /* look at the room: somebody in it has waited long enough */
	DUE_RESERVATIONS, /* give back those whose time is over */
	DUE_PERIOD,	  /* rates and pressure, while something is held or waits */
	DUES
};

struct weir_admission {
	struct weir_tracker *tracker;
	_Atomic(struct strategy_box *) strategy; /* RCU */
	_Atomic(uint32_t) strategy_kind;	 /* of the strategy, for counting */
	_Atomic(uint32_t) gates;		 /* what is in use of the gate, the rules among it */
	_Atomic(uint32_t) closed;		 /* shut down */
	_Atomic(uint32_t) relimits;		 /* how often limits were changed */
	uint32_t waiting_max;
	uint32_t overtakes_max;
	uint64_t overtaken_ns_max;
	uint32_t aging_overtakes;
	uint64_t aging_ns_max;
	weir_clock clock;
	struct tally tally;
	struct rates rates;		/* of releases */
	struct budget budget;		/* of retries */
	struct queue_delay queue_delay; /* of the period */
	struct stall stall;
	weir_monitor *monitor;	 /* is told of it; NULL: there is none. Set before the first task */
	_Atomic(uint32_t) awake; /* the period goes on; 0: who takes room starts it */
	struct admission_gate gate;
	/* The waiting room and its door. */
	CACHE_ALIGNED _Atomic(uint32_t) token;
	_Atomic(uint32_t) look_all; /* the next look is a scan: there was a kick for more than an arrival */
	_Atomic(uint32_t) given;    /* the next look is a scan: who could not fill his hand gave back */
	_Atomic(uint32_t) sweep;    /* groups were cancelled, or limits changed (leave.c) */
	_Atomic(struct waiter *) cancels;
	_Atomic(uint64_t) waiting;
	_Atomic(uint64_t) waiting_max_seen;
	_Atomic(uint32_t)
		passed[WEIR_CLASSES]; /* by service: grants at once while somebody waited, since the last scan */
	/* What others must know of the claim (claim.c). */
	_Atomic(uint32_t) claim_binds; /* the first class, in the order of service, that obeys it; 0 without a claim */
	_Atomic(uint64_t) shadow_ns;   /* who ends before may use what is kept; 0: nobody */
	/* Of those who hand grants on, by thread number (chain.c). */
	_Atomic(struct hand *) *hand;
	_Atomic(uint32_t) hands_end; /* they are NULL from here on */
	CACHE_ALIGNED _Atomic(struct waiter *) arrivals;
	/* When there is something to do without being asked, and who sleeps until then (tick.c). */
	CACHE_ALIGNED _Atomic(uint64_t) due_ns[DUES];
	_Atomic(uint32_t) ticking;
	struct park alarm;
	uint64_t period_ns;
	/* The token holder's. */
	CACHE_ALIGNED struct room room;
	struct expiry expiry;
	uint64_t now_ns;      /* as a look began */
	uint64_t looked_ns;   /* as the last scan did */
	bool news;	      /* somebody was fetched who may fit */
	bool aged;	      /* somebody was raised by grants that were handed on, and has not claimed yet */
	struct lending *lent; /* by place */
	uint32_t hands_filled;
	_Atomic(uint32_t) hands_of_late; /* the most that were, halved whenever all are pulled back */
	struct waiter *claimant;
	uint32_t claimed_place;
	struct rank *permitted; /* room for all nodes */
	bool *wait_at;		/* WAIT is set for a node */
	bool wait_on_totals;
	struct rank *rank;
	/* Of the public face (controller.c). */
	struct {
		struct slots *slots;
		size_t offset;		      /* of the waiter in a slot */
	} waiters[2];			      /* all that could wait: tickets, and a pool's tasks */
	struct slots *tickets;		      /* waiters that are no tasks */
	_Atomic(struct slots *) reservations; /* reserve.c; NULL: there never was one */
	uint32_t reservations_max;
	_Atomic(uint32_t) reservations_hand; /* where to look next for those that are over */
	_Atomic(uint32_t) reservations_closed;
	_Atomic(uint32_t) users; /* pools and schedulers that are built on it */
};

weir_status admission_init(struct weir_admission *admission, struct weir_tracker *tracker,
			   const weir_admission_options *options);
void admission_fini(struct weir_admission *admission);

/* What a walk over the nodes found. */
struct attempt {
	struct shortage why;
	uint64_t short_nodes;
	uint32_t looked;
	bool contended, claimed, book_full, waiters;
};

/* The nodes that the strategy permits, as strategy_rank() orders them. */
uint32_t admission_rank(struct weir_admission *admission, const struct waiter *waiter, struct rank *rank);
/* A flag of admission_try(), beside the ledger's: only where nothing is held. */
enum { TRY_FREE_ONLY = 1 << 16 };

/* Try the permitted nodes in the strategy's order; rank has room for all nodes. True: the waiter has grant and node. */
bool admission_try(struct weir_admission *admission, struct waiter *waiter, struct rank *rank, int flags,
		   struct attempt *attempt);
/* claim.c: the same, past a claim that another has if the waiter may. */
bool claim_try(struct weir_admission *admission, struct waiter *waiter, struct rank *rank, int flags,
	       struct attempt *attempt);

/* What the rules keep from a class on a node; NULL: nothing. */
static inline const struct packed *admission_floor(const struct weir_admission *admission, weir_class task_class,
						   uint32_t node, struct packed *out)
{
	if (likely(!(at_load(&((struct weir_admission *)admission)->gates, relaxed, none) & GATE_FLOORS)))
		return NULL;
	*out = floors_get(&admission->gate.floors, task_class, node);
	return out;
}

/* Check a demand and make it the waiter's. Errors: WEIR_EINVAL. The owner then sets state (NEW, with
 * its tag), cancelled and decided. */
weir_status admission_prepare(struct weir_admission *admission, struct waiter *waiter, const weir_demand *demand);

/* Decide about a prepared waiter. After QUEUED the waiter may be granted, and gone, at any moment: only the decision
 * may be looked at, and the caller must call admission_kick() next. After any other verdict *kick says whether it must.
 * may_wait: QUEUE is possible at all. */
void admission_ask(struct weir_admission *admission, struct waiter *waiter, bool may_wait, weir_decision *decision,
		   bool *kick);

/* Before a prepared waiter is kept back and asks later: will it never fit? If so, that is decided and counted. */
bool admission_refuse_infeasible(struct weir_admission *admission, const struct waiter *waiter,
				 weir_decision *decision);

/* What there may be to look at. */
enum kick { KICK_NONE, KICK_ARRIVAL, KICK_GIVEN, KICK_ALL };

/* Look at the room. Decided waiters are added to the batch; the caller delivers them (waiter->decided). True: there may
 * be more, deliver and call again. */
bool admission_kick(struct weir_admission *admission, enum kick kick, struct batch *batch);

/* Kick and deliver until nothing is left to do. The one loop that callers use. */
void admission_settle(struct weir_admission *admission);
/* Is the calling thread in the middle of it, in a function that was told of a decision? */
bool admission_settles_here(const struct weir_admission *admission);
/* The same after admission_ask() answered QUEUED, if nothing else has changed. */
void admission_settle_arrival(struct weir_admission *admission);
/* The same, with what was decided already. */
void admission_settle_rest(struct weir_admission *admission, struct batch *batch, enum kick kick);

/* So many grants on a node, by the strategy of now. */
void admission_count_grants(struct weir_admission *admission, uint32_t node, uint64_t number);

/* Cancel the waiter if it waits, in the use that the ticket names. False: it does not. The caller settles. */
bool admission_cancel(struct weir_admission *admission, struct waiter *waiter, uint64_t ticket);

/* Groups were cancelled: the next kick sweeps the room. */
void admission_sweep(struct weir_admission *admission);

/* Give back what admission granted: as tracker_give(), and counted as a release. */
static ALWAYS_INLINE weir_status admission_give(struct weir_admission *admission, weir_grant grant, bool *waiters)
{
	struct taken taken;
	weir_status status = tracker_give_taken(admission->tracker, grant, &taken, waiters);
	if (likely(!status))
		rates_note(&admission->rates, &taken);
	return status;
}

/* retry.c: when a demand that was refused may try again; this thread's deferrals in a row, which a grant ends. */
extern _Thread_local uint32_t retry_deferrals __attribute__((tls_model("initial-exec")));
uint64_t admission_retry_ns(struct weir_admission *admission, const struct waiter *waiter, weir_cause cause);
/* U(1/2, 1] x min(10 ms, 10 us x 2^n); n: attempt, or (0) this thread's deferrals in a row. */
uint64_t admission_backoff_ns(uint32_t attempt);
/* Before a demand that does not wait is asked for: false: retries are too many, and there is room for one after
 * *retry_ns. */
bool admission_may_retry(struct weir_admission *admission, const struct waiter *waiter, uint64_t *retry_ns);

/* In how long there will be room for a waiter on the node where that is soonest, at the rate of releases of late; at most
 * RATES_ETA_NS_MAX; RATES_UNKNOWN: nobody knows. 0: nothing is short now. */
uint64_t admission_eta_ns(struct weir_admission *admission, const struct waiter *waiter);

/* A holder of a grant waits for some who wait for room: what is kept for a claimant is not kept from them. Settles, and waits for
 * who has the token to have begun a look, for the caller is about to sleep. True: so another may still be delivering. */
bool admission_let_pass(struct weir_admission *admission);

/* Limits changed: whoever waits and can never fit any more leaves, and the claim is made anew. Settles. */
void admission_revalidate(struct weir_admission *admission);

/* Something will have to be done at when_ns, by the admission's clock, or before. Costs a load where it is known to be due
 * earlier. Thread: any. */
void admission_due(struct weir_admission *admission, enum admission_due what, uint64_t when_ns);
/* The earliest of all. UINT64_MAX: nothing is due. */
uint64_t admission_next_ns(const struct weir_admission *admission);
/* Do what is due by now, or leave it to who is doing it. Thread: any; never blocks. */
void admission_tick(struct weir_admission *admission);
void admission_rouse(struct weir_admission *admission);

/* Room was taken, or somebody waits for it: the period goes on. */
static ALWAYS_INLINE void admission_stay_awake(struct weir_admission *admission)
{
	if (unlikely(!at_load(&admission->awake, relaxed, none)))
		admission_rouse(admission);
}
void admission_tick_init(struct weir_admission *admission);

/* From now on everything is refused with SHUTDOWN. */
void admission_close(struct weir_admission *admission);

/* Count a decision that was made without asking (an invalid demand). */
void admission_count(struct weir_admission *admission, weir_class task_class, const weir_decision *decision);

/* words.c: what a decision that is no grant means to who asked: a status, with the decision's words as error text. */
weir_status admission_refusal(const weir_decision *decision);

/* Will it never fit, by the limits? Then what is too much is written into the decision. */
bool admission_is_infeasible(const struct weir_admission *admission, const struct waiter *waiter,
			     weir_decision *decision);

/* The nodes' spare room together would do for it. */
bool admission_is_fragmented(const struct weir_admission *admission, const struct waiter *waiter);

/* A demand's home: asked for, or where its data lies. NO_NODE: none. */
uint32_t admission_home(const weir_machine *machine, const weir_demand *demand);

/* Switches; they wait for the readers of what was before. */
weir_status admission_set_strategy(struct weir_admission *admission, const weir_strategy *strategy);

#endif
