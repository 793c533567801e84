/* SPDX-License-Identifier: MIT */
/*
 * admission.c - may it go, and where: asking and deciding.
 *
 * Holds:     nothing but arrivals of the waiting room, until they are fetched.
 * Progress:  ask is lock-free.
 * Not here:  beginning, end and strategy (admission_made.c), what happens to those who wait (kick.c), what is counted
 *            (counts.c), who runs it (route.c).
 */
#include "runtime/admission.h"

#include <alloca.h>
#include <stdio.h>
#include <string.h>

#include "private/error.h"
#include "private/log.h"
#include "private/rcu.h"
#include "numa/pin.h"

enum { DECISIONS_PER_SAMPLE = 64, CRITICAL_EXTRA = 8 /* one eighth of the room, for them alone */ };

uint32_t admission_home(const weir_machine *machine, const weir_demand *demand)
{
	if (demand->home)
		return demand->home - 1;
	return demand->near ? pin_node_of_address(machine, demand->near) : NO_NODE;
}

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

/* Who starts later cannot make its deadline, which counts from now. */
static uint64_t latest_start_ns(const struct weir_admission *admission, const weir_demand *demand)
{
	uint64_t spare_ns = demand->deadline_ns > demand->run_ns ? demand->deadline_ns - demand->run_ns : 0;
	return add_saturated(clock_now_ns(&admission->clock), spare_ns);
}

weir_status admission_prepare(struct weir_admission *admission, struct waiter *waiter, const weir_demand *demand)
{
	struct packed units;
	const struct limits *limits = &admission->tracker->ledger.limits;
	weir_status status;
	if (demand && demand->size == sizeof(*demand) && unlikely(demand->reservation.handle) &&
	    limits_is_empty(demand)) {
		units = (struct packed){0}; /* all of the reservation */
		status = limits_check_demand(demand, limits->nodes);
	} else {
		status = limits_pack(limits, demand, &units);
	}
	if (status)
		return status;
	/* Not the state: who holds an old name of the waiter may be comparing it. */
	waiter->cancelled = NULL;
	waiter->decided = NULL;
	waiter->place = PLACE_COMING;
	waiter->holders = NULL;
	waiter->cause = WEIR_CAUSE_NONE;
	waiter->expires_ns = demand->deadline_ns ? latest_start_ns(admission, demand) : EXPIRY_NEVER;
	waiter->grant = (weir_grant){0};
	waiter->node = 0;
	waiter->may_be_lent = false;
	waiter->probe = 0;
	waiter->tells_end = waiter->is_ahead = false;
	waiter->is_timed = false;
	waiter->demand = *demand;
	waiter->wish = (struct wish){.demand = &waiter->demand,
				     .units = units,
				     .home = admission_home(admission->tracker->machine, demand),
				     .home_only = demand->home_only};
	if (unlikely(elastic_is(demand)))
		elastic_pack(&admission->tracker->ledger.limits, demand, &waiter->wish.elastic);
	waiter->is_elastic = waiter->wish.elastic.steps != 0;
	return WEIR_OK;
}

static void note_refusal(struct attempt *attempt, enum ledger_answer answer, uint32_t node, const struct shortage *why)
{
	attempt->looked++;
	attempt->contended |= answer == LEDGER_CONTENDED;
	attempt->claimed |= answer == LEDGER_CLAIMED;
	attempt->book_full |= answer == LEDGER_BOOK_FULL;
	attempt->why.resources |= why->resources;
	attempt->why.total |= why->total;
	attempt->why.by_floor |= why->by_floor;
	if (node < 64 && answer == LEDGER_SHORT && !why->total)
		attempt->short_nodes |= UINT64_C(1) << node;
}

uint32_t admission_rank(struct weir_admission *admission, const struct waiter *waiter, struct rank *rank)
{
	struct ledger *ledger = &admission->tracker->ledger;
	if (ledger->nodes == 1 || waiter->wish.home_only)
		return strategy_rank(WEIR_FIRST_FIT, ledger, &waiter->wish, rank);
	rcu_enter();
	/* ORDER(strategy): acquire, pairs with the release in admission_set_strategy(). */
	const struct strategy_box *box = at_load(&admission->strategy, acquire, strategy);
	uint32_t count = strategy_rank(&box->strategy, ledger, &waiter->wish, rank);
	rcu_leave();
	return count;
}

