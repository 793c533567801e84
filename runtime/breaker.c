/* SPDX-License-Identifier: MIT */
/*
 * breaker.c - circuit breakers: who asks for what has kept failing is told so at once.
 *
 * Holds:     a fixed table of cells by class and shape; nothing is ever taken out of it but by switching a class off.
 * Invariant: Z1  at most `probes` demands are let through in one half-open phase, but for those that are cancelled.
 *            Z2  half-open ends two leases after it began, in any case: with a failure, or with none at all, it opens
 *                again; with a success and no failure it closes.
 * Progress:  lock-free: a lost compare-and-swap means that somebody else moved the state.
 * Not here:  when outcomes happen (gate.c, worker.c), modes from outside (gate.c).
 *
 * Time passes when somebody looks: every call first brings its cell's state up to date (settle()). All accesses are relaxed:
 * each word tells all that it must by itself, and a probe's or a window's word that belongs to the past says so (by its
 * generation, by its number). What one look misses the next one sees.
 *
 *   CLOSED     outcomes >= outcomes_min in the windows since it closed, exhausted_permille of them exhausted  -> OPEN
 *   OPEN       open_ns x 2^exponent (jittered) passed, and somebody asks                                     -> HALF_OPEN
 *   HALF_OPEN  a probe ends exhausted, or is not granted within its lease                                    -> OPEN, longer
 *              all probes went well; or two leases passed, and those that there were did                     -> CLOSED
 *              two leases passed without a probe that was granted                                            -> OPEN, as long
 *
 * The exponent grows with every opening that follows within a span of all windows after a closing, and starts over later.
 */
#include "runtime/breaker.h"

#include <string.h>

#include "private/error.h"

enum probe_state { PROBE_FREE, PROBE_ASKED, PROBE_GRANTED, PROBE_WELL };

enum {
	TICK_SHIFT = 10, /* a tick is 1024 ns; 46 bits of them last 2.2 years from origin_ns */
	STATE_BITS = 2,
	EXPONENT_BITS = 5,
	GENERATION_BITS = 11,
	TICK_AT = STATE_BITS + EXPONENT_BITS + GENERATION_BITS,
	EXPONENT_MAX = (1 << EXPONENT_BITS) - 1,
	GENERATION_MAX = (1 << GENERATION_BITS) - 1,
	PROBE_SLOT_BITS = 3,
	COUNT_BITS = 20,
	COUNT_MAX = (1 << COUNT_BITS) - 1,
	NUMBER_MAX = (1 << 24) - 1,
};
#define USED (UINT32_C(1) << 31)
#define OUTCOMES_MAX 1000000
#define HOUR_NS (3600 * WEIR_NS_PER_S)

struct state {
	weir_breaker_state what;
	uint32_t exponent; /* OPEN, HALF_OPEN: of this opening; CLOSED: of the next, if it is soon */
	uint32_t generation;
	uint64_t tick; /* CLOSED: since; OPEN: until; HALF_OPEN: its end */
};

struct probe {
	uint32_t generation;
	enum probe_state what;
	uint64_t tick; /* ASKED, GRANTED: when its lease ends */
};

/* Options. ------------------------------------------------------------------------------------------------------- */

static weir_status check(const char *name, uint64_t value, uint64_t least, uint64_t most)
{
	if (value < least || value > most)
		return error_set(WEIR_EINVAL, "breaker.%s is %llu: give 0 (the default) or %llu to %llu", name,
				 (unsigned long long)value, (unsigned long long)least, (unsigned long long)most);
	return WEIR_OK;
}

#define DEFAULT(field, value)                 \
	do {                                  \
		if (!out->field)              \
			out->field = (value); \
	} while (0)

