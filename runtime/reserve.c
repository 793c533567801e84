/* SPDX-License-Identifier: MIT */
/*
 * reserve.c - room that is held ahead of a task.
 *
 * Holds:     reservations, in type-stable slots: a handle is slot and generation, so that an old one is known for what it is.
 * Invariant: K5  the room of a reservation goes exactly one way: to a task, or back because it was released, or because its
 *                time was over.
 *            K6  a reservation that was made expires at a tick after its time (with X3).
 * Progress:  lock-free.
 * Together:  all, from any thread; reserve_fini() excludes all.
 * Not here:  what is due when (tick.c); the room itself: it is a grant (book.c).
 *
 * State is generation x 8 + phase. Whoever moves it away from HELD owns the room and all fields; nobody else writes them
 * before the slot is put. Who looks reads the state, the fields, and the state again, as in the book. A bound one's slot is
 * put by whoever finds that its grant is no more: the next reservations look at some, a tick at all.
 */
#include "runtime/reserve.h"

#include <string.h>

#include "private/error.h"
#include "private/log.h"
#include "runtime/slots.h"

#define GENERATION_MAX ((UINT64_C(1) << (64 - SLOTS_BITS)) - 1)

enum phase { PHASE_NONE, PHASE_HELD, PHASE_BINDING, PHASE_BOUND, PHASE_RELEASED, PHASE_EXPIRED, PHASES = 8 };

enum { RESERVATIONS_MAX_DEFAULT = 1 << 16, LOOKS = 2, RESERVATION_SHIFT = 6 };

struct reservation {
	CACHE_ALIGNED struct slot_link slot;
	_Atomic(uint64_t) state;
	_Atomic(uint64_t) expires_ns;
	_Atomic(uint64_t) grant;
	_Atomic(uint64_t) main, counted;
	_Atomic(uint32_t) at_node;
};

_Static_assert(sizeof(struct reservation) == 1 << RESERVATION_SHIFT, "a reservation is a cache line");

/* A consistent look at one. */
struct view {
	uint64_t state;
	uint64_t expires_ns;
	weir_grant grant;
	struct packed units;
	uint32_t node;
};

static void init_reservation(void *slot, uint32_t number, uint64_t generation)
{
	(void)number;
	at_init(&((struct reservation *)slot)->state, generation * PHASES + PHASE_NONE);
}

static struct slots *slots_of(struct weir_admission *admission)
{
	/* ORDER(reserves): acquire, pairs with the release in make_slots_once(). */
	return at_load(&admission->reservations, acquire, reserves);
}

/* Made by the first reservation: most programs have none. */
static weir_status make_slots_once(struct weir_admission *admission)
{
	struct slots *slots;
	if (slots_of(admission))
		return WEIR_OK;
	weir_status status =
		slots_create(&slots, admission->reservations_max, sizeof(struct reservation), init_reservation);
	struct slots *none = NULL;
	/* ORDER(reserves): release, pairs with the acquire in slots_of(). */
	if (!status && !at_cas(&admission->reservations, &none, slots, release, relaxed, reserves))
		slots_destroy(slots);
	return status;
}

static struct reservation *reservation_at(struct slots *slots, uint32_t number)
{
	return slots_at(slots, number, RESERVATION_SHIFT);
}

static struct reservation *find(struct weir_admission *admission, weir_reservation name)
{
	struct slots *slots = slots_of(admission);
	return slots ? slots_find(slots, (uint32_t)name.handle & SLOTS_MAX, RESERVATION_SHIFT) : NULL;
}

static uint64_t state_of(weir_reservation name, enum phase phase)
{
	return (name.handle >> SLOTS_BITS) * PHASES + (uint64_t)phase;
}

/* False: it changed meanwhile. */
static bool look(const struct reservation *one, struct view *view)
{
	struct reservation *r = (struct reservation *)one;
	/* ORDER(reserved): acquire, pairs with the releases in publish() and reserve_bind(): no older fields. */
	view->state = at_load(&r->state, acquire, reserved);
	view->expires_ns = at_load(&r->expires_ns, acquire, reserved);
	view->grant.handle = at_load(&r->grant, acquire, reserved);
	view->units.main = at_load(&r->main, acquire, reserved);
	view->units.counted = at_load(&r->counted, acquire, reserved);
	view->node = at_load(&r->at_node, acquire, reserved);
	return at_load(&r->state, relaxed, none) == view->state;
}

