/* SPDX-License-Identifier: MIT */
/*
 * gate.c - what may hold a demand back although the ledger has room, and what lets one go although it has none.
 *
 * Holds:     levels, law, floors, breakers, the application's policy; which of them are in use (weir_admission.gates).
 * Invariant: Z6  a node where nothing is held admits the first that waits, whatever the level.
 *            Z7  each probe of a breaker that is let through is told of once: granted and ended, dropped, or failed.
 * Progress:  lock-free; switches wait for readers of the old policy.
 * Not here:  the machines themselves (breaker.c, levels.c, law.c, floors.c), the public verbs (policy.c), the ledger.
 *
 * Order: level, policy, breaker; then the ledger; then the deadline rule. So a breaker's probe is taken only by who then
 * asks the ledger.
 */
#include "runtime/gate.h"

#include <stdlib.h>

#include "private/error.h"
#include "private/log.h"
#include "private/rcu.h"
#include "runtime/admission.h"

#define DELAY_TARGET_DEFAULT_NS (5 * WEIR_NS_PER_MS)
#define DELAY_INTERVAL_DEFAULT_NS (100 * WEIR_NS_PER_MS)

enum { FLOOR_PERMILLE_MAX = 900 };

/* Floors, per mille of a node's limit. */
static const uint32_t floor_default[WEIR_CLASSES] = {
	[WEIR_CRITICAL] = 0, [WEIR_HIGH] = 25, [WEIR_NORMAL] = 50, [WEIR_BEST_EFFORT] = 150};

/* Beginning and end. --------------------------------------------------------------------------------------------- */

static weir_status resolve_floors(uint32_t out[WEIR_CLASSES], const weir_admission_options *options)
{
	for (int c = 0; c < WEIR_CLASSES; c++) {
		uint32_t given = options->class_floor_permille[c];
		if (given > FLOOR_PERMILLE_MAX && given != UINT32_MAX)
			return error_set(
				WEIR_EINVAL,
				"options.class_floor_permille[%s] is %u: give 0 (the default, %u), 1 to %d, or "
				"UINT32_MAX for none",
				weir_class_name((weir_class)c), given, floor_default[c], FLOOR_PERMILLE_MAX);
		out[c] = given == UINT32_MAX ? 0 : given ? given : floor_default[c];
	}
	return WEIR_OK;
}

/* What may be used in all: the ledger's limit as it is now, or what the machine says where that is more: limits that are smaller than
 * the host's are the ledger's own business. */
static uint64_t memory_limit(const struct weir_tracker *tracker)
{
	uint64_t ledger = 0, machine = 0;
	for (uint32_t n = 0; n < tracker->ledger.nodes; n++) {
		ledger += packed_get(ledger_own_limit(&tracker->ledger, n), WEIR_MEMORY) *
			  tracker->ledger.limits.units.memory_bytes;
		machine += tracker->machine->node[n].memory_default_bytes;
	}
	return ledger > machine ? ledger : machine;
}

static struct policy_box *make_box(const weir_policy *policy)
{
	struct policy_box *box = malloc(sizeof(*box));
	if (box)
		*box = (struct policy_box){.policy = *policy};
	return box;
}

weir_status gate_init(struct weir_admission *admission, const weir_admission_options *options)
{
	struct admission_gate *gate = &admission->gate;
	uint32_t permille[WEIR_CLASSES];
	weir_level_options levels;
	uint64_t target = options->queue_delay_target_ns ? options->queue_delay_target_ns : DELAY_TARGET_DEFAULT_NS;
	uint64_t interval =
		options->queue_delay_interval_ns ? options->queue_delay_interval_ns : DELAY_INTERVAL_DEFAULT_NS;
	weir_status status = resolve_floors(permille, options);
	if (!status)
		status = breaker_resolve(&gate->breaker_options, options->breaker);
	if (!status)
		status = levels_resolve(&levels, options->levels, target);
	if (!status && options->policy && !options->policy->fn)
		status = error_set(WEIR_EINVAL, "options.policy has no function: set its fn, or give no policy");
	if (status)
		return status;
	levels_init(&gate->levels, &levels);
	law_init(&gate->law, target, interval, clock_now_ns(&admission->clock));
	at_init(&gate->policy, options->policy ? make_box(options->policy) : NULL);
	if (!floors_init(&gate->floors, admission->tracker->ledger.nodes, permille) ||
	    (options->policy && !at_load(&gate->policy, relaxed, none)))
		return error_set(WEIR_ENOMEM, "no memory for admission");
	if (options->policy)
		gate_mark(admission, GATE_POLICY, true);
	gate_set_rules(admission, options->rule);
	return WEIR_OK;
}