weir_status breaker_resolve(weir_breaker_options *out, const weir_breaker_options *given)
{
	static const weir_breaker_options none = {.size = sizeof(none)};
	if (given && given->size != sizeof(*given))
		return error_set(WEIR_EINVAL, "breaker.size is %zu: use WEIR_BREAKER_OPTIONS() or set it to %zu",
				 given->size, sizeof(*given));
	*out = given ? *given : none;
	DEFAULT(window_ns, 100 * WEIR_NS_PER_MS);
	DEFAULT(windows, 10);
	DEFAULT(outcomes_min, 20);
	DEFAULT(exhausted_permille, 500);
	DEFAULT(open_ns, 100 * WEIR_NS_PER_MS);
	DEFAULT(open_ns_max, out->open_ns > 30 * WEIR_NS_PER_S ? out->open_ns : 30 * WEIR_NS_PER_S);
	DEFAULT(probes, 3);
	DEFAULT(probe_lease_ns, WEIR_NS_PER_S);
	const struct {
		const char *name;
		uint64_t value, least, most;
	} ranges[] = {
		{"window_ns", out->window_ns, WEIR_NS_PER_MS, 60 * WEIR_NS_PER_S},
		{"windows", out->windows, 1, BREAKER_WINDOWS_MAX},
		{"outcomes_min", out->outcomes_min, 1, OUTCOMES_MAX},
		{"exhausted_permille", out->exhausted_permille, 1, 1000},
		{"open_ns", out->open_ns, WEIR_NS_PER_MS, HOUR_NS},
		{"open_ns_max", out->open_ns_max, out->open_ns, HOUR_NS},
		{"probes", out->probes, 1, BREAKER_PROBES_MAX},
		{"probe_lease_ns", out->probe_lease_ns, WEIR_NS_PER_MS, HOUR_NS},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(ranges); i++) {
		weir_status status = check(ranges[i].name, ranges[i].value, ranges[i].least, ranges[i].most);
		if (status)
			return status;
	}
	return WEIR_OK;
}

void breaker_init(struct breaker *breaker, const weir_breaker_options *options, uint64_t now_ns)
{
	memset(breaker, 0, sizeof(*breaker));
	breaker->options = *options;
	if (!breaker->options.seed)
		breaker->options.seed = (uint64_t)(uintptr_t)breaker;
	breaker->origin_ns = now_ns;
}

/* Words. --------------------------------------------------------------------------------------------------------- */

static uint64_t pack_state(struct state state)
{
	return (uint64_t)state.what | (uint64_t)state.exponent << STATE_BITS |
	       (uint64_t)(state.generation & GENERATION_MAX) << (STATE_BITS + EXPONENT_BITS) | state.tick << TICK_AT;
}

static struct state unpack_state(uint64_t word)
{
	return (struct state){.what = (weir_breaker_state)(word & 3),
			      .exponent = (uint32_t)(word >> STATE_BITS) & EXPONENT_MAX,
			      .generation = (uint32_t)(word >> (STATE_BITS + EXPONENT_BITS)) & GENERATION_MAX,
			      .tick = word >> TICK_AT};
}

static uint64_t pack_probe(struct probe probe)
{
	return (uint64_t)probe.what | (uint64_t)probe.generation << STATE_BITS | probe.tick << TICK_AT;
}

/* Of another generation than `generation`: free. */
static struct probe unpack_probe(uint64_t word, uint32_t generation)
{
	struct probe probe = {.what = (enum probe_state)(word & 3),
			      .generation = (uint32_t)(word >> STATE_BITS) & GENERATION_MAX,
			      .tick = word >> TICK_AT};
	if (probe.generation != generation)
		probe.what = PROBE_FREE;
	return probe;
}

/* Rounded down: for the time that it is; ends are rounded up. */
static uint64_t tick_of(const struct breaker *breaker, uint64_t now_ns)
{
	return now_ns > breaker->origin_ns ? (now_ns - breaker->origin_ns) >> TICK_SHIFT : 0;
}

static uint64_t ticks(uint64_t ns)
{
	return (ns + (1u << TICK_SHIFT) - 1) >> TICK_SHIFT;
}

static uint64_t ticks_ns(uint64_t from, uint64_t to)
{
	return to > from ? (to - from) << TICK_SHIFT : 0;
}

/* Shapes. -------------------------------------------------------------------------------------------------------- */

/* 0 for none, else 1 + the power of two. */
static uint32_t power(struct packed units, weir_resource resource)
{
	uint32_t amount = packed_get(units, resource);
	return amount ? 32u - (uint32_t)__builtin_clz(amount) : 0;
}

/* Class 2, CPU 4, memory 5, bandwidth 4, counted 4 x 4: 31 bits, and the one that says that it is a key. */
uint32_t breaker_key(weir_class task_class, struct packed units)
{
	uint32_t key = (uint32_t)task_class | power(units, WEIR_CPU) << 2 | power(units, WEIR_MEMORY) << 6 |
		       power(units, WEIR_BANDWIDTH) << 11;
	for (int c = 0; c < WEIR_COUNTED_MAX; c++)
		key |= power(units, (weir_resource)(WEIR_COUNTED + c)) << (15 + 4 * c);
	return key | USED;
}

