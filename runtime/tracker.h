/* SPDX-License-Identifier: MIT */
/*
 * tracker.h - ledger and book as one: what is taken is always in the book, what is in the book is always taken.
 *
 * Order:  take -> publish; unpublish -> give. So a walk of the book never shows room that is spare.
 * Not here: the public verbs (tracker_api.c), who waits (admission.c).
 */
#ifndef WEIR_RUNTIME_TRACKER_H
#define WEIR_RUNTIME_TRACKER_H

#include <weir/tracker.h>

#include "runtime/book.h"
#include "runtime/credits.h"
#include "runtime/ledger.h"
#include "runtime/names.h"

struct weir_admission;

struct weir_tracker {
	struct weir_machine *machine; /* owned */
	struct ledger ledger;
	struct book *book;
	struct names *names;
	_Atomic(struct weir_admission *) admission; /* built on it; only looked up, never called from here */
	struct credits credits;
};

/* A place for a take that is not there: grants_max are live. */
#define LEDGER_BOOK_FULL ((enum ledger_answer)(LEDGER_CONTENDED + 1))

/* Kick the room of the admission controller that is built on it, if any; and what is owed is paid. */
void tracker_kick(struct weir_tracker *tracker);

/* Count a release that did not come by admission among its rates, if there is one. */
void tracker_note_release(struct weir_tracker *tracker, const struct taken *taken);

/* The verbs of tracker_resize.c for who knows the units; *waiters: as for the ledger's. floor: NULL for none. */
weir_status tracker_shrink(struct weir_tracker *tracker, weir_grant grant, const struct packed *to, bool *waiters);
weir_status tracker_grow(struct weir_tracker *tracker, weir_grant grant, const struct packed *by,
			 const struct packed *floor, bool *waiters);
/* An amount in units, rounded up. Errors: WEIR_EINVAL: the text names the field. */
weir_status tracker_pack_amount(const struct weir_tracker *tracker, const weir_amount *amount, struct packed *out);

/* What was taken becomes a grant, and the name its. */
static ALWAYS_INLINE weir_grant tracker_publish(struct weir_tracker *tracker, uint32_t slot, struct name *name,
						const struct taken *taken, uint32_t owner)
{
	struct book_record record = {.main = taken->units.main,
				     .counted = taken->units.counted,
				     .cpu_node = taken->cpu_node,
				     .memory_node = taken->memory_node,
				     .name = name ? names_number(name) : 0};
	if (name)
		names_bind(name, book_handle(tracker->book, slot));
	return book_publish_for(tracker->book, slot, &record, owner);
}

/* Refused, as far as the ledger's words say. */
static ALWAYS_INLINE bool tracker_is_refusal(enum ledger_answer answer)
{
	return answer == LEDGER_SHORT || answer == LEDGER_CLAIMED;
}

/* Does a refusal stand that was found after the mode was `before`? Only if nothing lay in credits all the while (L5, K3). */
static ALWAYS_INLINE bool tracker_refusal_stands(struct weir_tracker *tracker, uint64_t before)
{
	if (unlikely(!credits_are(before, CREDITS_ON)) || unlikely(credits_mode(&tracker->credits) != before))
		return false;
	if (!at_load(&tracker->credits.refused, relaxed, none))
		at_store(&tracker->credits.refused, 1, relaxed, none);
	return true;
}

/* Recall credits and ask again: the answer stands. why->recalled: something came back where somebody waits. elastic: NULL
 * for what is not. */
enum ledger_answer tracker_take_recalled(struct weir_tracker *tracker, const struct packed *units,
					 const struct elastic *elastic, const struct packed *floor, uint32_t place,
					 int flags, struct taken *taken, struct shortage *why, bool *waiters);

/* As ledger_take_more() and ledger_look(), with the same promise: credits are recalled before anything is said to be short.
 * waiters: as for a take. */
enum ledger_answer tracker_take_more(struct weir_tracker *tracker, const struct taken *more, const struct packed *floor,
				     bool *waiters);
enum ledger_answer tracker_look(struct weir_tracker *tracker, const struct packed *units, const struct packed *floor,
				uint32_t place, struct shortage *why, bool *waiters);

/* What is held of a node, and what can be taken, where what lies in credits can be. Exact at rest. */
struct packed tracker_own_held(struct weir_tracker *tracker, uint32_t node);
struct packed tracker_own_spare(struct weir_tracker *tracker, uint32_t node);

/* Beside the ledger's flags: the calling thread will most likely release it, too. Not for tasks: whoever holds the room's
 * token takes for them, and the worker releases. */
enum { TRACKER_OWN = 1 << 16 };

/* name: claimed for the grant, and bound to it if it is taken; NULL: none. */
static ALWAYS_INLINE enum ledger_answer tracker_take_named(struct weir_tracker *tracker, const struct packed *units,
							   const struct packed *floor, uint32_t place, int flags,
							   struct name *name, weir_grant *grant, struct taken *taken,
							   struct shortage *why, bool *waiters)
{
	uint32_t slot = book_reserve(tracker->book);
	if (unlikely(slot == BOOK_FULL))
		return LEDGER_BOOK_FULL;
	uint64_t mode = credits_mode(&tracker->credits);
	int ledger_flags = flags & ~TRACKER_OWN;
	enum ledger_answer answer =
		ledger_take(&tracker->ledger, units, floor, place, ledger_flags, taken, why, waiters);
	if (tracker_is_refusal(answer) && unlikely(!tracker_refusal_stands(tracker, mode)))
		answer = tracker_take_recalled(tracker, units, NULL, floor, place, ledger_flags, taken, why, waiters);
	if (likely(answer == LEDGER_TAKEN))
		*grant = tracker_publish(tracker, slot, name, taken,
					 flags & TRACKER_OWN ? book_owner_slow(tracker->book) : 0);
	else
		book_cancel(tracker->book, slot);
	return answer;
}

