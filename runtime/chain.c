/* SPDX-License-Identifier: MIT */
/*
 * chain.c - grants that are handed on: whoever ends one gives it to the next in line, not to the ledger.
 *
 * Holds:     for each thread that ends grants its hand: the first in line, lent by the room.
 * Invariant: H2  who is lent is served before everybody else who waits and may start there: a scan would have granted it.
 *            H3  a waiter that is lent is in one place: in one hand, or with the one who took it out.
 *            H4  while anybody is lent, WAIT is set on the words that it needs.
 * Progress:  handing on is lock-free. It tries for the token a few times for each hand that is filled, and gives the grant back to
 *            the ledger if another has it all the while, or if others empty each hand that it fills.
 *
 * Why nobody is passed by. Lent are only those who come first in the whole room (less who may start elsewhere only), of one shape, and the units that they need
 * are those of the grant that ends, on a place that they are permitted on. If the grant were given back, a scan would find
 * its units there, and try these waiters first. So it is the same, but for what a scan sees and a hand does not:
 *	arrivals      who arrives kicks, and is fetched; who is of another shape makes the holder look at everything, which
 *	              pulls all back first. Until then it is passed by, as by takers in flight.
 *	other room    a give on any word where somebody waits kicks: the scan pulls all back, and all are tried where
 *	              there is room. So nobody waits in a hand beside room that it would fit in (H4).
 *	              who gave back only because it could not have the token: then those in hands stay there, as long as others of
 *	              each shape that is lent stand first in the room, and of these at last one is left for whom there is no room.
 *	              FULL_LOOK_NS after all were pulled back they are again, as below.
 *	a claim       nothing is lent to a class that it binds, but to the claimant itself, whose claim is then dropped. Those of
 *	              higher classes pass it, as at a scan, until it has aged once more (O2). A head whose shape is being
 *	              handed grants is not late: chains_served_ns().
 *	age	      whom those in hands have passed often enough to raise him by a class (O2): then the next grant is given back.
 *	rules, levels and whatever else is in use of the gate (gate.h), a strategy of the user's own: nothing is lent. A change of
 *	              any looks at everything, so pulls back.
 *	a debt        nothing is lent nor taken out while a limit is owed something.
 *	cancellation  looks at everything. Who was cancelled itself is passed over, and pulled back; who was cancelled with its
 *	              group may still be granted until then, as by a scan in flight, and ends without running.
 *	other hands   those of one place hold one shape: who would fill another with the next shape has all of the place pulled
 *	              back first, and who finds the room empty too. So what is out of turn is the age within a shape: a hand is
 *	              passed by what is in the others, and fills again, at most HAND_MAX each. They get as many as are served in
 *	              HAND_NS, or with more than seven hands up to ten times that, by how it went the last time: tasks that run for
 *	              longer are lent one by one, in their order.
 *	a long task   in front of a hand keeps it waiting while others are handed grants, where a hand was filled for short tasks
 *	              and long ones came: until whoever fills its own finds nobody else in the room, room comes back in any other
 *	              way, a hand is used up FULL_LOOK_NS after the last full look, or HANDS_LAST_NS have passed. Order within a
 *	              shape suffers, room is not left unused.
 *	several nodes each has its hands, so waiters that any of them would do for are served out of turn between them, whatever
 *	              their class: by as many, and for as long, as between hands.
 *
 * What is owed. A lent waiter stays in the counts of the room until the holder looks again, so WAIT stays set while a hand is
 * not empty, and while those taken out of it are not counted out: the last one of them gives back, sees WAIT, and kicks.
 *
 * One exchange. The owner exchanges the state of the waiter that it takes from that in which it was lent; who cancels it, and the
 * holder who pulls it back (which makes it another turn), do the same. So nobody but the owner writes the hand, save its end.
 *
 * The grant. Its record stays where it is and gets a new handle (book_renew()), so that each holder has one of its own and a
 * stale one is known. One exchange decides between handing on and whoever releases the old handle.
 * Not here:  the token and the scan (kick.c), running whom the grant was handed to (worker.c).
 */
