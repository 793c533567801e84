/* SPDX-License-Identifier: MIT */
/*
 * tracker_api.c - the tracker's public verbs that change something: ledger, book, credits and names as one object.
 *
 * Holds:     nothing but what struct weir_tracker says.
 * Progress:  lock-free.
 * Not here:  other limits, shrinking and growing (tracker_resize.c). Waiting: a release through this face kicks the room of
 *            the admission controller built on the tracker, if any.
 */
#include <alloca.h>
#include <stdlib.h>
#include <string.h>

#include "private/error.h"
#include "private/log.h"
#include "runtime/admission.h"
#include "runtime/limits_say.h"

enum { GRANTS_DEFAULT = 1 << 20, GRANTS_MAX = (1 << 24) - 1 };

static weir_status check_options(const weir_tracker_options *options)
{
	if (options->size != sizeof(*options))
		return error_set(WEIR_EINVAL, "options.size is %zu: use WEIR_TRACKER_OPTIONS() or set it to %zu",
				 options->size, sizeof(*options));
	if (options->grants_max > GRANTS_MAX)
		return error_set(WEIR_EINVAL, "options.grants_max is %u: give at most %d", options->grants_max,
				 GRANTS_MAX);
	return WEIR_OK;
}

static void dismantle(struct weir_tracker *tracker)
{
	if (tracker->names)
		names_destroy(tracker->names);
	if (tracker->book)
		book_destroy(tracker->book);
	credits_fini(&tracker->credits);
	if (tracker->ledger.word)
		ledger_fini(&tracker->ledger);
	weir_machine_destroy(tracker->machine);
	free(tracker);
}

weir_status weir_tracker_create(weir_tracker **out, const weir_tracker_options *options)
{
	static const weir_tracker_options none = {.size = sizeof(weir_tracker_options)};
	if (!out)
		return error_set(WEIR_EINVAL, "out is NULL");
	*out = NULL;
	options = options ? options : &none;
	weir_status status = check_options(options);
	if (status)
		return status;
	struct weir_tracker *tracker = aligned_alloc(CACHE_LINE, sizeof(*tracker));
	if (!tracker)
		return error_set(WEIR_ENOMEM, "no memory for a tracker");
	memset(tracker, 0, sizeof(*tracker));
	uint32_t grants = options->grants_max ? options->grants_max : GRANTS_DEFAULT;
	status = weir_machine_create(&tracker->machine, options->machine);
	if (!status)
		status = ledger_init(&tracker->ledger, tracker->machine, options->limits);
	if (!status)
		status = book_create(&tracker->book, grants);
	if (!status)
		status = credits_init(&tracker->credits, &tracker->ledger, tracker->book, !options->no_credits);
	if (!status)
		status = names_create(&tracker->names, grants);
	if (status) {
		dismantle(tracker);
		return status;
	}
	limits_say(&tracker->ledger.limits, tracker->machine, options->limits);
	*out = tracker;
	return WEIR_OK;
}

weir_status weir_tracker_destroy(weir_tracker *tracker)
{
	if (!tracker)
		return WEIR_OK;
	if (at_load(&tracker->admission, relaxed, none))
		return error_set(WEIR_EBUSY,
				 "an admission controller or a pool is built on the tracker: destroy that first");
	dismantle(tracker);
	return WEIR_OK;
}

/* Taking. -------------------------------------------------------------------------------------------------------- */

static weir_status no_tracker(void)
{
	return error_set(WEIR_EINVAL, "tracker is NULL");
}

static weir_status wish_for(struct weir_tracker *tracker, const weir_demand *demand, struct wish *wish)
{
	weir_status status = limits_pack(&tracker->ledger.limits, demand, &wish->units);
	if (status)
		return status;
	wish->demand = demand;
	wish->elastic.steps = 0;
	if (unlikely(elastic_is(demand)))
		elastic_pack(&tracker->ledger.limits, demand, &wish->elastic);
	wish->home = demand->home ? demand->home - 1 : NO_NODE;
	wish->home_only = demand->home_only;
	return WEIR_OK;
}

