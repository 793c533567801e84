/* SPDX-License-Identifier: MIT */
/*
 * chain.c - grants that are handed on: whoever ends one gives it to the next in line, not to the ledger.
 *
 * Holds:     for each place the first in line, lent by the room.
 * Invariant: H2  who is lent is served before everybody else who waits and may start there: a scan would have granted it.
 *            H3  a waiter that is lent is in one place: in one chain, or with the one who took it out.
 *            H4  while anybody is lent, WAIT is set on the words that it needs.
 * Progress:  handing on is lock-free. It tries for the token once, and gives the grant back to the ledger if another has it.
 *
 * Why nobody is passed by. Lent are only those who come first in the whole room (less who may start elsewhere only), of one shape, and the units that they need
 * are those of the grant that ends, on a place that they are permitted on. If the grant were given back, a scan would find
 * its units there, and try these waiters first. So it is the same, but for what a scan sees and a chain does not:
 *	arrivals      who arrives kicks, and is fetched; who is of another shape makes the holder look at everything, which
 *	              pulls all chains back first. Until then it is passed by, as by takers in flight.
 *	other room    a give on any word where somebody waits kicks: the scan pulls the chains back, and all are tried where
 *	              there is room. So nobody waits in a chain beside room that it would fit in (H4).
 *	a claim       nothing is lent while there is one, but to the claimant itself, whose claim is then dropped. A head
 *	              whose shape is being handed grants is not late: chains_served_ns().
 *	rules, levels and whatever else is in use of the gate (gate.h), a strategy of the user's own: nothing is lent. A change of
 *	              any looks at everything, so pulls back.
 *	a debt        nothing is lent nor taken out while a limit is owed something.
 *	cancellation  looks at everything. Who takes out a waiter that is cancelled pushes it back to the arrivals, where the
 *	              holder finds it.
 *	several nodes each has a chain, so waiters that any of them would do for are served out of turn between them: by at
 *	              most CHAIN_MAX for each other node, and FULL_LOOK_NS, after which whoever fills a chain looks at everything.
 *
 * What is owed. A lent waiter stays in the counts of the room until the holder looks again, so WAIT stays set while a chain is
 * not empty, and while those taken out of it are not counted out: the last one of them gives back, sees WAIT, and kicks.
 *
 * The grant. Its record stays where it is and gets a new handle (book_renew()), so that each holder has one of its own and a
 * stale one is known. One exchange decides between handing on and whoever releases the old handle.
 * Not here:  the token and the scan (kick.c), running whom the grant was handed to (worker.c).
 */
#include "runtime/chain.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/door.h"

bool chains_init(struct weir_admission *admission, uint32_t nodes)
{
	admission->chain = aligned_alloc(CACHE_LINE, nodes * sizeof(*admission->chain));
	for (uint32_t n = 0; admission->chain && n < nodes; n++) {
		struct grant_chain *chain = &admission->chain[n];
		memset(chain, 0, sizeof(*chain));
		chain->home = NO_NODE;
		at_init(&chain->word, 0);
	}
	return admission->chain != NULL;
}

void chains_fini(struct weir_admission *admission)
{
	free(admission->chain);
}

static uint32_t chains(const struct weir_admission *admission)
{
	return admission->tracker->ledger.nodes;
}

static bool is_of(const struct grant_chain *chain, const struct waiter *waiter)
{
	return waiter->may_be_lent &&
	       at_load(&((struct grant_chain *)chain)->main, relaxed, none) == waiter->wish.units.main &&
	       at_load(&((struct grant_chain *)chain)->counted, relaxed, none) == waiter->wish.units.counted &&
	       chain->home == waiter->wish.home && chain->home_only == waiter->wish.home_only &&
	       chain->task_class == waiter->demand.task_class && chain->priority == waiter->demand.priority;
}

bool chains_hold(const struct weir_admission *admission, const struct waiter *waiter)
{
	for (uint32_t n = 0; admission->chains_filled && n < chains(admission); n++)
		if (admission->chain[n].filled && is_of(&admission->chain[n], waiter))
			return true;
	return false;
}

