/* SPDX-License-Identifier: MIT */
/*
 * ledger.c - how much of each resource is spare.
 *
 * Holds:     words; no task, no queue.
 * Invariant: L1  0 <= spare <= limit + debt in every field of every word (a give that breaks a guard ends the program).
 *            L2  spare + live grants == limit + debt, at rest.
 *            L5  a refusal is true: each resource it names was short at an instant inside the call, with nothing
 *                tentative on that word at that instant.
 * Progress:  take is lock-free, give is wait-free. No caller waits for another.
 * Together:  take, give, read, flag, claim are safe together; flags and claims belong to the one holder of the room's
 *            token.
 *
 * One word:  spare -> spare - units by one compare-and-swap.
 * Several:   (total, counted, another node's memory, the node's own) in one fixed order, totals first, the home node
 *            last. Load all; if one is short, refuse without writing. Then take from all but the last, each together
 *            with TENT + 1; then from the last; then TENT - 1 everywhere. If a later word is short, undo: units back
 *            and TENT - 1 in one add. Others that find a word short while TENT is not zero may be looking at room that
 *            comes back at once: they back off, and say CONTENDED rather than SHORT. Plain add-then-undo without TENT
 *            gives false refusals.
 * Kept:      what is claimed, or owed to a limit that was lowered, is not there for a taker: kept.h.
 * Not here:  who waits (room.c), who holds what (book.c).
 */
#include "runtime/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "private/error.h"
#include "private/seed.h"

enum { STEPS_MAX = 5, CONTENDED_TRIES_MAX = 64, ELASTIC_TRIES_MAX = 8 };

/* One word's part of a take. */
struct step {
	struct ledger_word *word;
	uint64_t units;
	uint64_t floor;
	enum word_kind kind;
	bool total;
};

static struct ledger_word *counted_word(const struct ledger *ledger, uint32_t node)
{
	return &ledger->word[LEDGER_FIRST_NODE + ledger->nodes + node];
}

/* A place is a node. Its cores are its own or, for a node without cores, the nearest; the same for memory. */
static uint32_t place_cpu_node(const struct ledger *ledger, uint32_t place)
{
	return ledger->machine->cores_near[place];
}

static uint32_t place_memory_node(const struct ledger *ledger, uint32_t place)
{
	return ledger->machine->memory_near[place];
}

/* A demand for memory alone stays where it was asked for: its cores' node is only where it runs. */
static void nodes_of_place(const struct ledger *ledger, const struct packed *units, uint32_t place, uint32_t *cpu_node,
			   uint32_t *memory_node)
{
	*memory_node = place_memory_node(ledger, place);
	bool memory_only = !word_get(units->main, WEIR_CPU) && !(units->counted & ledger->limits.node_mask.counted);
	*cpu_node = memory_only ? *memory_node : place_cpu_node(ledger, place);
}

static enum word_kind kind_of_word(const struct ledger *ledger, uint32_t w)
{
	return w == LEDGER_TOTAL_COUNTED || w >= LEDGER_FIRST_NODE + ledger->nodes ? WORD_COUNTED : WORD_MAIN;
}

static uint64_t limit_of_word(const struct ledger *ledger, const struct limits *limits, uint32_t w)
{
	bool counted = kind_of_word(ledger, w) == WORD_COUNTED;
	if (w < LEDGER_FIRST_NODE)
		return counted ? limits->total.counted : limits->total.main;
	const struct packed *node = &limits->node[(w - LEDGER_FIRST_NODE) % ledger->nodes];
	return counted ? node->counted : node->main;
}

static void init_words(struct ledger *ledger)
{
	const struct limits *limits = &ledger->limits;
	for (uint32_t w = 0; w < ledger->words; w++) {
		struct ledger_word *word = &ledger->word[w];
		word->kind = kind_of_word(ledger, w);
		at_init(&word->limit, limit_of_word(ledger, limits, w));
		at_init(&word->spare, limit_of_word(ledger, limits, w));
		at_init(&word->claim, 0);
		at_init(&word->debt, 0);
	}
}

