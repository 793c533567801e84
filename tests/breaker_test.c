/* SPDX-License-Identifier: MIT */
/* breaker_test.c - Z1, Z2: every transition of a circuit breaker on a logical clock, one table for all; then walks through
 * all short histories and many long ones. It would fail by a breaker that stays half-open, lets more probes through than
 * it says, or opens for waiting. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture.h"
#include "private/compiler.h"
#include "runtime/breaker.h"

#define MS WEIR_NS_PER_MS
/* A tick of the breaker's clock. */
#define TICK 1024

static const struct packed one_core = {.main = UINT64_C(64) << 40};

static struct breaker *make(weir_breaker_options given)
{
	weir_breaker_options options;
	given.size = sizeof(given);
	given.seed = given.seed ? given.seed : 1;
	assert_int_equal(breaker_resolve(&options, &given), WEIR_OK);
	struct breaker *breaker = aligned_alloc(CACHE_LINE, sizeof(*breaker));
	assert_non_null(breaker);
	breaker_init(breaker, &options, 0);
	return breaker;
}

static weir_breaker_view view(struct breaker *breaker, uint32_t key, uint64_t now_ns)
{
	weir_breaker_view out = {.size = sizeof(out)};
	breaker_look(breaker, key, now_ns, &out);
	return out;
}

enum verb { GO, NO, PROBE, WELL, BAD, PROBE_WELL_, PROBE_BAD, PROBE_HAS_ROOM, PROBE_GONE, LOOK, MODE };

struct step {
	uint64_t at_ms;
	enum verb verb; /* GO, NO, PROBE: ask, and this is the answer */
	int number;	/* times; PROBE_...: which probe; MODE: which */
	int state;	/* afterwards: C, O or H */
};

enum { C = WEIR_BREAKER_CLOSED, O = WEIR_BREAKER_OPEN, H = WEIR_BREAKER_HALF_OPEN };

/* Twenty outcomes at 10 ms, half of them exhausted: open, for 50 to 100 ms. */
#define TRIP                                \
	{10, WELL, 10, C}, {10, BAD, 9, C}, \
	{                                   \
		10, BAD, 1, O               \
	}