uint64_t chains_served_ns(const struct weir_admission *admission, const struct waiter *head)
{
	uint64_t served_ns = 0;
	for (uint32_t n = 0; n < chains(admission); n++) {
		const struct grant_chain *chain = &admission->chain[n];
		if (chain->moved_ns > served_ns && is_of(chain, head))
			served_ns = chain->moved_ns;
	}
	return served_ns;
}

uint64_t chains_taken(struct weir_admission *admission)
{
	uint64_t taken = 0;
	for (uint32_t n = 0; n < chains(admission); n++)
		taken += chain_next(at_load(&admission->chain[n].word, relaxed, none));
	return taken;
}

/* Those who were taken out leave the counts. When each was is not known: some time since it was lent, so half of it. */
static void count_out(struct weir_admission *admission, uint32_t place, uint32_t taken)
{
	struct grant_chain *chain = &admission->chain[place];
	if (!taken)
		return;
	uint64_t then_ns = chain->filled_ns + (admission->now_ns - chain->filled_ns) / 2;
	uint32_t histogram = COUNT_WAIT + (uint32_t)chain->task_class * HISTOGRAM_COUNTERS;
	/* Those who came one after another have waited about the same. */
	uint64_t sum_ns = 0;
	for (uint32_t i = 0, run = 0; i < taken; i++) {
		uint64_t waited_ns = then_ns > chain->since_ns[i] ? then_ns - chain->since_ns[i] : 0;
		uint64_t after_ns =
			i + 1 < taken && then_ns > chain->since_ns[i + 1] ? then_ns - chain->since_ns[i + 1] : 0;
		sum_ns += waited_ns;
		run++;
		if (i + 1 < taken && histogram_bucket(after_ns) == histogram_bucket(waited_ns))
			continue;
		tally_add(&admission->tally, histogram + histogram_bucket(waited_ns), run);
		run = 0;
	}
	tally_add(&admission->tally, histogram + WEIR_BUCKETS, sum_ns);
	rates_note_several(&admission->rates, &chain->taken, taken);
	tally_add(&admission->tally, COUNT_GRANTED_LATER, taken);
	admission_count_grants(admission, place, taken);
	at_sub(&admission->waiting, taken, relaxed, none);
	claim_note_handed(admission, room_service(chain->task_class), taken);
	room_lent_gone(&admission->room, chain->home, chain->home_only, taken);
	chain->moved_ns = admission->now_ns;
}

static void pull_back(struct weir_admission *admission, uint32_t place)
{
	struct grant_chain *chain = &admission->chain[place];
	if (!chain->filled)
		return;
	uint64_t word = at_load(&chain->word, relaxed, none);
	/* ORDER(chain): release is not needed: who reads the slots of this tag fails in its exchange. Relaxed: the waiters
	 * are ours already. */
	word = at_swap(&chain->word, chain_word((word >> 16) + 1, 0, 0), relaxed, none);
	struct waiter *lent[CHAIN_MAX];
	uint32_t count = 0;
	for (uint32_t i = chain_next(word); i < chain_end(word); i++)
		lent[count++] = at_load(&chain->slot[i], relaxed, none);
	count_out(admission, place, chain->filled - count);
	if (count)
		room_take_back(&admission->room, lent, count);
	chain->filled = 0;
	admission->chains_filled--;
}

void chains_pull_back(struct weir_admission *admission)
{
	for (uint32_t n = 0; admission->chains_filled && n < chains(admission); n++)
		pull_back(admission, n);
}

/* May the head go to a chain of the place, by what a scan would ask? */
static bool may_lend(struct weir_admission *admission, const struct waiter *head, const struct packed *units)
{
	if (head->wish.units.main != units->main || head->wish.units.counted != units->counted)
		return false;
	if (!head->wish.home_only && chains(admission) > 1 &&
	    at_load(&admission->strategy_kind, relaxed, none) == STRATEGY_CUSTOM)
		return false;
	if ((admission->claimant && admission->claimant != head) ||
	    at_load(&admission->tracker->ledger.owed, relaxed, none))
		return false;
	return head->may_be_lent && !at_load(&admission->gates, relaxed, none);
}