void admission_count_grants(struct weir_admission *admission, uint32_t node, uint64_t number)
{
	uint32_t kind = at_load(&admission->strategy_kind, relaxed, none);
	tally_add(&admission->tally, COUNT_GRANTS + node * STRATEGY_KINDS + kind, number);
}

static ALWAYS_INLINE enum ledger_answer take(struct weir_admission *admission, struct waiter *waiter,
					     const struct packed *floor, uint32_t node, int flags, struct taken *taken,
					     struct shortage *why, bool *waiters)
{
	const struct wish *wish = &waiter->wish;
	if (unlikely(wish->elastic.steps))
		return tracker_take_elastic(admission->tracker, &wish->units, &wish->elastic, floor, node, flags, NULL,
					    &waiter->grant, taken, why, waiters);
	return tracker_take_named(admission->tracker, &wish->units, floor, node, flags, NULL, &waiter->grant, taken,
				  why, waiters);
}

/* Try the permitted nodes in the strategy's order. */
bool admission_try(struct weir_admission *admission, struct waiter *waiter, struct rank *rank, int flags,
		   struct attempt *attempt)
{
	uint32_t count = admission_rank(admission, waiter, rank);
	bool free_only = flags & TRY_FREE_ONLY;
	flags &= ~TRY_FREE_ONLY;
	uint32_t gates = at_load(&admission->gates, relaxed, none);
	if (unlikely(gates & GATE_LEVEL))
		flags |= LEDGER_LEAST;
	for (uint32_t i = 0; i < count; i++) {
		if (unlikely(i == 1))
			strategy_rank_rest(rank, count);
		uint32_t node = rank[i].node;
		bool back = false;
		if (unlikely(free_only) && !gate_place_is_free(admission, node, &back)) {
			attempt->waiters |= back;
			attempt->why.recalled |= back;
			continue;
		}
		struct taken taken;
		struct packed floor;
		const struct packed *kept = NULL;
		if (unlikely(gates & GATE_FLOORS))
			kept = admission_floor(admission, waiter->demand.task_class, node, &floor);
		struct shortage why = {0};
		enum ledger_answer answer = take(admission, waiter, kept, node, flags, &taken, &why, &attempt->waiters);
		attempt->why.recalled |= why.recalled;
		if (likely(answer == LEDGER_TAKEN)) {
			waiter->node = node;
			admission_count_grants(admission, node, 1);
			return true;
		}
		note_refusal(attempt, answer, node, &why);
		if (why.total)
			break; /* a total is short for every node */
	}
	return false;
}

/* The nodes' spare room together would do. */
bool admission_is_fragmented(const struct weir_admission *admission, const struct waiter *waiter)
{
	const struct ledger *ledger = &admission->tracker->ledger;
	if (waiter->wish.home_only || ledger->nodes == 1)
		return false;
	uint64_t sum[WEIR_RESOURCES] = {0};
	for (uint32_t n = 0; n < ledger->nodes; n++) {
		struct packed spare = ledger_spare(ledger, n);
		for (int r = 0; r < WEIR_RESOURCES; r++)
			sum[r] += packed_get(spare, (weir_resource)r);
	}
	for (int r = 0; r < WEIR_RESOURCES; r++)
		if (packed_get(waiter->wish.units, (weir_resource)r) > sum[r])
			return false;
	return true;
}

static weir_cause cause_of(struct weir_admission *admission, const struct waiter *waiter, const struct attempt *attempt)
{
	if (attempt->book_full)
		return WEIR_CAUSE_QUEUE_FULL;
	if (attempt->contended && !attempt->short_nodes && !attempt->claimed)
		return WEIR_CAUSE_CONTENDED;
	if (attempt->claimed)
		return WEIR_CAUSE_CLAIMED;
	if (attempt->why.by_floor)
		return WEIR_CAUSE_CLASS_FLOOR;
	if (!attempt->why.total && admission_is_fragmented(admission, waiter))
		return WEIR_CAUSE_FRAGMENTED;
	return WEIR_CAUSE_SHORT;
}

