/* SPDX-License-Identifier: MIT */
/*
 * leave.c - who leaves the waiting room without a grant: cancelled, by itself or with its group; too late; never to fit.
 *
 * Holds:     nothing; the lists are the room's, and belong to the holder of the token.
 * Invariant: A1  whoever moves a waiter's state away from WAITING decides it, and it leaves once: those that the holder moves
 *                at once, a cancelled one when its canceller has said so (cancels).
 *            X2  nobody is granted at a scan that began after its time was over.
 * Progress:  cancelling is lock-free, and costs the holder a few steps for each, however many wait.
 * Not here:  the token and the scan (kick.c), the heap (expiry.c), who keeps time (tick.c).
 *
 * Cancel:    CAS the state from WAITING to CANCELLED, push the waiter on cancels, kick. Between the two the waiter is the
 *            canceller's: the holder who meets it puts it aside, so that it hides nobody behind it, but leaves it there until
 *            it finds it among cancels. A canceller that is descheduled between the two delays its own waiter's end only.
 * Order:     cancels and the word to sweep are taken first, arrivals after them: whoever cancelled pushed before, or waited
 *            for the push, so that the waiter is among those that are fetched. The other way round, it could come between, and
 *            nobody would look for it again. (Who cancels a number that he was not told of may come before the push: FORGONE.)
 */
#include "runtime/door.h"

#include "private/clock.h"

enum { SWEEP_GROUPS = 1, SWEEP_LIMITS = 2, SWEEP_WAITED_FOR = 4 };

bool admission_cancel(struct weir_admission *admission, struct waiter *waiter, uint64_t ticket)
{
	if (!waiter_move_use(waiter, ticket, WAITER_WAITING, WAITER_CANCELLED))
		return false;
	waiter->cancel = at_load(&admission->cancels, relaxed, none);
	/* ORDER(sweep): release, pairs with the acquire in leave_and_fetch(). */
	while (!at_cas_weak(&admission->cancels, &waiter->cancel, waiter, release, relaxed, sweep))
		;
	return true;
}

void admission_sweep(struct weir_admission *admission)
{
	/* ORDER(sweep): release, pairs with the acquire in leave_and_fetch(). */
	at_or(&admission->sweep, SWEEP_GROUPS, release, sweep);
}

void admission_revalidate(struct weir_admission *admission)
{
	/* ORDER(sweep): release, both, pairs with the acquires in leave_and_fetch(), fetch_arrivals() and ask(): who sweeps, and
	 * who asks from now on, sees the new limits. The count is for who has asked already, and arrives after the sweep. */
	at_add(&admission->relimits, 1, release, sweep);
	at_or(&admission->sweep, SWEEP_LIMITS, release, sweep);
	admission_settle(admission);
}

bool admission_let_pass(struct weir_admission *admission)
{
	/* ORDER(sweep): release, pairs with the acquire in leave_and_fetch(): who looks sees whose holders wait. */
	at_or(&admission->sweep, SWEEP_WAITED_FOR, release, sweep);
	admission_settle(admission);
	bool others = false;
	for (uint32_t looks = 0;
	     at_load(&admission->sweep, relaxed, none) & SWEEP_WAITED_FOR && !admission_settles_here(admission);
	     looks++) {
		others = true;
		clock_give_way(looks);
	}
	return others;
}

/* The end of a cancelled one. */
static void deliver_cancelled(struct weir_admission *admission, struct waiter *waiter, struct batch *batch)
{
	tally_add(&admission->tally, COUNT_CANCELLED, 1);
	door_deliver(admission, waiter, batch);
}

/* True: limits have changed since somebody was found to fit some day. */
static bool fetch_arrivals(struct weir_admission *admission, struct batch *batch)
{
	/* ORDER(arrivals): acquire, pairs with the release in push_arrival(). ORDER(cancel): seq_cst, both, after the flag
	 * of a group whose cancellation made us look. */
	if (!at_load(&admission->arrivals, seq_cst, arrivals))
		return false;
	struct waiter *newest = at_swap(&admission->arrivals, NULL, seq_cst, arrivals);
	struct waiter *oldest = NULL;
	while (newest) {
		struct waiter *next = newest->next;
		newest->next = oldest;
		oldest = newest;
		newest = next;
	}
	/* ORDER(sweep): acquire, pairs with the release in admission_revalidate(). Not seen here: it makes us sweep later. */
	uint32_t relimits = at_load(&admission->relimits, acquire, sweep);
	bool relimited = false;
	while (oldest) {
		struct waiter *waiter = oldest;
		oldest = waiter->next;
		if (unlikely(waiter->place == PLACE_FORGONE)) {
			deliver_cancelled(admission, waiter, batch);
			continue;
		}
		relimited |= waiter->relimits != relimits;
		if (room_add(&admission->room, waiter) && !chains_hold(admission, waiter))
			admission->news = true;
		if (waiter->expires_ns != EXPIRY_NEVER)
			expiry_add(&admission->expiry, waiter);
	}
	return relimited;
}