static weir_class class_of(uint32_t key)
{
	return (weir_class)(key & 3);
}

/* The key's cell; NULL: it has none yet, and make is false. */
static struct breaker_cell *find(struct breaker *breaker, uint32_t key, bool make)
{
	uint32_t start = (uint32_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 40);
	for (uint32_t i = 0; i < BREAKER_STEPS_MAX; i++) {
		struct breaker_cell *cell = &breaker->cell[(start + i) % BREAKER_SHAPES];
		uint32_t found = at_load(&cell->key, relaxed, none);
		if (!found && !make)
			return NULL;
		if (found == key ||
		    (!found && (at_cas(&cell->key, &found, key, relaxed, relaxed, none) || found == key)))
			return cell;
	}
	return &breaker->cell[BREAKER_SHAPES + class_of(key)];
}

/* Windows. ------------------------------------------------------------------------------------------------------- */

static uint64_t window_number(const struct breaker *breaker, uint64_t tick)
{
	return (tick << TICK_SHIFT) / breaker->options.window_ns;
}

static void count(struct breaker *breaker, struct breaker_cell *cell, bool exhausted, uint64_t tick)
{
	uint64_t number = window_number(breaker, tick);
	_Atomic(uint64_t) *window = &cell->window[number % breaker->options.windows];
	uint64_t old = at_load(window, relaxed, none), word;
	do {
		uint64_t outcomes = old >> COUNT_BITS & COUNT_MAX, bad = old & COUNT_MAX;
		if (old >> 2 * COUNT_BITS != (number & NUMBER_MAX))
			outcomes = bad = 0;
		if (outcomes == COUNT_MAX) { /* what counts is their ratio */
			outcomes /= 2;
			bad /= 2;
		}
		word = (number & NUMBER_MAX) << 2 * COUNT_BITS | (outcomes + 1) << COUNT_BITS | (bad + exhausted);
	} while (!at_cas_weak(window, &old, word, relaxed, relaxed, none));
}

/* Of the windows that are full or under way, since it closed: the one in which it closed does not count. */
static void sum(struct breaker *breaker, const struct breaker_cell *cell, uint64_t since, uint64_t tick,
		uint32_t *outcomes, uint32_t *exhausted)
{
	uint64_t number = window_number(breaker, tick);
	uint64_t most = since ? number - window_number(breaker, since) : number + 1;
	if (most > breaker->options.windows)
		most = breaker->options.windows;
	*outcomes = *exhausted = 0;
	for (uint32_t w = 0; w < breaker->options.windows; w++) {
		uint64_t word = at_load(&cell->window[w], relaxed, none);
		if (((number - (word >> 2 * COUNT_BITS)) & NUMBER_MAX) >= most)
			continue;
		*outcomes += (uint32_t)(word >> COUNT_BITS & COUNT_MAX);
		*exhausted += (uint32_t)(word & COUNT_MAX);
	}
}

/* Transitions. --------------------------------------------------------------------------------------------------- */

static bool move(struct breaker *breaker, struct breaker_cell *cell, struct state from, struct state to)
{
	uint64_t word = pack_state(from);
	to.generation = from.generation + 1;
	if (!at_cas(&cell->state, &word, pack_state(to), relaxed, relaxed, none))
		return false;
	_Atomic(uint64_t) *counters[] = {&breaker->closed, &breaker->opened, &breaker->half_opened};
	at_add(counters[to.what], 1, relaxed, none);
	return true;
}

/* U(1/2, 1] of open_ns x 2^exponent, which is at most open_ns_max. */
static uint64_t open_ticks(const struct breaker *breaker, uint32_t exponent, uint64_t mix)
{
	uint64_t full = breaker->options.open_ns;
	for (uint32_t i = 0; i < exponent && full < breaker->options.open_ns_max; i++)
		full *= 2;
	if (full > breaker->options.open_ns_max)
		full = breaker->options.open_ns_max;
	uint64_t z = breaker->options.seed ^ mix;
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return ticks(full - (full / 2 >> 10) * (z & 1023));
}