static void decide(weir_decision *decision, weir_verdict verdict, weir_cause cause)
{
	decision->verdict = verdict;
	decision->cause = cause;
	decision->allowed = verdict == WEIR_ADMITTED;
	/* For who may try again the caller says when. */
	decision->retry_after_ns = verdict == WEIR_REJECTED ? UINT64_MAX : 0;
}

/* Some who are counted may be gone, handed a grant: they are taken off. If they were counted out between the two looks they are in the
 * first and not in the second; so it is full only if another look, which is *waiting then, finds as many. */
static NOINLINE bool is_full(struct weir_admission *admission, uint64_t *waiting, uint64_t most_waiting)
{
	uint64_t before;
	do {
		before = *waiting;
		if (before < most_waiting + chains_taken(admission))
			return false;
		*waiting = at_load(&admission->waiting, relaxed, none);
	} while (*waiting != before);
	return true;
}

/* One more in the room, unless it is full. By exchange: an addition that is taken back would make others, for whom there is a
 * place, see a full room. */
static bool enter(struct weir_admission *admission, weir_class task_class)
{
	uint64_t waiting = at_load(&admission->waiting, relaxed, none);
	uint64_t most_waiting = admission->waiting_max;
	/* A room that lower classes have filled must not keep those out for whom room is kept. */
	if (task_class == WEIR_CRITICAL)
		most_waiting += most_waiting / CRITICAL_EXTRA + 1;
	do {
		if (unlikely(waiting >= most_waiting) && is_full(admission, &waiting, most_waiting))
			return false;
	} while (!at_cas_weak(&admission->waiting, &waiting, waiting + 1, relaxed, relaxed, none));
	/* More than have a place are some who are gone already; how many of the others are would take a walk. */
	uint64_t most = at_load(&admission->waiting_max_seen, relaxed, none);
	uint64_t now = waiting < most_waiting ? waiting + 1 : most_waiting;
	while (now > most && !at_cas_weak(&admission->waiting_max_seen, &most, now, relaxed, relaxed, none))
		;
	return true;
}

static void push_arrival(struct weir_admission *admission, struct waiter *waiter)
{
	struct waiter *head = at_load(&admission->arrivals, relaxed, none);
	do {
		waiter->next = head;
		/* ORDER(arrivals): release, pairs with the acquire in fetch_arrivals() (leave.c): the holder sees the
		 * waiter.
		 * ORDER(cancel): seq_cst, before the look at its group's flag in submit.c. */
	} while (!at_cas_weak(&admission->arrivals, &head, waiter, seq_cst, relaxed, arrivals));
}

/* It begins to wait. */
static void arrive(struct weir_admission *admission, struct waiter *waiter)
{
	waiter_show(waiter);
	/* ORDER(ticket): release, pairs with the acquire in waiter_move_use(): who cancels it at once finds all of it. */
	uint64_t state = at_load(&waiter->state, relaxed, none);
	at_store(&waiter->state, state - state % WAITER_STATES + WAITER_WAITING, release, ticket);
	push_arrival(admission, waiter);
}

static void name_shortage(const struct weir_admission *admission, weir_decision *decision)
{
	uint32_t counted = decision->short_resources >> WEIR_COUNTED;
	weir_resource first = (weir_resource)(WEIR_COUNTED + (counted ? __builtin_ctz(counted) : 0));
	if (counted)
		snprintf(decision->short_name, sizeof(decision->short_name), "%s",
			 limits_resource_name(&admission->tracker->ledger.limits, first));
}