static const struct history {
	const char *name;
	struct step step[24];
} histories[] = {
	{"half of twenty opens, fewer do not",
	 {{10, WELL, 10, C}, {10, BAD, 9, C}, {10, GO, 3, C}, {10, BAD, 1, O}, {10, NO, 5, O}}},
	{"less than half never opens", {{10, WELL, 30, C}, {10, BAD, 29, C}, {10, GO, 1, C}, {10, BAD, 1, O}}},
	{"nineteen bad ones do not open, twenty do", {{10, BAD, 19, C}, {10, GO, 1, C}, {10, BAD, 1, O}}},
	{"what is older than ten windows does not count",
	 {{10, BAD, 19, C}, {1010, BAD, 1, C}, {1010, GO, 1, C}, {1010, BAD, 18, C}, {1010, BAD, 1, O}}},
	{"what is nine windows old counts", {{10, BAD, 19, C}, {990, BAD, 1, O}}},
	{"open refuses until its time, then probes",
	 {TRIP, {59, NO, 1, O}, {111, PROBE, 1, H}, {111, PROBE, 2, H}, {111, NO, 2, H}}},
	{"three good probes close",
	 {TRIP,
	  {111, PROBE, 3, H},
	  {112, PROBE_WELL_, 0, H},
	  {112, PROBE_WELL_, 2, H},
	  {113, PROBE_WELL_, 1, C},
	  {113, GO, 9, C}}},
	{"one bad probe opens for twice as long",
	 {TRIP,
	  {111, PROBE, 3, H},
	  {112, PROBE_WELL_, 0, H},
	  {112, PROBE_BAD, 1, O},
	  {211, NO, 1, O},
	  {313, PROBE, 1, H}}},
	{"an expired probe has failed",
	 {TRIP, {111, PROBE, 1, H}, {1110, LOOK, 0, H}, {1112, LOOK, 0, O}, {1112, NO, 1, O}}},
	{"an ask finds the expired probe too", {TRIP, {111, PROBE, 3, H}, {1112, NO, 1, O}}},
	{"a granted probe does not expire",
	 {TRIP,
	  {111, PROBE, 3, H},
	  {111, PROBE_HAS_ROOM, 0, H},
	  {111, PROBE_HAS_ROOM, 1, H},
	  {111, PROBE_HAS_ROOM, 2, H},
	  {1110, NO, 1, H},
	  {1112, GO, 1, C}}},
	{"a granted probe that finds no memory has failed",
	 {TRIP, {111, PROBE, 3, H}, {111, PROBE_HAS_ROOM, 0, H}, {500, PROBE_BAD, 0, O}}},
	{"a cancelled probe leaves its place to another",
	 {TRIP, {111, PROBE, 3, H}, {112, NO, 1, H}, {113, PROBE_GONE, 1, H}, {114, PROBE, 1, H}, {114, NO, 1, H}}},
	{"half-open with too few who ask closes on the good ones",
	 {TRIP, {111, PROBE, 1, H}, {112, PROBE_WELL_, 0, H}, {2110, LOOK, 0, H}, {2112, LOOK, 0, C}}},
	{"half-open with nothing but cancelled ones opens again, no longer than before",
	 {TRIP, {111, PROBE, 1, H}, {112, PROBE_GONE, 0, H}, {2112, LOOK, 0, O}, {2213, PROBE, 1, H}}},
	{"a late probe's lease ends with half-open",
	 {TRIP,
	  {111, PROBE, 1, H},
	  {112, PROBE_WELL_, 0, H},
	  {2000, PROBE, 1, H},
	  {2110, LOOK, 0, H},
	  {2112, LOOK, 0, O}}},
	{"the end of a probe of the past moves nothing",
	 {TRIP,
	  {111, PROBE, 3, H},
	  {112, PROBE_BAD, 1, O},
	  {112, PROBE_WELL_, 0, O},
	  {112, PROBE_BAD, 2, O},
	  {313, PROBE, 1, H},
	  {313, PROBE_BAD, 0, H},
	  {313, PROBE_GONE, 0, H},
	  {313, PROBE_HAS_ROOM, 2, H},
	  {313, PROBE, 2, H},
	  {313, NO, 1, H}}},
	{"outcomes of those from before it opened move nothing",
	 {TRIP, {20, WELL, 50, O}, {20, BAD, 50, O}, {111, PROBE, 3, H}, {111, BAD, 50, H}, {111, WELL, 3, H}}},
	{"what was counted before it closed does not open it again",
	 {TRIP,
	  {111, PROBE, 3, H},
	  {111, PROBE_WELL_, 0, H},
	  {111, PROBE_WELL_, 1, H},
	  {111, PROBE_WELL_, 2, C},
	  {112, BAD, 40, C},
	  {199, LOOK, 0, C},
	  {205, BAD, 19, C},
	  {205, BAD, 1, O}}},
	{"soon after it closed it opens for longer",
	 {TRIP,
	  {111, PROBE, 3, H},
	  {111, PROBE_WELL_, 0, H},
	  {111, PROBE_WELL_, 1, H},
	  {111, PROBE_WELL_, 2, C},
	  {205, BAD, 20, O},
	  {304, NO, 1, O},
	  {406, PROBE, 1, H}}},
	{"long after it closed it opens as the first time",
	 {TRIP,
	  {111, PROBE, 3, H},
	  {111, PROBE_WELL_, 0, H},
	  {111, PROBE_WELL_, 1, H},
	  {111, PROBE_WELL_, 2, C},
	  {1300, BAD, 20, O},
	  {1349, NO, 1, O},
	  {1401, PROBE, 1, H}}},
	{"forced open refuses all, and lets go when it is lifted",
	 {{10, MODE, WEIR_BREAKER_FORCED_OPEN, O},
	  {10, NO, 3, O},
	  {99999, NO, 3, O},
	  {99999, MODE, WEIR_BREAKER_ON, C},
	  {99999, GO, 1, C}}},
	{"disabled counts and moves nothing",
	 {{10, MODE, WEIR_BREAKER_DISABLED, C},
	  {10, BAD, 99, C},
	  {10, GO, 1, C},
	  {20, MODE, WEIR_BREAKER_ON, C},
	  {20, GO, 1, C},
	  {20, BAD, 1, O}}},
	{"disabled lets go what was open",
	 {TRIP, {20, MODE, WEIR_BREAKER_DISABLED, O}, {20, GO, 5, O}, {21, MODE, WEIR_BREAKER_ON, O}, {21, NO, 1, O}}},
	{"off counts nothing and forgets",
	 {TRIP,
	  {20, MODE, WEIR_BREAKER_OFF, C},
	  {20, BAD, 99, C},
	  {20, GO, 1, C},
	  {20, MODE, WEIR_BREAKER_ON, C},
	  {120, GO, 1, C},
	  {120, BAD, 19, C},
	  {120, BAD, 1, O}}},
	{"observe moves as on does and refuses nothing",
	 {{10, MODE, WEIR_BREAKER_OBSERVE, C},
	  TRIP,
	  {20, GO, 7, O},
	  {111, PROBE, 3, H},
	  {111, GO, 2, H},
	  {112, PROBE_BAD, 0, O}}},
};