/* What is short, and where, by a look: that may find room again. */
static weir_status no_room(struct weir_tracker *tracker, const struct wish *wish, enum ledger_answer answer)
{
	if (answer == LEDGER_CONTENDED)
		return error_set(WEIR_EAGAIN, "others are taking just now: try again at once");
	const struct ledger *ledger = &tracker->ledger;
	for (uint32_t n = 0; n < ledger->nodes; n++) {
		struct shortage why = {0};
		if ((wish->home_only && n != wish->home) ||
		    ledger_look(ledger, &wish->units, NULL, n, &why) != LEDGER_SHORT || !why.resources)
			continue;
		const char *name = limits_resource_name(&ledger->limits, (weir_resource)__builtin_ctz(why.resources));
		if (why.total)
			return error_set(WEIR_EAGAIN, "no node has room for the demand now: %s is short in all", name);
		return error_set(WEIR_EAGAIN, "no node has room for the demand now: %s is short on node %u", name, n);
	}
	return error_set(WEIR_EAGAIN, "no node has room for the demand now");
}

static weir_status never_fits(const struct ledger *ledger, const struct wish *wish, const struct shortage *why)
{
	struct excess excess = wish_excess(ledger, wish, why);
	char asked[AMOUNT_TEXT_BYTES], limit[AMOUNT_TEXT_BYTES];
	if (excess.asked == 0)
		return error_set(WEIR_EINFEASIBLE,
				 "no node has the limits for all of the demand: it will never fit; ask for "
				 "less, or raise the limits of one");
	return error_set(
		WEIR_EINFEASIBLE,
		"%s demanded is more than the limit of %s, %s where %s %s the most: it will never fit; ask for "
		"less, or raise the limit",
		limits_resource_name(&ledger->limits, excess.resource), excess.total ? "all nodes" : "any node",
		limits_amount_text(excess.resource, excess.asked, asked),
		limits_amount_text(excess.resource, excess.limit, limit), excess.limit == 1 ? "is" : "are");
}

/* Set the error text of a demand that found no room, and say it in the log. */
static weir_status why_not(struct weir_tracker *tracker, const struct wish *wish, enum ledger_answer answer)
{
	struct shortage why = {0};
	weir_status status;
	if (answer == LEDGER_BOOK_FULL) {
		status = error_set(WEIR_EFULL,
				   "options.grants_max is %u, and so many grants are live: release some, or raise it",
				   tracker->book->slots.live_max);
	} else if (!wish_is_feasible(&tracker->ledger, wish, &why)) {
		status = never_fits(&tracker->ledger, wish, &why);
	} else {
		status = no_room(tracker, wish, answer);
	}
	LOG(WEIR_LOG_DEBUG, "tracker: %s", weir_error_text());
	return status;
}

void tracker_kick(struct weir_tracker *tracker)
{
	(void)ledger_collect(&tracker->ledger);
	/* ORDER(attach): acquire, pairs with the release in weir_admission_create(). */
	struct weir_admission *admission = at_load(&tracker->admission, acquire, attach);
	if (admission)
		admission_settle(admission);
}

/* The credit that we were at was being recalled: what is left in it goes back. */
static NOINLINE weir_status leave_credit(struct weir_tracker *tracker)
{
	if (credits_flush(&tracker->credits, &tracker->ledger))
		tracker_kick(tracker);
	return WEIR_OK;
}

/* From a credit, where a take is not one word: half a dozen locked instructions less. Also for who comes from a credit that
 * was being recalled and did not serve. */
static bool take_from_credit(struct weir_tracker *tracker, const struct packed *units, uint32_t place,
			     struct name *name, weir_grant *grant)
{
	struct slot_cache *cache = slots_cache(&tracker->book->slots);
	bool leave = cache && credits_must_flush(cache);
	bool served =
		!leave && !units->counted && tracker_take_from_credit(tracker, units->main, place, name, grant, &leave);
	if (unlikely(leave))
		(void)leave_credit(tracker);
	return served;
}

static NOINLINE weir_status take_in_order(struct weir_tracker *tracker, const struct wish *wish, struct name *name,
					  weir_grant *grant, uint32_t *out_node)
{
	struct rank *rank = alloca(tracker->ledger.nodes * sizeof(*rank));
	uint32_t count = strategy_rank(WEIR_FIRST_FIT, &tracker->ledger, wish, rank);
	if (count && !wish->elastic.steps && take_from_credit(tracker, &wish->units, rank[0].node, name, grant)) {
		if (out_node)
			*out_node = rank[0].node;
		return WEIR_OK;
	}
	enum ledger_answer answer = LEDGER_SHORT;
	bool waiters = false, contended = false;
	for (uint32_t i = 0; i < count && answer != LEDGER_TAKEN; i++) {
		struct taken taken;
		struct shortage why;
		answer = wish->elastic.steps
				 ? tracker_take_elastic(tracker, &wish->units, &wish->elastic, NULL, rank[i].node,
							TRACKER_OWN, name, grant, &taken, &why, &waiters)
				 : tracker_take_named(tracker, &wish->units, NULL, rank[i].node, TRACKER_OWN, name,
						      grant, &taken, &why, &waiters);
		contended |= answer == LEDGER_CONTENDED;
		if (answer == LEDGER_TAKEN && out_node)
			*out_node = rank[i].node;
	}
	if (unlikely(waiters))
		tracker_kick(tracker);
	if (answer == LEDGER_SHORT && contended)
		answer = LEDGER_CONTENDED;
	return answer == LEDGER_TAKEN ? WEIR_OK : why_not(tracker, wish, answer);
}