void gate_fini(struct weir_admission *admission)
{
	struct admission_gate *gate = &admission->gate;
	floors_fini(&gate->floors);
	free(at_load(&gate->policy, relaxed, none));
	free(at_load(&gate->breaker, relaxed, none));
}

/* Switches. ------------------------------------------------------------------------------------------------------ */

void gate_mark(struct weir_admission *admission, uint32_t bit, bool on)
{
	/* ORDER(gates): acq_rel, on both: see gate_mark_used(). */
	if (on)
		at_or(&admission->gates, bit, acq_rel, gates);
	else
		at_and(&admission->gates, ~bit, acq_rel, gates);
}

void gate_mark_used(struct weir_admission *admission, uint32_t bit, bool (*used)(struct weir_admission *admission))
{
	gate_mark(admission, bit, used(admission));
	/* Who put it off may have put off what another had put on meanwhile; but whoever is before us in the word's order, of
	 * him we see what he uses. */
	if (used(admission))
		gate_mark(admission, bit, true);
}

weir_status gate_check_rules(const char *field, uint32_t rules)
{
	uint32_t unknown = rules & ~(uint32_t)WEIR_ADMISSION_RULES;
	if (unknown)
		return error_set(
			WEIR_EINVAL,
			"%s is %u, in which %u is no rule: give WEIR_ADMIT_HARD (0), or a sum of WATERMARK (1), "
			"ADAPTIVE (2), DEADLINE (4) and OBSERVE (8)",
			field, rules, unknown);
	return WEIR_OK;
}

void gate_set_floors(struct weir_admission *admission)
{
	struct admission_gate *gate = &admission->gate;
	/* ORDER(floors): acq_rel, on both: who is at it sees what was changed by who asked for it, and the next who sets them
	 * comes after the last. */
	if (at_add(&gate->floors_wanted, 1, acq_rel, floors))
		return;
	uint32_t wanted = 1;
	do {
		uint32_t gates = at_load(&admission->gates, relaxed, none);
		floors_set(&gate->floors, &admission->tracker->ledger, gates & GATE_WATERMARK,
			   gates & GATE_ADAPTIVE ? at_load(&gate->law.factor, relaxed, none) : LAW_FACTOR_MAX);
	} while (!at_cas(&gate->floors_wanted, &wanted, 0, acq_rel, acquire, floors));
}

void gate_set_rules(struct weir_admission *admission, uint32_t rules)
{
	uint32_t gates = at_load(&admission->gates, relaxed, none);
	while (!at_cas_weak(&admission->gates, &gates, (gates & ~(uint32_t)WEIR_ADMISSION_RULES) | rules, relaxed,
			    relaxed, none))
		;
	gate_set_floors(admission);
}

/* Asking. -------------------------------------------------------------------------------------------------------- */

bool gate_place_is_free(struct weir_admission *admission, uint32_t place, bool *waiters)
{
	struct ledger *ledger = &admission->tracker->ledger;
	/* No take follows where it says no, so no other recall either: and what is kept in a credit is held by nobody, and a give
	 * to one kicks nobody. Who is at a credit, or at a recall, gives back in sight of WAIT. */
	(void)credits_recall(&admission->tracker->credits, ledger, waiters);
	struct packed spare = ledger_spare(ledger, place), limit = ledger_limit(ledger, place);
	/* A stock that no node has is nobody's place. */
	return spare.main == limit.main && !((spare.counted ^ limit.counted) & ledger->limits.node_mask.counted);
}