weir_status ledger_init(struct ledger *ledger, const weir_machine *machine, const weir_limits *limits)
{
	memset(ledger, 0, sizeof(*ledger));
	weir_status status = limits_resolve(&ledger->limits, machine, limits);
	if (status)
		return status;
	ledger->machine = machine;
	ledger->nodes = machine->nodes;
	ledger->words = LEDGER_FIRST_NODE + 2 * machine->nodes;
	ledger->word = aligned_alloc(CACHE_LINE, ledger->words * sizeof(*ledger->word));
	if (!ledger->word) {
		limits_fini(&ledger->limits);
		return error_set(WEIR_ENOMEM, "no memory for the ledger of %u nodes", machine->nodes);
	}
	init_words(ledger);
	pthread_mutex_init(&ledger->limits_lock, NULL);
	const struct packed *total = &ledger->limits.total_mask;
	ledger->one_word = !total->main && !total->counted && !ledger->limits.node_mask.counted;
	for (uint32_t n = 0; n < machine->nodes; n++)
		ledger->one_word &= place_cpu_node(ledger, n) == n && place_memory_node(ledger, n) == n;
	return WEIR_OK;
}

void ledger_fini(struct ledger *ledger)
{
	if (ledger->word)
		pthread_mutex_destroy(&ledger->limits_lock);
	free(ledger->word);
	limits_fini(&ledger->limits);
	memset(ledger, 0, sizeof(*ledger));
}

static uint64_t memory_part(void)
{
	return word_mask(WEIR_MEMORY) | word_mask(WEIR_BANDWIDTH);
}

static void add_step(struct step *steps, uint32_t *count, struct ledger_word *word, uint64_t units, uint64_t floor,
		     enum word_kind kind, bool total)
{
	if (!units)
		return;
	steps[(*count)++] = (struct step){
		.word = word,
		.units = units,
		.floor = floor,
		.kind = kind,
		.total = total,
	};
}

/* The words of a take, in the one order that all takers use. */
static uint32_t plan(const struct ledger *ledger, const struct packed *units, const struct packed *floor,
		     uint32_t cpu_node, uint32_t memory_node, struct step steps[STEPS_MAX])
{
	const struct limits *limits = &ledger->limits;
	uint32_t count = 0;
	uint64_t floor_main = floor ? floor->main : 0;
	uint64_t floor_counted = floor ? floor->counted : 0;
	add_step(steps, &count, &ledger->word[LEDGER_TOTAL], units->main & limits->total_mask.main, 0, WORD_MAIN, true);
	add_step(steps, &count, &ledger->word[LEDGER_TOTAL_COUNTED], units->counted & limits->total_mask.counted, 0,
		 WORD_COUNTED, true);
	add_step(steps, &count, counted_word(ledger, cpu_node), units->counted & limits->node_mask.counted,
		 floor_counted, WORD_COUNTED, false);
	uint64_t elsewhere = memory_node != cpu_node ? units->main & memory_part() : 0;
	add_step(steps, &count, ledger_node_word(ledger, memory_node), elsewhere, floor_main, WORD_MAIN, false);
	add_step(steps, &count, ledger_node_word(ledger, cpu_node), units->main & ~elsewhere, floor_main, WORD_MAIN,
		 false);
	return count;
}

/* Nothing of this word is held by anybody: the floor would only keep the head waiting for nobody. */
static bool is_free(const struct step *step, const struct kept_view *seen)
{
	return (seen->spare & WORD_AMOUNTS) == at_load(&step->word->limit, relaxed, none) + seen->debt;
}

static uint64_t and_more(uint64_t units, uint64_t more, enum word_kind kind)
{
	return likely(!more) ? units : word_add_clamped(units, more, kind);
}

/* May what is short here come back at once? A test build does without the mark: a take that is undone then looks like a
 * grant, and others are refused for it; and it dawdles, so that there are more of these. */
static bool is_tentative(uint64_t spare)
{
#ifdef WEIR_SEED_BUG_UNDO
	return false;
#endif
	return (spare & WORD_TENT) != 0;
}

