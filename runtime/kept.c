/* SPDX-License-Identifier: MIT */
/*
 * kept.c - what of a word's spare room is kept from takers: a claim, and the debt of a limit that was lowered.
 *
 * Holds:     the vectors beside a word; no place, no plan of words (ledger.c).
 * Invariant: L6  WORD_CLAIM is set wherever claim or debt is not zero, but for the moment in which they are written.
 *            L2  spare + live grants == limit + debt, at rest.
 * Progress:  all lock-free; a look tries again only if the word was changed meanwhile.
 * Together:            look claim limit collect        "-" safe together
 *            look       -    -     -     -             "X" the caller must exclude, on the same word
 *            claim      -    X     -     -
 *            limit      -    -     X     -
 *            collect    -    -     -     -
 * Not here:  who claims (kick.c), what the limits are (limits.c).
 *
 * Collect:   takes what may pay out of the word with TENT + 1, lowers the debt by as much of it as is owed still, and gives
 *            the rest back with TENT - 1. Between, the word looks shorter than it is, and TENT says so: nobody is refused
 *            as SHORT for it. Lowering the debt first would let others take what it is paid with.
 */
#include "runtime/kept.h"

#include "private/check.h"

static uint64_t next_seq(uint64_t word)
{
	return (word & ~WORD_SEQ) | ((word + WORD_SEQ_ONE) & WORD_SEQ);
}

struct kept_view kept_look_beside(const struct ledger_word *word, uint64_t spare)
{
	for (;;) {
		/* ORDER(kept): acquire keeps the second look at the word behind them. */
		struct kept_view view = {.spare = spare,
					 .claim = at_load(&word->claim, acquire, kept),
					 .debt = at_load(&word->debt, acquire, kept)};
		/* ORDER(kept): acquire, as in kept_look(), for the next round. */
		spare = at_load(&word->spare, acquire, kept);
		if (likely(spare == view.spare))
			return view;
		if (!(spare & WORD_CLAIM))
			return (struct kept_view){.spare = spare};
	}
}

/* A vector was changed: say so in the word. */
static void kept_bump(struct ledger_word *word, uint64_t flag)
{
	uint64_t spare = at_load(&word->spare, relaxed, none);
	/* ORDER(kept): release, pairs with the acquires in kept_look(): who sees the word sees the vector; acquire, so
	 * that of two who empty their vectors one sees both empty. ORDER(credits): seq_cst, as in set_flag() (ledger.c): a
	 * limit that is lowered sets the flag, and then looks at the mode. */
	while (!at_cas_weak(&word->spare, &spare, next_seq(spare) | flag, seq_cst, relaxed, kept))
		;
}

/* L6: nothing is kept any more: then the word need not send takers to look. */
static void kept_open(struct ledger_word *word)
{
	for (;;) {
		struct kept_view view = kept_look(word);
		if (!(view.spare & WORD_CLAIM) || view.claim || view.debt)
			return;
		/* Whoever wrote a vector since sets the flag with a change of the word that comes later, or fails this.
		 * ORDER(kept): acq_rel, with kept_bump(). */
		if (!at_cas(&word->spare, &view.spare, view.spare & ~WORD_CLAIM, acq_rel, relaxed, kept))
			continue;
		if (likely(!at_load(&word->claim, relaxed, none) && !at_load(&word->debt, relaxed, none)))
			return;
		/* SEQ went round since the look, or somebody is about to set the flag himself. Once more: what is kept
		 * may be gone again, and nobody else would clear the flag. */
		kept_bump(word, WORD_CLAIM);
	}
}

void kept_claim(struct ledger_word *word, uint64_t amount)
{
	DEBUG_CHECK("L6", !(amount & ~WORD_AMOUNTS));
	if (at_load(&word->claim, relaxed, none) == amount)
		return;
	at_store(&word->claim, amount, relaxed, none);
	kept_bump(word, amount ? WORD_CLAIM : 0);
	if (!amount)
		kept_open(word);
}

/* So much of the debt, and no more than there is, is no longer owed. Returns how much. */
static uint64_t forgive(struct ledger_word *word, uint64_t amount)
{
	uint64_t debt = at_load(&word->debt, relaxed, none), paid;
	do
		paid = word_least(debt, amount, word->kind);
	while (paid && !at_cas_weak(&word->debt, &debt, debt - paid, relaxed, relaxed, none));
	return paid;
}

/* What was written beside the word is said in it, together with a change of what is spare and of TENT. Returns what it
 * was. */
static uint64_t tell(struct ledger_word *word, uint64_t change)
{
	uint64_t spare = at_load(&word->spare, relaxed, none);
	/* ORDER(kept): as in kept_bump(). ORDER(ledger): release, pairs with the acquire of the next taker. ORDER(wait):
	 * acquire, as in ledger_give_at_once(). */
	while (!at_cas_weak(&word->spare, &spare, next_seq(spare) + change, acq_rel, relaxed, kept))
		;
	CHECK("L1", word_is_sound(next_seq(spare) + change, word_guards(word->kind)));
	return spare;
}

bool kept_collect(struct ledger_word *word, bool *waiters)
{
	for (;;) {
		/* Not by kept_look(): what is owed counts from when it is written, or two who collect could wait for him who
		 * is about to say so in the word. */
		uint64_t debt = at_load(&word->debt, relaxed, none);
		if (!debt) {
			kept_open(word);
			return true;
		}
		uint64_t spare = at_load(&word->spare, relaxed, none);
		uint64_t part = word_least(spare, debt, word->kind);
		if (!part || (spare & WORD_TENT) == WORD_TENT)
			return false;
		/* ORDER(ledger): acquire, as any take. */
		if (!at_cas_weak(&word->spare, &spare, spare - part + WORD_TENT_ONE, acquire, relaxed, ledger))
			continue;
		uint64_t paid = forgive(word, part);
		*waiters |= (tell(word, part - paid - WORD_TENT_ONE) & WORD_WAIT) != 0;
	}
}

bool kept_limit(struct ledger_word *word, uint64_t limit)
{
	uint64_t old = at_load(&word->limit, relaxed, none);
	uint64_t more = word_less(limit, old, word->kind), less = word_less(old, limit, word->kind);
	at_store(&word->limit, limit, relaxed, none);
	if (less) {
		/* No field runs over: limit and debt together stay what they were. */
		at_add(&word->debt, less, relaxed, none);
		kept_bump(word, WORD_CLAIM);
	}
	if (!more)
		return false;
	bool waiters = (tell(word, more - forgive(word, more)) & WORD_WAIT) != 0;
	kept_open(word);
	return waiters;
}
