/* SPDX-License-Identifier: MIT */
/*
 * kick.c - the waiting room's door: one token, and what its holder does.
 *
 * Holds:     the room, the claim, the WAIT flags; all of it belongs to the holder of the token.
 * Invariant: A1  a waiter leaves the room exactly once: granted or cancelled, by the holder of the token.
 *            A2  while the room is not empty, WAIT is set on every word whose release could start somebody in it.
 * Progress:  kick never waits for the token: who does not get it leaves a note (AGAIN) for the holder. A holder that is
 *            descheduled delays what waits, and nobody else.
 *
 * Kick:      xchg(token, AGAIN); was it not IDLE, then its holder will look again. Else hold it: BUSY, scan, and back
 *            from BUSY to IDLE by compare-and-swap, which fails if somebody left a note meanwhile.
 * Scan:      fetch arrivals into the room; set WAIT on their words; then try. So a release either comes before the WAIT
 *            of its word, and the try that follows sees its room; or after, and then it sees WAIT and kicks. A waiter
 *            that arrives kicks after it has pushed itself. Nobody in the room ever tries for himself. The holder sets
 *            WAIT, not the waiter as in the first design: the waiter's kick makes sure that a holder comes after its
 *            push (tests/models/room.pml).
 * Claims:    whoever is passed by too often, or too long, gets the claim: what it needs of one node, and of the totals if
 *            they are what is short, is kept for it (ledger_claim()). One claim at a time.
 * Not here:  first verdicts (admission.c), delivering what was decided (whoever kicked).
 */
#include "runtime/admission.h"

enum {
	TOKEN_IDLE,
	TOKEN_BUSY,
	TOKEN_AGAIN,
	BATCH_MAX = 32,	       /* decisions at one scan: then they are delivered first */
	SHAPES_LOOKED_MAX = 64 /* shapes of a class that do not fit, before the scan leaves the class */
};

static void add_to_batch(struct batch *batch, struct waiter *waiter)
{
	waiter->next = NULL;
	*batch->end = waiter;
	batch->end = &waiter->next;
	batch->count++;
}