/* The same for an elastic demand: taken->units says how much it got. */
static inline enum ledger_answer tracker_take_elastic(struct weir_tracker *tracker, const struct packed *least,
						      const struct elastic *elastic, const struct packed *floor,
						      uint32_t place, int flags, struct name *name, weir_grant *grant,
						      struct taken *taken, struct shortage *why, bool *waiters)
{
	uint32_t slot = book_reserve(tracker->book);
	if (unlikely(slot == BOOK_FULL))
		return LEDGER_BOOK_FULL;
	uint64_t mode = credits_mode(&tracker->credits);
	int ledger_flags = flags & ~TRACKER_OWN;
	enum ledger_answer answer =
		ledger_take_elastic(&tracker->ledger, least, elastic, floor, place, ledger_flags, taken, why, waiters);
	if (tracker_is_refusal(answer) && unlikely(!tracker_refusal_stands(tracker, mode)))
		answer =
			tracker_take_recalled(tracker, least, elastic, floor, place, ledger_flags, taken, why, waiters);
	if (answer == LEDGER_TAKEN)
		*grant = tracker_publish(tracker, slot, name, taken,
					 flags & TRACKER_OWN ? book_owner_slow(tracker->book) : 0);
	else
		book_cancel(tracker->book, slot);
	return answer;
}

static inline struct taken tracker_taken(const struct book_record *record)
{
	return (struct taken){.units = {.main = record->main, .counted = record->counted},
			      .cpu_node = record->cpu_node,
			      .memory_node = record->memory_node};
}

/* Give back; a name that it had goes out of use. *taken is what it was; *waiters is set if somebody waits for what came
 * back. Errors: WEIR_ESTALE: nothing changed. */
static ALWAYS_INLINE weir_status tracker_give_taken(struct weir_tracker *tracker, weir_grant grant, struct taken *taken,
						    bool *waiters)
{
	struct book_record record;
	weir_status status = book_unpublish(tracker->book, grant, &record);
	if (unlikely(status))
		return status;
	*taken = tracker_taken(&record);
	*waiters |= ledger_give(&tracker->ledger, taken);
	if (unlikely(record.name))
		names_forget(tracker->names, record.name, grant);
	return WEIR_OK;
}

static ALWAYS_INLINE weir_status tracker_give(struct weir_tracker *tracker, weir_grant grant, bool *waiters)
{
	struct taken taken;
	return tracker_give_taken(tracker, grant, &taken, waiters);
}

/* What a grant holds. False: it is not live, or has a name. */
static inline bool tracker_held(struct weir_tracker *tracker, weir_grant grant, struct taken *taken)
{
	struct book_record record;
	if (book_read(tracker->book, grant, &record) || record.name)
		return false;
	*taken = tracker_taken(&record);
	return true;
}

/* Of a grant that is the caller's, keep `units`; *less is its new handle, *rest what went back. False: the book has no place
 * for another record, or somebody else gave it back: nothing changed. *waiters: as tracker_give(). */
static inline bool tracker_cut(struct weir_tracker *tracker, weir_grant grant, const struct packed *units,
			       weir_grant *less, struct taken *rest, bool *waiters)
{
	struct book_record record;
	uint32_t slot = book_reserve(tracker->book);
	if (slot == BOOK_FULL)
		return false;
	if (book_unpublish(tracker->book, grant, &record)) {
		book_cancel(tracker->book, slot);
		return false;
	}
	*rest = tracker_taken(&record);
	rest->units.main -= units->main;
	rest->units.counted -= units->counted;
	record.main = units->main;
	record.counted = units->counted;
	*less = book_publish(tracker->book, slot, &record);
	*waiters |= ledger_give(&tracker->ledger, rest);
	return true;
}

/* The hot path where it is simple, as it nearly always is: a slot at hand, and one word with room, or a credit. It calls
 * nothing, so that its callers save no registers for it: stores ahead of a locked instruction cost as much as others. */

/* False: nothing happened, and the long way tells why or does it. The caller knows that a take is one word. */
static ALWAYS_INLINE bool tracker_take_at_once(struct weir_tracker *tracker, const struct packed *units, uint32_t place,
					       struct name *name, weir_grant *grant)
{
	struct taken taken;
	struct slot_cache *cache = slots_cache(&tracker->book->slots);
	if (unlikely(!slots_at_hand(cache) || book_bias_is_due(cache) ||
		     !ledger_take_at_once(&tracker->ledger, units, place, &taken)))
		return false;
	/* The slot last, so that nothing is to be put back. */
	uint32_t slot = book_reserve_at_hand(cache);
	*grant = tracker_publish(tracker, slot, name, &taken, book_owner(cache));
	return true;
}

/* From the calling thread's credit. False: nothing happened. *leave: see credit_take(). */
static ALWAYS_INLINE bool tracker_take_from_credit(struct weir_tracker *tracker, uint64_t units, uint32_t place,
						   struct name *name, weir_grant *grant, bool *leave)
{
	struct slot_cache *cache = slots_cache(&tracker->book->slots);
	uint64_t where;
	if (unlikely(!slots_at_hand(cache)) || at_load(&cache->attention, relaxed, none) ||
	    !credit_take(cache, place, units, &where, leave))
		return false;
	uint32_t slot = book_reserve_at_hand(cache);
	if (name) {
		where |= (uint64_t)names_number(name) << 36;
		names_bind(name, book_handle(tracker->book, slot));
	}
	*grant = book_publish_at(tracker->book, slot, units, 0, where);
	return true;
}

#endif