#include "runtime/chain.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/door.h"

enum {
	PACE_FIRST = 4,
	CROWD = 4,	     /* hands, for which one lasts HAND_NS once more */
	HAND_TIMES_MAX = 10, /* by no more than so often */
	FILLS_MAX = 2	     /* hands filled, and empty when reached into, before the grant is given back */
};
#define HAND_NS (50 * WEIR_NS_PER_US)

bool chains_init(struct weir_admission *admission, uint32_t nodes)
{
	admission->lent = aligned_alloc(CACHE_LINE, nodes * sizeof(*admission->lent));
	if (admission->lent)
		memset(admission->lent, 0, nodes * sizeof(*admission->lent));
	admission->hand = calloc(THREADS_MAX, sizeof(*admission->hand));
	for (uint32_t n = 0; admission->lent && n < nodes; n++)
		admission->lent[n].home = NO_NODE;
	return admission->lent && admission->hand;
}

void chains_fini(struct weir_admission *admission)
{
	for (uint32_t i = 0; i < at_load(&admission->hands_end, relaxed, none); i++)
		free(at_load(&admission->hand[i], relaxed, none));
	free(admission->hand);
	free(admission->lent);
}

static COLD struct hand *make_hand(struct weir_admission *admission, uint32_t index)
{
	struct hand *hand = aligned_alloc(CACHE_LINE, sizeof(*hand));
	if (!hand)
		return NULL;
	memset(hand, 0, sizeof(*hand));
	hand->pace = PACE_FIRST;
	uint32_t end = at_load(&admission->hands_end, relaxed, none);
	/* ORDER(hands): release, both, pairs with the acquires in chains_taken(). */
	at_store(&admission->hand[index], hand, release, hands);
	while (end <= index && !at_cas_weak(&admission->hands_end, &end, index + 1, release, relaxed, hands))
		;
	return hand;
}

/* The calling thread's. NULL: it has no number, or there is no memory. */
static inline struct hand *own_hand(struct weir_admission *admission)
{
	uint32_t index = thread_index();
	if (unlikely(index >= THREADS_MAX))
		return NULL;
	struct hand *hand = at_load(&admission->hand[index], relaxed, none);
	return likely(hand) ? hand : make_hand(admission, index);
}

struct hand *chains_hand(struct weir_admission *admission)
{
	return own_hand(admission);
}

void chains_fetch(struct weir_admission *admission, const struct hand *hand)
{
	__builtin_prefetch(&admission->token, 1);
	__builtin_prefetch(&admission->now_ns, 1);
	__builtin_prefetch(&admission->hands_filled, 1);
	__builtin_prefetch(&admission->lent[hand->place], 1);
	room_fetch(&admission->room);
}

static uint32_t places(const struct weir_admission *admission)
{
	return admission->tracker->ledger.nodes;
}

static bool is_of(const struct lending *lent, const struct waiter *waiter)
{
	return waiter->may_be_lent && lent->units.main == waiter->wish.units.main &&
	       lent->units.counted == waiter->wish.units.counted && lent->home == waiter->wish.home &&
	       lent->home_only == waiter->wish.home_only && lent->task_class == waiter->demand.task_class &&
	       lent->priority == waiter->demand.priority;
}

bool chains_hold(const struct weir_admission *admission, const struct waiter *waiter)
{
	for (uint32_t n = 0; admission->hands_filled && n < places(admission); n++)
		if (admission->lent[n].hands && is_of(&admission->lent[n], waiter))
			return true;
	return false;
}

uint64_t chains_served_ns(const struct weir_admission *admission, const struct waiter *head)
{
	uint64_t served_ns = 0;
	for (uint32_t n = 0; n < places(admission); n++) {
		const struct lending *lent = &admission->lent[n];
		if (lent->moved_ns > served_ns && is_of(lent, head))
			served_ns = lent->moved_ns;
	}
	return served_ns;
}