/* Does the step fit into what was seen? If not, says why. */
static enum ledger_answer judge(const struct step *step, const struct kept_view *seen, int flags, struct shortage *why)
{
	uint64_t guards = word_guards(step->kind);
	uint64_t units = and_more(step->units, seen->debt, step->kind);
	bool floored = step->floor && !is_free(step, seen);
	uint64_t needed = floored ? word_add_clamped(units, step->floor, step->kind) : units;
	uint64_t broken = word_broken(seen->spare, needed, guards);
	if (likely(!broken)) {
		bool claimed = seen->claim && !(flags & (LEDGER_AS_CLAIMANT | LEDGER_BACKFILL));
		if (claimed && word_broken(seen->spare, word_add_clamped(needed, seen->claim, step->kind), guards))
			return is_tentative(seen->spare) ? LEDGER_CONTENDED : LEDGER_CLAIMED;
		return LEDGER_TAKEN;
	}
	/* L5: what is short only for the moment is not named. */
	if (is_tentative(seen->spare))
		return LEDGER_CONTENDED;
	bool by_floor = floored && !word_broken(seen->spare, units, guards);
	why->by_floor = by_floor && (!why->resources || why->by_floor);
	why->resources |= word_broken_resources(broken, step->kind);
	why->total |= step->total;
	return LEDGER_SHORT;
}

/* Give a step's units back with the mark of being tentative. */
static bool undo(const struct step *step)
{
	/* ORDER(ledger): release, pairs with the acquire of the next taker. ORDER(wait): acquire, as in
	 * ledger_give_at_once(). */
	uint64_t was = at_add(&step->word->spare, step->units - WORD_TENT_ONE, acq_rel, ledger);
	CHECK("L1", word_is_sound(was + step->units - WORD_TENT_ONE, word_guards(step->kind)));
	return (was & WORD_TELL) != 0;
}

/* A take of several words is complete. Whoever found no place among the tentative ones may have been refused in spite
 * of room, and nobody gives: so the one who makes a place kicks. */
static bool settle(const struct step *step)
{
	/* ORDER(wait): acquire, as in ledger_give_at_once(). */
	uint64_t was = at_sub(&step->word->spare, WORD_TENT_ONE, acq_rel, wait);
	return (was & WORD_TENT) == WORD_TENT && (was & WORD_TELL);
}

/* One word: the amounts, and one more tentative take if this is not the last word. */
static enum ledger_answer take_step(const struct step *step, bool last, int flags, struct shortage *why)
{
	for (int tries = 0;;) {
		struct kept_view seen = kept_look(step->word);
		enum ledger_answer answer = judge(step, &seen, flags, why);
		bool full = !last && (seen.spare & WORD_TENT) == WORD_TENT;
		if (answer == LEDGER_SHORT || answer == LEDGER_CLAIMED)
			return answer;
		if (answer == LEDGER_CONTENDED || full) {
			if (++tries == CONTENDED_TRIES_MAX)
				return LEDGER_CONTENDED;
			at_pause();
			continue;
		}
		/* ORDER(ledger): acquire, pairs with the releases of the two gives and of undo(). */
		if (at_cas_weak(&step->word->spare, &seen.spare, seen.spare - step->units + (last ? 0 : WORD_TENT_ONE),
				acquire, relaxed, ledger))
			return LEDGER_TAKEN;
	}
}

/* Refuse without writing where a plain look is enough. */
static enum ledger_answer look(const struct step *steps, uint32_t count, int flags, struct shortage *why)
{
	enum ledger_answer worst = LEDGER_TAKEN;
	for (uint32_t s = 0; s < count; s++) {
		struct kept_view seen = kept_look(steps[s].word);
		enum ledger_answer answer = judge(&steps[s], &seen, flags, why);
		if (answer == LEDGER_SHORT)
			worst = LEDGER_SHORT;
		else if (answer == LEDGER_CLAIMED && worst == LEDGER_TAKEN)
			worst = LEDGER_CLAIMED;
	}
	return worst;
}

/* All words of a plan, or none. */
static enum ledger_answer take_all(const struct step *steps, uint32_t count, int flags, struct shortage *why,
				   bool *waiters)
{
	enum ledger_answer answer = LEDGER_TAKEN;
	uint32_t done = 0;
	for (; answer == LEDGER_TAKEN && done < count; done++) {
		answer = take_step(&steps[done], done + 1 == count, flags, why);
		seed_dawdle();
	}
	if (answer != LEDGER_TAKEN) {
		while (done-- > 1)
			*waiters |= undo(&steps[done - 1]);
		return answer;
	}
	for (uint32_t s = 0; s + 1 < count; s++)
		*waiters |= settle(&steps[s]);
	return LEDGER_TAKEN;
}

