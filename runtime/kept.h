/* SPDX-License-Identifier: MIT */
/*
 * kept.h - a word of the ledger, and what of its spare room is kept from takers.
 *
 * Two vectors beside the word, in its line, obeyed while WORD_CLAIM is set:
 *   claim   kept for a waiter that has waited too long; nobody else's take may dig into it, unless it is back-fill.
 *   debt    what a limit that was lowered is still owed; nobody's take may dig into it.
 *
 * Change:    store the vector, then change the word by a read-modify-write that counts SEQ on (release). A taker loads
 *            the word (acquire), then the vectors, then exchanges the word: either it saw the new vector, or its
 *            exchange comes before the change, or it fails. SEQ has two bits: a taker that sleeps between its load and
 *            its exchange while exactly four changes pass, and finds all else of the word the same, takes by the old
 *            vectors, as if it had come before; spare is never passed.
 */
#ifndef WEIR_RUNTIME_KEPT_H
#define WEIR_RUNTIME_KEPT_H

#include "private/atomics.h"
#include "private/compiler.h"
#include "runtime/word.h"

struct ledger_word {
	CACHE_ALIGNED _Atomic(uint64_t) spare; /* amounts and flags */
	_Atomic(uint64_t) claim;	       /* amounts */
	_Atomic(uint64_t) debt;		       /* amounts */
	_Atomic(uint64_t) limit;	       /* amounts */
	enum word_kind kind;		       /* constant */
};

/* A word, and the vectors that were beside it. */
struct kept_view {
	uint64_t spare;
	uint64_t claim;
	uint64_t debt;
};

/* The vectors that go with `spare`, which was loaded from the word (acquire) just now. */
struct kept_view kept_look_beside(const struct ledger_word *word, uint64_t spare);

/* A look that a refusal may stand on: at some instant inside the call the word was `spare`, and each vector what it
 * says at another; the word did not change between. */
static ALWAYS_INLINE struct kept_view kept_look(const struct ledger_word *word)
{
	/* ORDER(kept): acquire, pairs with the release in kept_bump(): vectors at least as new as the word. */
	uint64_t spare = at_load(&word->spare, acquire, kept);
	if (likely(!(spare & WORD_CLAIM)))
		return (struct kept_view){.spare = spare};
	return kept_look_beside(word, spare);
}

/* What can be taken of the word, of the amounts that no claim binds. Only a look. */
static inline uint64_t kept_spare(const struct ledger_word *word)
{
	uint64_t spare = at_load(&word->spare, relaxed, none), debt = at_load(&word->debt, relaxed, none);
	return likely(!debt) ? spare & WORD_AMOUNTS : word_less(spare, debt, word->kind);
}

/* Keep `amount` for a claimant; 0: nothing. One caller at a time for a word. */
void kept_claim(struct ledger_word *word, uint64_t amount);

/* Set the limit. What it is raised by pays what is owed, the rest is spare; what it is lowered by is owed, and paid by
 * what comes back. One caller at a time for a word. True: somebody waits for it. */
bool kept_limit(struct ledger_word *word, uint64_t limit);

/* What is spare pays what is owed. *waiters is set if somebody waits for the word: it may have been refused for the moment
 * that this took. False: something is owed still. */
bool kept_collect(struct ledger_word *word, bool *waiters);

#endif