static weir_verdict verdict_of(enum level_effect effect)
{
	static const weir_verdict verdicts[] = {
		[LEVEL_GO] = WEIR_ADMITTED,
		[LEVEL_WAIT] = WEIR_QUEUED,
		[LEVEL_REJECT] = WEIR_REJECTED,
	};
	return verdicts[effect];
}

static weir_verdict ask_policy(struct weir_admission *admission, const struct waiter *waiter, uint64_t waited_ns,
			       uint32_t gates)
{
	weir_policy_view view = {
		.size = sizeof(view),
		.now_ns = clock_now_ns(&admission->clock),
		.waited_ns = waited_ns,
		.waiting = at_load(&admission->waiting, relaxed, none),
		.level = levels_now(&admission->gate.levels),
		.rules = gates & WEIR_ADMISSION_RULES,
	};
	weir_verdict verdict = WEIR_ADMITTED;
	rcu_enter();
	/* ORDER(policy): acquire, pairs with the release in weir_admission_set_policy(). */
	const struct policy_box *box = at_load(&admission->gate.policy, acquire, policy);
	if (box)
		verdict = box->policy.fn(&waiter->demand, &view, box->policy.context);
	rcu_leave();
	return (unsigned)verdict < WEIR_VERDICTS ? verdict : WEIR_REJECTED;
}

static uint32_t key_of(const struct waiter *waiter)
{
	return breaker_key(waiter->demand.task_class, waiter->wish.units);
}

static struct breaker *breaker_of(struct weir_admission *admission)
{
	/* ORDER(breaker): acquire, pairs with the release in weir_admission_breaker_set(). */
	return at_load(&admission->gate.breaker, acquire, breaker);
}

static bool ask_breaker(struct weir_admission *admission, struct waiter *waiter, uint64_t *retry_after_ns)
{
	struct breaker *breaker = breaker_of(admission);
	return !breaker || breaker_ask(breaker, key_of(waiter), clock_now_ns(&admission->clock), &waiter->probe,
				       retry_after_ns) == BREAKER_PASS;
}

void gate_ask(struct weir_admission *admission, struct waiter *waiter, uint32_t gates, struct gate_answer *answer)
{
	*answer = (struct gate_answer){.verdict = WEIR_ADMITTED};
	if (gates & GATE_LEVEL) {
		answer->verdict =
			verdict_of(levels_effect(levels_now(&admission->gate.levels), waiter->demand.task_class));
		answer->cause = WEIR_CAUSE_DEGRADED;
		/* It cannot be left sooner. */
		answer->retry_after_ns = admission->gate.levels.options.leave_ns;
		/* Z6: whoever waits is before us, and is admitted there by who scans the room. */
		answer->free_only = !at_load(&admission->waiting, relaxed, none);
	}
	if (answer->verdict == WEIR_ADMITTED && (gates & GATE_POLICY)) {
		answer->verdict = ask_policy(admission, waiter, 0, gates);
		answer->cause = WEIR_CAUSE_POLICY;
		answer->retry_after_ns = 0;
		answer->free_only = false;
	}
	if (answer->verdict == WEIR_ADMITTED && (gates & GATE_BREAKER) &&
	    !ask_breaker(admission, waiter, &answer->retry_after_ns)) {
		answer->verdict = WEIR_REJECTED;
		answer->cause = WEIR_CAUSE_BREAKER;
		answer->free_only = false;
	}
}

bool gate_keeps_class(const struct weir_admission *admission, weir_class task_class)
{
	return at_load(&((struct weir_admission *)admission)->gates, relaxed, none) & GATE_LEVEL &&
	       levels_effect(levels_now(&admission->gate.levels), task_class) != LEVEL_GO;
}

