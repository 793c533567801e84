/* SPDX-License-Identifier: MIT */
/*
 * tracker_api.c - the tracker's public verbs: ledger, book and names as one object.
 *
 * Holds:     nothing but what struct weir_tracker says.
 * Invariant: L2  for every word: spare + live grants == limit + debt, at rest (weir_tracker_audit()).
 * Progress:  lock-free.
 * Not here:  other limits, shrinking and growing (tracker_resize.c). Waiting. A release through this face kicks the room of the admission controller built on the tracker, if
 *            any.
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
	struct weir_tracker *tracker = calloc(1, sizeof(*tracker));
	if (!tracker)
		return error_set(WEIR_ENOMEM, "no memory for a tracker");
	uint32_t grants = options->grants_max ? options->grants_max : GRANTS_DEFAULT;
	status = weir_machine_create(&tracker->machine, options->machine);
	if (!status)
		status = ledger_init(&tracker->ledger, tracker->machine, options->limits);
	if (!status)
		status = book_create(&tracker->book, grants);
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
static weir_status no_room(struct weir_tracker *tracker, const struct wish *wish)
{
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

/* Set the error text of a demand that found no room, and say it in the log. */
static weir_status why_not(struct weir_tracker *tracker, const struct wish *wish, enum ledger_answer answer)
{
	struct shortage why = {0};
	weir_status status;
	if (answer == LEDGER_BOOK_FULL) {
		status = error_set(WEIR_EFULL, "options.grants_max grants are live: release some, or raise it");
	} else if (!wish_is_feasible(&tracker->ledger, wish, &why)) {
		weir_resource first = (weir_resource)__builtin_ctz(why.resources | 1u << (WEIR_RESOURCES - 1));
		status = error_set(WEIR_EINFEASIBLE, "%s demanded is more than the limit of %s: it will never fit",
				   limits_resource_name(&tracker->ledger.limits, first),
				   why.total ? "all nodes" : "any node");
	} else {
		status = no_room(tracker, wish);
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

static NOINLINE weir_status take_in_order(struct weir_tracker *tracker, const struct wish *wish, struct name *name,
					  weir_grant *grant, uint32_t *out_node)
{
	struct rank *rank = alloca(tracker->ledger.nodes * sizeof(*rank));
	uint32_t count = strategy_rank(WEIR_FIRST_FIT, &tracker->ledger, wish, rank);
	enum ledger_answer answer = LEDGER_SHORT;
	bool waiters = false;
	for (uint32_t i = 0; i < count && answer != LEDGER_TAKEN; i++) {
		struct taken taken;
		struct shortage why;
		answer = wish->elastic.steps
				 ? tracker_take_elastic(tracker, &wish->units, &wish->elastic, NULL, rank[i].node,
							TRACKER_OWN, name, grant, &taken, &why, &waiters)
				 : tracker_take_named(tracker, &wish->units, NULL, rank[i].node, TRACKER_OWN, name,
						      grant, &taken, &why, &waiters);
		if (answer == LEDGER_TAKEN && out_node)
			*out_node = rank[i].node;
	}
	if (unlikely(waiters))
		tracker_kick(tracker);
	return answer == LEDGER_TAKEN ? WEIR_OK : why_not(tracker, wish, answer);
}

/* The first in the order of first fit is home, or the first node. */
static ALWAYS_INLINE weir_status take_wish(struct weir_tracker *tracker, const struct wish *wish, struct name *name,
					   weir_grant *grant, uint32_t *out_node)
{
	uint32_t first = wish->home == NO_NODE ? 0 : wish->home;
	if (unlikely(!tracker->ledger.one_word || wish->elastic.steps ||
		     !tracker_take_at_once(tracker, &wish->units, first, name, grant)))
		return take_in_order(tracker, wish, name, grant, out_node);
	if (out_node)
		*out_node = first;
	return WEIR_OK;
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
	for (uint32_t n = 0; n < tracker->ledger.nodes; n++)
		if ((!wish.home_only || n == wish.home) &&
		    ledger_look(&tracker->ledger, &wish.units, NULL, n, &why) == LEDGER_TAKEN)
			return true;
	(void)why_not(tracker, &wish, LEDGER_SHORT);
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
	enum ledger_answer answer = LEDGER_SHORT;
	bool waiters = false;
	for (uint32_t n = first; n < end && answer != LEDGER_TAKEN; n++) {
		struct taken taken;
		struct shortage why;
		answer = tracker_take_named(tracker, &units, NULL, n, TRACKER_OWN, NULL, out, &taken, &why, &waiters);
		if (answer == LEDGER_TAKEN && out_node)
			*out_node = n;
	}
	if (unlikely(waiters))
		tracker_kick(tracker);
	if (answer == LEDGER_TAKEN)
		return WEIR_OK;
	*out = (weir_grant){0};
	return answer == LEDGER_BOOK_FULL ? error_set(WEIR_EFULL, "options.grants_max grants are live")
					  : no_room(tracker, &(struct wish){.units = units,
									    .home = first,
									    .home_only = end == first + 1});
}

weir_status weir_tracker_take_packed(weir_tracker *tracker, const weir_packed *packed, weir_grant *out,
				     uint32_t *out_node)
{
	if (unlikely(!tracker || !packed || !out || packed->word[3] != (uintptr_t)tracker))
		return take_packed_anywhere(tracker, packed, out, out_node);
	struct packed units = {.main = packed->word[0]};
	uint32_t node = (uint32_t)packed->word[2];
	if (unlikely(!tracker_take_at_once(tracker, &units, node, NULL, out)))
		return take_packed_anywhere(tracker, packed, out, out_node);
	if (out_node)
		*out_node = node;
	return WEIR_OK;
}

/* Giving. -------------------------------------------------------------------------------------------------------- */

static NOINLINE weir_status give_anyhow(weir_tracker *tracker, weir_grant grant)
{
	bool waiters = false;
	weir_status status = tracker_give(tracker, grant, &waiters);
	if (waiters)
		tracker_kick(tracker);
	return status;
}

/* What is left to do of a give: tell those who wait, take the name out of use. */
static NOINLINE weir_status given(weir_tracker *tracker, weir_grant grant, uint32_t name, bool waiters)
{
	names_forget(tracker->names, name, grant);
	if (unlikely(waiters))
		tracker_kick(tracker);
	return WEIR_OK;
}

static ALWAYS_INLINE weir_status give(weir_tracker *tracker, weir_grant grant)
{
	bool waiters = false;
	uint32_t name = 0;
	if (unlikely(!tracker_give_at_once(tracker, grant, &name, &waiters)))
		return give_anyhow(tracker, grant);
	return likely(!name && !waiters) ? WEIR_OK : given(tracker, grant, name, waiters);
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

/* Looking. ------------------------------------------------------------------------------------------------------- */

static void add(weir_amount *sum, weir_amount more)
{
	sum->cores += more.cores;
	sum->memory_bytes += more.memory_bytes;
	sum->bandwidth_bytes_s += more.bandwidth_bytes_s;
	for (int c = 0; c < WEIR_COUNTED_MAX; c++)
		sum->counted[c] += more.counted[c];
}

/* A node's own words: what it has itself, not what it borrows from a neighbour. */
static void node_usage(const struct weir_tracker *tracker, uint32_t node, weir_usage *out)
{
	const struct ledger *ledger = &tracker->ledger;
	out->limit = limits_amount(&ledger->limits, ledger_own_limit(ledger, node));
	out->held = limits_amount(&ledger->limits, ledger_own_held(ledger, node));
}

/* A total that binds is the limit; a stock that no node has is known from its word alone. */
static void total_usage(const struct weir_tracker *tracker, weir_usage *out)
{
	const struct ledger *ledger = &tracker->ledger;
	const struct limits *limits = &ledger->limits;
	for (uint32_t n = 0; n < ledger->nodes; n++) {
		weir_usage one = {0};
		node_usage(tracker, n, &one);
		add(&out->held, one.held);
		add(&out->limit, one.limit);
	}
	struct packed limit = {.main = ledger_word_limit(ledger, LEDGER_TOTAL),
			       .counted = ledger_word_limit(ledger, LEDGER_TOTAL_COUNTED)};
	weir_amount total = limits_amount(limits, limit);
	if (limits->total_mask.main & word_mask(WEIR_CPU))
		out->limit.cores = total.cores;
	if (limits->total_mask.main & word_mask(WEIR_MEMORY))
		out->limit.memory_bytes = total.memory_bytes;
	if (limits->total_mask.main & word_mask(WEIR_BANDWIDTH))
		out->limit.bandwidth_bytes_s = total.bandwidth_bytes_s;
	weir_amount held =
		limits_amount(limits, (struct packed){.counted = ledger_word_held(ledger, LEDGER_TOTAL_COUNTED)});
	for (int c = 0; c < WEIR_COUNTED_MAX; c++) {
		weir_resource resource = (weir_resource)(WEIR_COUNTED + c);
		if (!(limits->total_mask.counted & word_mask(resource)))
			continue;
		out->limit.counted[c] = total.counted[c];
		out->held.counted[c] = held.counted[c];
	}
}

weir_status weir_tracker_usage(weir_tracker *tracker, uint32_t node, weir_usage *out)
{
	if (!tracker || !out)
		return error_set(WEIR_EINVAL, "tracker or out is NULL");
	if (node != WEIR_ALL_NODES && node >= tracker->ledger.nodes)
		return error_set(WEIR_EINVAL, "node is %u: the machine has %u nodes", node, tracker->ledger.nodes);
	memset(out, 0, sizeof(*out));
	if (node == WEIR_ALL_NODES)
		total_usage(tracker, out);
	else
		node_usage(tracker, node, out);
	out->grants = book_count(tracker->book);
	return WEIR_OK;
}

static void describe(struct weir_tracker *tracker, weir_grant grant, const struct book_record *record,
		     weir_allocation *out)
{
	struct taken taken = tracker_taken(record);
	*out = (weir_allocation){.grant = grant,
				 .node = taken.cpu_node,
				 .memory_node = taken.memory_node,
				 .held = limits_amount(&tracker->ledger.limits, taken.units)};
	if (record->name)
		(void)names_text(tracker->names, record->name, grant, out->id);
}

weir_status weir_tracker_look(weir_tracker *tracker, weir_grant grant, weir_allocation *out)
{
	if (!tracker || !out)
		return error_set(WEIR_EINVAL, "tracker or out is NULL");
	struct book_record record;
	weir_status status = book_read(tracker->book, grant, &record);
	if (status)
		return status;
	describe(tracker, grant, &record, out);
	return WEIR_OK;
}

weir_status weir_tracker_find(weir_tracker *tracker, const char *id, weir_allocation *out)
{
	if (!tracker || !out)
		return error_set(WEIR_EINVAL, "tracker or out is NULL");
	weir_grant grant;
	weir_status status = names_find(tracker->names, id, &grant);
	if (!status)
		status = weir_tracker_look(tracker, grant, out);
	if (status == WEIR_ESTALE)
		status = error_set(WEIR_ENOENT, "\"%s\" was released just now", id);
	return status;
}

struct walk {
	struct weir_tracker *tracker;
	weir_allocation_fn fn;
	void *context;
};

static bool walk_one(weir_grant grant, const struct book_record *record, void *context)
{
	struct walk *walk = context;
	weir_allocation allocation;
	describe(walk->tracker, grant, record, &allocation);
	return walk->fn(&allocation, walk->context);
}

void weir_tracker_each(weir_tracker *tracker, weir_allocation_fn fn, void *context)
{
	if (!tracker || !fn)
		return;
	struct walk walk = {.tracker = tracker, .fn = fn, .context = context};
	book_each(tracker->book, walk_one, &walk);
}

const weir_machine *weir_tracker_machine(const weir_tracker *tracker)
{
	return tracker ? tracker->machine : NULL;
}

void weir_tracker_units(const weir_tracker *tracker, uint32_t *per_core, uint64_t *memory_bytes,
			uint64_t *bandwidth_bytes_s)
{
	static const struct units none;
	const struct units *units = tracker ? &tracker->ledger.limits.units : &none;
	if (per_core)
		*per_core = units->per_core;
	if (memory_bytes)
		*memory_bytes = units->memory_bytes;
	if (bandwidth_bytes_s)
		*bandwidth_bytes_s = units->bandwidth_bytes_s;
}

/* Audit. --------------------------------------------------------------------------------------------------------- */

struct audit {
	const struct ledger *ledger;
	uint64_t *held;
};

static bool audit_one(weir_grant grant, const struct book_record *record, void *context)
{
	(void)grant;
	struct audit *audit = context;
	struct taken taken = tracker_taken(record);
	for (uint32_t w = 0; w < audit->ledger->words; w++)
		audit->held[w] += ledger_share(audit->ledger, &taken, w);
	return true;
}

weir_status weir_tracker_audit(weir_tracker *tracker)
{
	if (!tracker)
		return no_tracker();
	struct ledger *ledger = &tracker->ledger;
	struct audit audit = {.ledger = ledger, .held = calloc(ledger->words, sizeof(uint64_t))};
	if (!audit.held)
		return error_set(WEIR_ENOMEM, "no memory for an audit");
	book_each(tracker->book, audit_one, &audit);
	weir_status status = WEIR_OK;
	for (uint32_t w = 0; w < ledger->words && !status; w++) {
		uint64_t spare = ledger_word_spare(ledger, w);
		uint64_t limit = ledger_word_limit(ledger, w), debt = ledger_word_debt(ledger, w);
		if (spare + audit.held[w] != limit + debt)
			status =
				error_set(WEIR_EINVAL,
					  "word %u: spare %#llx and held %#llx do not make the limit %#llx and what is "
					  "owed, %#llx",
					  w, (unsigned long long)spare, (unsigned long long)audit.held[w],
					  (unsigned long long)limit, (unsigned long long)debt);
	}
	free(audit.held);
	return status;
}