bool chain_fill(struct weir_admission *admission, uint32_t place, const struct taken *taken)
{
	const struct packed *units = &taken->units;
	struct grant_chain *chain = &admission->chain[place];
	pull_back(admission, place);
	struct waiter *head = room_first_at(&admission->room, place);
	if (!head || !may_lend(admission, head, units))
		return false;
	if (!is_of(chain, head))
		chain->moved_ns = 0;
	if (admission->claimant)
		claim_drop(admission);
	/* Any node would do: the others' workers come for theirs. */
	uint32_t most = head->wish.home_only ? CHAIN_MAX : 1 + admission->room.count / chains(admission);
	struct waiter *lent[CHAIN_MAX];
	uint32_t count = room_lend(&admission->room, head, place, lent, most < CHAIN_MAX ? most : CHAIN_MAX);
	at_store(&chain->main, units->main, relaxed, none);
	at_store(&chain->counted, units->counted, relaxed, none);
	chain->home = lent[0]->wish.home;
	chain->home_only = lent[0]->wish.home_only;
	chain->task_class = lent[0]->demand.task_class;
	chain->priority = lent[0]->demand.priority;
	chain->taken = *taken;
	chain->filled = count;
	admission->chains_filled++;
	chain->filled_ns = admission->now_ns;
	for (uint32_t i = 0; i < count; i++) {
		chain->since_ns[i] = lent[i]->since_ns;
		at_store(&chain->slot[i], lent[i], relaxed, none);
	}
	uint64_t tag = (at_load(&chain->word, relaxed, none) >> 16) + 1;
	/* ORDER(chain): release, pairs with the acquires in chain_take(): slots and units, and the waiters in them. */
	at_store(&chain->word, chain_word(tag, 0, count), release, chain);
	return true;
}

/* Who was taken out and is not granted goes back to the arrivals; it is counted out, as granted, with the others. */
static void put_back(struct weir_admission *admission, struct waiter *waiter, uint32_t place)
{
	tally_add(&admission->tally, COUNT_GRANTED_LATER, UINT64_MAX);
	admission_count_grants(admission, place, UINT64_MAX);
	admission_return(admission, waiter);
}

/* Whoever was taken out gets the grant, unless it was cancelled. False: it goes back to the arrivals, to be swept. */
static bool hand_to(struct weir_admission *admission, struct waiter *waiter, uint32_t place, weir_grant grant)
{
	bool cancelled = waiter->cancelled && at_load(waiter->cancelled, relaxed, none);
	if (unlikely(cancelled || !waiter_move(waiter, WAITER_WAITING, WAITER_GRANTED))) {
		put_back(admission, waiter, place);
		return false;
	}
	waiter->grant = grant;
	waiter->node = place;
	return true;
}

struct waiter *admission_hand_on(struct weir_admission *admission, uint32_t place, weir_grant grant,
				 struct batch *batch, bool *kick, bool *stale)
{
	struct grant_chain *chain = &admission->chain[place];
	struct packed units;
	enum handing handing = HANDING_ON;
	bool renewed = false;
	*stale = false;
	/* If it is not live these are somebody's, and book_renew() says so. */
	if (unlikely(!book_glance(admission->tracker->book, grant, &units.main, &units.counted)))
		handing = HANDING_BUSY;
	/* What is owed to a limit is paid by what comes back. */
	while (handing == HANDING_ON && likely(!at_load(&admission->tracker->ledger.owed, relaxed, none))) {
		struct waiter *waiter = chain_take(chain, &units);
		if (!waiter) {
			if (!at_load(&admission->waiting, relaxed, none))
				break;
			/* Others may take all that we put in. */
			handing = door_fill_chain(admission, place, grant, batch, kick);
			continue;
		}
		if (!renewed && !book_renew_at_once(admission->tracker->book, &grant, units.main, units.counted) &&
		    !book_renew(admission->tracker->book, &grant, units.main, units.counted)) {
			/* Somebody releases it just now. */
			put_back(admission, waiter, place);
			*kick = true;
			break;
		}
		renewed = true;
		if (hand_to(admission, waiter, place, grant))
			return waiter;
		*kick = true;
	}
	if (handing == HANDING_ON || handing == HANDING_BUSY)
		handing = admission_give(admission, grant, kick) ? HANDING_STALE : HANDING_GIVEN;
	*stale = handing == HANDING_STALE;
	return NULL;
}
