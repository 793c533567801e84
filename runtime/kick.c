/* SPDX-License-Identifier: MIT */
/*
 * kick.c - the waiting room's door: one token, and what its holder does.
 *
 * Holds:     the room, the claim, the WAIT flags; all of it belongs to the holder of the token.
 * Invariant: A2  while the room is not empty, WAIT is set on every word whose release could start somebody in it.
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
 * Looks:     a kick for a waiter that has just arrived looks at arrivals only, where nothing else has changed since all were
 *            found not to fit: one more of a shape that waits changes nothing. A kick of who gave back because it found the token taken
 *            while it would fill its hand (given) leaves hands as they are, if that changes nothing: see scan(). Every other
 *            kick says that it wants all (look_all).
 * Given:     who would fill its hand, and finds the token taken         who holds it, at each note (token AGAIN)
 *                give; WAIT was set?                                        token -> BUSY       by exchange: sees given, if it
 *                given = 1            (release)                                                was this note
 *                token -> AGAIN       by exchange; was IDLE? its own        given -> 0          by exchange (acquire): was it 1,
 *                                     now, and it looks itself                                 the scan sees what was given
 *            Was it 0, another look has taken it since, and its scan came after the give. So behind each such give there is a
 *            scan. That leaves hands alone only where somebody of each lent shape stands first in the room before and after it,
 *            and was tried: what does not fit it does not fit those in hands.
 * Due:       after each look the holder says when the first of those who wait gives up, and until when hands may lie filled; who
 *            keeps time settles then (tick.c).
 * Not here:  first verdicts (admission.c), who leaves without a grant (leave.c), claims (claim.c), delivering what was decided
 *            (whoever kicked).
 */
#include "runtime/door.h"

enum {
	TOKEN_IDLE,
	TOKEN_BUSY,
	TOKEN_AGAIN,
	BATCH_MAX = 32,	  /* decisions at one scan: then they are delivered first */
	TOKEN_TURNS = 64, /* of waiting, for who would fill a hand, for each of those who do */
	TOKEN_LOOKS = 16, /* before it is asked how many do */
	HANDS_FEW = 4,
	TOKEN_SELDOM = 4, /* turns between two looks for each of more than that; and so many times as patient */
	SHAPES_TRIED = 16 /* that do not fit, before the rest is compared with the most that is spare */
};
#define FULL_LOOK_NS WEIR_NS_PER_MS	    /* while hands are filled, everybody is looked at so often; */
#define HANDS_LAST_NS (10 * WEIR_NS_PER_MS) /* and so often while they are not used up (tick.c) */

void door_deliver(struct weir_admission *admission, struct waiter *waiter, struct batch *batch)
{
	if (unlikely(at_load(&admission->gates, relaxed, none) & GATE_BREAKER || waiter->is_ahead))
		gate_left(admission, waiter);
	at_sub(&admission->waiting, 1, relaxed, none);
	waiter->next = NULL;
	*batch->end = waiter;
	batch->end = &waiter->next;
	batch->count++;
}

void door_unlist(struct weir_admission *admission, struct waiter *waiter)
{
	if (waiter->place == PLACE_LISTED)
		room_remove(&admission->room, waiter);
	if (unlikely(waiter->expires_ns != EXPIRY_NEVER)) {
		expiry_remove(&admission->expiry, waiter);
		waiter->expires_ns = EXPIRY_NEVER;
	}
	if (unlikely(admission->claimant == waiter))
		claim_drop(admission);
}