static bool open_it(struct breaker *breaker, struct breaker_cell *cell, struct state from, uint32_t exponent,
		    uint64_t tick)
{
	exponent = exponent < EXPONENT_MAX ? exponent : EXPONENT_MAX;
	uint64_t mix =
		(tick << 16 ^ from.generation) * UINT64_C(0x9e3779b97f4a7c15) ^ (uintptr_t)(cell - breaker->cell);
	return move(breaker, cell, from,
		    (struct state){.what = WEIR_BREAKER_OPEN,
				   .exponent = exponent,
				   .tick = tick + open_ticks(breaker, exponent, mix)});
}

static bool close_it(struct breaker *breaker, struct breaker_cell *cell, struct state from, uint64_t tick)
{
	return move(breaker, cell, from,
		    (struct state){.what = WEIR_BREAKER_CLOSED,
				   .exponent = from.exponent + (from.exponent < EXPONENT_MAX),
				   .tick = tick ? tick : 1});
}

/* Z2. True: the state moved. */
static bool settle_half_open(struct breaker *breaker, struct breaker_cell *cell, struct state state, uint64_t tick)
{
	uint32_t well = 0, granted = 0;
	for (uint32_t i = 0; i < breaker->options.probes; i++) {
		struct probe probe = unpack_probe(at_load(&cell->probe[i], relaxed, none), state.generation);
		if (probe.what == PROBE_ASKED && tick >= probe.tick)
			return open_it(breaker, cell, state, state.exponent + 1, tick);
		well += probe.what == PROBE_WELL || (probe.what == PROBE_GRANTED && tick >= probe.tick);
		granted += probe.what == PROBE_GRANTED;
	}
	if (well == breaker->options.probes || (tick >= state.tick && well + granted))
		return close_it(breaker, cell, state, tick);
	return tick >= state.tick && open_it(breaker, cell, state, state.exponent, tick);
}

/* Bring the state up to date. */
static struct state settle(struct breaker *breaker, struct breaker_cell *cell, uint64_t tick)
{
	for (;;) {
		uint64_t word = at_load(&cell->state, relaxed, none);
		struct state state = unpack_state(word);
		if (state.what != WEIR_BREAKER_HALF_OPEN)
			return state;
		if (!settle_half_open(breaker, cell, state, tick) && at_load(&cell->state, relaxed, none) == word)
			return state;
	}
}

/* The modes in which states move. */
static bool moves(weir_breaker_mode mode)
{
	return mode == WEIR_BREAKER_ON || mode == WEIR_BREAKER_OBSERVE;
}

static weir_breaker_mode mode_of(struct breaker *breaker, uint32_t key)
{
	return (weir_breaker_mode)at_load(&breaker->mode[class_of(key)], relaxed, none);
}

void breaker_set(struct breaker *breaker, weir_class task_class, weir_breaker_mode mode, uint64_t now_ns)
{
	at_store(&breaker->mode[task_class], mode, relaxed, none);
	if (mode != WEIR_BREAKER_OFF)
		return;
	uint64_t tick = tick_of(breaker, now_ns);
	for (uint32_t c = 0; c < BREAKER_CELLS; c++) {
		struct breaker_cell *cell = &breaker->cell[c];
		bool own = c >= BREAKER_SHAPES ? c == BREAKER_SHAPES + (uint32_t)task_class
					       : class_of(at_load(&cell->key, relaxed, none)) == task_class;
		if (!own)
			continue;
		uint64_t word = at_load(&cell->state, relaxed, none);
		struct state closed = {.generation = unpack_state(word).generation + 1, .tick = tick ? tick : 1};
		at_store(&cell->state, pack_state(closed), relaxed, none);
		for (uint32_t w = 0; w < BREAKER_WINDOWS_MAX; w++)
			at_store(&cell->window[w], 0, relaxed, none);
	}
}

/* Asking. -------------------------------------------------------------------------------------------------------- */

static uint32_t name_probe(const struct breaker *breaker, const struct breaker_cell *cell, uint32_t slot,
			   uint32_t generation)
{
	uint32_t index = (uint32_t)(cell - breaker->cell);
	return ((index << PROBE_SLOT_BITS | slot) << GENERATION_BITS | generation) | USED;
}