uint64_t chains_taken(struct weir_admission *admission)
{
	uint64_t taken = 0;
	/* ORDER(hands): acquire, both, pairs with the releases in make_hand(). */
	uint32_t end = at_load(&admission->hands_end, acquire, hands);
	for (uint32_t i = 0; i < end; i++) {
		struct hand *hand = at_load(&admission->hand[i], acquire, hands);
		if (!hand)
			continue;
		/* ORDER(counted): acquire, pairs with the release in count_out(): who were counted out have left `waiting`. */
		uint64_t counted = at_load(&hand->counted, acquire, counted);
		uint64_t ever = at_load(&hand->taken, relaxed, none);
		/* One that its owner is in the middle of taking may be counted out before; so it hides none of another hand. */
		taken += ever > counted ? ever - counted : 0;
	}
	return taken;
}

/* How many are served while a hand should last, by how many it took how long for; no more than twice as many as before.
 * Where many fill their hands, each has to come more seldom. */
static void keep_pace(const struct weir_admission *admission, struct hand *hand, uint32_t taken, uint64_t took_ns)
{
	uint64_t times = at_load(&((struct weir_admission *)admission)->hands_of_late, relaxed, none) / CROWD;
	uint64_t last_ns = HAND_NS * (times < 1 ? 1 : times > HAND_TIMES_MAX ? HAND_TIMES_MAX : times);
	uint64_t pace = took_ns ? taken * last_ns / took_ns : HAND_MAX;
	uint64_t most = hand->pace * 2 < HAND_MAX ? hand->pace * 2 : HAND_MAX;
	hand->pace = (uint32_t)(pace < 1 ? 1 : pace > most ? most : pace);
}

/* How long those who were taken out waited. When each was taken is not known: some time since it was lent, so half of it. */
static uint64_t count_each_wait(struct weir_admission *admission, const struct hand *hand, uint32_t histogram,
				uint32_t taken, uint64_t then_ns)
{
	uint64_t sum_ns = 0;
	for (uint32_t i = 0, next; i < taken; i = next) {
		uint64_t waited_ns = then_ns > hand->since_ns[i] ? then_ns - hand->since_ns[i] : 0;
		uint32_t bucket = histogram_bucket(waited_ns);
		/* Those who came one after another have waited about the same. */
		uint64_t from_ns = bucket ? weir_histogram_bound_ns(bucket - 1) : 0;
		uint64_t below_ns = weir_histogram_bound_ns(bucket) - from_ns;
		sum_ns += waited_ns;
		for (next = i + 1; next < taken; next++) {
			waited_ns = then_ns - hand->since_ns[next];
			if (waited_ns - from_ns >= below_ns || then_ns < hand->since_ns[next])
				break;
			sum_ns += waited_ns;
		}
		tally_add(&admission->tally, histogram + bucket, next - i);
	}
	return sum_ns;
}

static void count_waits(struct weir_admission *admission, const struct hand *hand, uint32_t histogram, uint32_t taken,
			uint64_t then_ns)
{
	uint32_t bucket = histogram_bucket(then_ns - hand->since_last_ns);
	uint64_t sum_ns = taken * then_ns - hand->since_sum_ns;
	/* If all were, and who waited longest is counted with who did least, so are those between. */
	if (likely(taken == hand->filled) && likely(then_ns >= hand->since_last_ns) &&
	    likely(histogram_bucket(then_ns - hand->since_first_ns) == bucket))
		tally_add(&admission->tally, histogram + bucket, taken);
	else
		sum_ns = count_each_wait(admission, hand, histogram, taken, then_ns);
	tally_add(&admission->tally, histogram + WEIR_BUCKETS, sum_ns);
}

