/* SPDX-License-Identifier: MIT */
/*
 * tracker_resize.c - what is there already and becomes more or less: limits, and live grants.
 *
 * Holds:     nothing.
 * Invariant: L2  as in tracker_api.c. A grant is made smaller in the book first, and larger in the ledger first: the book
 *                never says that more is held than is taken.
 * Progress:  shrink and grow are lock-free; who sets limits may wait for another who does.
 * Not here:  taking and giving (tracker_api.c); what a task may use of its grant (resize.c).
 */
#include <math.h>

#include "private/error.h"
#include "runtime/admission.h"
#include "runtime/limits_say.h"

static weir_status missing(const char *what)
{
	return error_set(WEIR_EINVAL, "%s is NULL", what);
}

weir_status weir_tracker_set_limits(weir_tracker *tracker, const weir_limits *limits)
{
	if (!tracker)
		return missing("tracker");
	bool waiters = false;
	weir_status status = ledger_set_limits(&tracker->ledger, limits, &waiters);
	if (!status)
		credits_relimit(&tracker->credits, &tracker->ledger, &waiters);
	if (waiters)
		tracker_kick(tracker);
	/* ORDER(attach): acquire, as in tracker_kick(). */
	struct weir_admission *admission = at_load(&tracker->admission, acquire, attach);
	if (!status && admission) {
		gate_set_floors(admission);
		/* Whoever waits may fit now, or never more. */
		admission_revalidate(admission);
	}
	return status;
}

weir_status tracker_pack_amount(const struct weir_tracker *tracker, const weir_amount *amount, struct packed *out)
{
	weir_demand demand = {.size = sizeof(demand),
			      .cores = amount->cores,
			      .memory_bytes = amount->memory_bytes,
			      .bandwidth_bytes_s = amount->bandwidth_bytes_s};
	*out = (struct packed){0};
	/* Written so that what is not a number is refused too. */
	if (!(amount->cores >= 0) || isinf(amount->cores))
		return error_set(WEIR_EINVAL, "amount.cores is %g: give 0 or more", amount->cores);
	bool any = amount->cores != 0 || amount->memory_bytes || amount->bandwidth_bytes_s;
	for (int c = 0; c < WEIR_COUNTED_MAX; c++)
		any |= (demand.counted[c] = amount->counted[c]) != 0;
	return any ? limits_pack(&tracker->ledger.limits, &demand, out) : WEIR_OK;
}

/* Is every field of `small` at most that of `large`? */
static bool is_within(struct packed small, struct packed large)
{
	return !word_less(small.main, large.main, WORD_MAIN) && !word_less(small.counted, large.counted, WORD_COUNTED);
}

/* What a grant holds from now on. If it was given back meanwhile, that is left to us. */
static void change_to(struct weir_tracker *tracker, weir_grant grant, const struct book_record *record, uint64_t main,
		      uint64_t counted, bool *waiters)
{
	struct taken taken = tracker_taken(record);
	taken.units = (struct packed){.main = main, .counted = counted};
	if (likely(!book_changed(tracker->book, grant, main, counted)))
		return;
	*waiters |= ledger_give(&tracker->ledger, &taken);
	tracker_note_release(tracker, &taken);
	if (record->name)
		names_forget(tracker->names, record->name, grant);
}

static weir_status more_than_held(const struct limits *limits, const struct packed *to, const struct packed *held)
{
	weir_resource first = WEIR_CPU;
	while (packed_get(*to, first) <= packed_get(*held, first))
		first++;
	char wanted[AMOUNT_TEXT_BYTES], has[AMOUNT_TEXT_BYTES];
	return error_set(WEIR_EINVAL,
			 "to is %s of %s, the grant holds %s: give at most that, or use weir_tracker_grow()",
			 limits_amount_text(first, limits_amount_of(limits, first, packed_get(*to, first)), wanted),
			 limits_resource_name(limits, first),
			 limits_amount_text(first, limits_amount_of(limits, first, packed_get(*held, first)), has));
}

weir_status tracker_shrink(struct weir_tracker *tracker, weir_grant grant, const struct packed *to, bool *waiters)
{
	struct book_record record;
	weir_status status = book_begin_change(tracker->book, grant, &record);
	if (status)
		return status;
	struct taken back = tracker_taken(&record);
	if (!is_within(*to, back.units)) {
		change_to(tracker, grant, &record, record.main, record.counted, waiters);
		return more_than_held(&tracker->ledger.limits, to, &back.units);
	}
	change_to(tracker, grant, &record, to->main, to->counted, waiters);
	back.units.main -= to->main;
	back.units.counted -= to->counted;
	*waiters |= ledger_give(&tracker->ledger, &back);
	tracker_note_release(tracker, &back);
	return WEIR_OK;
}

weir_status tracker_grow(struct weir_tracker *tracker, weir_grant grant, const struct packed *by,
			 const struct packed *floor, bool *waiters)
{
	struct book_record record;
	struct shortage why = {0};
	weir_status status = book_read(tracker->book, grant, &record);
	if (status)
		return status;
	struct taken more = tracker_taken(&record);
	if (!ledger_can_ever_hold(&tracker->ledger, &more, by, &why)) {
		weir_resource first = (weir_resource)__builtin_ctz(why.resources | 1u << (WEIR_RESOURCES - 1));
		const struct limits *limits = &tracker->ledger.limits;
		char held[AMOUNT_TEXT_BYTES], on_top[AMOUNT_TEXT_BYTES];
		return error_set(
			WEIR_EINFEASIBLE,
			"%s held, %s, and %s on top, is above the limit: it will never fit; ask for less",
			limits_resource_name(limits, first),
			limits_amount_text(first, limits_amount_of(limits, first, packed_get(more.units, first)), held),
			limits_amount_text(first, limits_amount_of(limits, first, packed_get(*by, first)), on_top));
	}
	more.units = *by;
	if (tracker_take_more(tracker, &more, floor, waiters) != LEDGER_TAKEN)
		return error_set(WEIR_EAGAIN, "there is no room for more on node %u now", record.cpu_node);
	status = book_begin_change(tracker->book, grant, &record);
	if (status) {
		*waiters |= ledger_give(&tracker->ledger, &more);
		return status;
	}
	/* No field runs over: all of it was spare once, within a limit and what is owed to it. */
	change_to(tracker, grant, &record, record.main + by->main, record.counted + by->counted, waiters);
	return WEIR_OK;
}

weir_status weir_tracker_shrink(weir_tracker *tracker, weir_grant grant, const weir_amount *to)
{
	if (!tracker || !to)
		return missing(tracker ? "to" : "tracker");
	struct packed units;
	bool waiters = false;
	weir_status status = tracker_pack_amount(tracker, to, &units);
	if (!status)
		status = tracker_shrink(tracker, grant, &units, &waiters);
	if (waiters)
		tracker_kick(tracker);
	return status;
}

weir_status weir_tracker_grow(weir_tracker *tracker, weir_grant grant, const weir_amount *by)
{
	if (!tracker || !by)
		return missing(tracker ? "by" : "tracker");
	struct packed units;
	bool waiters = false;
	weir_status status = tracker_pack_amount(tracker, by, &units);
	if (!status)
		status = tracker_grow(tracker, grant, &units, NULL, &waiters);
	if (waiters)
		tracker_kick(tracker);
	return status;
}
