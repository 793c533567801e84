/* SPDX-License-Identifier: MIT */
/*
 * why.c - why a waiter waits.
 *
 * Holds:     nothing.
 * Invariant: Y1  what is said of a waiter is of the use that its ticket names: seen while it waited, and whole.
 * Progress:  never blocks, and nobody waits for it: it takes no token and no place in any list.
 * Together:  all with all.
 * Not here:  decisions (words.c), the room's own lists (room.c): they belong to the holder of its token.
 *
 * A waiter's own fields are its owner's and the holder's, so what others may read of it is shown once more in atomics, written
 * before it is pushed. Waiters lie in type-stable slots and their state carries the number of the use, so a look is that of the
 * book: state, fields (acquire), state again. Who sees a field of the next use sees by the second look that this one is over.
 * Who is ahead is counted by such looks at all slots, and who holds what by a walk over the book: both are off by what changes
 * meanwhile.
 */
#include "runtime/why.h"

#include <stdio.h>
#include <string.h>

#include "private/error.h"
#include "runtime/text.h"

struct view {
	uint64_t state;
	struct packed units;
	uint32_t home;
	bool home_only;
	weir_class task_class;
	int32_t priority;
	uint64_t since_ns;
	uint64_t order;
};

/* False: it changed meanwhile. */
static bool look(struct waiter *waiter, struct view *view)
{
	struct waiter_shown *shown = &waiter->shown;
	/* ORDER(shown): acquire, pairs with the releases in waiter_show() and of the state in arrive(): see above. */
	view->state = at_load(&waiter->state, acquire, shown);
	view->units.main = at_load(&shown->main, acquire, shown);
	view->units.counted = at_load(&shown->counted, acquire, shown);
	uint64_t where = at_load(&shown->where, acquire, shown);
	uint32_t home = where >> 8 & 0xffffff;
	view->home = home ? home - 1 : NO_NODE;
	view->home_only = where >> 7 & 1;
	view->task_class = (weir_class)(where & 0x7f);
	view->priority = (int32_t)(where >> 32);
	view->since_ns = at_load(&waiter->since_ns, acquire, shown);
	view->order = at_load(&waiter->order, acquire, shown);
	return at_load(&waiter->state, relaxed, none) == view->state;
}

static bool waits(const struct view *view)
{
	return view->state % WAITER_STATES == WAITER_WAITING;
}

/* Who was not fetched yet comes after all that were. */
static bool is_before(const struct view *a, const struct view *b)
{
	uint32_t a_service = room_service(a->task_class), b_service = room_service(b->task_class);
	if (a_service != b_service)
		return a_service < b_service;
	if (a->priority != b->priority)
		return a->priority > b->priority;
	return a->order && (!b->order || a->order < b->order);
}

/* Everybody who waits, and was seen whole. */
static void each_waiting(struct weir_admission *admission,
			 void (*fn)(struct waiter *waiter, const struct view *view, void *context), void *context)
{
	for (size_t w = 0; w < ARRAY_LENGTH(admission->waiters); w++) {
		struct slots *slots = admission->waiters[w].slots;
		uint32_t made = slots ? slots_made(slots) : 0;
		for (uint32_t i = 0; i < made; i++) {
			char *slot = slots_at(slots, i, slots->slot_shift);
			struct waiter *one = (struct waiter *)(void *)(slot + admission->waiters[w].offset);
			struct view view;
			/* A first glance, as most do not wait. */
			if (waiter_state(one) == WAITER_WAITING && look(one, &view) && waits(&view))
				fn(one, &view, context);
		}
	}
}

struct ahead {
	const struct waiter *self;
	const struct view *mine;
	uint64_t count;
};

static void note_ahead(struct waiter *waiter, const struct view *view, void *context)
{
	struct ahead *ahead = context;
	ahead->count += waiter != ahead->self && is_before(view, ahead->mine);
}