bool admission_is_infeasible(const struct weir_admission *admission, const struct waiter *waiter,
			     weir_decision *decision)
{
	struct shortage never = {0};
	if (wish_is_feasible(&admission->tracker->ledger, &waiter->wish, &never))
		return false;
	struct excess excess = wish_excess(&admission->tracker->ledger, &waiter->wish, &never);
	decision->short_resources = never.resources;
	decision->short_total = never.total;
	decision->excess = excess.resource;
	decision->asked = excess.asked;
	decision->limit = excess.limit;
	name_shortage(admission, decision);
	return true;
}

bool admission_refuse_infeasible(struct weir_admission *admission, const struct waiter *waiter, weir_decision *decision)
{
	if (at_load(&admission->gates, relaxed, none) & GATE_OBSERVE ||
	    !admission_is_infeasible(admission, waiter, decision))
		return false;
	decide(decision, WEIR_REJECTED, WEIR_CAUSE_INFEASIBLE);
	admission_count(admission, waiter->demand.task_class, decision);
	return true;
}

/* Its deadline is nearer than it runs. */
static bool is_too_late(const struct weir_admission *admission, const struct waiter *waiter)
{
	return unlikely(waiter->expires_ns != EXPIRY_NEVER) && clock_now_ns(&admission->clock) >= waiter->expires_ns;
}

/* How many of its class may go past those who wait before somebody looks at them. */
static uint32_t unseen_max(const struct weir_admission *admission, weir_class task_class)
{
	return task_class == WEIR_CRITICAL ? admission->aging_overtakes : admission->overtakes_max;
}

/* They were called, and have not looked, and as many went past again. */
static bool is_held_back(const struct weir_admission *admission, const struct waiter *waiter)
{
	weir_class task_class = waiter->demand.task_class;
	uint32_t passed = at_load(&admission->passed[room_service(task_class)], relaxed, none);
	return !waiter_is_waited_for(waiter) && passed / 2 >= unseen_max(admission, task_class);
}

/* A grant at once, past those who wait. True: somebody must look at them. */
static bool note_passed(struct weir_admission *admission, weir_class task_class)
{
	uint32_t passed = at_add(&admission->passed[room_service(task_class)], 1, relaxed, none) + 1;
	return passed >= unseen_max(admission, task_class);
}

/* It starts without a grant, as if it had one: the observe rule. The cause says why it would not have. */
static void let_go(struct waiter *waiter, weir_decision *decision)
{
	gate_let_go(waiter, decision->cause);
	waiter_set(waiter, WAITER_GRANTED);
	decision->verdict = WEIR_ADMITTED;
	decision->allowed = true;
	decision->retry_after_ns = 0;
	decision->node = waiter->node;
}

/* A first verdict that is final. */
static void finish(struct weir_admission *admission, struct waiter *waiter, uint32_t gates, weir_decision *decision)
{
	if (unlikely(gates & GATE_BREAKER))
		gate_decided(admission, waiter, decision);
	admission_count(admission, waiter->demand.task_class, decision);
}

/* retry_after_ns: 0: whatever fits the cause. */
static void refuse(struct weir_admission *admission, struct waiter *waiter, uint32_t gates, weir_verdict verdict,
		   weir_cause cause, uint64_t retry_after_ns, weir_decision *decision)
{
	decide(decision, verdict, cause);
	bool never = cause == WEIR_CAUSE_INFEASIBLE || cause == WEIR_CAUSE_SHUTDOWN || cause == WEIR_CAUSE_DEADLINE;
	if (retry_after_ns)
		decision->retry_after_ns = retry_after_ns;
	else if (!never)
		decision->retry_after_ns = admission_retry_ns(admission, waiter, cause);
	if (unlikely(gates & GATE_OBSERVE) && cause != WEIR_CAUSE_SHUTDOWN)
		let_go(waiter, decision);
	finish(admission, waiter, gates, decision);
}