static struct breaker_cell *cell_of_probe(struct breaker *breaker, uint32_t name, uint32_t *slot, uint32_t *generation)
{
	*generation = name & GENERATION_MAX;
	*slot = name >> GENERATION_BITS & ((1u << PROBE_SLOT_BITS) - 1);
	return &breaker->cell[(name & ~USED) >> (GENERATION_BITS + PROBE_SLOT_BITS)];
}

/* A free probe of a half-open cell. 0: none; *until is when a lease ends. */
static uint32_t take_probe(struct breaker *breaker, struct breaker_cell *cell, struct state state, uint64_t tick,
			   uint64_t *until)
{
	*until = state.tick;
	for (uint32_t i = 0; i < breaker->options.probes; i++) {
		uint64_t word = at_load(&cell->probe[i], relaxed, none);
		struct probe probe = unpack_probe(word, state.generation);
		uint64_t end = tick + ticks(breaker->options.probe_lease_ns);
		struct probe asked = {state.generation, PROBE_ASKED, end < state.tick ? end : state.tick};
		if (probe.what == PROBE_FREE &&
		    at_cas(&cell->probe[i], &word, pack_probe(asked), relaxed, relaxed, none))
			return name_probe(breaker, cell, i, state.generation);
		if (probe.what != PROBE_FREE && probe.what != PROBE_WELL && probe.tick > tick && probe.tick < *until)
			*until = probe.tick;
	}
	return 0;
}

/* 0: refused until *until; USED: closed. */
static uint32_t pass(struct breaker *breaker, struct breaker_cell *cell, uint64_t tick, uint64_t *until)
{
	for (;;) {
		struct state state = settle(breaker, cell, tick);
		if (state.what == WEIR_BREAKER_CLOSED)
			return USED;
		if (state.what == WEIR_BREAKER_HALF_OPEN)
			return take_probe(breaker, cell, state, tick, until);
		*until = state.tick;
		if (tick < state.tick)
			return 0;
		(void)move(breaker, cell, state,
			   (struct state){.what = WEIR_BREAKER_HALF_OPEN,
					  .exponent = state.exponent,
					  .tick = tick + 2 * ticks(breaker->options.probe_lease_ns)});
	}
}

enum breaker_answer breaker_ask(struct breaker *breaker, uint32_t key, uint64_t now_ns, uint32_t *probe,
				uint64_t *retry_after_ns)
{
	weir_breaker_mode mode = mode_of(breaker, key);
	*probe = 0;
	if (mode == WEIR_BREAKER_FORCED_OPEN) {
		*retry_after_ns = breaker->options.open_ns_max;
		at_add(&breaker->refused[class_of(key)], 1, relaxed, none);
		return BREAKER_REFUSE;
	}
	struct breaker_cell *cell = moves(mode) ? find(breaker, key, false) : NULL;
	if (!cell)
		return BREAKER_PASS;
	uint64_t tick = tick_of(breaker, now_ns), until;
	uint32_t passed = pass(breaker, cell, tick, &until);
	if (passed) {
		*probe = passed == USED ? 0 : passed;
		return BREAKER_PASS;
	}
	if (mode == WEIR_BREAKER_OBSERVE) {
		at_add(&breaker->would_refuse[class_of(key)], 1, relaxed, none);
		return BREAKER_PASS;
	}
	at_add(&breaker->refused[class_of(key)], 1, relaxed, none);
	*retry_after_ns = ticks_ns(tick, until > tick ? until : tick + 1);
	return BREAKER_REFUSE;
}

/* From ASKED or GRANTED to another state; not if it is of the past. */
static void set_probe(struct breaker *breaker, uint32_t name, enum probe_state to)
{
	uint32_t slot, generation;
	struct breaker_cell *cell = cell_of_probe(breaker, name, &slot, &generation);
	uint64_t word = at_load(&cell->probe[slot], relaxed, none);
	struct probe probe = unpack_probe(word, generation);
	while (probe.what == PROBE_ASKED || probe.what == PROBE_GRANTED) {
		struct probe next = {generation, to, probe.tick};
		if (at_cas(&cell->probe[slot], &word, pack_probe(next), relaxed, relaxed, none))
			return;
		probe = unpack_probe(word, generation);
	}
}

void breaker_granted(struct breaker *breaker, uint32_t probe)
{
	set_probe(breaker, probe, PROBE_GRANTED);
}

