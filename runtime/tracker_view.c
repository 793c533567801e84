/* SPDX-License-Identifier: MIT */
/*
 * tracker_view.c - the tracker's public verbs that only look: usage, allocations, units, audit.
 *
 * Holds:     nothing.
 * Invariant: L2  for every word: spare + credits + live grants == limit + debt, at rest (weir_tracker_audit()).
 * Progress:  lock-free.
 */
#include <stdlib.h>
#include <string.h>

#include "private/error.h"
#include "runtime/tracker.h"

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
static void node_usage(struct weir_tracker *tracker, uint32_t node, weir_usage *out)
{
	const struct ledger *ledger = &tracker->ledger;
	out->limit = limits_amount(&ledger->limits, ledger_own_limit(ledger, node));
	out->held = limits_amount(&ledger->limits, tracker_own_held(tracker, node));
}

/* A total that binds is the limit; a stock that no node has is known from its word alone. */
static void total_usage(struct weir_tracker *tracker, weir_usage *out)
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
		return error_set(WEIR_EINVAL, "node is %u: the machine has %u node%s", node, tracker->ledger.nodes,
				 plural(tracker->ledger.nodes));
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
		return error_set(WEIR_EINVAL, "tracker is NULL");
	struct ledger *ledger = &tracker->ledger;
	struct audit audit = {.ledger = ledger, .held = calloc(ledger->words, sizeof(uint64_t))};
	if (!audit.held)
		return error_set(WEIR_ENOMEM, "no memory for an audit");
	book_each(tracker->book, audit_one, &audit);
	for (uint32_t n = 0; n < ledger->nodes; n++) {
		struct taken kept = {
			.units = {.main = credits_on(&tracker->credits, n)}, .cpu_node = n, .memory_node = n};
		for (uint32_t w = 0; kept.units.main && w < ledger->words; w++)
			audit.held[w] += ledger_share(ledger, &kept, w);
	}
	weir_status status = WEIR_OK;
	for (uint32_t w = 0; w < ledger->words && !status; w++) {
		uint64_t spare = ledger_word_spare(ledger, w);
		uint64_t limit = ledger_word_limit(ledger, w), debt = ledger_word_debt(ledger, w);
		if (spare + audit.held[w] != limit + debt)
			status = error_set(WEIR_EINVAL,
					   "word %u: spare %#llx and held, with credits, %#llx do not make the limit "
					   "%#llx and what is "
					   "owed, %#llx",
					   w, (unsigned long long)spare, (unsigned long long)audit.held[w],
					   (unsigned long long)limit, (unsigned long long)debt);
	}
	free(audit.held);
	return status;
}