/* Giving back. --------------------------------------------------------------------------------------------------- */

static void give_back(struct weir_admission *admission, weir_grant grant, bool *kick)
{
	if (admission_give(admission, grant, kick))
		LOG(WEIR_LOG_ERROR, "a reservation's grant was given back by somebody else");
}

/* From HELD to another phase; true: its room is the caller's. */
static bool claim(struct reservation *one, uint64_t held, enum phase phase)
{
	/* ORDER(reserved): acquire, pairs with the release in publish(): the fields are those of this use. */
	return at_cas(&one->state, &held, held - PHASE_HELD + phase, acquire, relaxed, reserved);
}

static bool expire_one(struct weir_admission *admission, struct reservation *one, const struct view *view,
		       uint32_t number, bool *kick)
{
	if (!claim(one, view->state, PHASE_EXPIRED))
		return false;
	give_back(admission, view->grant, kick);
	tally_add(&admission->tally, COUNT_RESERVATIONS_EXPIRED, 1);
	slots_put(slots_of(admission), number);
	return true;
}

/* A bound one whose grant is no more is over. */
static void reclaim(struct weir_admission *admission, struct reservation *one, const struct view *view, uint32_t number)
{
	uint64_t bound = view->state;
	if (!book_is_live(admission->tracker->book, view->grant) &&
	    at_cas(&one->state, &bound, bound - PHASE_BOUND + PHASE_RELEASED, relaxed, relaxed, none))
		slots_put(slots_of(admission), number);
}

void reserve_expire(struct weir_admission *admission)
{
	struct slots *slots = slots_of(admission);
	uint32_t made = slots ? slots_made(slots) : 0;
	uint64_t now_ns = clock_now_ns(&admission->clock);
	uint64_t next_ns = UINT64_MAX;
	bool kick = false;
	for (uint32_t i = 0; i < made; i++) {
		struct reservation *one = reservation_at(slots, i);
		struct view view;
		/* ORDER(due): seq_cst, after the time was taken out (tick.c); pairs with the store in publish(): we see it
		 * held, or who made it sees that the time is gone, and says it again. */
		uint64_t phase = at_load(&one->state, seq_cst, due) % PHASES;
		if ((phase != PHASE_HELD && phase != PHASE_BOUND) || !look(one, &view))
			continue; /* what changed is nobody's whose time could be over, or says its time itself */
		if (view.state % PHASES == PHASE_BOUND)
			reclaim(admission, one, &view, i);
		else if (view.state % PHASES == PHASE_HELD && view.expires_ns <= now_ns)
			(void)expire_one(admission, one, &view, i, &kick);
		else if (view.state % PHASES == PHASE_HELD && view.expires_ns < next_ns)
			next_ns = view.expires_ns;
	}
	if (next_ns != UINT64_MAX)
		admission_due(admission, DUE_RESERVATIONS, next_ns);
	if (kick)
		admission_settle(admission);
}

static void release_one(struct weir_admission *admission, const struct view *view, uint32_t number, bool *kick)
{
	give_back(admission, view->grant, kick);
	tally_add(&admission->tally, COUNT_RESERVATIONS_RELEASED, 1);
	slots_put(slots_of(admission), number);
}

static void release_all(struct weir_admission *admission, bool *kick)
{
	struct slots *slots = slots_of(admission);
	for (uint32_t i = 0; slots && i < slots_made(slots); i++) {
		struct reservation *one = reservation_at(slots, i);
		struct view view;
		/* ORDER(reserves): seq_cst, after the flag in reserve_close(); pairs with the store in publish(): we see it held, or
		 * who made it sees the flag. */
		if (at_load(&one->state, seq_cst, reserves) % PHASES == PHASE_HELD && look(one, &view) &&
		    view.state % PHASES == PHASE_HELD && claim(one, view.state, PHASE_RELEASED))
			release_one(admission, &view, i, kick);
	}
}

void reserve_close(struct weir_admission *admission)
{
	bool kick = false;
	/* ORDER(reserves): seq_cst, before the looks in release_all(). */
	at_store(&admission->reservations_closed, 1, seq_cst, reserves);
	release_all(admission, &kick);
	if (kick)
		admission_settle(admission);
}