static void wait(struct weir_admission *admission, struct waiter *waiter, uint32_t gates, weir_cause cause,
		 weir_decision *decision, bool *kick)
{
	if (unlikely(gates & GATE_OBSERVE)) {
		decide(decision, WEIR_QUEUED, cause);
		let_go(waiter, decision);
		finish(admission, waiter, gates, decision);
		return;
	}
	if (!enter(admission, waiter->demand.task_class)) {
		refuse(admission, waiter, gates, WEIR_REJECTED, WEIR_CAUSE_QUEUE_FULL, 0, decision);
		return;
	}
	decide(decision, WEIR_QUEUED, cause);
	uint64_t now_ns = clock_now_ns(&admission->clock);
	/* ORDER(shown): release, as in waiter_show(). */
	at_store(&waiter->since_ns, now_ns, release, shown);
	uint64_t patience_ns = waiter->demand.wait_ns_max ? waiter->demand.wait_ns_max : EXPIRY_NEVER;
	uint64_t gives_up_ns = add_saturated(now_ns, patience_ns);
	if (gives_up_ns < waiter->expires_ns)
		waiter->expires_ns = gives_up_ns;
	admission_count(admission, waiter->demand.task_class, decision);
	if (unlikely(gates & GATE_DEADLINE))
		gate_entered(admission, waiter);
	waiter->may_be_lent &= waiter->expires_ns == EXPIRY_NEVER && !waiter->wish.elastic.steps && !waiter->is_ahead;
	/* What was given back of a try may do for somebody. */
	if (unlikely(*kick))
		at_store(&admission->look_all, 1, relaxed, none);
	arrive(admission, waiter);
	admission_stay_awake(admission);
	*kick = true;
}

static void grant(struct weir_admission *admission, struct waiter *waiter, uint32_t gates, weir_decision *decision)
{
	waiter_set(waiter, WAITER_GRANTED);
	decision->allowed = true;
	decision->grant = waiter->grant;
	decision->node = waiter->node;
	retry_deferrals = 0;
	admission_stay_awake(admission);
	finish(admission, waiter, gates, decision);
}

/* One look at a node where others wait already: is it short, and not for ever? */
static bool is_crowded_at(struct weir_admission *admission, const struct waiter *waiter, uint32_t node,
			  struct attempt *attempt)
{
	struct ledger_word *word = ledger_node_word(&admission->tracker->ledger, node);
	uint64_t spare = at_load(&word->spare, relaxed, none);
	uint64_t broken = word_broken(spare, waiter->wish.units.main, WORD_GUARDS_MAIN);
	if (!(spare & WORD_WAIT) || spare & WORD_TENT || !broken ||
	    word_broken(at_load(&word->limit, relaxed, none), waiter->wish.units.main, WORD_GUARDS_MAIN))
		return false;
	struct shortage why = {.resources = word_broken_resources(broken, WORD_MAIN)};
	note_refusal(attempt, LEDGER_SHORT, node, &why);
	return true;
}

/* Where others wait and no gate is in use, a demand that would wait too, and that is one word's affair, needs no try: a look at
 * each node says that it is short. The holder of the room's token tries for it. False: find out. */
static bool is_crowded(struct weir_admission *admission, const struct waiter *waiter, bool may_wait,
		       struct attempt *attempt)
{
	const struct ledger *ledger = &admission->tracker->ledger;
	const struct wish *wish = &waiter->wish;
	if (!ledger->one_word || !may_wait || wish->elastic.steps)
		return false;
	if (wish->home_only)
		return is_crowded_at(admission, waiter, wish->home, attempt);
	struct attempt looks = {0};
	for (uint32_t n = 0; n < ledger->nodes; n++)
		if (!is_crowded_at(admission, waiter, n, &looks))
			return false;
	*attempt = looks;
	return true;
}

