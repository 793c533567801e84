/* SPDX-License-Identifier: MIT */
/*
 * claim.c - whom room is kept for: the waiter that was passed by too often, or has waited for too long; and who may pass it all
 * the same.
 *
 * Holds:     one claim: a waiter, a place, what is kept there; it belongs to the holder of the token. What others need to know
 *            of it (binds, shadow_ns) is two words that anybody reads.
 * Invariant: O1  from the claim on nobody of the classes that it binds takes what it keeps, but those who loaded the word
 *                before, and those who end before the shadow time.
 *            O2  a waiter at the head of class s (CRITICAL 0 .. BEST_EFFORT 3) is passed by higher classes at most
 *                s * aging_overtakes times, and by those in flight, before its claim binds them as well.
 * Progress:  constant, for each scan.
 * Not here:  how a claim binds a word (ledger.c), the token and the scan (kick.c).
 *
 * Late:      only the head of a class (its oldest of the highest priority) may claim: when it was passed by overtakes_max grants
 *            of its own or lower classes, or has waited for overtaken_ns_max, or has aged.
 * Age:       every aging_overtakes grants of higher classes that pass it, and every aging_ns_max as the head, raise it by one
 *            class, as far as claims go: it claims before those of lower classes, and its claim binds the class. Its order among
 *            those that wait does not change: a claim is all that it needs.
 * One claim: it goes to the highest class so aged, of these to who arrived first, and moves only to one that is higher. So
 *            CRITICAL waits for three others' claims at most: who was raised and is served hands its place to one that was not.
 * Binds:     the claimant's class, as aged, and those below it. Higher ones pass it, which ages it. A demand that a holder of a
 *            grant waits for passes any claim: the holder gives nothing back before it has ended.
 * Shadow:    when the claimant should have its room, by the rate of releases (at most 1 s; none known: now). Fixed as the claim
 *            is made, and moved only nearer: who is expected to end before then (run_ns) may use what is kept. Once it is past
 *            nobody may.
 * Unseen:    grants at once that pass are counted in `passed`; at overtakes_max of a class (CRITICAL: aging_overtakes) somebody
 *            is called to look; if nobody has (the holder is descheduled) at twice that, the rest of the class waits too.
 */
#include "runtime/door.h"

/* What everybody may know of the claim: nothing is bound, nothing may be lent. */
static void publish_none(struct weir_admission *admission)
{
	at_store(&admission->claim_binds, 0, relaxed, none);
	at_store(&admission->shadow_ns, 0, relaxed, none);
}

void claim_drop(struct weir_admission *admission)
{
	if (!admission->claimant)
		return;
	publish_none(admission);
	ledger_unclaim(&admission->tracker->ledger, admission->claimed_place, &admission->claimant->wish.units);
	admission->claimant = NULL;
	admission->claimed_place = NO_NODE;
}

static bool is_permitted(const struct weir_admission *admission, uint32_t permitted, uint32_t place)
{
	for (uint32_t i = 0; i < permitted; i++)
		if (admission->permitted[i].node == place)
			return true;
	return false;
}

/* Where a claimant would find room soonest: the node with the most left over all that it needs, of those that the
 * strategy permits: room that is kept elsewhere is kept for nobody. */
static uint32_t claim_place(struct weir_admission *admission, const struct waiter *waiter)
{
	struct ledger *ledger = &admission->tracker->ledger;
	struct shortage why = {0};
	uint32_t permitted = admission_rank(admission, waiter, admission->permitted);
	uint32_t count = strategy_rank_all(WEIR_WORST_FIT, ledger, &waiter->wish, admission->rank);
	for (uint32_t i = 0; i < count; i++)
		if (is_permitted(admission, permitted, admission->rank[i].node) &&
		    ledger_feasible(ledger, &waiter->wish.units, admission->rank[i].node, &why))
			return admission->rank[i].node;
	return NO_NODE;
}

/* The strategy may have been switched, and permit the place no more; limits may have come down; or the level keeps the claimant
 * waiting. */
