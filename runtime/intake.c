/* SPDX-License-Identifier: MIT */
/* intake.c - segments, and taking. The protocol is argued in intake.h. */
#include "runtime/intake.h"

#include <stdlib.h>
#include <string.h>

#include "private/check.h"
#include "private/error.h"

enum { SEGMENT_NUMBERS = 1 << (32 - INTAKE_SEGMENT_BITS) };

static inline uint32_t segment_of(uint32_t place)
{
	return place >> INTAKE_SEGMENT_BITS;
}

static struct intake_place *segment_at(const struct intake *in, uint32_t number)
{
	uint32_t slot = at_load(&in->directory[number & in->directory_mask], relaxed, none);
	return (struct intake_place *)(void *)((char *)slots_base(in->segments) + (size_t)slot * INTAKE_SEGMENT_BYTES);
}

weir_status intake_store_create(struct slots **out, uint32_t calls_max)
{
	/* One that is being written and one that is being taken for each. */
	return slots_create_flat(out, calls_max / INTAKE_CALLS + 2 * THREADS_MAX, INTAKE_SEGMENT_BYTES);
}

weir_status intake_init(struct intake *in, struct slots *store, uint32_t calls_max, bool fenced)
{
	memset(in, 0, sizeof(*in));
	uint32_t segments = 4;
	while (segments < calls_max / INTAKE_CALLS + 3)
		segments *= 2;
	in->segments = store;
	in->habit.needed = HABIT_MIN;
	in->fenced = fenced;
	in->directory_mask = segments - 1;
	in->directory = calloc(segments, sizeof(*in->directory));
	return in->directory ? WEIR_OK : error_set(WEIR_ENOMEM, "no memory for a directory of %u segments", segments);
}

void intake_fini(struct intake *in)
{
	free(in->directory);
	in->directory = NULL;
}

/* Give back what lies wholly below the head: first the oldest, so that the warmest is used next. */
static void give_back(struct intake *in)
{
	/* ORDER(intake_head): acquire, pairs with the exchange in intake_take(): the takers have read what we overwrite. */
	uint32_t done = segment_of((uint32_t)(at_load(&in->head, acquire, intake_head) >> 32));
	for (; in->oldest != done; in->oldest = (in->oldest + 1) % SEGMENT_NUMBERS)
		slots_put(in->segments, at_load(&in->directory[in->oldest & in->directory_mask], relaxed, none));
}

NOINLINE bool intake_open(struct intake *in)
{
	if (intake_is_open(in))
		return true;
	give_back(in);
	uint32_t number = segment_of(in->place);
	if ((number - in->oldest) % SEGMENT_NUMBERS > in->directory_mask)
		return false;
	uint32_t slot = slots_get(in->segments);
	if (slot == SLOTS_NONE)
		return false;
	/* Seen by who sees a tail beyond it. */
	at_store(&in->directory[number & in->directory_mask], slot, relaxed, none);
	in->segment = segment_at(in, number);
	in->place++;
	return true;
}

static void read_call(const struct intake_place *from, struct call *to, uint64_t run)
{
	struct intake_place *place = (struct intake_place *)from;
	to->fn = at_load(&place->fn, relaxed, none);
	to->argument = at_load(&place->argument, relaxed, none);
	to->group = at_load(&place->group, relaxed, none);
	to->run = run;
}

/* only: of this group, up to the first of another; NULL: of any. */
static ALWAYS_INLINE uint32_t take(struct intake *in, struct call *out, uint32_t most, const weir_group *only)
{
	/* ORDER(intake_head): acquire, pairs with the exchange below: tail is not older than what it left. */
	uint64_t head = at_load(&in->head, acquire, intake_head);
	/* ORDER(intake): acquire, pairs with the release in intake_show(). */
	uint32_t end = (uint32_t)(at_load(&in->tail, acquire, intake) >> 32);
	uint32_t place = (uint32_t)(head >> 32);
	if (end == place)
		return 0;
	place += (place & INTAKE_CALLS) == 0; /* the header */
	const struct intake_place *segment = segment_at(in, segment_of(place));
	uint32_t first = place & INTAKE_CALLS;
	uint32_t count = INTAKE_PLACES - first;
	if (count > end - place)
		count = end - place;
	if (count > most)
		count = most;
	uint32_t calls = 0;
	uint32_t taken = 0;
	while (taken < count) {
		uint64_t run = at_load(&((struct intake_place *)segment)[first + taken].run, relaxed, none);
		if (run && taken)
			break;
		if (only && at_load(&((struct intake_place *)segment)[first + taken].group, relaxed, none) != only)
			break;
		read_call(&segment[first + taken], &out[taken], run);
		calls += call_count(run);
		taken++;
		if (run)
			break;
	}
	if (only && !taken)
		return 0;
	uint64_t wanted = (uint64_t)(place + taken) << 32 | (uint32_t)((uint32_t)head + calls);
	/* ORDER(intake_head): acq_rel; release, pairs with give_back(): we have read. Failure: another took, and what we read is
	 * nothing. */
	return at_cas(&in->head, &head, wanted, acq_rel, relaxed, intake_head) ? taken : 0;
}

uint32_t intake_take(struct intake *in, struct call *out, uint32_t most)
{
	return take(in, out, most, NULL);
}

uint32_t intake_take_of(struct intake *in, struct call *out, uint32_t most, const weir_group *group)
{
	return take(in, out, most, group);
}

bool intake_is_next(struct intake *in, const weir_group *group)
{
	uint32_t place = (uint32_t)(at_load(&in->head, relaxed, none) >> 32);
	if (place == in->place)
		return false;
	place += (place & INTAKE_CALLS) == 0; /* the header */
	/* Whatever is taken meanwhile: only the producer gives segments back. */
	struct intake_place *segment = segment_at(in, segment_of(place));
	return at_load(&segment[place & INTAKE_CALLS].group, relaxed, none) == group;
}