enum gate_hold gate_holds(struct weir_admission *admission, const struct waiter *waiter, uint32_t gates)
{
	if (gates & GATE_LEVEL && gate_keeps_class(admission, waiter->demand.task_class))
		return GATE_FREE_ONLY;
	if (gates & GATE_POLICY) {
		uint64_t waited =
			admission->now_ns > waiter_since_ns(waiter) ? admission->now_ns - waiter_since_ns(waiter) : 0;
		return ask_policy(admission, waiter, waited ? waited : 1, gates) == WEIR_ADMITTED ? GATE_GO : GATE_STAY;
	}
	return GATE_GO;
}

/* On all nodes, credits too, and no more than a total leaves; of a stock that no node has, the total's. */
static uint64_t spare_in_all(struct weir_tracker *tracker, weir_resource resource)
{
	const struct ledger *ledger = &tracker->ledger;
	bool is_main = word_kind(resource) == WORD_MAIN;
	uint32_t w = is_main ? LEDGER_TOTAL : LEDGER_TOTAL_COUNTED;
	uint64_t total_mask = is_main ? ledger->limits.total_mask.main : ledger->limits.total_mask.counted;
	uint64_t node_mask = is_main ? ledger->limits.node_mask.main : ledger->limits.node_mask.counted;
	uint64_t spare = 0, in_ledger = 0;
	for (uint32_t n = 0; n < ledger->nodes; n++) {
		spare += packed_get(tracker_own_spare(tracker, n), resource);
		in_ledger += packed_get(ledger_own_spare(ledger, n), resource);
	}
	if (!(total_mask & word_mask(resource)))
		return spare;
	/* What lies in credits was taken from the total as well. */
	uint64_t total =
		word_get(word_less(ledger_word_spare(ledger, w), ledger_word_debt(ledger, w), ledger->word[w].kind),
			 resource) +
		(spare > in_ledger ? spare - in_ledger : 0);
	return node_mask & word_mask(resource) && spare < total ? spare : total;
}

/* In how long those that wait before it and it itself have room, by what all nodes release. 0: nobody knows. */
static uint64_t backlog_eta_ns(struct weir_admission *admission, const struct waiter *waiter)
{
	const struct ledger *ledger = &admission->tracker->ledger;
	double longest_ns = 0;
	for (int r = 0; r < WEIR_RESOURCES; r++) {
		weir_resource resource = (weir_resource)r;
		uint64_t needed = packed_get(waiter->wish.units, resource);
		if (!needed)
			continue;
		for (uint32_t c = 0; c < WEIR_CLASSES; c++)
			if (room_service((weir_class)c) <= room_service(waiter->demand.task_class))
				needed += at_load(&admission->gate.ahead[c][r], relaxed, none);
		uint64_t spare = spare_in_all(admission->tracker, resource);
		uint64_t rate = rates_get(&admission->rates, ledger->nodes, resource);
		if (needed <= spare || !rate)
			continue;
		double eta_ns = (double)(needed - spare) * 1e12 / (double)rate;
		longest_ns = eta_ns > longest_ns ? eta_ns : longest_ns;
	}
	return longest_ns < 9e18 ? (uint64_t)longest_ns : UINT64_MAX;
}

bool gate_is_too_late(struct weir_admission *admission, const struct waiter *waiter)
{
	const weir_demand *demand = &waiter->demand;
	if (!demand->deadline_ns)
		return false;
	uint64_t eta_ns = admission_eta_ns(admission, waiter);
	if (eta_ns == RATES_UNKNOWN)
		eta_ns = 0;
	uint64_t backlog_ns = backlog_eta_ns(admission, waiter);
	eta_ns = backlog_ns > eta_ns ? backlog_ns : eta_ns;
	return demand->run_ns >= demand->deadline_ns || eta_ns > demand->deadline_ns - demand->run_ns;
}

/* Outcomes. ------------------------------------------------------------------------------------------------------ */

