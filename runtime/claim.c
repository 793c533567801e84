/* SPDX-License-Identifier: MIT */
/*
 * claim.c - whom room is kept for: the waiter that was passed by too often, or for too long.
 *
 * Holds:     one claim: a waiter, a place, and what is kept there; it belongs to the holder of the token.
 * Not here:  what a claim binds (ledger.c), the token and the scan (kick.c).
 */
#include "runtime/door.h"

void claim_drop(struct weir_admission *admission)
{
	if (!admission->claimant)
		return;
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
	struct shortage why;
	uint32_t permitted = admission_rank(admission, waiter, admission->permitted);
	uint32_t count = strategy_rank_all(WEIR_WORST_FIT, ledger, &waiter->wish, admission->rank);
	for (uint32_t i = 0; i < count; i++)
		if (is_permitted(admission, permitted, admission->rank[i].node) &&
		    ledger_feasible(ledger, &waiter->wish.units, admission->rank[i].node, &why))
			return admission->rank[i].node;
	return NO_NODE;
}

/* The strategy may have been switched, and permit the place no more; or the level keeps the claimant waiting. */
void claim_check(struct weir_admission *admission)
{
	if (unlikely(admission->claimant) &&
	    (gate_keeps_class(admission, admission->claimant->demand.task_class) ||
	     !is_permitted(admission, admission_rank(admission, admission->claimant, admission->permitted),
			   admission->claimed_place)))
		claim_drop(admission);
}

/* The head of the first class that waits: has it been passed by too often, or too long? True: another's claim went to
 * it, and what that one kept is open. */
bool claim_for_head(struct weir_admission *admission, const struct attempt *head_attempt)
{
	/* Who was granted at once never was in the room. */
	uint32_t passed =
		at_load(&admission->passed, relaxed, none) ? at_swap(&admission->passed, 0, relaxed, none) : 0;
	struct waiter *head = NULL;
	for (uint32_t s = 0; s < WEIR_CLASSES && !head; s++) {
		head = admission->room.service[s].first;
		if (head && gate_keeps_class(admission, head->demand.task_class))
			head = NULL; /* room that is kept for it would be kept for nobody */
	}
	if (!head)
		return false;
	bool moved = false;
	head->overtaken += passed;
	tally_add(&admission->tally, COUNT_OVERTAKES, passed);
	if (admission->claimant != head) {
		uint64_t served_ns = chains_served_ns(admission, head);
		uint64_t since_ns = served_ns > head->since_ns ? served_ns : head->since_ns;
		bool late = head->overtaken >= admission->overtakes_max ||
			    admission->now_ns >= since_ns + admission->overtaken_ns_max;
		if (!late)
			return false;
		uint32_t place = claim_place(admission, head);
		if (place == NO_NODE)
			return false;
		moved = admission->claimant != NULL;
		claim_drop(admission);
		admission->claimant = head;
		admission->claimed_place = place;
		ledger_claim(&admission->tracker->ledger, place, &head->wish.units, false);
		tally_add(&admission->tally, COUNT_CLAIMS, 1);
	}
	if (head_attempt->why.total)
		ledger_claim(&admission->tracker->ledger, admission->claimed_place, &head->wish.units, true);
	return moved;
}

/* A grant goes past the head of its class, and past those of the classes that are served before it. */
void claim_note_overtaken(struct weir_admission *admission, uint32_t service, const struct waiter *granted)
{
	bool any = false;
	for (uint32_t s = 0; s <= service; s++) {
		struct waiter *head = admission->room.service[s].first;
		if (!head || head == granted)
			continue;
		head->overtaken++;
		any = true;
	}
	if (any)
		tally_add(&admission->tally, COUNT_OVERTAKES, 1);
}