/* The first in the order of first fit is home, or the first node. */
static ALWAYS_INLINE weir_status take_wish(struct weir_tracker *tracker, const struct wish *wish, struct name *name,
					   weir_grant *grant, uint32_t *out_node)
{
	uint32_t first = wish->home == NO_NODE ? 0 : wish->home;
	bool leave = false;
	bool served = !wish->units.counted && !wish->elastic.steps &&
		      tracker_take_from_credit(tracker, wish->units.main, first, name, grant, &leave);
	if (!served && unlikely(leave || !tracker->ledger.one_word || wish->elastic.steps ||
				!tracker_take_at_once(tracker, &wish->units, first, name, grant)))
		return take_in_order(tracker, wish, name, grant, out_node);
	if (out_node)
		*out_node = first;
	return likely(!leave) ? WEIR_OK : leave_credit(tracker);
}

bool weir_tracker_can_allocate(weir_tracker *tracker, const weir_demand *demand)
{
	struct wish wish;
	if (!tracker) {
		(void)no_tracker();
		return false;
	}
	if (wish_for(tracker, demand, &wish))
		return false;
	struct shortage why;
	bool fits = false, waiters = false, contended = false;
	for (uint32_t n = 0; n < tracker->ledger.nodes && !fits; n++) {
		if (wish.home_only && n != wish.home)
			continue;
		enum ledger_answer answer = tracker_look(tracker, &wish.units, NULL, n, &why, &waiters);
		fits = answer == LEDGER_TAKEN;
		contended |= answer == LEDGER_CONTENDED;
	}
	if (unlikely(waiters))
		tracker_kick(tracker);
	if (fits)
		return true;
	(void)why_not(tracker, &wish, contended ? LEDGER_CONTENDED : LEDGER_SHORT);
	return false;
}

weir_status weir_tracker_take(weir_tracker *tracker, const weir_demand *demand, weir_grant *out, uint32_t *out_node)
{
	if (!out)
		return error_set(WEIR_EINVAL, "out is NULL");
	*out = (weir_grant){0};
	if (!tracker)
		return no_tracker();
	struct wish wish;
	weir_status status = wish_for(tracker, demand, &wish);
	return status ? status : take_wish(tracker, &wish, NULL, out, out_node);
}

weir_status weir_tracker_allocate(weir_tracker *tracker, const char *id, const weir_demand *demand, uint32_t *out_node)
{
	if (!tracker)
		return no_tracker();
	struct wish wish;
	weir_status status = wish_for(tracker, demand, &wish);
	if (status)
		return status;
	struct name *name;
	status = names_claim(tracker->names, id, &name);
	if (status)
		return status;
	weir_grant grant;
	status = take_wish(tracker, &wish, name, &grant, out_node);
	if (status)
		names_drop(tracker->names, name);
	return status;
}

/* What says whose a packed demand is, and whether taking it is one word. */
static ALWAYS_INLINE uint64_t packed_sign(const struct weir_tracker *tracker)
{
	return (uintptr_t)tracker | !tracker->ledger.one_word;
}

weir_status weir_tracker_pack(weir_tracker *tracker, const weir_demand *demand, weir_packed *out)
{
	if (!tracker || !out)
		return error_set(WEIR_EINVAL, "tracker or out is NULL");
	struct wish wish;
	struct shortage why = {0};
	weir_status status = wish_for(tracker, demand, &wish);
	if (status)
		return status;
	if (wish.elastic.steps)
		return error_set(WEIR_EINVAL, "an elastic demand has no packed form: use weir_tracker_take()");
	if (!wish_is_feasible(&tracker->ledger, &wish, &why))
		return why_not(tracker, &wish, LEDGER_SHORT);
	out->word[0] = wish.units.main;
	out->word[1] = wish.units.counted;
	/* The first node that will do, and the one behind the last. */
	out->word[2] =
		wish.home_only ? wish.home | (uint64_t)(wish.home + 1) << 32 : (uint64_t)tracker->ledger.nodes << 32;
	out->word[3] = packed_sign(tracker);
	return WEIR_OK;
}