void door_look_again(struct weir_admission *admission)
{
	at_store(&admission->look_all, 1, relaxed, none);
	/* ORDER(token): acq_rel, as in take_token(). */
	at_swap(&admission->token, TOKEN_AGAIN, acq_rel, token);
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

/* Take for the leader of a shape, as the claimant if it is. True: it was decided. */
static bool grant_leader(struct weir_admission *admission, uint32_t service, struct waiter *leader, struct batch *batch,
			 struct attempt *attempt)
{
	if (leave_if_cancelled(admission, leader, batch))
		return true;
	uint32_t gates = at_load(&admission->gates, relaxed, none);
	enum gate_hold hold = GATE_GO;
	if (unlikely(gates & (GATE_LEVEL | GATE_POLICY)))
		hold = gate_holds(admission, leader, gates);
	int flags = hold == GATE_FREE_ONLY ? TRY_FREE_ONLY : 0;
	bool taken = false;
	if (unlikely(admission->claimant == leader))
		taken = hold != GATE_STAY &&
			admission_try(admission, leader, admission->rank, flags | LEDGER_AS_CLAIMANT, attempt);
	else if (likely(hold != GATE_STAY))
		taken = claim_try(admission, leader, admission->rank, flags, attempt);
	if (unlikely(attempt->why.recalled))
		door_look_again(admission);
	leader->short_total = attempt->why.total;
	if (!taken && likely(!(gates & GATE_OBSERVE)))
		return false;
	if (unlikely(!taken))
		gate_let_go(leader, WEIR_CAUSE_SHORT);
	if (unlikely(!waiter_move(leader, WAITER_WAITING, WAITER_GRANTED))) {
		/* Cancelled between: give back. We hold the token, so a WAIT that this sees is looked at by our own
		 * next round. */
		bool waiters = false;
		if (leader->grant.handle)
			(void)tracker_give(admission->tracker, leader->grant, &waiters);
		leader->grant = (weir_grant){0};
		return leave_if_cancelled(admission, leader, batch);
	}
	tally_add(&admission->tally, COUNT_GRANTED_LATER, 1);
	histogram_add(&admission->tally, COUNT_WAIT + (uint32_t)leader->demand.task_class * HISTOGRAM_COUNTERS,
		      admission->now_ns > waiter_since_ns(leader) ? admission->now_ns - waiter_since_ns(leader) : 0);
	claim_note_overtaken(admission, service, leader);
	door_unlist(admission, leader);
	door_deliver(admission, leader, batch);
	return true;
}

/* What a scan has learned of the room that there is. */
struct survey {
	uint32_t failed; /* tries, until it was measured */
	bool measured;
	struct packed most; /* of each resource, the most that any one place has spare: more than that is nowhere */
};

static struct packed more_of_each(struct packed a, struct packed b)
{
	struct packed most = {0};
	for (int r = 0; r < WEIR_RESOURCES; r++) {
		weir_resource resource = (weir_resource)r;
		uint32_t units = packed_get(a, resource), other = packed_get(b, resource);
		*(word_kind(resource) == WORD_MAIN ? &most.main : &most.counted) |=
			word_put(resource, units > other ? units : other);
	}
	return most;
}

/* Is it worth a try? Many shapes may wait, and a try costs a hundred times a look. No: it fits nowhere, as its words were
 * after WAIT was set on them; so a release that makes room for it kicks. */
static bool may_fit(const struct weir_admission *admission, struct survey *survey, const struct packed *units)
{
	if (likely(survey->failed < SHAPES_TRIED))
		return true;
	const struct ledger *ledger = &admission->tracker->ledger;
	if (!survey->measured) {
		survey->measured = true;
		survey->most = (struct packed){0};
		for (uint32_t n = 0; n < ledger->nodes; n++)
			survey->most = more_of_each(survey->most, ledger_spare(ledger, n));
	}
	return !word_broken(survey->most.main, units->main, WORD_GUARDS_MAIN) &&
	       !word_broken(survey->most.counted, units->counted, WORD_GUARDS_COUNTED);
}

/* One that was tried and does not fit: is it any use to go on? Not if what is spare is less than what the least wants. */
static bool may_others_fit(const struct weir_admission *admission, struct survey *survey,
			   const struct room_class *class)
{
	survey->failed++;
	return may_fit(admission, survey, &class->least);
}

/* One class: leaders in their order, those that fit are granted. False: the batch is full. */
static bool admit_class(struct weir_admission *admission, uint32_t service, struct survey *survey, struct batch *batch)
{
	struct room_class *class = &admission->room.service[service];
	struct packed least = {UINT64_MAX, UINT64_MAX};
	for (struct waiter *leader = class->first; leader;) {
		if (batch->count >= BATCH_MAX)
			return false;
		struct attempt attempt = {0};
		struct waiter *next = leader->after;
		struct waiter *heir = leader->next;
		bool tried = leader == class->first || may_fit(admission, survey, &leader->wish.units);
		if (tried && grant_leader(admission, service, leader, batch, &attempt)) {
			survey->measured = false;
			leader = heir && heir->after == next ? heir : next;
			continue;
		}
		if (tried && !may_others_fit(admission, survey, class))
			return true;
		if (unlikely(class->stale))
			least = room_less_of_each(least, leader->wish.units);
		leader = next;
	}
	/* All were met. */
	if (class->stale && class->first)
		class->least = least;
	class->stale = false;
	return true;
}

/* The claimant has its turn before the first class that its claim binds. False: as above. */
static bool admit_all(struct weir_admission *admission, struct batch *batch)
{
	struct survey survey = {0};
	uint32_t turn = admission->claimant ? at_load(&admission->claim_binds, relaxed, none) : WEIR_CLASSES;
	for (uint32_t s = 0; s < WEIR_CLASSES; s++) {
		struct waiter *claimant = admission->claimant;
		struct attempt attempt = {0};
		if (s == turn && claimant)
			(void)grant_leader(admission, room_service(claimant->demand.task_class), claimant, batch,
					   &attempt);
		if (!admit_class(admission, s, &survey, batch))
			return false;
	}
	return true;
}

/* Is it time to look at everybody again? */
static bool is_late(const struct weir_admission *admission)
{
	return admission->now_ns - admission->looked_ns >= FULL_LOOK_NS;
}

/* One look at the room. False: the batch is full and there may be more. */
static bool scan(struct weir_admission *admission, enum kick kick, struct batch *batch)
{
	for (;;) {
		admission->now_ns = clock_now_ns(&admission->clock);
		(void)ledger_collect(&admission->tracker->ledger);
		/* Of each shape that is lent somebody stands first in the room, and tells whether there is room for it. */
		if (kick != KICK_GIVEN || is_late(admission) || !chains_are_behind(admission)) {
			chains_pull_back(admission);
			admission->looked_ns = admission->now_ns;
		}
		leave_and_fetch(admission, batch);
		admission->news = false;
		update_wait(admission);
		claim_check(admission);
		const struct waiter *claimant = admission->claimant;
		if (!admit_all(admission, batch))
			return false;
		if (claimant && !admission->claimant)
			continue; /* the claim was fulfilled: what it kept is open to the others */
		if (claim_update(admission))
			continue;
		if (unlikely(admission->hands_filled) && !chains_are_behind(admission))
			continue; /* all others of the shape found room: so may those who are lent */
		bool cleared = update_wait(admission);
		/* Places share words (a node without memory): what was cleared for one place was set again for another,
		 * and a release between the two kicked nobody. Who still waits is tried once more; the next round
		 * clears nothing. An arrival needs no look here: its kick makes us, or the next holder, scan again. */
		if (!cleared || !admission->room.count)
			return true;
	}
}

/* Somebody in the room gives up then, although nothing happens; and who lies in a hand behind a long task is looked at again. */
static void say_due(struct weir_admission *admission)
{
	uint64_t next_ns = expiry_next_ns(&admission->expiry);
	if (admission->hands_filled && admission->looked_ns + HANDS_LAST_NS < next_ns)
		next_ns = admission->looked_ns + HANDS_LAST_NS;
	if (unlikely(next_ns != EXPIRY_NEVER))
		admission_due(admission, DUE_ROOM, next_ns);
}

/* True: something has changed that may let somebody start, or that only a scan deals with. */
static bool must_scan(struct weir_admission *admission, struct batch *batch)
{
	/* ORDER(token): acquire is the token's; exchanged, so that a note that comes later is not lost. */
	if (at_load(&admission->look_all, relaxed, none) && at_swap(&admission->look_all, 0, relaxed, none))
		return true;
	if (at_load(&admission->sweep, relaxed, none) || at_load(&admission->cancels, relaxed, none))
		return true;
	const struct waiter *claimant = admission->claimant;
	leave_and_fetch(admission, batch);
	return admission->news || admission->claimant != claimant;
}

/* Whatever there is to look at. False: the batch is full and there may be more; the token is let go, and the caller must
 * kick again. */
static bool look(struct weir_admission *admission, struct batch *batch)
{
	/* ORDER(token): acquire, pairs with the release in admission_kick(). Exchanged, so that none is lost. */
	bool given = at_load(&admission->given, relaxed, none) && at_swap(&admission->given, 0, acquire, token);
	bool all = must_scan(admission, batch);
	bool done = !(all || given) || scan(admission, all ? KICK_ALL : KICK_GIVEN, batch);
	say_due(admission);
	if (done)
		return true;
	/* ORDER(token): release, to the next holder. A note that we drop here is ours to act on: the caller kicks. */
	at_swap(&admission->token, TOKEN_IDLE, acq_rel, token);
	return false;
}

/* Let the token go, after a look for each note that was left. False: as look(). */
static bool let_go(struct weir_admission *admission, struct batch *batch)
{
	for (;;) {
		uint32_t busy = TOKEN_BUSY;
		/* ORDER(token): release, to the next holder; acquire on failure, to who left the note. */
		if (at_cas(&admission->token, &busy, TOKEN_IDLE, acq_rel, acquire, token))
			return true;
		/* ORDER(token): acq_rel: exchanged, not stored, so that a note that was left is taken over. */
		at_swap(&admission->token, TOKEN_BUSY, acq_rel, token);
		if (!look(admission, batch))
			return false;
	}
}

static bool try_token(struct weir_admission *admission)
{
	uint32_t idle = TOKEN_IDLE;
	/* ORDER(token): acq_rel. Taking the token takes over the room from the last holder. */
	return at_load(&admission->token, relaxed, none) == TOKEN_IDLE &&
	       at_cas(&admission->token, &idle, TOKEN_BUSY, acq_rel, relaxed, token);
}

/* Hold the token, or leave a note for who holds it. */
static bool take_token(struct weir_admission *admission)
{
	if (try_token(admission))
		return true;
	/* ORDER(token): acq_rel. The note hands what we did (a push, a release) to the holder. */
	if (at_swap(&admission->token, TOKEN_AGAIN, acq_rel, token) != TOKEN_IDLE)
		return false;
	/* It was let go meanwhile, so it is ours. ORDER(token): acq_rel, as in let_go(). */
	at_swap(&admission->token, TOKEN_BUSY, acq_rel, token);
	return true;
}

bool admission_kick(struct weir_admission *admission, enum kick kick, struct batch *batch)
{
	/* Relaxed: the token's exchange hands it on. */
	if (kick == KICK_ALL)
		at_store(&admission->look_all, 1, relaxed, none);
	/* ORDER(token): release, pairs with the acquire in look(): who sees it sees what was given. */
	if (kick == KICK_GIVEN)
		at_store(&admission->given, 1, release, token);
	return take_token(admission) && !(look(admission, batch) && let_go(admission, batch));
}

enum handing door_fill_hand(struct weir_admission *admission, struct hand *hand, uint32_t place, weir_grant grant,
			    struct batch *batch, bool *kick)
{
	/* Another fills his hand, most likely: that is short, and a give while somebody waits is not. As many may come first as
	 * have hands; how many is read once, as the line is the holder's. Where they are many each looks more seldom: they would keep the
	 * line of the token from who wants to let it go. */
	uint32_t most = TOKEN_TURNS, step = 1;
	for (uint32_t turns = 0; !try_token(admission); turns += step) {
		if (turns >= most)
			return HANDING_BUSY;
		if (turns == TOKEN_LOOKS) {
			uint32_t hands = at_load(&admission->hands_of_late, relaxed, none);
			most *= hands > 1 ? hands : 1;
			if (hands > HANDS_FEW) {
				most *= TOKEN_SELDOM;
				step = TOKEN_SELDOM * hands;
			}
		}
		for (uint32_t i = 0; i < step; i++)
			at_pause();
	}
	admission->now_ns = clock_now_ns(&admission->clock);
	if (is_late(admission) || must_scan(admission, batch))
		*kick |= !scan(admission, KICK_ALL, batch);
	struct taken taken;
	const struct waiter *claimant = admission->claimant;
	bool filled = tracker_held(admission->tracker, grant, &taken) && hand_fill(admission, hand, place, &taken);
	say_due(admission);
	if (filled) {
		/* The claim was fulfilled: what it kept is open to the others, as in scan(). */
		*kick |= claimant && !admission->claimant;
		*kick |= !let_go(admission, batch);
		return HANDING_ON;
	}
	bool waiters = false;
	enum handing handing = admission_give(admission, grant, &waiters) ? HANDING_STALE : HANDING_GIVEN;
	if (waiters)
		at_store(&admission->look_all, 1, relaxed, none);
	*kick |= (waiters && !look(admission, batch)) || !let_go(admission, batch);
	return handing;
}

/* A decided function may give back, submit or cancel, which settles again: then the loop below it on the stack goes on,
 * or the stack would be as deep as the room was full. */
struct settling {
	struct weir_admission *admission;
	bool again;
	struct settling *below;
};

static _Thread_local struct settling *settling __attribute__((tls_model("initial-exec")));

static struct settling *own_settling(const struct weir_admission *admission)
{
	struct settling *one = settling;
	while (one && one->admission != admission)
		one = one->below;
	return one;
}

bool admission_settles_here(const struct weir_admission *admission)
{
	return own_settling(admission) != NULL;
}

static void deliver(struct batch *batch)
{
	for (struct waiter *waiter = batch->first, *next; waiter; waiter = next) {
		next = waiter->next;
		waiter->decided(waiter);
	}
	batch_init(batch);
}

void admission_settle_rest(struct weir_admission *admission, struct batch *batch, enum kick kick)
{
	struct settling *below = own_settling(admission);
	if (unlikely(below)) {
		CHECK("A1", !batch->first);
		below->again = true;
		return;
	}
	struct settling self = {.admission = admission, .below = settling};
	settling = &self;
	deliver(batch);
	while (kick != KICK_NONE || self.again) {
		if (self.again)
			kick = KICK_ALL;
		self.again = false;
		kick = admission_kick(admission, kick, batch) ? KICK_ALL : KICK_NONE;
		deliver(batch);
	}
	settling = self.below;
}

void admission_settle(struct weir_admission *admission)
{
	struct batch batch;
	batch_init(&batch);
	admission_settle_rest(admission, &batch, KICK_ALL);
}

void admission_settle_arrival(struct weir_admission *admission)
{
	struct batch batch;
	batch_init(&batch);
	admission_settle_rest(admission, &batch, KICK_ARRIVAL);
}