static void take_step(struct breaker *breaker, uint32_t key, const struct step *step, uint32_t probe[16], int *probes)
{
	uint64_t now = step->at_ms * MS, retry;
	for (int i = 0; i < (step->verb <= BAD ? step->number : 1); i++) {
		uint32_t name = 0;
		enum breaker_answer answer = BREAKER_PASS;
		switch (step->verb) {
		case GO:
		case NO:
		case PROBE:
			retry = 0;
			answer = breaker_ask(breaker, key, now, &name, &retry);
			assert_int_equal(answer, step->verb == NO ? BREAKER_REFUSE : BREAKER_PASS);
			assert_int_equal(name != 0, step->verb == PROBE);
			assert_int_equal(retry != 0, step->verb == NO);
			if (name)
				probe[(*probes)++] = name;
			break;
		case WELL:
		case BAD:
			breaker_ended(breaker, key, 0, step->verb == BAD, now);
			break;
		case PROBE_WELL_:
		case PROBE_BAD:
			breaker_ended(breaker, key, probe[step->number], step->verb == PROBE_BAD, now);
			break;
		case PROBE_HAS_ROOM:
			breaker_granted(breaker, probe[step->number]);
			break;
		case PROBE_GONE:
			breaker_dropped(breaker, probe[step->number]);
			break;
		case MODE:
			breaker_set(breaker, WEIR_NORMAL, (weir_breaker_mode)step->number, now);
			break;
		case LOOK:
			break;
		}
	}
}

static void every_transition_is_as_the_table_says(void **state)
{
	(void)state;
	for (size_t h = 0; h < ARRAY_LENGTH(histories); h++) {
		struct breaker *breaker = make((weir_breaker_options){0});
		uint32_t key = breaker_key(WEIR_NORMAL, one_core);
		breaker_set(breaker, WEIR_NORMAL, WEIR_BREAKER_ON, 0);
		uint32_t probe[16];
		int probes = 0;
		for (const struct step *step = histories[h].step; step->at_ms; step++) {
			take_step(breaker, key, step, probe, &probes);
			weir_breaker_state is = view(breaker, key, step->at_ms * MS).state;
			if ((int)is != step->state)
				fail_msg("%s: step %d at %llu ms: %s, not %s", histories[h].name,
					 (int)(step - histories[h].step), (unsigned long long)step->at_ms,
					 weir_breaker_state_name(is),
					 weir_breaker_state_name((weir_breaker_state)step->state));
		}
		free(breaker);
	}
}