static void take_cancelled(struct weir_admission *admission, struct waiter *waiter, struct batch *batch)
{
	while (waiter) {
		struct waiter *next = waiter->cancel;
		if (waiter->place == PLACE_LISTED)
			door_unlist(admission, waiter);
		if (likely(waiter->place == PLACE_ASIDE))
			deliver_cancelled(admission, waiter, batch);
		else
			waiter->place = PLACE_FORGONE;
		waiter = next;
	}
}

bool leave_if_cancelled(struct weir_admission *admission, struct waiter *waiter, struct batch *batch)
{
	if (likely(!waiter_is_cancelled(waiter)))
		return false;
	door_unlist(admission, waiter);
	if (waiter_move(waiter, WAITER_WAITING, WAITER_CANCELLED))
		deliver_cancelled(admission, waiter, batch);
	return true;
}

static bool leaves_with_group(struct waiter *waiter, void *context)
{
	(void)context;
	return waiter->cancelled && at_load(waiter->cancelled, relaxed, none) &&
	       waiter_move(waiter, WAITER_WAITING, WAITER_CANCELLED);
}

/* The limits may have come down below what it needs. */
static bool leaves_as_infeasible(struct waiter *waiter, void *context)
{
	struct weir_admission *admission = context;
	struct shortage why = {0};
	if (wish_is_feasible(&admission->tracker->ledger, &waiter->wish, &why) ||
	    !waiter_move(waiter, WAITER_WAITING, WAITER_REFUSED))
		return false;
	waiter->cause = WEIR_CAUSE_INFEASIBLE;
	return true;
}

static void sweep_room(struct weir_admission *admission, bool (*leaves)(struct waiter *waiter, void *context),
		       uint32_t counter, struct batch *batch)
{
	struct waiter *waiter = room_sweep(&admission->room, leaves, admission);
	while (waiter) {
		struct waiter *next = waiter->next;
		door_unlist(admission, waiter);
		tally_add(&admission->tally, counter, 1);
		door_deliver(admission, waiter, batch);
		waiter = next;
	}
}

/* One who is cancelled at the same moment is its canceller's. */
static void expire(struct weir_admission *admission, struct batch *batch)
{
	while (unlikely(expiry_next_ns(&admission->expiry) <= admission->now_ns)) {
		struct waiter *waiter = admission->expiry.first;
		door_unlist(admission, waiter);
		if (!waiter_move(waiter, WAITER_WAITING, WAITER_REFUSED))
			continue;
		waiter->cause = WEIR_CAUSE_DEADLINE;
		tally_add(&admission->tally, COUNT_EXPIRED, 1);
		door_deliver(admission, waiter, batch);
	}
}

void leave_and_fetch(struct weir_admission *admission, struct batch *batch)
{
	struct waiter *cancelled = NULL;
	/* ORDER(sweep): acquire, pairs with the releases in admission_cancel(), admission_sweep(), admission_revalidate() and
	 * admission_let_pass(): we see who was cancelled, and what changed. */
	if (unlikely(at_load(&admission->cancels, relaxed, none)))
		cancelled = at_swap(&admission->cancels, NULL, acquire, sweep);
	uint32_t sweep = at_load(&admission->sweep, relaxed, none);
	if (unlikely(sweep))
		sweep = at_swap(&admission->sweep, 0, acquire, sweep);
	if (unlikely(cancelled || sweep))
		chains_pull_back(admission);
	if (unlikely(fetch_arrivals(admission, batch)))
		sweep |= SWEEP_LIMITS;
	take_cancelled(admission, cancelled, batch);
	if (unlikely(sweep & SWEEP_GROUPS))
		sweep_room(admission, leaves_with_group, COUNT_CANCELLED, batch);
	if (unlikely(sweep & SWEEP_LIMITS))
		sweep_room(admission, leaves_as_infeasible, COUNT_INFEASIBLE_LATER, batch);
	if (unlikely(sweep & SWEEP_WAITED_FOR))
		claim_let_pass(admission, batch);
	expire(admission, batch);
}