static void ask(struct weir_admission *admission, struct waiter *waiter, bool may_wait, weir_decision *decision,
		bool *kick)
{
	memset(decision, 0, sizeof(*decision));
	*kick = false;
	uint32_t gates = at_load(&admission->gates, relaxed, none);
	if (unlikely(at_load(&admission->closed, relaxed, none))) {
		refuse(admission, waiter, gates, WEIR_REJECTED, WEIR_CAUSE_SHUTDOWN, 0, decision);
		return;
	}
	if (unlikely(is_too_late(admission, waiter))) {
		refuse(admission, waiter, gates, WEIR_REJECTED, WEIR_CAUSE_DEADLINE, 0, decision);
		return;
	}
	may_wait = may_wait && waiter->demand.when_short == WEIR_QUEUE;
	uint64_t retry_ns;
	if (unlikely(!may_wait) && unlikely(!admission_may_retry(admission, waiter, &retry_ns))) {
		refuse(admission, waiter, gates, WEIR_REJECTED, WEIR_CAUSE_RETRIES, retry_ns, decision);
		return;
	}
	/* ORDER(sweep): acquire, pairs with the release in admission_revalidate(): limits are those, or newer. */
	waiter->relimits = at_load(&admission->relimits, acquire, sweep);
	struct gate_answer gate = {.verdict = WEIR_ADMITTED};
	if (unlikely(gates & GATE_ASKS))
		gate_ask(admission, waiter, gates, &gate);
	bool goes_on = gate.verdict == WEIR_ADMITTED;
	struct attempt attempt = {0};
	struct rank *rank = alloca(admission->tracker->ledger.nodes * sizeof(*rank));
	bool others_wait = at_load(&admission->waiting, relaxed, none) != 0;
	bool held_back = unlikely(others_wait) && is_held_back(admission, waiter);
	bool crowded =
		unlikely(others_wait) && !held_back && !gates && is_crowded(admission, waiter, may_wait, &attempt);
	attempt.claimed = held_back;
	bool tries = (likely(goes_on) || gate.free_only) && !held_back && !crowded;
	if (likely(tries && claim_try(admission, waiter, rank, goes_on ? 0 : TRY_FREE_ONLY, &attempt))) {
		*kick = attempt.waiters;
		grant(admission, waiter, gates, decision);
		if (unlikely(others_wait))
			*kick |= note_passed(admission, waiter->demand.task_class);
		return;
	}
	*kick = attempt.waiters;
	if (!crowded && admission_is_infeasible(admission, waiter, decision)) {
		refuse(admission, waiter, gates, WEIR_REJECTED, WEIR_CAUSE_INFEASIBLE, 0, decision);
		return;
	}
	if (likely(goes_on)) {
		decision->short_resources = attempt.why.resources;
		decision->short_nodes = attempt.short_nodes;
		decision->short_total = attempt.why.total;
		name_shortage(admission, decision);
		gate.verdict = WEIR_QUEUED;
		gate.cause = cause_of(admission, waiter, &attempt);
		if (unlikely(gates & GATE_DEADLINE) && gate_is_too_late(admission, waiter)) {
			gate.verdict = WEIR_REJECTED;
			gate.cause = WEIR_CAUSE_DEADLINE;
		}
	}
	if (gate.verdict == WEIR_QUEUED && !may_wait)
		gate.verdict = WEIR_DEFERRED;
	if (gate.verdict == WEIR_DEFERRED && waiter->demand.when_short == WEIR_FAIL)
		gate.verdict = WEIR_REJECTED;
	if (gate.verdict == WEIR_QUEUED)
		wait(admission, waiter, gates, gate.cause, decision, kick);
	else
		refuse(admission, waiter, gates, gate.verdict, gate.cause, gate.retry_after_ns, decision);
}

/* Two looks at the clock cost more than a decision: so one in DECISIONS_PER_SAMPLE is timed. */
void admission_ask(struct weir_admission *admission, struct waiter *waiter, bool may_wait, weir_decision *decision,
		   bool *kick)
{
	static _Thread_local uint32_t asked __attribute__((tls_model("initial-exec")));
	if (likely(asked++ % DECISIONS_PER_SAMPLE)) {
		ask(admission, waiter, may_wait, decision, kick);
		return;
	}
	uint64_t began_ns = weir_clock_monotonic_ns();
	ask(admission, waiter, may_wait, decision, kick);
	histogram_add(&admission->tally, COUNT_DECIDING, weir_clock_monotonic_ns() - began_ns);
}

void admission_close(struct weir_admission *admission)
{
	at_store(&admission->closed, 1, relaxed, none);
}
