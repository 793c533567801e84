/* SPDX-License-Identifier: MIT */
/* intake.c - segments, and taking. The protocol is argued in intake.h. */
#include "runtime/intake.h"

#include <stdlib.h>
#include <string.h>

#include "private/check.h"
#include "private/error.h"

enum {
	SEGMENT_NUMBERS = 1 << (32 - INTAKE_SEGMENT_BITS),
	STOPPED_BEHIND = 4, /* segments behind head, who still reads is taken not to run */
};

/* In the directory, to a slot: it was given back, and is somewhere else by now. */
static const uint32_t GIVEN = UINT32_C(1) << 31;
_Static_assert(SLOTS_BITS < 31, "no slot has it");

static inline uint32_t segment_of(uint32_t place)
{
	return place >> INTAKE_SEGMENT_BITS;
}

static struct intake_place *segment_in(const struct intake *in, uint64_t entry)
{
	uint32_t slot = (uint32_t)entry & ~GIVEN;
	return (struct intake_place *)(void *)((char *)slots_base(in->segments) + (size_t)slot * INTAKE_SEGMENT_BYTES);
}

static struct intake_place *segment_at(const struct intake *in, uint32_t number)
{
	return segment_in(in, at_load(&in->directory[number & in->directory_mask], relaxed, none));
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

/* Of a segment, how many of its calls have been read: in its header's place. */
static _Atomic(uint64_t) *calls_read(const struct intake_place *segment)
{
	return &((struct intake_place *)segment)[0].run;
}

/* Takers: so many of its calls are ours, and copied. */
static void note_read(const struct intake_place *segment, uint32_t count)
{
	/* ORDER(intake_read): release, pairs with the acquire in give_one(): we have read what the producer overwrites then. */
	uint64_t before = at_add(calls_read(segment), count, release, intake_read);
	CHECK("I4", before + count <= INTAKE_CALLS);
	(void)before;
}

/* Give a segment back, if all of it was read. Returns whether it is back. */
static bool give_one(struct intake *in, uint32_t number)
{
	_Atomic(uint64_t) *entry = &in->directory[number & in->directory_mask];
	uint64_t found = at_load(entry, relaxed, none);
	if (found & GIVEN || found >> 32 != number)
		return true;
	/* ORDER(intake_read): acquire, pairs with the release in note_read(). */
	if (at_load(calls_read(segment_in(in, found)), acquire, intake_read) != INTAKE_CALLS)
		return false;
	/* Who comes late still finds a segment by it, and loses. Relaxed: who looks at the mark wants to know no more. */
	if (at_cas(entry, &found, found | GIVEN, relaxed, relaxed, none))
		slots_put(in->segments, (uint32_t)found);
	return true;
}

/* Are takers far beyond it, so that who reads in it must have been stopped? */
static bool is_left_behind(struct intake *in, uint32_t number)
{
	uint32_t behind = (segment_of((uint32_t)(at_load(&in->head, relaxed, none) >> 32)) - number) % SEGMENT_NUMBERS;
	return behind > STOPPED_BEHIND && behind <= in->directory_mask;
}

/* First the oldest, so that the warmest is used next. Where a taker that does not run keeps the oldest, the others follow it all the
 * same: it would keep as many as fit meanwhile, of the store that is all intakes'. Another that is kept among them is passed over,
 * and given back after the oldest. */
static void give_back(struct intake *in)
{
	uint32_t end = segment_of(in->place);
	uint32_t oldest = at_load(&in->oldest, relaxed, none);
	while (oldest != end && give_one(in, oldest)) {
		if (in->given == oldest)
			in->given = (in->given + 1) % SEGMENT_NUMBERS;
		oldest = (oldest + 1) % SEGMENT_NUMBERS;
	}
	at_store(&in->oldest, oldest, relaxed, none);
	if (in->given == oldest && oldest != end)
		in->given = (oldest + 1) % SEGMENT_NUMBERS;
	while (in->given != end && (give_one(in, in->given) || is_left_behind(in, in->given)))
		in->given = (in->given + 1) % SEGMENT_NUMBERS;
}

void intake_collect(struct intake *in)
{
	/* ORDER(intake): acquire, pairs with the release in intake_show(): the directory's entries below it, and that their segments'
	 * counts begin at zero. */
	uint32_t end = segment_of((uint32_t)(at_load(&in->tail, acquire, intake) >> 32));
	uint32_t oldest = at_load(&in->oldest, relaxed, none);
	uint32_t count = (end - oldest) % SEGMENT_NUMBERS;
	if (count > in->directory_mask + 1)
		return; /* oldest is newer than that tail */
	for (uint32_t i = 0; i < count; i++)
		(void)give_one(in, (oldest + i) % SEGMENT_NUMBERS);
}

static bool directory_is_full(const struct intake *in)
{
	uint32_t oldest = at_load(&((struct intake *)in)->oldest, relaxed, none);
	return (segment_of(in->place) - oldest) % SEGMENT_NUMBERS > in->directory_mask;
}

bool intake_lacks_segments(const struct intake *in)
{
	return !intake_is_open(in) && !directory_is_full(in);
}

NOINLINE bool intake_open(struct intake *in)
{
	if (intake_is_open(in))
		return true;
	give_back(in);
	if (directory_is_full(in))
		return false;
	uint32_t slot = slots_get(in->segments);
	if (slot == SLOTS_NONE)
		return false;
	/* Seen by who sees a tail beyond it. */
	uint32_t number = segment_of(in->place);
	at_store(&in->directory[number & in->directory_mask], (uint64_t)number << 32 | slot, relaxed, none);
	in->segment = segment_at(in, number);
	for (uint32_t i = 0; i < INTAKE_AHEAD; i += CACHE_LINE / sizeof(*in->segment))
		__builtin_prefetch(&in->segment[i], 1);
	at_store(calls_read(in->segment), 0, relaxed, none);
	if (++in->unwaited == 2)
		at_store(&in->streams, 1, relaxed, none);
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

/* What a taker has found out. */
struct look {
	uint64_t head;
	uint32_t place; /* of the first call */
	uint32_t count; /* of places up to the end of its segment, at most as many as wanted */
	bool no_runs;	/* all that there is are single calls */
	const struct intake_place *segment;
};

/* False: nothing was there. */
static ALWAYS_INLINE bool look(struct intake *in, struct intake_seen seen, uint32_t most, struct look *out)
{
	uint32_t end = (uint32_t)(seen.tail >> 32);
	uint32_t place = (uint32_t)(seen.head >> 32);
	if (end == place)
		return false;
	place += (place & INTAKE_CALLS) == 0; /* the header */
	uint32_t headers = (segment_of(end - 1) - segment_of(place)) % SEGMENT_NUMBERS;
	uint32_t count = INTAKE_PLACES - (place & INTAKE_CALLS);
	if (count > end - place)
		count = end - place;
	*out = (struct look){
		.head = seen.head,
		.place = place,
		.count = count < most ? count : most,
		.no_runs = intake_seen_calls(seen) == end - place - headers,
		.segment = segment_at(in, segment_of(place)),
	};
	return true;
}

static ALWAYS_INLINE bool move_head(struct intake *in, const struct look *at, uint32_t places, uint32_t calls)
{
	uint64_t head = at->head;
	uint64_t wanted = (uint64_t)(at->place + places) << 32 | (uint32_t)((uint32_t)head + calls);
	/* ORDER(intake_head): acq_rel: who finds it here finds a tail that is not older than the one we found. Failure: another
	 * took. */
	return at_cas(&in->head, &head, wanted, acq_rel, relaxed, intake_head);
}

/* Where nothing but single calls is there, their number is known: first they are ours, then they are read. So whoever else comes
 * meanwhile does not have to read in vain. */
static ALWAYS_INLINE uint32_t take_singles(struct intake *in, const struct look *at, struct call *out)
{
	if (!move_head(in, at, at->count, at->count))
		return 0;
	const struct intake_place *first = &at->segment[at->place & INTAKE_CALLS];
	for (uint32_t i = 0; i < at->count; i++)
		read_call(&first[i], &out[i], 0);
	note_read(at->segment, at->count);
	return at->count;
}

/* Runs, or those of one group up to the first of another (NULL: of any): which and how many has to be read first. */
static uint32_t take_some(struct intake *in, const struct look *at, struct call *out, const weir_group *only)
{
	struct intake_place *first = (struct intake_place *)&at->segment[at->place & INTAKE_CALLS];
	uint32_t calls = 0;
	uint32_t taken = 0;
	while (taken < at->count) {
		uint64_t run = at_load(&first[taken].run, relaxed, none);
		if (run && taken)
			break;
		if (only && at_load(&first[taken].group, relaxed, none) != only)
			break;
		read_call(&first[taken], &out[taken], run);
		calls += call_count(run);
		taken++;
		if (run)
			break;
	}
	/* If another was quicker, what we read is nothing. */
	if (!taken || !move_head(in, at, taken, calls))
		return 0;
	note_read(at->segment, taken);
	return taken;
}

uint32_t intake_take(struct intake *in, struct intake_seen seen, struct call *out, uint32_t most)
{
	struct look at;
	if (!look(in, seen, most, &at))
		return 0;
	return likely(at.no_runs) ? take_singles(in, &at, out) : take_some(in, &at, out, NULL);
}

uint32_t intake_take_of(struct intake *in, struct intake_seen seen, struct call *out, uint32_t most,
			const weir_group *group)
{
	struct look at;
	return look(in, seen, most, &at) ? take_some(in, &at, out, group) : 0;
}

bool intake_is_next(struct intake *in, const weir_group *group)
{
	uint32_t place = (uint32_t)(at_load(&in->head, relaxed, none) >> 32);
	if (place == in->place)
		return false;
	place += (place & INTAKE_CALLS) == 0; /* the header */
	/* Whatever is taken and given back meanwhile: a segment is only ever a segment. */
	struct intake_place *segment = segment_at(in, segment_of(place));
	return at_load(&segment[place & INTAKE_CALLS].group, relaxed, none) == group;
}