void claim_check(struct weir_admission *admission)
{
	const struct waiter *claimant = admission->claimant;
	if (likely(!claimant))
		return;
	struct shortage why = {0};
	uint32_t place = admission->claimed_place;
	uint32_t permitted = admission_rank(admission, claimant, admission->permitted);
	if (gate_keeps_class(admission, claimant->demand.task_class) || !is_permitted(admission, permitted, place) ||
	    !ledger_feasible(&admission->tracker->ledger, &claimant->wish.units, place, &why))
		claim_drop(admission);
}

/* The class that it claims as: its own, raised by its age. */
static uint32_t aged_service(const struct weir_admission *admission, const struct waiter *head)
{
	uint32_t service = room_service(head->demand.task_class);
	uint64_t steps = head->outranked / admission->aging_overtakes +
			 (admission->now_ns - head->head_since_ns) / admission->aging_ns_max;
	return steps < service ? service - (uint32_t)steps : 0;
}

/* Since when the head waits, as far as that says that it is passed by: while grants are handed on to its shape, it is next. */
static uint64_t waits_since_ns(const struct weir_admission *admission, const struct waiter *head)
{
	uint64_t served_ns = chains_served_ns(admission, head);
	return served_ns > waiter_since_ns(head) ? served_ns : waiter_since_ns(head);
}

static bool is_late(const struct weir_admission *admission, const struct waiter *head)
{
	uint64_t since_ns = waits_since_ns(admission, head);
	uint64_t waited_ns = admission->now_ns > since_ns ? admission->now_ns - since_ns : 0;
	return head->overtaken >= admission->overtakes_max || waited_ns >= admission->overtaken_ns_max ||
	       aged_service(admission, head) < room_service(head->demand.task_class);
}

static void pass_heads(struct weir_admission *admission, uint32_t service, const struct waiter *granted, uint32_t times)
{
	bool any = false;
	for (uint32_t s = 0; s < WEIR_CLASSES; s++) {
		struct waiter *head = admission->room.service[s].first;
		if (!head || head == granted)
			continue;
		if (s <= service)
			head->overtaken += times;
		else
			head->outranked += times;
		any |= s <= service;
	}
	if (any)
		tally_add(&admission->tally, COUNT_OVERTAKES, times);
}

void claim_note_overtaken(struct weir_admission *admission, uint32_t service, const struct waiter *granted)
{
	pass_heads(admission, service, granted, 1);
}

void claim_note_handed(struct weir_admission *admission, uint32_t service, uint32_t times)
{
	for (uint32_t s = service + 1; s < WEIR_CLASSES; s++) {
		struct waiter *head = admission->room.service[s].first;
		if (!head)
			continue;
		uint32_t steps = head->outranked / admission->aging_overtakes;
		head->outranked += times;
		admission->aged |= head->outranked / admission->aging_overtakes != steps;
	}
}

/* Those who were granted at once never were in the room. */
static void note_passed_at_once(struct weir_admission *admission)
{
	for (uint32_t s = 0; s < WEIR_CLASSES; s++)
		if (at_load(&admission->passed[s], relaxed, none))
			pass_heads(admission, s, NULL, at_swap(&admission->passed[s], 0, relaxed, none));
}

/* Of the heads that are late, whom the claim should go to: the highest class as aged; there the present claimant, then who came
 * first. NULL: nobody. */
static struct waiter *choose(struct weir_admission *admission)
{
	struct waiter *best = admission->claimant;
	uint32_t best_service = best ? aged_service(admission, best) : WEIR_CLASSES;
	for (uint32_t s = 0; s < WEIR_CLASSES; s++) {
		struct waiter *head = admission->room.service[s].first;
		/* Room that is kept for a class that the level keeps waiting would be kept for nobody. */
		if (!head || gate_keeps_class(admission, head->demand.task_class))
			continue;
		if (!head->head_since_ns)
			head->head_since_ns = admission->now_ns;
		if (head == admission->claimant || !is_late(admission, head))
			continue;
		uint32_t service = aged_service(admission, head);
		bool older = best && best != admission->claimant && service == best_service &&
			     waiter_order(head) < waiter_order(best);
		if ((service < best_service || older) && claim_place(admission, head) != NO_NODE) {
			best = head;
			best_service = service;
		}
	}
	return best;
}