/* Those who were taken out leave the counts. */
static void count_out(struct weir_admission *admission, struct hand *hand, uint32_t taken)
{
	struct lending *lent = &admission->lent[hand->place];
	if (!taken)
		return;
	uint64_t took_ns = admission->now_ns > hand->filled_ns ? admission->now_ns - hand->filled_ns : 0;
	count_waits(admission, hand, COUNT_WAIT + (uint32_t)lent->task_class * HISTOGRAM_COUNTERS, taken,
		    hand->filled_ns + took_ns / 2);
	rates_note_several(&admission->rates, &hand->held, taken);
	tally_add(&admission->tally, COUNT_GRANTED_LATER, taken);
	admission_count_grants(admission, hand->place, taken);
	at_sub(&admission->waiting, taken, relaxed, none);
	/* ORDER(counted): release, pairs with the acquire in chains_taken(): who sees it sees that fewer wait. */
	at_store(&hand->counted, at_load(&hand->counted, relaxed, none) + taken, release, counted);
	claim_note_handed(admission, room_service(lent->task_class), taken);
	room_lent_gone(&admission->room, lent->home, lent->home_only, taken);
	lent->moved_ns = admission->now_ns;
	keep_pace(admission, hand, taken, took_ns);
}

static void put_down(struct weir_admission *admission, struct hand *hand)
{
	hand->filled = 0;
	admission->lent[hand->place].hands--;
	admission->hands_filled--;
}

static void pull_back(struct weir_admission *admission, struct hand *hand)
{
	if (!hand->filled)
		return;
	/* ORDER(hand): acquire, pairs with the release in hand_take(): those passed over up to there are known. */
	uint32_t taken = at_load(&hand->next, acquire, hand);
	if (unlikely(at_load(&hand->passed, relaxed, none)))
		taken = 0;
	struct waiter *back[HAND_MAX];
	uint32_t count = 0;
	for (uint32_t i = taken; i < hand->filled; i++) {
		if (waiter_take_back(hand->slot[i].waiter, hand->slot[i].state))
			back[count++] = hand->slot[i].waiter;
		else
			hand->since_ns[taken++] = hand->since_ns[i];
	}
	/* Relaxed: whom the owner takes is decided by their states. */
	if (count)
		at_store(&hand->end, 0, relaxed, none);
	count_out(admission, hand, taken);
	if (count)
		room_take_back(&admission->room, back, count);
	put_down(admission, hand);
}

/* Those that are filled are some that will be again. */
static void note_hands(struct weir_admission *admission)
{
	if (admission->hands_filled > at_load(&admission->hands_of_late, relaxed, none))
		at_store(&admission->hands_of_late, admission->hands_filled, relaxed, none);
}

/* All of a place; NO_NODE: of all. */
static void pull_back_all(struct weir_admission *admission, uint32_t place)
{
	const uint32_t *filled = place == NO_NODE ? &admission->hands_filled : &admission->lent[place].hands;
	for (uint32_t i = 0; *filled; i++) {
		CHECK("H3", i < THREADS_MAX);
		/* ORDER(hands): acquire, pairs with the release in make_hand(): the hand is there. */
		struct hand *hand = at_load(&admission->hand[i], acquire, hands);
		if (hand && hand->filled && (place == NO_NODE || hand->place == place))
			pull_back(admission, hand);
	}
}

void chains_pull_back(struct weir_admission *admission)
{
	at_store(&admission->hands_of_late, at_load(&admission->hands_of_late, relaxed, none) / 2, relaxed, none);
	note_hands(admission);
	pull_back_all(admission, NO_NODE);
}

/* Does the claim keep room from a class? */
static bool is_bound(const struct weir_admission *admission, weir_class task_class)
{
	const _Atomic(uint32_t) *binds = &((struct weir_admission *)admission)->claim_binds;
	return admission->claimant && room_service(task_class) >= at_load(binds, relaxed, none);
}

bool chains_are_behind(const struct weir_admission *admission)
{
	for (uint32_t n = 0; admission->hands_filled && n < places(admission); n++) {
		if (!admission->lent[n].hands)
			continue;
		const struct waiter *head = room_first_at(&admission->room, n);
		if (!head || !is_of(&admission->lent[n], head) || is_bound(admission, head->demand.task_class))
			return false;
	}
	return true;
}