static uint64_t count_ahead(struct weir_admission *admission, const struct waiter *self, const struct view *mine)
{
	struct ahead ahead = {.self = self, .mine = mine};
	each_waiting(admission, note_ahead, &ahead);
	return ahead.count;
}

/* Where. --------------------------------------------------------------------------------------------------------- */

/* The largest part of a limit that is lacking, in thousandths: what decides where no rates are known. */
static uint64_t lacking_part(const struct ledger *ledger, const struct lack *lack, uint32_t place)
{
	struct packed limit = ledger_limit(ledger, place);
	uint64_t most = 0;
	for (int r = 0; r < WEIR_RESOURCES; r++) {
		uint64_t units = packed_get(limit, (weir_resource)r);
		uint64_t part = units ? lack->node[r] * UINT64_C(1000) / units : 0;
		most = part > most ? part : most;
	}
	return most;
}

static void choose_node(struct weir_admission *admission, const struct view *view, weir_why *why, struct lack *lack)
{
	const struct ledger *ledger = &admission->tracker->ledger;
	uint64_t least = UINT64_MAX;
	why->eta_ns = RATES_UNKNOWN;
	rates_sample(&admission->rates, admission->tracker->book, clock_now_ns(&admission->clock));
	for (uint32_t n = 0; n < ledger->nodes; n++) {
		if (view->home_only && n != view->home)
			continue;
		struct packed kept;
		const struct packed *floor = admission_floor(admission, view->task_class, n, &kept);
		struct lack one = rates_lack(ledger, &view->units, floor, n);
		uint64_t eta = rates_eta_ns(&admission->rates, ledger, &view->units, floor, n);
		uint64_t part = lacking_part(ledger, &one, n);
		if (one.never || (least != UINT64_MAX && (eta > why->eta_ns || (eta == why->eta_ns && part >= least))))
			continue;
		least = part;
		why->eta_ns = eta;
		why->node = n;
		*lack = one;
	}
}

static void say_missing(const struct limits *limits, const struct lack *lack, weir_why *why)
{
	struct packed missing = {0};
	for (int i = 0; i < WEIR_RESOURCES; i++) {
		weir_resource r = (weir_resource)i;
		uint32_t units = lack->node[r] > lack->total[r] ? lack->node[r] : lack->total[r];
		if (!units)
			continue;
		why->short_resources |= UINT32_C(1) << r;
		why->short_total |= lack->total[r] != 0;
		*(word_kind(r) == WORD_MAIN ? &missing.main : &missing.counted) |= word_put(r, units);
		if (r >= WEIR_COUNTED && !why->short_name[0])
			snprintf(why->short_name, sizeof(why->short_name), "%s", limits_resource_name(limits, r));
	}
	why->missing = limits_amount(limits, missing);
}

/* Who. ----------------------------------------------------------------------------------------------------------- */

struct search {
	struct weir_tracker *tracker;
	weir_why *why;
	struct lack lack;
	uint32_t cpu_node, memory_node;
	uint64_t weight[WEIR_WHY_HOLDERS];
	struct taken taken[WEIR_WHY_HOLDERS];
};

/* What of a grant counts for the node that is short, and for the totals. */
static uint32_t part_of(const struct search *search, const struct taken *taken, weir_resource r, bool total)
{
	bool of_memory = r == WEIR_MEMORY || r == WEIR_BANDWIDTH;
	bool there = of_memory ? taken->memory_node == search->memory_node : taken->cpu_node == search->cpu_node;
	return total || there ? packed_get(taken->units, r) : 0;
}

/* How much of what is missing it would bring, in thousandths, summed over what is short. */
static uint64_t weigh(const struct search *search, const struct taken *taken)
{
	uint64_t weight = 0;
	for (int i = 0; i < WEIR_RESOURCES; i++)
		for (int total = 0; total < 2; total++) {
			weir_resource r = (weir_resource)i;
			uint64_t missing = total ? search->lack.total[r] : search->lack.node[r];
			uint64_t part = missing ? part_of(search, taken, r, total) : 0;
			weight += part ? (part < missing ? part : missing) * 1000 / missing + 1 : 0;
		}
	return weight;
}

