/* SPDX-License-Identifier: MIT */
/*
 * forks.h - the split stack of one worker's forked children: private at the new end, public at the old one.
 *
 * Holds:     a fixed array of slots (<weir/fork.h>) and the worker's face that inlined spawns and joins read.
 *
 *	base        tail          split         head        end
 *	| stolen      | public      | private     | free      |
 *
 * Invariant: F1  tail <= split <= head; slots below tail are thieves', up to split anybody's, from there the owner's:
 *                each child is run exactly once.
 *            F2  a slot changes hands only by an exchange on the word that holds both tail and split.
 *            F3  the owner touches a stolen slot again only when its state is DONE, and no thief touches it after that.
 *            F4  while results are kept, guard is at its maximum.
 * Progress:  everything is lock-free, and wait-free but for taking back a public slot (lost only to a thief that won).
 * Together:               owner's   ask, steal, public   finish, await, thief
 *            owner's         X              -                     -               "-" safe together
 *            ask, steal...   -              -                     -               "X" one thread only: the owner
 *            finish...       -              -                     -               finish: the slot's thief;
 *                                                                               await: its owner
 * Not here:  running children, waiting, whom to steal from, what a tag means (worker, fork).
 *
 * Why exactly once (F1, F2). tail and split live in one word. Only the owner changes split; a thief only adds one to
 * tail, by an exchange that compares the whole word and only where it saw tail < split. So the owner publishes by one
 * addition. To take slot i back it exchanges split for something <= i while tail <= i: if that succeeds, every thief
 * that looked before fails and looks again; if it fails, somebody moved tail. Where tail > i the slot is stolen; joins
 * are last-in-first-out, so then tail == split == i + 1, no thief's exchange can succeed, and the owner may store tail
 * = split = i when the thief is done. Nothing private is ever compared with anything public, which is why the fast
 * paths need no fence.
 *
 * The word also counts the owner's changes (24 bits). A thief reads a slot's tag before its exchange; the count makes
 * the exchange fail if the owner took the slot back and published another there since, which tail and split alone would
 * not.
 * Whether the child is run once does not rest on it: what is run is read after the exchange.
 *
 * Asking. Private slots are invisible, so a thief that finds nothing public overwrites limit (NULL) and guard
 * (maximum), and the owner takes its slow path at its next spawn or join. `asked`, on a line that the owner does not
 * write in its fast path, keeps the other thieves from doing it again. The owner restores limit and guard when it has
 * made something public; a request that crosses with that is overwritten, and wanted nothing that is not there now.
 * With nothing to give the request stays. Restoring can never hide a request for good: `asked` is cleared after limit
 * is restored and set, by an exchange, before limit is overwritten, so a request made after it saw `asked` clear comes
 * later; and the owner restores guard by an exchange, and if it took out a maximum it looks at limit again. Whoever
 * asks and sleeps should still sleep with a timeout: the owner may be in a long child that neither spawns nor joins.
 *
 * The newest child becomes public only at the owner's next spawn, join or forks_publish_all(): a join never gives away
 * the child that it is about to run.
 */
#ifndef WEIR_RUNTIME_FORKS_H
#define WEIR_RUNTIME_FORKS_H

#include <weir/fork.h>

#include "private/atomics.h"
#include "private/compiler.h"

#define FORKS_CAPACITY_MAX ((UINT32_C(1) << 20) - 1)
#define FORK_NOBODY UINT32_MAX

/* slot->state: what it is, whether the owner sleeps until it is done, and the tag (open) or the thief's number (taken).
 */
#define FORK_OPEN ((uintptr_t)1)
#define FORK_TAKEN ((uintptr_t)2)
#define FORK_DONE_STATE ((uintptr_t)3)
#define FORK_KIND ((uintptr_t)3)
#define FORK_WAITING ((uintptr_t)4)
#define FORK_BITS 3

enum fork_joined {
	FORK_MINE,   /* nobody took it: run it */
	FORK_DONE,   /* a thief ran it, or it was run when the stack was full: here is the result */
	FORK_STOLEN, /* a thief is running it: wait for the slot, then forks_join_stolen() */
};

struct fork_result;

struct forks {
	weir_worker face; /* first: a weir_worker * is a struct forks * */
	weir_fork_slot *base;
	weir_fork_slot *end;
	weir_fork_slot *split; /* the owner's copy of what is in `shared` */
	struct fork_result *kept;
	uint32_t kept_count;
	uint32_t kept_room;
	/* The line that thieves look at. */
	CACHE_ALIGNED _Atomic(uint64_t) shared; /* changes << 40 | tail << 20 | split */
	_Atomic(uint32_t) asked;
};

