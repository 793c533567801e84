/* SPDX-License-Identifier: MIT */
/*
 * ledger.h - how much of each resource is spare.
 *
 * One packed atomic word per node; one per node for counted resources that nodes have; one for totals where they bind,
 * and one for counted totals. A take is one compare-and-swap where one word is enough, else the protocol of tentative
 * takes.
 */
#ifndef WEIR_RUNTIME_LEDGER_H
#define WEIR_RUNTIME_LEDGER_H

#include <pthread.h>

#include "private/atomics.h"
#include "private/check.h"
#include "private/compiler.h"
#include "runtime/elastic.h"
#include "runtime/kept.h"
#include "runtime/limits.h"

struct ledger {
	struct limits limits;
	const weir_machine *machine;
	uint32_t nodes;
	uint32_t words;
	bool one_word; /* no totals, nothing counted, every node its own memory: a take is one CAS */
	struct ledger_word *word;
	_Atomic(uint32_t) owed;	     /* some word has a debt */
	pthread_mutex_t limits_lock; /* who sets limits; nobody else */
};

/* What was taken and from where: enough to give it back. */
struct taken {
	struct packed units;
	uint32_t cpu_node;
	uint32_t memory_node;
};

enum ledger_answer {
	LEDGER_TAKEN,
	LEDGER_SHORT,	  /* a word was short, with nothing tentative on it */
	LEDGER_CLAIMED,	  /* it would fit, but is kept for the claimant */
	LEDGER_CONTENDED, /* short, but others were in the middle of taking */
};

/* Why not; filled in for every answer but TAKEN. */
struct shortage {
	uint32_t resources; /* bit r */
	bool total;	    /* on a total's word */
	bool by_floor;	    /* it would fit but for the class floor */
	bool recalled;	    /* credits came back for it where somebody waits (tracker.c) */
};

enum ledger_flags {
	LEDGER_AS_CLAIMANT = 1, /* what is claimed is the taker's */
	LEDGER_LEAST = 4,	/* no more than the least, however elastic */
	LEDGER_BACKFILL = 2,	/* it gives back before the claimant could start: what is claimed may be lent to it */
};

weir_status ledger_init(struct ledger *ledger, const weir_machine *machine, const weir_limits *limits);
void ledger_fini(struct ledger *ledger);

/* Take units on a place (a node: its cores, and its memory or that of the nearest node that has some).
 * floor:  what must be left over for others, NULL: nothing; ignored while the place is entirely free.
 * waiters: set to true if an undo gave something back on a word where somebody waits, or if somebody may wait for a
 *          place among its tentative takes: the caller must kick the room; never set to false. */
enum ledger_answer ledger_take_slow(struct ledger *ledger, const struct packed *units, const struct packed *floor,
				    uint32_t place, int flags, struct taken *out, struct shortage *why, bool *waiters);

/* The same for what is elastic: the most that there is room for, by steps, and never less than the least. What a refusal says
 * is about the least. out->units: what was taken. */
enum ledger_answer ledger_take_elastic(struct ledger *ledger, const struct packed *least, const struct elastic *elastic,
				       const struct packed *floor, uint32_t place, int flags, struct taken *out,
				       struct shortage *why, bool *waiters);

/* Take more->units on the nodes that more names: those of a grant that grows. */
enum ledger_answer ledger_take_more(struct ledger *ledger, const struct taken *more, const struct packed *floor,
				    bool *waiters);

/* Could what is held, and more of it in the same places, ever fit? Against limits. */
bool ledger_can_ever_hold(const struct ledger *ledger, const struct taken *held, const struct packed *more,
			  struct shortage *why);

/* Give back. True: somebody waits for a word of it, or is owed, and the caller must call ledger_collect() and kick the
 * room. Wait-free. */
bool ledger_give_slow(struct ledger *ledger, const struct taken *taken);

/* Could it ever fit there? Against limits, not against what is spare. *why gathers what is more than its limit. */
bool ledger_feasible(const struct ledger *ledger, const struct packed *units, uint32_t place, struct shortage *why);

/* What a take would be answered at this instant, as far as a look can tell; takes nothing. floor: NULL for none. */
enum ledger_answer ledger_look(const struct ledger *ledger, const struct packed *units, const struct packed *floor,
			       uint32_t place, struct shortage *why);

/* Other limits, by the rules of limits_change(), while all else goes on. What is held above a limit is owed, and paid by what
 * comes back; until then nobody takes there. *waiters: as for ledger_take_slow(). The words change one after another. Errors:
 * WEIR_EINVAL, WEIR_ENOMEM: nothing changed. */
weir_status ledger_set_limits(struct ledger *ledger, const weir_limits *limits, bool *waiters);

/* Who was told by a give calls this: what came back pays what is owed. True: the caller must kick the room. */
bool ledger_collect(struct ledger *ledger);

/* What can be taken, and the limits, of a place: amounts without flags. Of counted stocks, the total's. */
struct packed ledger_spare(const struct ledger *ledger, uint32_t place);
struct packed ledger_limit(const struct ledger *ledger, uint32_t place);