static bool note_holder(weir_grant grant, const struct book_record *record, void *context)
{
	struct search *search = context;
	weir_why *why = search->why;
	struct taken taken = tracker_taken(record);
	uint64_t weight = weigh(search, &taken);
	if (!weight)
		return true;
	why->holders_in_all++;
	uint32_t at = why->holders;
	while (at && search->weight[at - 1] < weight)
		at--;
	if (at == WEIR_WHY_HOLDERS)
		return true;
	why->holders += why->holders < WEIR_WHY_HOLDERS;
	for (uint32_t i = why->holders - 1; i > at; i--) {
		search->weight[i] = search->weight[i - 1];
		search->taken[i] = search->taken[i - 1];
		why->holder[i] = why->holder[i - 1];
	}
	search->weight[at] = weight;
	search->taken[at] = taken;
	why->holder[at].grant = grant;
	why->holder[at].held = limits_amount(&search->tracker->ledger.limits, taken.units);
	why->holder[at].id[0] = '\0';
	if (record->name)
		(void)names_text(search->tracker->names, record->name, grant, why->holder[at].id);
	return true;
}

static bool is_enough(const struct search *search, uint32_t first)
{
	for (int i = 0; i < WEIR_RESOURCES; i++)
		for (int total = 0; total < 2; total++) {
			weir_resource r = (weir_resource)i;
			uint64_t missing = total ? search->lack.total[r] : search->lack.node[r];
			uint64_t sum = 0;
			for (uint32_t h = 0; h < first; h++)
				sum += part_of(search, &search->taken[h], r, total);
			if (sum < missing)
				return false;
		}
	return true;
}

static void find_holders(struct weir_admission *admission, const struct lack *lack, weir_why *why)
{
	const weir_machine *machine = admission->tracker->machine;
	struct search search = {.tracker = admission->tracker,
				.why = why,
				.lack = *lack,
				.cpu_node = machine->cores_near[why->node],
				.memory_node = machine->memory_near[why->node]};
	if (!why->short_resources)
		return;
	book_each(admission->tracker->book, note_holder, &search);
	for (uint32_t first = 1; first <= why->holders && !why->enough; first++)
		if (is_enough(&search, first))
			why->enough = first;
}

static void explain(struct weir_admission *admission, const struct waiter *waiter, const struct view *view,
		    weir_why *out)
{
	uint64_t now_ns = clock_now_ns(&admission->clock);
	out->task_class = view->task_class;
	out->waited_ns = now_ns > view->since_ns ? now_ns - view->since_ns : 0;
	out->ahead = count_ahead(admission, waiter, view);
	struct lack lack = {0};
	choose_node(admission, view, out, &lack);
	say_missing(&admission->tracker->ledger.limits, &lack, out);
	find_holders(admission, &lack, out);
}

weir_status why_pending(struct weir_admission *admission, struct waiter *waiter, uint64_t ticket, weir_why *out)
{
	if (!out)
		return error_set(WEIR_EINVAL, "out is NULL");
	if (out->size != sizeof(*out))
		return error_set(WEIR_EINVAL, "out->size is %zu: set it to sizeof(weir_why), %zu", out->size,
				 sizeof(*out));
	struct view view = {0};
	bool whole = waiter && look(waiter, &view);
	*out = (weir_why){.size = sizeof(*out), .eta_ns = RATES_UNKNOWN};
	if (whole && ticket >> SLOTS_BITS && view.state % WAITER_TURN == waiter_state_in_use(ticket, WAITER_HELD)) {
		out->held_back = true;
		return WEIR_OK;
	}
	if (!whole || !(ticket >> SLOTS_BITS) ||
	    view.state % WAITER_TURN != waiter_state_in_use(ticket, WAITER_WAITING))
		return error_set(WEIR_ESTALE,
				 "ticket %#llx does not wait: it was granted, cancelled or given up before, or is not "
				 "of this admission",
				 (unsigned long long)ticket);
	explain(admission, waiter, &view, out);
	return WEIR_OK;
}