NOINLINE enum ledger_answer ledger_take_slow(struct ledger *ledger, const struct packed *units,
					     const struct packed *floor, uint32_t place, int flags, struct taken *out,
					     struct shortage *why, bool *waiters)
{
	struct step steps[STEPS_MAX];
	*why = (struct shortage){0};
	out->units = *units;
	nodes_of_place(ledger, units, place, &out->cpu_node, &out->memory_node);
	uint32_t count = plan(ledger, units, floor, out->cpu_node, out->memory_node, steps);
	enum ledger_answer answer = look(steps, count, flags, why);
	return answer == LEDGER_TAKEN ? take_all(steps, count, flags, why, waiters) : answer;
}

NOINLINE bool ledger_give_slow(struct ledger *ledger, const struct taken *taken)
{
	struct step steps[STEPS_MAX];
	uint32_t count = plan(ledger, &taken->units, NULL, taken->cpu_node, taken->memory_node, steps);
	bool waiters = false;
	for (uint32_t s = 0; s < count; s++) {
		/* ORDER(ledger): release, pairs with the acquire in take_step(). ORDER(wait): acquire, as in
		 * ledger_give_at_once(). */
		uint64_t was = at_add(&steps[s].word->spare, steps[s].units, acq_rel, ledger);
		CHECK("L1", word_is_sound(was + steps[s].units, word_guards(steps[s].kind)));
		waiters |= (was & WORD_TELL) != 0;
	}
	return waiters;
}

/* The words of a demand for a place, to be looked at only. */
static uint32_t plan_for_place(const struct ledger *ledger, const struct packed *units, const struct packed *floor,
			       uint32_t place, struct step steps[STEPS_MAX])
{
	uint32_t cpu_node, memory_node;
	nodes_of_place(ledger, units, place, &cpu_node, &memory_node);
	return plan(ledger, units, floor, cpu_node, memory_node, steps);
}

/* The highest step, up to `most`, that looks as if it fitted; the least does. */
static uint32_t highest_step(const struct ledger *ledger, const struct packed *least, const struct elastic *elastic,
			     const struct packed *floor, uint32_t place, int flags, uint32_t most)
{
	uint32_t fits = 0, above = most + 1;
	while (above - fits > 1) {
		uint32_t middle = fits + (above - fits) / 2;
		struct packed units = elastic_units(least, elastic, middle);
		struct step steps[STEPS_MAX];
		struct shortage why = {0};
		uint32_t count = plan_for_place(ledger, &units, floor, place, steps);
		*(look(steps, count, flags, &why) == LEDGER_TAKEN ? &fits : &above) = middle;
	}
	return fits;
}

/* The look chooses the step, the exchanges take it or nothing: whoever was quicker makes us choose a lower one. */
enum ledger_answer ledger_take_elastic(struct ledger *ledger, const struct packed *least, const struct elastic *elastic,
				       const struct packed *floor, uint32_t place, int flags, struct taken *out,
				       struct shortage *why, bool *waiters)
{
	uint32_t most = flags & LEDGER_LEAST ? 0 : elastic->steps;
	for (int tries = 0;; tries++) {
		uint32_t step = highest_step(ledger, least, elastic, floor, place, flags, most);
		struct packed units = elastic_units(least, elastic, step);
		enum ledger_answer answer = ledger_take_slow(ledger, &units, floor, place, flags, out, why, waiters);
		if (answer == LEDGER_TAKEN || !step)
			return answer;
		most = tries < ELASTIC_TRIES_MAX ? step - 1 : 0;
	}
}

enum ledger_answer ledger_take_more(struct ledger *ledger, const struct taken *more, const struct packed *floor,
				    bool *waiters)
{
	struct step steps[STEPS_MAX];
	struct shortage why = {0};
	uint32_t count = plan(ledger, &more->units, floor, more->cpu_node, more->memory_node, steps);
	enum ledger_answer answer = look(steps, count, 0, &why);
	return answer == LEDGER_TAKEN ? take_all(steps, count, 0, &why, waiters) : answer;
}

/* Against limits, not against what is spare. */
static bool within_limits(const struct step *steps, uint32_t count, struct shortage *why)
{
	bool within = true;
	for (uint32_t s = 0; s < count; s++) {
		struct kept_view empty = {.spare = at_load(&steps[s].word->limit, relaxed, none)};
		within &= judge(&steps[s], &empty, 0, why) == LEDGER_TAKEN;
	}
	return within;
}