static void fetch_arrivals(struct weir_admission *admission)
{
	/* ORDER(arrivals): acquire, pairs with the release in push_arrival(). ORDER(cancel): seq_cst, after the flag of
	 * a group whose cancellation made us look. */
	struct waiter *newest = at_swap(&admission->arrivals, NULL, seq_cst, arrivals);
	struct waiter *oldest = NULL;
	while (newest) {
		struct waiter *next = newest->next;
		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	while (oldest) {
		struct waiter *next = oldest->next;
		room_add(&admission->room, oldest);
		oldest = next;
	}
}

static void drop_claim(struct weir_admission *admission)
{
	if (!admission->claimant)
		return;
	ledger_unclaim(&admission->tracker->ledger, admission->claimed_place, &admission->claimant->wish.units);
	admission->claimant = NULL;
	admission->claimed_place = NO_NODE;
}

static void leave_room(struct weir_admission *admission, struct waiter *waiter, struct batch *batch)
{
	if (admission->claimant == waiter)
		drop_claim(admission);
	at_sub(&admission->waiting, 1, relaxed, none);
	add_to_batch(batch, waiter);
}

static void sweep_room(struct weir_admission *admission, struct batch *batch)
{
	struct waiter *waiter = room_sweep(&admission->room);
	while (waiter) {
		struct waiter *next = waiter->next;
		waiter_set(waiter, WAITER_CANCELLED);
		tally_add(&admission->tally, COUNT_CANCELLED, 1);
		leave_room(admission, waiter, batch);
		waiter = next;
	}
}

/* The word to sweep is taken first: whoever gave it pushed before, or waited for the push, so that the waiter is among
 * those that are fetched after it. The other way round, it could come between fetch and sweep, and its waiter would
 * stay. */
static void fetch_and_sweep(struct weir_admission *admission, struct batch *batch)
{
	/* ORDER(sweep): acquire, pairs with the release in admission_sweep(): we see who was cancelled. */
	bool sweep = at_swap(&admission->sweep, 0, acquire, sweep) != 0;
	fetch_arrivals(admission);
	if (unlikely(sweep))
		sweep_room(admission, batch);
}

/* A2: WAIT on the words that somebody in the room needs, and on no other. Returns whether any was cleared. */
static bool update_wait(struct weir_admission *admission)
{
	struct ledger *ledger = &admission->tracker->ledger;
	struct room *room = &admission->room;
	bool cleared = false;
	if (room->count && !admission->wait_on_totals)
		ledger_flag_totals(ledger, WORD_WAIT);
	if (!room->count && admission->wait_on_totals)
		ledger_unflag_totals(ledger, WORD_WAIT);
	cleared |= !room->count && admission->wait_on_totals;
	admission->wait_on_totals = room->count != 0;
	/* Words may be shared by places (a node without memory): first all that clear, then all that set. */
	for (uint32_t n = 0; n < room->nodes; n++)
		if (admission->wait_at[n] && !room->everywhere && !room->at_node[n]) {
			ledger_unflag(ledger, n, WORD_WAIT);
			admission->wait_at[n] = false;
			cleared = true;
		}
	for (uint32_t n = 0; n < room->nodes; n++)
		if (room->everywhere || room->at_node[n]) {
			if (cleared || !admission->wait_at[n])
				ledger_flag(ledger, n, WORD_WAIT);
			admission->wait_at[n] = true;
		}
	return cleared;
}

/* Take for the leader of a shape, as the claimant if it is. */
static bool grant_leader(struct weir_admission *admission, struct waiter *leader, struct attempt *attempt)
{
	int flags = admission->claimant == leader ? LEDGER_AS_CLAIMANT : 0;
	if (!admission_try(admission, leader, admission->rank, flags, attempt))
		return false;
	if (!waiter_is_cancelled(leader) && waiter_move(leader, WAITER_WAITING, WAITER_GRANTED)) {
		tally_add(&admission->tally, COUNT_GRANTED_LATER, 1);
		histogram_add(&admission->tally, COUNT_WAIT + (uint32_t)leader->demand.task_class * HISTOGRAM_COUNTERS,
			      admission->now_ns > leader->since_ns ? admission->now_ns - leader->since_ns : 0);
		return true;
	}
	/* Cancelled between: give back. We hold the token, so a WAIT that this sees is looked at by our own next
	 * round. */
	bool waiters = false;
	(void)tracker_give(admission->tracker, leader->grant, &waiters);
	leader->grant = (weir_grant){0};
	waiter_set(leader, WAITER_CANCELLED);
	tally_add(&admission->tally, COUNT_CANCELLED, 1);
	return true;
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

/* The strategy may have been switched, and permit the place no more. */
static void check_claim(struct weir_admission *admission)
{
	if (unlikely(admission->claimant) &&
	    !is_permitted(admission, admission_rank(admission, admission->claimant, admission->permitted),
			  admission->claimed_place))
		drop_claim(admission);
}

/* The head of the first class that waits: has it been passed by too often, or too long? True: another's claim went to
 * it, and what that one kept is open. */
static bool claim_for_head(struct weir_admission *admission, const struct attempt *head_attempt)
{
	/* Who was granted at once never was in the room. */
	uint32_t passed =
		at_load(&admission->passed, relaxed, none) ? at_swap(&admission->passed, 0, relaxed, none) : 0;
	struct waiter *head = NULL;
	for (uint32_t s = 0; s < WEIR_CLASSES && !head; s++)
		head = admission->room.service[s].first;
	if (!head)
		return false;
	bool moved = false;
	head->overtaken += passed;
	tally_add(&admission->tally, COUNT_OVERTAKES, passed);
	if (admission->claimant != head) {
		bool late = head->overtaken >= admission->overtakes_max ||
			    admission->now_ns >= head->since_ns + admission->overtaken_ns_max;
		if (!late)
			return false;
		uint32_t place = claim_place(admission, head);
		if (place == NO_NODE)
			return false;
		moved = admission->claimant != NULL;
		drop_claim(admission);
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
static void note_overtaken(struct weir_admission *admission, uint32_t service, const struct waiter *granted)
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

/* One class: leaders in their order, those that fit are granted. False: the batch is full. */
static bool admit_class(struct weir_admission *admission, uint32_t service, struct batch *batch,
			struct attempt *head_attempt)
{
	struct room_class *class = &admission->room.service[service];
	struct waiter *leader = class->first;
	for (uint32_t failed = 0; leader && failed < SHAPES_LOOKED_MAX;) {
		if (batch->count >= BATCH_MAX)
			return false;
		struct attempt attempt = {0};
		struct waiter *next = leader->after;
		if (grant_leader(admission, leader, &attempt)) {
			struct waiter *heir = leader->next;
			note_overtaken(admission, service, leader);
			room_remove(&admission->room, leader);
			leave_room(admission, leader, batch);
			leader = heir && heir->after == next ? heir : next;
			continue;
		}
		if (leader == class->first && !head_attempt->looked)
			*head_attempt = attempt;
		failed++;
		leader = next;
	}
	return true;
}

/* One look at the room. False: the batch is full and there may be more. */
static bool scan(struct weir_admission *admission, struct batch *batch)
{
	for (;;) {
		admission->now_ns = clock_now_ns(&admission->clock);
		(void)ledger_collect(&admission->tracker->ledger);
		fetch_and_sweep(admission, batch);
		update_wait(admission);
		check_claim(admission);
		struct attempt head_attempt = {0};
		const struct waiter *claimant = admission->claimant;
		for (uint32_t s = 0; s < WEIR_CLASSES; s++)
			if (!admit_class(admission, s, batch, &head_attempt))
				return false;
		if (claimant && !admission->claimant)
			continue; /* the claim was fulfilled: what it kept is open to the others */
		if (claim_for_head(admission, &head_attempt))
			continue;
		bool cleared = update_wait(admission);
		/* Places share words (a node without memory): what was cleared for one place was set again for another,
		 * and a release between the two kicked nobody. Who still waits is tried once more; the next round
		 * clears nothing. An arrival needs no look here: its kick makes us, or the next holder, scan again. */
		if (!cleared || !admission->room.count)
			return true;
	}
}

bool admission_kick(struct weir_admission *admission, struct batch *batch)
{
	/* ORDER(token): acq_rel. The note hands what we did (a push, a release) to the holder; taking the token takes
	 * over the room from the last holder. */
	if (at_swap(&admission->token, TOKEN_AGAIN, acq_rel, token) != TOKEN_IDLE)
		return false;
	for (;;) {
		/* ORDER(token): acq_rel, as above: exchanged, not stored, so that a note that was left is taken
		 * over. */
		at_swap(&admission->token, TOKEN_BUSY, acq_rel, token);
		if (!scan(admission, batch)) {
			/* ORDER(token): release, to the next holder. A note that we drop here is ours to act on:
			 * true. */
			at_swap(&admission->token, TOKEN_IDLE, acq_rel, token);
			return true;
		}
		uint32_t busy = TOKEN_BUSY;
		/* ORDER(token): release, to the next holder; acquire on failure, to who left the note. */
		if (at_cas(&admission->token, &busy, TOKEN_IDLE, acq_rel, acquire, token))
			return false;
	}
}

/* A decided function may give back, submit or cancel, which settles again: then the loop below it on the stack goes on,
 * or the stack would be as deep as the room was full. */
struct settling {
	struct weir_admission *admission;
	bool again;
	struct settling *below;
};

static _Thread_local struct settling *settling;

void admission_settle(struct weir_admission *admission)
{
	for (struct settling *one = settling; one; one = one->below)
		if (one->admission == admission) {
			one->again = true;
			return;
		}
	struct settling self = {.admission = admission, .below = settling};
	settling = &self;
	bool more;
	do {
		struct batch batch;
		batch_init(&batch);
		self.again = false;
		more = admission_kick(admission, &batch);
		for (struct waiter *waiter = batch.first, *next; waiter; waiter = next) {
			next = waiter->next;
			waiter->decided(waiter);
		}
	} while (more || self.again);
	settling = self.below;
}

void admission_sweep(struct weir_admission *admission)
{
	/* ORDER(sweep): release, pairs with the acquire in fetch_and_sweep(). */
	at_store(&admission->sweep, 1, release, sweep);
}

void admission_revalidate(struct weir_admission *admission)
{
	admission_settle(admission);
}