/* Reserves address space for capacity slots; memory comes as it is touched, first by the owner.
 * Errors: WEIR_EINVAL (0 or above FORKS_CAPACITY_MAX), WEIR_ENOMEM. */
WEIR_MUST_USE weir_status forks_init(struct forks *f, uint32_t capacity);
void forks_fini(struct forks *f);

/* The owner's. head is exact: the first slot not in use; tag: a multiple of 8, what may() sees of what is made public.
 * ----- */

/* A spawn at or above limit, at `head`: serve a request. True: no slot is left. (After a false one, and after the slot
 * is written, call again with head + 1: so the very first child of a lone branch can be given away.) */
bool forks_attend(struct forks *f, weir_fork_slot *head, uintptr_t tag);

/* Keep the result of a child that was run inline, as there was no slot. Ends the program if there is no memory for it.
 */
void forks_keep(struct forks *f, const void *result, size_t bytes);

/* A join below guard. *result is set with FORK_DONE only, and good until the owner's next spawn. */
enum fork_joined forks_join(struct forks *f, weir_fork_slot *slot, uintptr_t tag, void **result);

/* The end of FORK_STOLEN, when forks_done(slot): the child's result, good until the owner's next spawn. */
void *forks_join_stolen(struct forks *f, weir_fork_slot *slot);

/* Make all below head public, before the owner goes away for a while. */
void forks_publish_all(struct forks *f, weir_fork_slot *head, uintptr_t tag);

/* Announce that the owner sleeps until the slot is done. False: it is done already. Take the park ticket before. */
bool forks_await(weir_fork_slot *slot);

/* Anybody's. ----------------------------------------------------------------------------------------------------- */

/* Want the owner to make something public. */
void forks_ask(struct forks *f);

/* Take the oldest public child, if may (NULL: always) agrees to its tag. NULL: nothing public (the owner was asked), or
 * may refused, or *raced: another was faster. may is asked before the slot is taken: what it did must be undone on
 * NULL. thief: the caller's number, for forks_thief(), below 2^29. */
weir_fork_slot *forks_steal(struct forks *f, uint32_t thief, bool (*may)(void *context, uintptr_t tag), void *context,
			    bool *raced);

/* The thief's last touch of the slot, its result being in data. True: the owner sleeps, wake it. */
bool forks_finish(weir_fork_slot *slot);

static inline _Atomic(uintptr_t) *forks_state(weir_fork_slot *slot)
{
	return (_Atomic(uintptr_t) *)&slot->state;
}

/* Who runs a stolen slot; FORK_NOBODY while that is not known, or it is done. */
static inline uint32_t forks_thief(weir_fork_slot *slot)
{
	uintptr_t state = at_load(forks_state(slot), relaxed, none);
	return (state & FORK_KIND) == FORK_TAKEN ? (uint32_t)(state >> FORK_BITS) : FORK_NOBODY;
}

static inline bool forks_done(weir_fork_slot *slot)
{
	/* ORDER(fork_done): acquire, pairs with the exchange in forks_finish(): the result is there. */
	return (at_load(forks_state(slot), acquire, fork_done) & FORK_KIND) == FORK_DONE_STATE;
}

/* Whether the owner sleeps, or is about to, until the slot is done. The thief's. */
static inline bool forks_awaited(weir_fork_slot *slot)
{
	/* ORDER(announce): seq_cst, C of the argument in park.h, its A being the exchange in forks_await(). */
	return at_load(forks_state(slot), seq_cst, announce) & FORK_WAITING;
}

/* The comparison that an inlined spawn makes. */
static inline bool forks_wants_attention(struct forks *f, const weir_fork_slot *head)
{
	return head >= at_load((_Atomic(weir_fork_slot *) *)&f->face.limit, relaxed, none);
}

/* The one that an inlined join makes. */
static inline bool forks_join_wants_attention(struct forks *f, const weir_fork_slot *slot)
{
	return slot < at_load((_Atomic(weir_fork_slot *) *)&f->face.guard, relaxed, none);
}

/* Whether a thief may find something: R of the argument in park.h. */
static inline bool forks_public(struct forks *f)
{
	/* ORDER(announce): seq_cst, pairs with the addition in publish(). */
	uint64_t word = at_load(&f->shared, seq_cst, announce);
	return (word >> 20 & FORKS_CAPACITY_MAX) < (word & FORKS_CAPACITY_MAX);
}

#endif
