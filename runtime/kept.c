/* SPDX-License-Identifier: MIT */
/*
 * kept.c - what of a word's spare room is kept from takers: a claim, and the debt of a limit that was lowered.
 *
 * Holds:     the vectors beside a word; no place, no plan of words (ledger.c).
 * Invariant: K1  WORD_CLAIM is set wherever claim or debt is not zero, but for the moment in which they are written.
 * Progress:  all lock-free; a look tries again only if the word was changed meanwhile.
 * Together:  look with everything; claim excludes claim on the same word.
 * Not here:  who claims (kick.c), whose limit is lowered (limits.c).
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
	 * that of two who empty their vectors one sees both empty. */
	while (!at_cas_weak(&word->spare, &spare, next_seq(spare) | flag, acq_rel, relaxed, kept))
		;
}

/* K1: nothing is kept any more: then the word need not send takers to look. */
static void kept_open(struct ledger_word *word)
{
	for (;;) {
		struct kept_view view = kept_look(word);
		if (!(view.spare & WORD_CLAIM) || view.claim || view.debt)
			return;
		/* Whoever wrote a vector since sets the flag with a change of the word that comes later, or fails this.
		 * ORDER(kept): acq_rel, with kept_bump(). */
		if (at_cas(&word->spare, &view.spare, view.spare & ~WORD_CLAIM, acq_rel, relaxed, kept))
			break;
	}
	/* SEQ may have gone round since the look. */
	if (unlikely(at_load(&word->claim, relaxed, none) || at_load(&word->debt, relaxed, none)))
		kept_bump(word, WORD_CLAIM);
}

void kept_claim(struct ledger_word *word, uint64_t amount)
{
	DEBUG_CHECK("K1", !(amount & ~WORD_AMOUNTS));
	if (at_load(&word->claim, relaxed, none) == amount)
		return;
	at_store(&word->claim, amount, relaxed, none);
	kept_bump(word, amount ? WORD_CLAIM : 0);
	if (!amount)
		kept_open(word);
}