/* Doubling from 100 ms to 30 s, between half of it and all of it. */
static void it_opens_for_twice_as_long_each_time_to_a_bound(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed < 50; seed++) {
		struct breaker *breaker = make((weir_breaker_options){.seed = seed});
		uint32_t key = breaker_key(WEIR_NORMAL, one_core), probe;
		uint64_t now = MS, full = 100 * MS, retry;
		breaker_set(breaker, WEIR_NORMAL, WEIR_BREAKER_ON, now);
		now += 100 * MS;
		for (int i = 0; i < 20; i++)
			breaker_ended(breaker, key, 0, true, now);
		for (int k = 0; k < 40; k++) {
			uint64_t open = view(breaker, key, now).open_for_ns;
			assert_in_range(open, full / 2, full + 2 * TICK);
			assert_int_equal(breaker_ask(breaker, key, now, &probe, &retry), BREAKER_REFUSE);
			assert_int_equal(retry, open);
			now += open;
			assert_int_equal(breaker_ask(breaker, key, now, &probe, &retry), BREAKER_PASS);
			assert_int_not_equal(probe, 0);
			breaker_ended(breaker, key, probe, true, now);
			full = 2 * full < 30000 * MS ? 2 * full : 30000 * MS;
		}
		free(breaker);
	}
}

/* Amounts of the same powers of two fail together; others, and other classes, do not. */
static void shapes_are_powers_of_two_of_amounts_by_class(void **state)
{
	(void)state;
	struct packed a = {.main = word_put(WEIR_CPU, 64) | word_put(WEIR_MEMORY, 1024)};
	struct packed near = {.main = word_put(WEIR_CPU, 127) | word_put(WEIR_MEMORY, 2047)};
	struct packed more = {.main = word_put(WEIR_CPU, 128) | word_put(WEIR_MEMORY, 1024)};
	struct packed gpu = {.main = a.main, .counted = word_put(WEIR_COUNTED, 1)};
	assert_int_equal(breaker_key(WEIR_NORMAL, a), breaker_key(WEIR_NORMAL, near));
	assert_int_not_equal(breaker_key(WEIR_NORMAL, a), breaker_key(WEIR_NORMAL, more));
	assert_int_not_equal(breaker_key(WEIR_NORMAL, a), breaker_key(WEIR_NORMAL, gpu));
	assert_int_not_equal(breaker_key(WEIR_NORMAL, a), breaker_key(WEIR_HIGH, a));
	struct packed most = {.main = WORD_AMOUNTS & ~WORD_GUARDS_MAIN, .counted = WORD_AMOUNTS & ~WORD_GUARDS_COUNTED};
	assert_int_not_equal(breaker_key(WEIR_BEST_EFFORT, most), 0);

	struct breaker *breaker = make((weir_breaker_options){0});
	uint32_t probe;
	uint64_t retry;
	breaker_set(breaker, WEIR_NORMAL, WEIR_BREAKER_ON, 0);
	for (int i = 0; i < 20; i++)
		breaker_ended(breaker, breaker_key(WEIR_NORMAL, a), 0, true, MS);
	assert_int_equal(breaker_ask(breaker, breaker_key(WEIR_NORMAL, near), MS, &probe, &retry), BREAKER_REFUSE);
	assert_int_equal(breaker_ask(breaker, breaker_key(WEIR_NORMAL, more), MS, &probe, &retry), BREAKER_PASS);
	assert_int_equal(breaker_ask(breaker, breaker_key(WEIR_HIGH, a), MS, &probe, &retry), BREAKER_PASS);
	free(breaker);
}