static void count_ahead(struct weir_admission *admission, const struct waiter *waiter, bool in)
{
	_Atomic(uint64_t) *ahead = admission->gate.ahead[waiter->demand.task_class];
	for (int r = 0; r < WEIR_RESOURCES; r++) {
		uint64_t units = packed_get(waiter->wish.units, (weir_resource)r);
		if (units)
			at_add(&ahead[r], in ? units : 0 - units, relaxed, none);
	}
}

void gate_let_go(struct waiter *waiter, weir_cause cause)
{
	waiter->grant = (weir_grant){0};
	waiter->node = waiter->wish.home != NO_NODE ? waiter->wish.home : 0;
	waiter->cause = cause;
}

void gate_entered(struct weir_admission *admission, struct waiter *waiter)
{
	waiter->is_ahead = at_load(&admission->gates, relaxed, none) & GATE_DEADLINE;
	if (waiter->is_ahead)
		count_ahead(admission, waiter, true);
}

/* It has its room. Of a ticket nobody tells the end: so that is it. */
static void has_room(struct weir_admission *admission, struct waiter *waiter)
{
	struct breaker *breaker = breaker_of(admission);
	if (!breaker)
		return;
	if (!waiter->tells_end) {
		breaker_ended(breaker, key_of(waiter), waiter->probe, false, clock_now_ns(&admission->clock));
		waiter->probe = 0;
	} else if (waiter->probe) {
		breaker_granted(breaker, waiter->probe);
	}
}

/* It has none, and will not. */
static void has_none(struct weir_admission *admission, struct waiter *waiter, weir_cause cause)
{
	struct breaker *breaker = breaker_of(admission);
	bool exhausted = cause == WEIR_CAUSE_QUEUE_FULL || cause == WEIR_CAUSE_DEADLINE;
	if (breaker && exhausted)
		breaker_ended(breaker, key_of(waiter), waiter->probe, true, clock_now_ns(&admission->clock));
	else if (breaker && waiter->probe)
		breaker_dropped(breaker, waiter->probe);
	waiter->probe = 0;
}

void gate_decided(struct weir_admission *admission, struct waiter *waiter, const weir_decision *decision)
{
	if (decision->verdict == WEIR_ADMITTED && decision->grant.handle)
		has_room(admission, waiter);
	else
		has_none(admission, waiter, decision->cause);
}

void gate_left(struct weir_admission *admission, struct waiter *waiter)
{
	if (waiter->is_ahead)
		count_ahead(admission, waiter, false);
	waiter->is_ahead = false;
	if (waiter_state(waiter) == WAITER_GRANTED && waiter->grant.handle)
		has_room(admission, waiter);
	else
		has_none(admission, waiter, waiter->cause);
}

void gate_ended(struct weir_admission *admission, struct waiter *waiter, bool ran, bool memory_refused)
{
	struct breaker *breaker = breaker_of(admission);
	if (!ran)
		has_none(admission, waiter, WEIR_CAUSE_NONE);
	else if (breaker)
		breaker_ended(breaker, key_of(waiter), waiter->probe, memory_refused, clock_now_ns(&admission->clock));
	waiter->probe = 0;
}

void gate_started(struct weir_admission *admission, const struct waiter *waiter)
{
	uint64_t now_ns = clock_now_ns(&admission->clock);
	if (waiter->is_timed)
		law_note(&admission->gate.law, now_ns > waiter->granted_ns ? now_ns - waiter->granted_ns : 0);
}

/* Time. ---------------------------------------------------------------------------------------------------------- */

static uint64_t granted_bytes(const struct weir_admission *admission)
{
	const struct ledger *ledger = &admission->tracker->ledger;
	uint64_t units = 0;
	for (uint32_t n = 0; n < ledger->nodes; n++) {
		uint64_t limit = packed_get(ledger_own_limit(ledger, n), WEIR_MEMORY);
		uint64_t spare = packed_get(tracker_own_spare(admission->tracker, n), WEIR_MEMORY);
		units += limit > spare ? limit - spare : 0;
	}
	return units * ledger->limits.units.memory_bytes;
}