static NOINLINE weir_status take_packed_anywhere(weir_tracker *tracker, const weir_packed *packed, weir_grant *out,
						 uint32_t *out_node)
{
	if (unlikely(!tracker || !packed || !out))
		return error_set(WEIR_EINVAL, "tracker, packed or out is NULL");
	if (unlikely(packed->word[3] != packed_sign(tracker)))
		return error_set(WEIR_EINVAL,
				 "packed is not from weir_tracker_pack(), or from that of another tracker");
	struct packed units = {.main = packed->word[0], .counted = packed->word[1]};
	uint32_t first = (uint32_t)packed->word[2];
	uint32_t end = (uint32_t)(packed->word[2] >> 32);
	if (take_from_credit(tracker, &units, first, NULL, out)) {
		if (out_node)
			*out_node = first;
		return WEIR_OK;
	}
	enum ledger_answer answer = LEDGER_SHORT;
	bool waiters = false, contended = false;
	for (uint32_t n = first; n < end && answer != LEDGER_TAKEN; n++) {
		struct taken taken;
		struct shortage why;
		answer = tracker_take_named(tracker, &units, NULL, n, TRACKER_OWN, NULL, out, &taken, &why, &waiters);
		contended |= answer == LEDGER_CONTENDED;
		if (answer == LEDGER_TAKEN && out_node)
			*out_node = n;
	}
	if (unlikely(waiters))
		tracker_kick(tracker);
	if (answer == LEDGER_TAKEN)
		return WEIR_OK;
	if (answer == LEDGER_SHORT && contended)
		answer = LEDGER_CONTENDED;
	*out = (weir_grant){0};
	return answer == LEDGER_BOOK_FULL
		       ? error_set(WEIR_EFULL,
				   "options.grants_max is %u, and so many grants are live: release some, or raise it",
				   tracker->book->slots.live_max)
		       : no_room(tracker, &(struct wish){.units = units, .home = first, .home_only = end == first + 1},
				 answer);
}

static NOINLINE weir_status take_packed_at_once(weir_tracker *tracker, const weir_packed *packed, weir_grant *out,
						uint32_t *out_node)
{
	struct packed units = {.main = packed->word[0]};
	uint32_t node = (uint32_t)packed->word[2];
	if (unlikely(!tracker_take_at_once(tracker, &units, node, NULL, out)))
		return take_packed_anywhere(tracker, packed, out, out_node);
	if (out_node)
		*out_node = node;
	return WEIR_OK;
}

weir_status weir_tracker_take_packed(weir_tracker *tracker, const weir_packed *packed, weir_grant *out,
				     uint32_t *out_node)
{
	/* NULL is no packed demand's tracker. */
	if (unlikely(!packed) || unlikely(!out) || unlikely(packed->word[3] != (uintptr_t)tracker) ||
	    unlikely(!tracker))
		return take_packed_anywhere(tracker, packed, out, out_node);
	uint32_t node = (uint32_t)packed->word[2];
	bool leave = false;
	if (!tracker_take_from_credit(tracker, packed->word[0], node, NULL, out, &leave))
		return likely(!leave) ? take_packed_at_once(tracker, packed, out, out_node)
				      : take_packed_anywhere(tracker, packed, out, out_node);
	if (out_node)
		*out_node = node;
	return likely(!leave) ? WEIR_OK : leave_credit(tracker);
}

/* Giving. -------------------------------------------------------------------------------------------------------- */

void tracker_note_release(struct weir_tracker *tracker, const struct taken *taken)
{
	/* ORDER(attach): acquire, as in tracker_kick(). */
	struct weir_admission *admission = at_load(&tracker->admission, acquire, attach);
	if (admission)
		rates_note(&admission->rates, taken);
}

static NOINLINE weir_status give_anyhow(weir_tracker *tracker, weir_grant grant)
{
	bool waiters = false;
	struct taken taken;
	weir_status status = tracker_give_taken(tracker, grant, &taken, &waiters);
	if (!status)
		tracker_note_release(tracker, &taken);
	struct slot_cache *cache = slots_cache(&tracker->book->slots);
	if (cache && credits_must_flush(cache))
		waiters |= credits_flush(&tracker->credits, &tracker->ledger);
	if (waiters)
		tracker_kick(tracker);
	return status;
}