/* 4 x 4 x 28 x 15 shapes and more are possible, 256 have cells: the others share their class's, and no other class's. */
static void more_shapes_than_cells_share_one_for_each_class(void **state)
{
	(void)state;
	struct breaker *breaker = make((weir_breaker_options){0});
	breaker_set(breaker, WEIR_NORMAL, WEIR_BREAKER_ON, 0);
	breaker_set(breaker, WEIR_HIGH, WEIR_BREAKER_ON, 0);
	uint32_t shared = 0, key = 0, probe;
	uint64_t retry;
	for (uint32_t cpu = 0; cpu < 15; cpu++)
		for (uint32_t memory = 0; memory < 28; memory++) {
			struct packed units = {.main = word_put(WEIR_CPU, 1u << cpu) |
						       word_put(WEIR_MEMORY, 1u << memory)};
			uint32_t one = breaker_key(WEIR_NORMAL, units);
			breaker_ended(breaker, one, 0, false, MS);
			if (view(breaker, one, MS).shared) {
				shared++;
				key = one;
			}
		}
	assert_in_range(shared, 15 * 28 - BREAKER_SHAPES, 15 * 28 - BREAKER_SHAPES / 2);
	for (int i = 0; i < 1000; i++)
		breaker_ended(breaker, key, 0, true, MS);
	assert_int_equal(breaker_ask(breaker, key, MS, &probe, &retry), BREAKER_REFUSE);
	assert_int_equal(breaker_ask(breaker, (key & ~3u) | WEIR_HIGH, MS, &probe, &retry), BREAKER_PASS);
	free(breaker);
}

/* What the walks below look after, on their own account of the history. */
struct walk {
	struct breaker *breaker;
	uint32_t key;
	uint64_t now;
	uint32_t out[8]; /* probes that were let through and not decided */
	int outs;
	int let_through; /* in this half-open phase, less those that were cancelled */
	uint64_t half_since;
	uint64_t half_opened;
	weir_breaker_state state;
};

enum {
	EVENT_ASK,
	EVENT_WELL,
	EVENT_BAD,
	EVENT_GRANTED,
	EVENT_GONE,
	EVENT_LEASE,
	EVENT_MOMENT,
	EVENT_OUTCOME_BAD,
	EVENTS
};

static void check_walk(struct walk *walk, uint64_t lease)
{
	weir_breaker_view is = view(walk->breaker, walk->key, walk->now);
	if (is.half_opened != walk->half_opened) {
		walk->half_opened = is.half_opened;
		walk->half_since = walk->now;
		walk->let_through = 0;
	}
	if (is.state == WEIR_BREAKER_HALF_OPEN)
		assert_true(walk->now - walk->half_since <= 2 * lease + 4 * TICK); /* Z2 */
	walk->state = is.state;
}

static void walk_on(struct walk *walk, int event, uint64_t lease)
{
	uint32_t probe = walk->outs ? walk->out[walk->outs - 1] : 0;
	uint64_t retry;
	switch (event) {
	case EVENT_ASK: {
		weir_breaker_view before = view(walk->breaker, walk->key, walk->now);
		enum breaker_answer answer = breaker_ask(walk->breaker, walk->key, walk->now, &probe, &retry);
		check_walk(walk, lease);
		if (before.state == WEIR_BREAKER_CLOSED)
			assert_int_equal(answer, BREAKER_PASS);
		if (before.state == WEIR_BREAKER_OPEN)
			assert_int_equal(answer, before.open_for_ns ? BREAKER_REFUSE : BREAKER_PASS);
		if (probe && walk->outs < 8)
			walk->out[walk->outs++] = probe;
		walk->let_through += probe != 0;
		assert_true(walk->let_through <= 3); /* Z1 */
		break;
	}
	case EVENT_WELL:
	case EVENT_BAD:
		breaker_ended(walk->breaker, walk->key, probe, event == EVENT_BAD, walk->now);
		walk->outs -= walk->outs > 0;
		break;
	case EVENT_GRANTED:
		if (probe)
			breaker_granted(walk->breaker, probe);
		break;
	case EVENT_GONE:
		if (probe) {
			uint32_t before = view(walk->breaker, walk->key, walk->now).probes_out;
			breaker_dropped(walk->breaker, probe);
			walk->let_through -= (int)(before - view(walk->breaker, walk->key, walk->now).probes_out);
			walk->outs--;
		}
		break;
	case EVENT_LEASE:
		walk->now += lease;
		break;
	case EVENT_MOMENT:
		walk->now += lease / 3;
		break;
	default:
		breaker_ended(walk->breaker, walk->key, 0, true, walk->now);
	}
	check_walk(walk, lease);
}