void breaker_dropped(struct breaker *breaker, uint32_t probe)
{
	set_probe(breaker, probe, PROBE_FREE);
}

/* A probe that fails opens the breaker of its own phase, and no other. */
static void fail_probe(struct breaker *breaker, uint32_t name, uint64_t tick)
{
	uint32_t slot, generation;
	struct breaker_cell *cell = cell_of_probe(breaker, name, &slot, &generation);
	struct state state = settle(breaker, cell, tick);
	if (state.what == WEIR_BREAKER_HALF_OPEN && state.generation == generation &&
	    unpack_probe(at_load(&cell->probe[slot], relaxed, none), generation).what != PROBE_FREE)
		(void)open_it(breaker, cell, state, state.exponent + 1, tick);
}

/* Enough of them exhausted: open, if it is closed. */
static void judge(struct breaker *breaker, struct breaker_cell *cell, uint64_t tick)
{
	struct state state = settle(breaker, cell, tick);
	if (state.what != WEIR_BREAKER_CLOSED)
		return;
	uint32_t outcomes, exhausted;
	sum(breaker, cell, state.tick, tick, &outcomes, &exhausted);
	if (outcomes < breaker->options.outcomes_min ||
	    (uint64_t)exhausted * 1000 < (uint64_t)outcomes * breaker->options.exhausted_permille)
		return;
	uint64_t span = ticks(breaker->options.window_ns * breaker->options.windows);
	bool soon = state.tick && tick - state.tick < span + ticks(breaker->options.window_ns);
	(void)open_it(breaker, cell, state, soon ? state.exponent : 0, tick);
}

void breaker_ended(struct breaker *breaker, uint32_t key, uint32_t probe, bool exhausted, uint64_t now_ns)
{
	weir_breaker_mode mode = mode_of(breaker, key);
	uint64_t tick = tick_of(breaker, now_ns);
	struct breaker_cell *cell = mode != WEIR_BREAKER_OFF ? find(breaker, key, true) : NULL;
	if (cell)
		count(breaker, cell, exhausted, tick);
	if (probe && exhausted)
		fail_probe(breaker, probe, tick);
	else if (probe)
		set_probe(breaker, probe, PROBE_WELL);
	if (!cell || !moves(mode))
		return;
	if (exhausted)
		judge(breaker, cell, tick);
	else if (probe)
		(void)settle(breaker, cell, tick);
}

void breaker_look(struct breaker *breaker, uint32_t key, uint64_t now_ns, weir_breaker_view *out)
{
	uint64_t tick = tick_of(breaker, now_ns);
	struct breaker_cell *cell = find(breaker, key, false);
	weir_class task_class = class_of(key);
	weir_breaker_mode mode = mode_of(breaker, key);
	*out = (weir_breaker_view){
		.size = out->size,
		.mode = mode,
		.state = mode == WEIR_BREAKER_FORCED_OPEN ? WEIR_BREAKER_OPEN : WEIR_BREAKER_CLOSED,
		.refused = at_load(&breaker->refused[task_class], relaxed, none),
		.would_refuse = at_load(&breaker->would_refuse[task_class], relaxed, none),
		.opened = at_load(&breaker->opened, relaxed, none),
		.half_opened = at_load(&breaker->half_opened, relaxed, none),
		.closed = at_load(&breaker->closed, relaxed, none),
	};
	if (!cell)
		return;
	struct state state =
		moves(mode) ? settle(breaker, cell, tick) : unpack_state(at_load(&cell->state, relaxed, none));
	if (mode != WEIR_BREAKER_FORCED_OPEN)
		out->state = state.what;
	out->shared = cell >= &breaker->cell[BREAKER_SHAPES];
	sum(breaker, cell, state.what == WEIR_BREAKER_CLOSED ? state.tick : 0, tick, &out->outcomes, &out->exhausted);
	if (state.what == WEIR_BREAKER_OPEN)
		out->open_for_ns = ticks_ns(tick, state.tick);
	for (uint32_t i = 0; state.what == WEIR_BREAKER_HALF_OPEN && i < breaker->options.probes; i++) {
		enum probe_state what = unpack_probe(at_load(&cell->probe[i], relaxed, none), state.generation).what;
		out->probes_out += what == PROBE_ASKED || what == PROBE_GRANTED;
	}
}