struct first {
	struct waiter *waiter; /* NULL: nobody waits */
	struct view view;
};

static void note_first(struct waiter *waiter, const struct view *view, void *context)
{
	struct first *first = context;
	if (!first->waiter || is_before(view, &first->view))
		*first = (struct first){.waiter = waiter, .view = *view};
}

bool why_first(struct weir_admission *admission, weir_why *out)
{
	struct first first = {0};
	each_waiting(admission, note_first, &first);
	*out = (weir_why){.size = sizeof(*out), .eta_ns = RATES_UNKNOWN};
	if (first.waiter)
		explain(admission, first.waiter, &first.view, out);
	return first.waiter != NULL;
}

/* In words. ------------------------------------------------------------------------------------------------------ */

/* "CPU by 2, memory by 1048576 B"; of a holder without "by". */
static void say_amounts(struct text *text, const weir_amount *amount, uint32_t resources, const char *name,
			const char *by)
{
	const char *comma = "";
	for (int r = 0; r < WEIR_RESOURCES; r++) {
		if (!(resources >> r & 1))
			continue;
		text_say(text, "%s%s%s ", comma,
			 r >= WEIR_COUNTED && *name ? name : weir_resource_name((weir_resource)r), by);
		if (r == WEIR_CPU)
			text_say(text, "%g", amount->cores);
		else if (r == WEIR_MEMORY)
			text_say(text, "%llu B", (unsigned long long)amount->memory_bytes);
		else if (r == WEIR_BANDWIDTH)
			text_say(text, "%llu B/s", (unsigned long long)amount->bandwidth_bytes_s);
		else
			text_say(text, "%llu", (unsigned long long)amount->counted[r - WEIR_COUNTED]);
		name = r >= WEIR_COUNTED ? "" : name;
		comma = ", ";
	}
}

static void say_release(struct text *text, const weir_why *why)
{
	if (!why->enough) {
		text_say(text, "; %u grants hold it, the largest %u are not enough", why->holders_in_all, why->holders);
		return;
	}
	text_say(text, "; would start if there came back ");
	for (uint32_t h = 0; h < why->enough; h++) {
		const weir_why_holder *holder = &why->holder[h];
		text_say(text, "%sgrant %#llx%s%s%s (", h ? ", " : "", (unsigned long long)holder->grant.handle,
			 holder->id[0] ? " \"" : "", holder->id, holder->id[0] ? "\"" : "");
		say_amounts(text, &holder->held, why->short_resources, why->short_name, "");
		text_say(text, ")");
	}
}

size_t weir_why_text(const weir_why *why, char *out, size_t size)
{
	struct text text = {.at = out, .size = out ? size : 0};
	if (text.size)
		*out = '\0';
	if (!why)
		return 0;
	if (why->held_back) {
		text_say(&text, "kept back: the groups before its own are not done");
		return text.used;
	}
	text_say(&text, "waits for %.3f ms, %llu ahead: ", (double)why->waited_ns / (double)WEIR_NS_PER_MS,
		 (unsigned long long)why->ahead);
	if (!why->short_resources) {
		text_say(&text, "there is room on node %u: it starts now, or what is there is kept for others",
			 why->node);
		return text.used;
	}
	text_say(&text, "short of ");
	say_amounts(&text, &why->missing, why->short_resources, why->short_name, " by");
	text_say(&text, " %s node %u", why->short_total ? "in all, soonest on" : "on", why->node);
	if (why->eta_ns == RATES_UNKNOWN)
		text_say(&text, "; nothing of it came back of late");
	else
		text_say(&text, "; room in about %.3f ms", (double)why->eta_ns / (double)WEIR_NS_PER_MS);
	say_release(&text, why);
	return text.used;
}