/* May the head go to a hand, by what a scan would ask? */
static bool may_lend(struct weir_admission *admission, const struct waiter *head, const struct packed *units)
{
	if (head->wish.units.main != units->main || head->wish.units.counted != units->counted)
		return false;
	if (!head->wish.home_only && places(admission) > 1 &&
	    at_load(&admission->strategy_kind, relaxed, none) == STRATEGY_CUSTOM)
		return false;
	if ((admission->claimant != head && is_bound(admission, head->demand.task_class)) ||
	    at_load(&admission->tracker->ledger.owed, relaxed, none))
		return false;
	return head->may_be_lent && !at_load(&admission->gates, relaxed, none);
}

/* Who is first, after those that other hands have of the place, if there is nobody else or they are of another shape. */
static struct waiter *first_in_line(struct weir_admission *admission, uint32_t place, struct lending *lent)
{
	struct waiter *head = room_first_at(&admission->room, place);
	if (!lent->hands || (head && is_of(lent, head)))
		return head;
	note_hands(admission);
	pull_back_all(admission, place);
	return room_first_at(&admission->room, place);
}

static void describe(struct lending *lent, const struct waiter *head)
{
	if (!is_of(lent, head))
		lent->moved_ns = 0;
	lent->units = head->wish.units;
	lent->home = head->wish.home;
	lent->home_only = head->wish.home_only;
	lent->task_class = head->demand.task_class;
	lent->priority = head->demand.priority;
}

static void put_in(struct hand *hand, struct waiter *const *out, uint32_t count)
{
	uint64_t sum_ns = 0, first_ns = UINT64_MAX, last_ns = 0;
	for (uint32_t i = 0; i < count; i++) {
		hand->slot[i].waiter = out[i];
		/* Whoever cancels it meanwhile has it: WAITING is what it should be. */
		uint64_t state = at_load(&out[i]->state, relaxed, none);
		hand->slot[i].state = state - state % WAITER_STATES + WAITER_WAITING;
		uint64_t since_ns = waiter_since_ns(out[i]);
		hand->since_ns[i] = since_ns;
		sum_ns += since_ns;
		first_ns = since_ns < first_ns ? since_ns : first_ns;
		last_ns = since_ns > last_ns ? since_ns : last_ns;
	}
	hand->slot[count].waiter = hand->slot[count + 1].waiter = out[count - 1];
	hand->since_sum_ns = sum_ns;
	hand->since_first_ns = first_ns;
	hand->since_last_ns = last_ns;
}

bool hand_fill(struct weir_admission *admission, struct hand *hand, uint32_t place, const struct taken *taken)
{
	struct lending *lent = &admission->lent[place];
	pull_back(admission, hand);
	/* It is given back, and who looks then lets him claim. */
	if (unlikely(admission->aged))
		return false;
	struct waiter *head = first_in_line(admission, place, lent);
	if (!head || !may_lend(admission, head, &taken->units))
		return false;
	describe(lent, head);
	if (admission->claimant == head)
		claim_drop(admission);
	note_hands(admission);
	/* Some for the others: their hands, and other nodes' where any would do. */
	uint32_t others = at_load(&admission->hands_of_late, relaxed, none);
	others = others > places(admission) ? others : places(admission);
	uint32_t most = 1 + admission->room.count / (2 * others);
	/* Where there are many, nobody can tell whom he will be lent next: then only who has the token knows. */
	bool crowded = others > CROWD;
	most = most < hand->pace ? most : hand->pace;
	room_fetch_first(&admission->room, head, most);
	hand_fetch_owner(head);
	struct waiter *out[HAND_MAX];
	uint32_t count = room_lend(&admission->room, head, place, out, most);
	CHECK("H2", count);
	put_in(hand, out, count);
	hand->place = place;
	hand->units = taken->units;
	hand->grant = (weir_grant){0};
	hand->held = *taken;
	hand->filled = count;
	hand->filled_ns = admission->now_ns;
	/* Relaxed, all: of the others only who has the token after us relies on it. */
	at_store(&hand->next, 0, relaxed, none);
	at_store(&hand->passed, 0, relaxed, none);
	at_store(&hand->end, count, relaxed, none);
	/* Who will be in it the next time, if the others fill theirs by turns with it. */
	uint64_t order = waiter_order(out[count - 1]) + 1 + (uint64_t)admission->hands_filled * hand->pace;
	for (uint32_t i = crowded ? 0 : room_coming(&admission->room, order, hand->coming, count); i <= count; i++)
		hand->coming[i] = out[count - 1];
	if (!crowded)
		room_fetch_coming(&admission->room, order + (order - waiter_order(head)), count);
	lent->hands++;
	admission->hands_filled++;
	hand_fetch_ahead(hand, 0);
	return true;
}