/* What is left to do of a give: count it, tell those who wait, take the name out of use. */
static NOINLINE weir_status given(weir_tracker *tracker, weir_grant grant, uint64_t main, uint64_t counted,
				  uint64_t where, bool waiters)
{
	struct taken taken = {.units = {.main = main, .counted = counted},
			      .cpu_node = where_cpu_node(where),
			      .memory_node = where_memory_node(where)};
	uint32_t name = where_name(where);
	tracker_note_release(tracker, &taken);
	if (name)
		names_forget(tracker->names, name, grant);
	if (unlikely(waiters))
		tracker_kick(tracker);
	return WEIR_OK;
}

/* The same for what was the calling thread's own, and went into no credit; not yet. */
static NOINLINE weir_status given_slowly(weir_tracker *tracker, weir_grant grant, uint64_t main, uint64_t counted,
					 uint64_t where)
{
	struct taken taken = {.units = {.main = main, .counted = counted},
			      .cpu_node = where_cpu_node(where),
			      .memory_node = where_memory_node(where)};
	bool may_be_kept = !counted && taken.cpu_node == taken.memory_node;
	bool waiters = false;
	if (!may_be_kept || !credits_keep(&tracker->credits, &tracker->ledger, taken.cpu_node, main, &waiters))
		waiters |= ledger_give(&tracker->ledger, &taken);
	if (credits_must_flush(slots_cache(&tracker->book->slots)))
		waiters |= credits_flush(&tracker->credits, &tracker->ledger);
	return given(tracker, grant, main, counted, where, waiters);
}

/* Without credit: to the ledger. */
static NOINLINE weir_status give_to_ledger(weir_tracker *tracker, weir_grant grant, struct record_slot *slot,
					   struct slot_cache *cache, uint64_t free)
{
	uint64_t where = at_load(&slot->where, relaxed, none);
	if (unlikely(where_owner(where) != thread_index_plus_one))
		return give_anyhow(tracker, grant);
	if (unlikely(book_enter(cache, grant) & BOOK_BIAS))
		return give_anyhow(tracker, grant); /* busy stays until that is through */
	uint64_t main = at_load(&slot->main, relaxed, none);
	uint64_t counted = at_load(&slot->counted, relaxed, none);
	book_free(slot, cache, free, grant);
	book_leave(cache);
	if (unlikely(!cache->skip) || unlikely(!tracker->ledger.one_word) || credits_must_flush(cache))
		return given_slowly(tracker, grant, main, counted, where);
	cache->skip--;
	bool waiters = ledger_give_at_once(&tracker->ledger, where_cpu_node(where), main);
	return likely(!where_name(where) && !waiters) ? WEIR_OK : given(tracker, grant, main, 0, where, waiters);
}

/* What a thread took itself and gives back it may keep for its next take. */
static ALWAYS_INLINE weir_status give(weir_tracker *tracker, weir_grant grant)
{
	struct slot_cache *cache;
	uint64_t free;
	struct record_slot *slot = book_find_simple(tracker->book, grant, &cache, &free);
	if (unlikely(!slot))
		return give_anyhow(tracker, grant);
	/* ORDER(book_fields): acquire, as in book_fields_read(). Our own, and such as our credit is good for? */
	if (at_load(&slot->where, acquire, book_fields) != at_load(&cache->where, relaxed, none))
		return give_to_ledger(tracker, grant, slot, cache, free);
	uint64_t main = at_load(&slot->main, acquire, book_fields);
	if (unlikely(book_enter(cache, grant)) || unlikely(!credit_keep(cache, main)))
		return give_to_ledger(tracker, grant, slot, cache, free);
	book_free(slot, cache, free, grant);
	book_leave(cache);
	return likely(!at_load(&cache->attention, relaxed, none)) ? WEIR_OK : leave_credit(tracker);
}

weir_status weir_tracker_give(weir_tracker *tracker, weir_grant grant)
{
	return likely(tracker) ? give(tracker, grant) : no_tracker();
}

weir_status weir_tracker_release(weir_tracker *tracker, const char *id)
{
	if (unlikely(!tracker))
		return no_tracker();
	weir_grant grant;
	weir_status status = names_find(tracker->names, id, &grant);
	/* The book decides between us and others who release it now, by its id or its handle. */
	if (likely(!status) && unlikely(give(tracker, grant)))
		return error_set(WEIR_ENOENT, "id %s: not taken yet, or released just now", id);
	return status;
}