/* However a history ended: who retries when told is let through soon. Three leases may end one after another before it opens
 * again. */
static void check_way_out(struct walk *walk)
{
	uint32_t probe;
	uint64_t retry = 0;
	for (int i = 0; i < 6; i++) {
		if (breaker_ask(walk->breaker, walk->key, walk->now, &probe, &retry) == BREAKER_PASS)
			return;
		walk->now += retry;
	}
	fail_msg("six retries, each after the time that it was told, and still refused");
}

static struct walk begin_walk(struct breaker *breaker)
{
	struct walk walk = {.breaker = breaker, .key = breaker_key(WEIR_NORMAL, one_core), .now = MS};
	weir_breaker_options options = breaker->options;
	breaker_init(breaker, &options, 0);
	breaker_set(breaker, WEIR_NORMAL, WEIR_BREAKER_ON, 0);
	walk.now += 200 * MS;
	for (int i = 0; i < 4; i++)
		breaker_ended(breaker, walk.key, 0, true, walk.now);
	assert_int_equal(view(breaker, walk.key, walk.now).state, WEIR_BREAKER_OPEN);
	return walk;
}

/* All histories of six events after the first opening, 262,144 of them. */
static void no_short_history_leaves_it_half_open(void **state)
{
	(void)state;
	struct breaker *breaker =
		make((weir_breaker_options){.outcomes_min = 4, .open_ns = 3 * MS, .probe_lease_ns = 10 * MS});
	int total = 1, half = 0;
	for (int i = 0; i < 6; i++)
		total *= EVENTS;
	/* One cell is in use: putting the whole table back each time would be most of the work. */
	const struct walk fresh = begin_walk(breaker);
	uint32_t index = 0;
	while (!at_load(&breaker->cell[index].key, relaxed, none))
		index++;
	const struct breaker_cell opened = breaker->cell[index];
	for (int history = 0; history < total; history++) {
		struct walk walk = fresh;
		breaker->cell[index] = opened;
		at_store(&breaker->half_opened, 0, relaxed, none);
		for (int i = 0, left = history; i < 6; i++, left /= EVENTS)
			walk_on(&walk, left % EVENTS, 10 * MS);
		half += walk.state == WEIR_BREAKER_HALF_OPEN;
		check_way_out(&walk);
	}
	assert_true(half > 0);
	free(breaker);
}

static void no_long_history_leaves_it_half_open(void **state)
{
	(void)state;
	uint64_t random = fixture_seed("no_long_history_leaves_it_half_open");
	struct breaker *breaker =
		make((weir_breaker_options){.outcomes_min = 4, .open_ns = 3 * MS, .probe_lease_ns = 10 * MS});
	int seen[3] = {0};
	for (int round = 0; round < 30; round++) {
		struct walk walk = begin_walk(breaker);
		for (int i = 0; i < 3000; i++) {
			walk_on(&walk, (int)(fixture_random(&random) % EVENTS), 10 * MS);
			seen[walk.state]++;
		}
		check_way_out(&walk);
	}
	for (int s = 0; s < 3; s++)
		assert_true(seen[s] > 100);
	free(breaker);
}

/* Z1 by four threads at once: the phase's probes are handed out once each. */
enum { THREADS = 4, ROUNDS = 300 };