/* When the claimant should have its room: never later than was said before. */
static void publish(struct weir_admission *admission, bool is_new)
{
	const struct waiter *claimant = admission->claimant;
	uint64_t now_ns = admission->now_ns;
	uint32_t place = admission->claimed_place;
	struct packed floor;
	const struct packed *floors = admission_floor(admission, claimant->demand.task_class, place, &floor);
	rates_sample(&admission->rates, admission->tracker->book, now_ns);
	uint64_t eta_ns =
		rates_eta_ns(&admission->rates, &admission->tracker->ledger, &claimant->wish.units, floors, place);
	uint64_t shadow_ns = eta_ns == RATES_UNKNOWN ? now_ns : now_ns + eta_ns;
	if (is_new || shadow_ns < at_load(&admission->shadow_ns, relaxed, none))
		at_store(&admission->shadow_ns, shadow_ns, relaxed, none);
	at_store(&admission->claim_binds, aged_service(admission, claimant), relaxed, none);
}

bool claim_update(struct weir_admission *admission)
{
	note_passed_at_once(admission);
	admission->aged = false;
	struct waiter *best = choose(admission);
	if (!best)
		return false;
	bool is_new = best != admission->claimant;
	bool moved = is_new && admission->claimant;
	if (is_new) {
		/* Limits or the strategy may have changed since it was chosen: then a later look will do. */
		uint32_t place = claim_place(admission, best);
		if (place == NO_NODE)
			return false;
		claim_drop(admission);
		admission->claimant = best;
		admission->claimed_place = place;
		tally_add(&admission->tally, COUNT_CLAIMS, 1);
	}
	publish(admission, is_new);
	if (is_new || best->short_total)
		ledger_claim(&admission->tracker->ledger, admission->claimed_place, &best->wish.units,
			     best->short_total);
	return moved;
}

/* May it take what is kept for another? */
static bool may_pass(const struct weir_admission *admission, const struct waiter *waiter)
{
	if (waiter_is_waited_for(waiter) ||
	    room_service(waiter->demand.task_class) < at_load(&admission->claim_binds, relaxed, none))
		return true;
	uint64_t shadow_ns = at_load(&admission->shadow_ns, relaxed, none);
	uint64_t now_ns = waiter->demand.run_ns && shadow_ns ? clock_now_ns(&admission->clock) : shadow_ns;
	return now_ns < shadow_ns && waiter->demand.run_ns <= shadow_ns - now_ns;
}

bool claim_try(struct weir_admission *admission, struct waiter *waiter, struct rank *rank, int flags,
	       struct attempt *attempt)
{
	if (likely(admission_try(admission, waiter, rank, flags, attempt)))
		return true;
	if (likely(!attempt->claimed) || !may_pass(admission, waiter))
		return false;
	struct attempt again = {.waiters = attempt->waiters, .why.recalled = attempt->why.recalled};
	bool taken = admission_try(admission, waiter, rank, flags | LEDGER_BACKFILL, &again);
	*attempt = again;
	return taken;
}

/* It passes the claim, wherever in the room it stands. */
static bool passes(struct waiter *waiter, void *context)
{
	struct weir_admission *admission = context;
	uint32_t gates = at_load(&admission->gates, relaxed, none);
	struct attempt attempt = {0};
	if (unlikely(gates & (GATE_LEVEL | GATE_POLICY)) && gate_holds(admission, waiter, gates) != GATE_GO)
		return false;
	if (!waiter_is_waited_for(waiter))
		return false;
	bool taken = claim_try(admission, waiter, admission->rank, 0, &attempt);
	if (unlikely(attempt.why.recalled))
		door_look_again(admission);
	if (!taken)
		return false;
	if (likely(waiter_move(waiter, WAITER_WAITING, WAITER_GRANTED)))
		return true;
	bool waiters = false;
	(void)tracker_give(admission->tracker, waiter->grant, &waiters);
	waiter->grant = (weir_grant){0};
	return false;
}

void claim_let_pass(struct weir_admission *admission, struct batch *batch)
{
	struct waiter *waiter = admission->claimant ? room_sweep(&admission->room, passes, admission) : NULL;
	while (waiter) {
		struct waiter *next = waiter->next;
		door_unlist(admission, waiter);
		tally_add(&admission->tally, COUNT_GRANTED_LATER, 1);
		door_deliver(admission, waiter, batch);
		waiter = next;
	}
}