/* A node's own words, whatever it may borrow from its neighbours. Held may be more than a limit that was lowered. */
struct packed ledger_own_held(const struct ledger *ledger, uint32_t node);
struct packed ledger_own_spare(const struct ledger *ledger, uint32_t node);
struct packed ledger_own_limit(const struct ledger *ledger, uint32_t node);

/* Keep units for a claimant on the words of a place, and on the totals if `totals`: others take only what it leaves.
 * May be called again to add the totals. One claim at a time. Only the holder of the room's token calls these. */
void ledger_claim(struct ledger *ledger, uint32_t place, const struct packed *units, bool totals);
/* Of the same units and place: nothing is kept any more, on the totals neither. */
void ledger_unclaim(struct ledger *ledger, uint32_t place, const struct packed *units);

/* WAIT on all words that a demand for `place` could need. Only the holder of the room's token calls these. */
void ledger_flag(struct ledger *ledger, uint32_t place, uint64_t flag);
void ledger_flag_totals(struct ledger *ledger, uint64_t flag);
void ledger_unflag(struct ledger *ledger, uint32_t place, uint64_t flag);
void ledger_unflag_totals(struct ledger *ledger, uint64_t flag);

/* For audits: what is spare in word w, owed whatever it may be; its limit and what is owed to it. */
static inline uint64_t ledger_word_spare(const struct ledger *ledger, uint32_t w)
{
	return at_load(&ledger->word[w].spare, relaxed, none) & WORD_AMOUNTS;
}

static inline uint64_t ledger_word_limit(const struct ledger *ledger, uint32_t w)
{
	return at_load(&ledger->word[w].limit, relaxed, none);
}

static inline uint64_t ledger_word_debt(const struct ledger *ledger, uint32_t w)
{
	return at_load(&ledger->word[w].debt, relaxed, none);
}

/* What is held of word w. Exact at rest. */
uint64_t ledger_word_held(const struct ledger *ledger, uint32_t w);

/* What `taken` took from word w. */
uint64_t ledger_share(const struct ledger *ledger, const struct taken *taken, uint32_t w);

enum { LEDGER_TOTAL = 0, LEDGER_TOTAL_COUNTED = 1, LEDGER_FIRST_NODE = 2 };

static inline struct ledger_word *ledger_node_word(const struct ledger *ledger, uint32_t node)
{
	return &ledger->word[LEDGER_FIRST_NODE + node];
}

/* Both of a place at once, for who looks at every place. */
static inline void ledger_look_over(const struct ledger *ledger, uint32_t place, struct packed *spare,
				    struct packed *limit)
{
	if (unlikely(!ledger->one_word)) {
		*spare = ledger_spare(ledger, place);
		*limit = ledger_limit(ledger, place);
		return;
	}
	const struct ledger_word *word = ledger_node_word(ledger, place);
	*spare = (struct packed){.main = kept_spare(word)};
	*limit = (struct packed){.main = at_load(&word->limit, relaxed, none)};
}

/* One word, no floor, no flags, and room: then it is taken. Calls nothing. False: nothing happened. */
static ALWAYS_INLINE bool ledger_take_at_once(struct ledger *ledger, const struct packed *units, uint32_t place,
					      struct taken *out)
{
	struct ledger_word *word = ledger_node_word(ledger, place);
	uint64_t spare = at_load(&word->spare, relaxed, none);
	while (likely(word_fits(spare, units->main, WORD_GUARDS_MAIN, WORD_CLAIM))) {
		/* ORDER(ledger): acquire, pairs with the release in ledger_give_at_once(): we see all that the previous
		 * holders of these units wrote. Failure is relaxed: `spare` is only tried again. */
		if (likely(at_cas_weak(&word->spare, &spare, spare - units->main, acquire, relaxed, ledger))) {
			*out = (struct taken){.units = {.main = units->main}, .cpu_node = place, .memory_node = place};
			return true;
		}
	}
	return false;
}

static ALWAYS_INLINE enum ledger_answer ledger_take(struct ledger *ledger, const struct packed *units,
						    const struct packed *floor, uint32_t place, int flags,
						    struct taken *out, struct shortage *why, bool *waiters)
{
	if (likely(ledger->one_word && !floor && !flags && ledger_take_at_once(ledger, units, place, out)))
		return LEDGER_TAKEN;
	return ledger_take_slow(ledger, units, floor, place, flags, out, why, waiters);
}

/* Where a take is one word, so is a give. Calls nothing. True: somebody waits, or is owed. */
static ALWAYS_INLINE bool ledger_give_at_once(struct ledger *ledger, uint32_t place, uint64_t units)
{
	/* ORDER(ledger): release, pairs with the acquire in ledger_take_at_once(). ORDER(wait): acquire as well: if we
	 * see WAIT we go and look at what the waiter pushed before its holder set it. */
	uint64_t was = at_add(&ledger_node_word(ledger, place)->spare, units, acq_rel, ledger);
	CHECK("L1", word_is_sound(was + units, WORD_GUARDS_MAIN));
	return (was & WORD_TELL) != 0;
}

static ALWAYS_INLINE bool ledger_give(struct ledger *ledger, const struct taken *taken)
{
	if (likely(ledger->one_word))
		return ledger_give_at_once(ledger, taken->cpu_node, taken->units.main);
	return ledger_give_slow(ledger, taken);
}

#endif