static struct breaker *shared;
static pthread_barrier_t barrier;
static _Atomic(uint32_t) handed_out;

static void *ask_at_once(void *argument)
{
	uint32_t key = *(uint32_t *)argument;
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t now = (uint64_t)(round + 1) * 100000 * MS;
		uint32_t probe[4];
		uint64_t retry;
		pthread_barrier_wait(&barrier);
		for (int i = 0; i < 4; i++) {
			(void)breaker_ask(shared, key, now, &probe[i], &retry);
			at_add(&handed_out, probe[i] != 0, relaxed, none);
		}
		pthread_barrier_wait(&barrier);
		for (int i = 0; i < 4; i++)
			if (probe[i])
				breaker_ended(shared, key, probe[i], round % 2, now);
		pthread_barrier_wait(&barrier);
		if (round % 2 == 0)
			for (int i = 0; i < 40; i++)
				breaker_ended(shared, key, 0, true, now + 200 * MS);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static void probes_are_handed_out_once_each(void **state)
{
	(void)state;
	shared = make((weir_breaker_options){0});
	uint32_t key = breaker_key(WEIR_NORMAL, one_core);
	breaker_set(shared, WEIR_NORMAL, WEIR_BREAKER_ON, 0);
	for (int i = 0; i < 20; i++)
		breaker_ended(shared, key, 0, true, MS);
	at_store(&handed_out, 0, relaxed, none);
	pthread_barrier_init(&barrier, NULL, THREADS);
	pthread_t thread[THREADS];
	for (int t = 0; t < THREADS; t++)
		assert_int_equal(pthread_create(&thread[t], NULL, ask_at_once, &key), 0);
	for (int t = 0; t < THREADS; t++)
		pthread_join(thread[t], NULL);
	pthread_barrier_destroy(&barrier);
	assert_int_equal(at_load(&handed_out, relaxed, none), 3 * ROUNDS);
	weir_breaker_view is = view(shared, key, (uint64_t)(ROUNDS + 1) * 100000 * MS);
	assert_int_equal(is.half_opened, ROUNDS);
	assert_int_equal(is.opened, 1 + ROUNDS);
	assert_int_equal(is.closed, ROUNDS / 2);
	free(shared);
}

static void wrong_options_are_named(void **state)
{
	(void)state;
	static const struct {
		weir_breaker_options options;
		const char *words;
	} cases[] = {
		{{.size = 3}, "breaker.size is 3"},
		{{.size = sizeof(weir_breaker_options), .window_ns = 5}, "breaker.window_ns is 5"},
		{{.size = sizeof(weir_breaker_options), .windows = 17}, "breaker.windows is 17"},
		{{.size = sizeof(weir_breaker_options), .exhausted_permille = 1001},
		 "breaker.exhausted_permille is 1001"},
		{{.size = sizeof(weir_breaker_options), .open_ns = 5 * MS, .open_ns_max = MS},
		 "breaker.open_ns_max is 1000000"},
		{{.size = sizeof(weir_breaker_options), .probes = 9}, "breaker.probes is 9"},
		{{.size = sizeof(weir_breaker_options), .probe_lease_ns = 1}, "breaker.probe_lease_ns is 1"},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		weir_breaker_options out;
		assert_int_equal(breaker_resolve(&out, &cases[i].options), WEIR_EINVAL);
		assert_non_null(strstr(weir_error_text(), cases[i].words));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_transition_is_as_the_table_says),
		cmocka_unit_test(it_opens_for_twice_as_long_each_time_to_a_bound),
		cmocka_unit_test(shapes_are_powers_of_two_of_amounts_by_class),
		cmocka_unit_test(more_shapes_than_cells_share_one_for_each_class),
		cmocka_unit_test(no_short_history_leaves_it_half_open),
		cmocka_unit_test(no_long_history_leaves_it_half_open),
		cmocka_unit_test(probes_are_handed_out_once_each),
		cmocka_unit_test(wrong_options_are_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