void reserve_fini(struct weir_admission *admission)
{
	bool kick = false;
	release_all(admission, &kick);
	slots_destroy(slots_of(admission));
}

/* Reserving. ----------------------------------------------------------------------------------------------------- */

/* Look for slots that bound ones have left: at some each time, at all where there is no other. */
static void reclaim_some(struct weir_admission *admission, struct slots *slots, uint32_t looks)
{
	uint32_t made = slots_made(slots);
	for (uint32_t i = 0; made && i < looks; i++) {
		uint32_t number = at_add(&admission->reservations_hand, 1, relaxed, none) % made;
		struct reservation *one = reservation_at(slots, number);
		struct view view;
		if (look(one, &view) && view.state % PHASES == PHASE_BOUND)
			reclaim(admission, one, &view, number);
	}
}

static uint32_t take_slot(struct weir_admission *admission)
{
	struct slots *slots = slots_of(admission);
	reclaim_some(admission, slots, LOOKS);
	uint32_t number = slots_get(slots);
	if (number == SLOTS_NONE) {
		reclaim_some(admission, slots, slots_made(slots));
		number = slots_get(slots);
	}
	return number;
}

static weir_reservation publish(struct weir_admission *admission, uint32_t number, const struct waiter *waiter,
				uint64_t expires_ns)
{
	struct reservation *one = reservation_at(slots_of(admission), number);
	struct book_record record;
	uint64_t generation = at_load(&one->state, relaxed, none) / PHASES;
	generation = generation < GENERATION_MAX ? generation + 1 : 1;
	/* Nobody else has its handle yet. */
	if (book_read(admission->tracker->book, waiter->grant, &record))
		record = (struct book_record){0};
	/* ORDER(reserved): release, pairs with the acquires in look(): who sees one of them sees that the state was another. */
	at_store(&one->expires_ns, expires_ns, release, reserved);
	at_store(&one->grant, waiter->grant.handle, release, reserved);
	at_store(&one->main, record.main, release, reserved);
	at_store(&one->counted, record.counted, release, reserved);
	at_store(&one->at_node, waiter->node, release, reserved);
	/* ORDER(due): seq_cst, before the look at the time in admission_due(); pairs with reserve_expire().
	 * ORDER(reserves): seq_cst, before the look at the flag in is_closed(). */
	at_store(&one->state, generation * PHASES + PHASE_HELD, seq_cst, due);
	return (weir_reservation){.handle = generation << SLOTS_BITS | number};
}

/* Ask for the room of a reservation; it is in waiter then. */
static weir_status ask(struct weir_admission *admission, struct waiter *waiter, const weir_demand *demand)
{
	weir_status status = admission_prepare(admission, waiter, demand);
	if (status)
		return status;
	if (demand->reservation.handle)
		return error_set(WEIR_EINVAL, "demand.reservation is set: what is reserved cannot be reserved again");
	weir_decision decision;
	bool kick;
	waiter->demand.when_short = WEIR_DEFER;
	at_init(&waiter->state, WAITER_NEW);
	admission_ask(admission, waiter, false, &decision, &kick);
	/* What is only observed is admitted without room. */
	if (decision.verdict != WEIR_ADMITTED || !decision.grant.handle)
		status = admission_refusal(&decision);
	if (kick)
		admission_settle(admission);
	return status;
}

static bool is_closed(struct weir_admission *admission)
{
	/* ORDER(reserves): seq_cst, pairs with the store in reserve_close(). */
	return at_load(&admission->reservations_closed, seq_cst, reserves);
}

static weir_status closed(void)
{
	return error_set(WEIR_ESHUTDOWN,
			 "the pool was shut down: it makes no more reservations, and gave back those that "
			 "were held");
}