/* One at a time: gate_feed() sees to it. */
static bool look_at_levels(struct weir_admission *admission, const weir_reading *reading, bool adaptive,
			   uint64_t now_ns, weir_level_change *change)
{
	struct admission_gate *gate = &admission->gate;
	struct levels_input input = {.limit_bytes = memory_limit(admission->tracker),
				     .granted_bytes = granted_bytes(admission)};
	/* They make way for whoever is granted that room (leftover.c): no pressure. */
	if (gate->kept)
		input.granted_bytes += gate->kept(gate->pool);
	if (reading)
		levels_read(&gate->levels, reading, gate->group, &input);
	else
		levels_again(&gate->levels, &input);
	if (adaptive)
		input.delay_ns = at_load(&gate->law.standing_ns, relaxed, none);
	if (!levels_tick(&gate->levels, &input, now_ns, change))
		return false;
	gate_mark(admission, GATE_LEVEL,
		  change->to != WEIR_LEVEL_GREEN && gate->levels.options.degrade == WEIR_DEGRADE_ON);
	return true;
}

static void tell(struct weir_admission *admission, weir_level_change *change)
{
	struct admission_gate *gate = &admission->gate;
	const weir_level_options *options = &gate->levels.options;
	weir_log_level level = change->to > change->from ? WEIR_LOG_WARN : WEIR_LOG_INFO;
	bool over = gate->largest && gate->largest(gate->pool, &change->largest);
	LOG(level,
	    "level: %s, after %s: pressure %.2f (memory %.2f, stalls %.2f, delay %.2f), %llu bytes in use, %llu "
	    "granted%s",
	    weir_level_name(change->to), weir_level_name(change->from), change->pressure, change->memory,
	    change->stalls, change->delay, (unsigned long long)change->used_bytes,
	    (unsigned long long)change->granted_bytes,
	    options->degrade == WEIR_DEGRADE_OBSERVE ? "; observed only" : "");
	if (over)
		LOG(level, "level: the task with grant %#llx on node %u uses %llu bytes and was granted %llu",
		    (unsigned long long)change->largest.grant.handle, change->largest.node,
		    (unsigned long long)change->largest.used_bytes, (unsigned long long)change->largest.granted_bytes);
	if (options->level_changed)
		options->level_changed(change, options->context);
}

void gate_feed(struct weir_admission *admission, const weir_reading *reading)
{
	struct admission_gate *gate = &admission->gate;
	/* ORDER(feed): acquire, pairs with the release below: what the last one left behind. */
	if (at_swap(&gate->feeding, 1, acquire, feed))
		return;
	uint64_t now_ns = clock_now_ns(&admission->clock);
	uint32_t gates = at_load(&admission->gates, relaxed, none);
	bool settle = false;
	if (gates & GATE_ADAPTIVE && law_tick(&gate->law, now_ns)) {
		gate_set_floors(admission);
		settle = true;
	} else if (!(gates & GATE_ADAPTIVE) && at_load(&gate->law.factor, relaxed, none) != LAW_FACTOR_MAX) {
		law_reset(&gate->law, now_ns);
	}
	weir_level_change change;
	bool changed = look_at_levels(admission, reading, gates & GATE_ADAPTIVE, now_ns, &change);
	/* ORDER(feed): release, as above. */
	at_store(&gate->feeding, 0, release, feed);
	if (changed)
		tell(admission, &change);
	if (settle || changed || ((gates & GATE_POLICY) && at_load(&admission->waiting, relaxed, none)))
		admission_settle(admission);
}

void gate_period(struct weir_admission *admission)
{
	weir_reading reading = {.size = sizeof(reading)};
	const weir_monitor *monitor = admission->gate.monitor;
	gate_feed(admission, monitor && !weir_monitor_read(monitor, &reading) ? &reading : NULL);
}

bool gate_is_at_rest(const struct weir_admission *admission)
{
	return levels_now(&admission->gate.levels) == WEIR_LEVEL_GREEN;
}