bool ledger_can_ever_hold(const struct ledger *ledger, const struct taken *held, const struct packed *more,
			  struct shortage *why)
{
	struct step steps[STEPS_MAX];
	struct packed all = {.main = word_add_clamped(more->main, held->units.main, WORD_MAIN),
			     .counted = word_add_clamped(more->counted, held->units.counted, WORD_COUNTED)};
	return within_limits(steps, plan(ledger, &all, NULL, held->cpu_node, held->memory_node, steps), why);
}

bool ledger_feasible(const struct ledger *ledger, const struct packed *units, uint32_t place, struct shortage *why)
{
	struct step steps[STEPS_MAX];
	return within_limits(steps, plan_for_place(ledger, units, NULL, place, steps), why);
}

enum ledger_answer ledger_look(const struct ledger *ledger, const struct packed *units, const struct packed *floor,
			       uint32_t place, struct shortage *why)
{
	struct step steps[STEPS_MAX];
	*why = (struct shortage){0};
	return look(steps, plan_for_place(ledger, units, floor, place, steps), 0, why);
}

uint64_t ledger_word_held(const struct ledger *ledger, uint32_t w)
{
	const struct ledger_word *word = &ledger->word[w];
	uint64_t all = at_load(&word->limit, relaxed, none) + at_load(&word->debt, relaxed, none);
	return word_less(all, at_load(&word->spare, relaxed, none), word->kind);
}

static uint64_t limit_of(const struct ledger_word *word)
{
	return at_load(&word->limit, relaxed, none);
}

static struct packed own(const struct ledger *ledger, uint32_t node, uint64_t (*get)(const struct ledger *, uint32_t))
{
	return (struct packed){.main = get(ledger, LEDGER_FIRST_NODE + node),
			       .counted = get(ledger, LEDGER_FIRST_NODE + ledger->nodes + node)};
}

struct packed ledger_own_held(const struct ledger *ledger, uint32_t node)
{
	return own(ledger, node, ledger_word_held);
}

struct packed ledger_own_spare(const struct ledger *ledger, uint32_t node)
{
	return (struct packed){.main = kept_spare(ledger_node_word(ledger, node)),
			       .counted = kept_spare(counted_word(ledger, node))};
}

struct packed ledger_own_limit(const struct ledger *ledger, uint32_t node)
{
	return own(ledger, node, ledger_word_limit);
}

/* Cores and counted things of one node, memory and bandwidth of another. */
static struct packed gather(const struct ledger *ledger, uint32_t place, uint64_t (*get)(const struct ledger_word *))
{
	uint64_t cpu = get(ledger_node_word(ledger, place_cpu_node(ledger, place)));
	uint64_t memory = get(ledger_node_word(ledger, place_memory_node(ledger, place)));
	uint64_t counted = get(counted_word(ledger, place_cpu_node(ledger, place)));
	uint64_t total = get(&ledger->word[LEDGER_TOTAL_COUNTED]);
	uint64_t stock = ledger->limits.total_mask.counted & ~ledger->limits.node_mask.counted;
	return (struct packed){.main = (cpu & word_mask(WEIR_CPU)) | (memory & memory_part()),
			       .counted = (counted & ~stock) | (total & stock)};
}

struct packed ledger_spare(const struct ledger *ledger, uint32_t place)
{
	return gather(ledger, place, kept_spare);
}

struct packed ledger_limit(const struct ledger *ledger, uint32_t place)
{
	return gather(ledger, place, limit_of);
}

uint64_t ledger_share(const struct ledger *ledger, const struct taken *taken, uint32_t w)
{
	struct step steps[STEPS_MAX];
	uint32_t count = plan(ledger, &taken->units, NULL, taken->cpu_node, taken->memory_node, steps);
	uint64_t share = 0;
	for (uint32_t s = 0; s < count; s++)
		if (steps[s].word == &ledger->word[w])
			share += steps[s].units;
	return share;
}

static void set_flag(struct ledger_word *word, uint64_t flag)
{
	/* ORDER(wait): acq_rel needed. A release that comes later in this word's order sees the flag and kicks; one that
	 * came before is seen by the load that follows, which therefore finds its room. ORDER(credits): seq_cst, before
	 * the look at the mode that follows a try; pairs with the looks of any_flag() in credits.c. */
	if (!(at_load(&word->spare, relaxed, none) & flag))
		at_or(&word->spare, flag, seq_cst, wait);
}