weir_status weir_reserve(weir_admission *admission, const weir_demand *demand, uint64_t ttl_ns, weir_reservation *out)
{
	if (!out)
		return error_set(WEIR_EINVAL, "out is NULL");
	*out = (weir_reservation){0};
	if (!admission || !demand)
		return error_set(WEIR_EINVAL, "admission or demand is NULL");
	if (!ttl_ns)
		return error_set(WEIR_EINVAL, "ttl_ns is 0: give a time, or UINT64_MAX for no end");
	if (unlikely(is_closed(admission)))
		return closed();
	weir_status status = make_slots_once(admission);
	if (status)
		return status;
	uint32_t number = take_slot(admission);
	if (number == SLOTS_NONE)
		return error_set(WEIR_EFULL,
				 "%u reservations are held or bound: release some, or raise reservations_max",
				 admission->reservations_max);
	struct waiter waiter;
	status = ask(admission, &waiter, demand);
	if (status) {
		slots_put(slots_of(admission), number);
		return status;
	}
	uint64_t now_ns = clock_now_ns(&admission->clock);
	uint64_t expires_ns = now_ns + ttl_ns < now_ns ? UINT64_MAX : now_ns + ttl_ns;
	*out = publish(admission, number, &waiter, expires_ns);
	tally_add(&admission->tally, COUNT_RESERVATIONS, 1);
	if (unlikely(is_closed(admission))) {
		/* Who closes it may have looked before we published: then it is ours to give back. */
		(void)weir_reservation_release(admission, *out);
		*out = (weir_reservation){0};
		return closed();
	}
	if (expires_ns != UINT64_MAX)
		admission_due(admission, DUE_RESERVATIONS, expires_ns);
	return WEIR_OK;
}

/* Using. --------------------------------------------------------------------------------------------------------- */

static weir_status is_over(weir_reservation name)
{
	return error_set(WEIR_ESTALE,
			 "reservation %#llx is not held: it has expired, or was bound or released before, or another "
			 "admission gave it out",
			 (unsigned long long)name.handle);
}

static weir_status check_fit(const struct weir_admission *admission, const struct waiter *waiter,
			     const struct view *view)
{
	const struct limits *limits = &admission->tracker->ledger.limits;
	for (int r = 0; r < WEIR_RESOURCES; r++)
		if (packed_get(waiter->wish.units, (weir_resource)r) > packed_get(view->units, (weir_resource)r))
			return error_set(WEIR_EINVAL, "%s demanded is more than what demand.reservation holds",
					 limits_resource_name(limits, (weir_resource)r));
	if (waiter->wish.home_only && waiter->wish.home != view->node)
		return error_set(WEIR_EINVAL, "demand.home is WEIR_NODE(%u) only: demand.reservation is on node %u",
				 waiter->wish.home, view->node);
	return WEIR_OK;
}

static bool is_within(const struct packed *units, const struct packed *room)
{
	for (int r = 0; r < WEIR_RESOURCES; r++)
		if (packed_get(*units, (weir_resource)r) > packed_get(*room, (weir_resource)r))
			return false;
	return true;
}

/* An elastic demand, whose least is within the room, has the highest step that is. */
static struct packed most_within(const struct wish *wish, const struct packed *room)
{
	uint32_t within = 0, above = wish->elastic.steps + 1;
	while (above - within > 1) {
		uint32_t step = within + (above - within) / 2;
		struct packed units = elastic_units(&wish->units, &wish->elastic, step);
		if (is_within(&units, room))
			within = step;
		else
			above = step;
	}
	return elastic_units(&wish->units, &wish->elastic, within);
}

/* The room is ours: what the demand does not need goes back. */
static weir_grant cut_down(struct weir_admission *admission, struct waiter *waiter, const struct view *view, bool *kick)
{
	struct packed *units = &waiter->wish.units;
	if (!units->main && !units->counted)
		*units = view->units;
	else if (waiter->wish.elastic.steps)
		*units = most_within(&waiter->wish, &view->units);
	if (units->main == view->units.main && units->counted == view->units.counted)
		return view->grant;
	weir_grant less;
	struct taken rest;
	if (!tracker_cut(admission->tracker, view->grant, units, &less, &rest, kick)) {
		*units = view->units; /* the book is full, and has no place for another record: it keeps all */
		return view->grant;
	}
	rates_note(&admission->rates, &rest);
	return less;
}