/* May there be somebody in it for such a grant? */
static inline bool hand_has(const struct hand *hand, uint32_t place, const struct packed *units)
{
	struct hand *own = (struct hand *)hand;
	return at_load(&own->next, relaxed, none) < at_load(&own->end, relaxed, none) && hand->place == place &&
	       hand->units.main == units->main && hand->units.counted == units->counted;
}

/* What is handed on first after a fill; the rest at once, if it can. */
static void note_grant(struct weir_admission *admission, struct hand *hand, weir_grant grant)
{
	struct book *book = admission->tracker->book;
	hand->record = book_slot_of(book, grant);
	hand->cache = slots_own_cache(&book->slots);
	hand->grant = book_owns(hand->record, hand->cache, grant, HAND_MAX) ? grant : (weir_grant){0};
}

struct waiter *admission_hand_on(struct weir_admission *admission, uint32_t place, weir_grant grant,
				 struct batch *batch, bool *kick, bool *stale)
{
	struct hand *hand = own_hand(admission);
	struct packed units = {0};
	enum handing handing = HANDING_ON;
	bool renewed = false;
	int fills = 0;
	*stale = false;
	/* If it is not live these are somebody's, and book_renew() says so. */
	if (unlikely(!hand || !book_glance(admission->tracker->book, grant, &units.main, &units.counted)))
		handing = HANDING_BUSY;
	/* What is owed to a limit is paid by what comes back. */
	while (handing == HANDING_ON && likely(!at_load(&admission->tracker->ledger.owed, relaxed, none))) {
		if (!hand_has(hand, place, &units)) {
			/* Two who fill with the same ones by turns may each find that the other has pulled them back. */
			if (!at_load(&admission->waiting, relaxed, none) || fills++ == FILLS_MAX)
				break;
			handing = door_fill_hand(admission, hand, place, grant, batch, kick);
			continue;
		}
		if (!renewed && !book_renew(admission->tracker->book, &grant, units.main, units.counted)) {
			/* Somebody releases it just now. */
			*kick = true;
			break;
		}
		renewed = true;
		note_grant(admission, hand, grant);
		struct waiter *waiter = hand_take(hand, at_load(&hand->next, relaxed, none));
		if (likely(waiter)) {
			waiter->grant = grant;
			waiter->node = place;
			return waiter;
		}
		/* Whoever decided them may not have said so yet: the next look meets those, or we wait for nobody. */
		at_store(&admission->look_all, 1, relaxed, none);
		*kick = true;
	}
	if (handing == HANDING_ON || handing == HANDING_BUSY) {
		bool waiters = false, busy = handing == HANDING_BUSY;
		handing = admission_give(admission, grant, &waiters) ? HANDING_STALE : HANDING_GIVEN;
		if (waiters && busy)
			*kick |= admission_kick(admission, KICK_GIVEN, batch);
		else
			*kick |= waiters;
	}
	*stale = handing == HANDING_STALE;
	return NULL;
}