static void clear_flag(struct ledger_word *word, uint64_t flag)
{
	/* ORDER(wait): acq_rel, so that the look for new arrivals stays behind it. */
	if (at_load(&word->spare, relaxed, none) & flag)
		at_and(&word->spare, ~flag, acq_rel, wait);
}

static void for_place(struct ledger *ledger, uint32_t place, uint64_t flag,
		      void (*apply)(struct ledger_word *, uint64_t))
{
	uint32_t cpu_node = place_cpu_node(ledger, place);
	uint32_t memory_node = place_memory_node(ledger, place);
	apply(ledger_node_word(ledger, cpu_node), flag);
	if (memory_node != cpu_node)
		apply(ledger_node_word(ledger, memory_node), flag);
	if (ledger->limits.node_mask.counted) {
		apply(counted_word(ledger, cpu_node), flag);
		apply(counted_word(ledger, memory_node), flag);
	}
}

static void for_totals(struct ledger *ledger, uint64_t flag, void (*apply)(struct ledger_word *, uint64_t))
{
	if (ledger->limits.total_mask.main)
		apply(&ledger->word[LEDGER_TOTAL], flag);
	if (ledger->limits.total_mask.counted)
		apply(&ledger->word[LEDGER_TOTAL_COUNTED], flag);
}

void ledger_flag(struct ledger *ledger, uint32_t place, uint64_t flag)
{
	for_place(ledger, place, flag, set_flag);
}

void ledger_flag_totals(struct ledger *ledger, uint64_t flag)
{
	for_totals(ledger, flag, set_flag);
}

void ledger_unflag(struct ledger *ledger, uint32_t place, uint64_t flag)
{
	for_place(ledger, place, flag, clear_flag);
}

void ledger_unflag_totals(struct ledger *ledger, uint64_t flag)
{
	for_totals(ledger, flag, clear_flag);
}

void ledger_claim(struct ledger *ledger, uint32_t place, const struct packed *units, bool totals)
{
	struct step steps[STEPS_MAX];
	uint32_t count = plan_for_place(ledger, units, NULL, place, steps);
	for (uint32_t s = 0; s < count; s++)
		if (totals || !steps[s].total)
			kept_claim(steps[s].word, steps[s].units);
}

void ledger_unclaim(struct ledger *ledger, uint32_t place, const struct packed *units)
{
	struct step steps[STEPS_MAX];
	uint32_t count = plan_for_place(ledger, units, NULL, place, steps);
	for (uint32_t s = 0; s < count; s++)
		kept_claim(steps[s].word, 0);
}

weir_status ledger_set_limits(struct ledger *ledger, const weir_limits *given, bool *waiters)
{
	struct limits limits;
	weir_status status = limits_change(&ledger->limits, ledger->machine, given, &limits);
	if (status)
		return status;
	pthread_mutex_lock(&ledger->limits_lock);
	for (uint32_t w = 0; w < ledger->words; w++)
		*waiters |= kept_limit(&ledger->word[w], limit_of_word(ledger, &limits, w));
	pthread_mutex_unlock(&ledger->limits_lock);
	/* ORDER(owed): release, pairs with the acquire in ledger_collect(): who takes this note sees the debts. */
	at_store(&ledger->owed, 1, release, owed);
	*waiters |= ledger_collect(ledger);
	limits_fini(&limits);
	return WEIR_OK;
}

static bool any_debt(const struct ledger *ledger)
{
	for (uint32_t w = 0; w < ledger->words; w++)
		if (ledger_word_debt(ledger, w))
			return true;
	return false;
}

bool ledger_collect(struct ledger *ledger)
{
	bool waiters = false;
	while (unlikely(at_load(&ledger->owed, relaxed, none))) {
		bool paid = true;
		for (uint32_t w = 0; w < ledger->words; w++)
			if (ledger_word_debt(ledger, w))
				paid &= kept_collect(&ledger->word[w], &waiters);
		if (!paid)
			break; /* who gives next comes here again */
		/* ORDER(owed): acquire, pairs with the releases below and in ledger_set_limits(): a debt whose note we took,
		 * we see. */
		(void)at_swap(&ledger->owed, 0, acquire, owed);
		if (any_debt(ledger))
			at_store(&ledger->owed, 1, release, owed);
	}
	return waiters;
}