static weir_status bind(struct weir_admission *admission, struct waiter *waiter, bool *kick)
{
	weir_reservation name = waiter->demand.reservation;
	struct reservation *one = find(admission, name);
	struct view view;
	if (!one || !look(one, &view) || view.state != state_of(name, PHASE_HELD))
		return is_over(name);
	weir_status status = check_fit(admission, waiter, &view);
	if (status)
		return status;
	if (view.expires_ns <= clock_now_ns(&admission->clock)) {
		(void)expire_one(admission, one, &view, (uint32_t)name.handle & SLOTS_MAX, kick);
		return is_over(name);
	}
	if (!claim(one, view.state, PHASE_BINDING))
		return is_over(name);
	waiter->grant = cut_down(admission, waiter, &view, kick);
	waiter->node = view.node;
	/* ORDER(reserved): release, pairs with the acquires in look(): bound, so the grant is the one to look for. */
	at_store(&one->grant, waiter->grant.handle, release, reserved);
	at_store(&one->state, state_of(name, PHASE_BOUND), release, reserved);
	return WEIR_OK;
}

weir_status reserve_bind(struct weir_admission *admission, struct waiter *waiter, weir_decision *decision, bool *kick)
{
	*kick = false;
	weir_status status = bind(admission, waiter, kick);
	if (status) {
		*decision = (weir_decision){
			.verdict = WEIR_REJECTED, .cause = WEIR_CAUSE_INVALID, .retry_after_ns = UINT64_MAX};
	} else {
		*decision = (weir_decision){.allowed = true, .grant = waiter->grant, .node = waiter->node};
		waiter_set(waiter, WAITER_GRANTED);
		tally_add(&admission->tally, COUNT_RESERVATIONS_BOUND, 1);
	}
	admission_count(admission, waiter->demand.task_class, decision);
	return status;
}

weir_status weir_reservation_release(weir_admission *admission, weir_reservation reservation)
{
	if (!admission)
		return error_set(WEIR_EINVAL, "admission is NULL");
	struct reservation *one = find(admission, reservation);
	struct view view;
	if (!one)
		return is_over(reservation);
	/* Who is too late says to whom. */
	while (!look(one, &view) ||
	       (view.state == state_of(reservation, PHASE_HELD) && !claim(one, view.state, PHASE_RELEASED)))
		;
	if (view.state == state_of(reservation, PHASE_BINDING) || view.state == state_of(reservation, PHASE_BOUND))
		return error_set(WEIR_EBUSY, "reservation %#llx is bound: its room comes back with its task",
				 (unsigned long long)reservation.handle);
	if (view.state != state_of(reservation, PHASE_HELD))
		return is_over(reservation);
	bool kick = false;
	release_one(admission, &view, (uint32_t)reservation.handle & SLOTS_MAX, &kick);
	if (kick)
		admission_settle(admission);
	return WEIR_OK;
}

weir_status weir_reservation_state(weir_admission *admission, weir_reservation reservation, weir_reserved *out)
{
	static const weir_reserved_state shown[PHASES] = {[PHASE_HELD] = WEIR_RESERVED_HELD,
							  [PHASE_BINDING] = WEIR_RESERVED_BOUND,
							  [PHASE_BOUND] = WEIR_RESERVED_BOUND,
							  [PHASE_RELEASED] = WEIR_RESERVED_RELEASED,
							  [PHASE_EXPIRED] = WEIR_RESERVED_EXPIRED};
	if (!admission || !out)
		return error_set(WEIR_EINVAL, "admission or out is NULL");
	struct reservation *one = find(admission, reservation);
	struct view view = {0};
	while (one && !look(one, &view))
		; /* at most twice in one use of the slot */
	/* A place that was never used has a generation, but no phase yet. */
	if (!one || view.state % PHASES == PHASE_NONE || view.state / PHASES != reservation.handle >> SLOTS_BITS)
		return error_set(WEIR_ESTALE,
				 "reservation %#llx is over, and its place used by another one; or "
				 "another admission gave it out",
				 (unsigned long long)reservation.handle);
	*out = (weir_reserved){.state = shown[view.state % PHASES],
			       .node = view.node,
			       .amount = limits_amount(&admission->tracker->ledger.limits, view.units),
			       .expires_ns = view.expires_ns};
	if (view.state % PHASES == PHASE_BOUND && !book_is_live(admission->tracker->book, view.grant))
		out->state = WEIR_RESERVED_RELEASED;
	return WEIR_OK;
}

const char *weir_reserved_state_name(weir_reserved_state state)
{
	static const char *const names[] = {"held", "bound", "released", "expired"};
	return (unsigned)state < ARRAY_LENGTH(names) ? names[state] : "?";
}
