/* SPDX-License-Identifier: MIT */
/* forks.c - the slow paths of fork-join. The protocol is argued in forks.h. */
#include "runtime/forks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "private/check.h"
#include "private/error.h"

struct fork_result {
	_Alignas(16) unsigned char data[WEIR_FORK_BYTES];
};

_Static_assert(offsetof(struct forks, face) == 0, "a weir_worker * is a struct forks *");
_Static_assert(offsetof(weir_fork_slot, data) % _Alignof(struct fork_result) == 0,
	       "kept results are aligned like slots");

/* F8: what inlined spawns and joins read and write is one line, and what thieves exchange, or look at again and again, another. */
_Static_assert(offsetof(struct forks, face.head) + sizeof(weir_fork_slot *) <= CACHE_LINE,
	       "what they use is in the first line");
_Static_assert(offsetof(struct forks, shared) % CACHE_LINE == 0 && offsetof(struct forks, shared) >= CACHE_LINE,
	       "the thieves' line begins with the word");
_Static_assert(offsetof(struct forks, asked) / CACHE_LINE == offsetof(struct forks, shared) / CACHE_LINE,
	       "a request is looked at in the thieves' line");
_Static_assert(sizeof(weir_fork_slot) == CACHE_LINE, "a forked child is a line");

#define TAIL_ONE (UINT64_C(1) << 20)
#define CHANGE_ONE (UINT64_C(1) << 40)
#define GUARD_ALL ((weir_fork_slot *)UINTPTR_MAX)

static inline uint32_t tail_of(uint64_t word)
{
	return (uint32_t)(word >> 20) & FORKS_CAPACITY_MAX;
}

static inline uint32_t split_of(uint64_t word)
{
	return (uint32_t)word & FORKS_CAPACITY_MAX;
}

/* The word after `word`: the owner changed it to this. The count is on top, so it wraps for itself. */
static inline uint64_t changed(uint64_t word, uint32_t tail, uint32_t split)
{
	return ((word & ~(CHANGE_ONE - 1)) + CHANGE_ONE) | (uint64_t)tail * TAIL_ONE | split;
}

static inline _Atomic(weir_fork_slot *) *limit_of(struct forks *f)
{
	return (_Atomic(weir_fork_slot *) *)&f->face.limit;
}

static inline _Atomic(weir_fork_slot *) *guard_of(struct forks *f)
{
	return (_Atomic(weir_fork_slot *) *)&f->face.guard;
}

weir_status forks_init(struct forks *f, uint32_t capacity)
{
	if (capacity == 0 || capacity > FORKS_CAPACITY_MAX)
		return error_set(WEIR_EINVAL, "room for %u forked children: give 1 to %u", capacity,
				 FORKS_CAPACITY_MAX);
	memset(f, 0, sizeof(*f));
	void *slots = mmap(NULL, ((size_t)capacity + 1) * sizeof(weir_fork_slot), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (slots == MAP_FAILED)
		return error_set_errno(WEIR_ENOMEM, errno, "no address space for %u forked children", capacity);
	/* Of these pages only the first are used, mostly: a huge one for each worker would be taken for a few slots. */
	(void)madvise(slots, ((size_t)capacity + 1) * sizeof(weir_fork_slot), MADV_NOHUGEPAGE);
	f->base = slots;
	f->end = f->base + capacity;
	f->split = f->base;
	f->face.head = f->base;
	at_init(limit_of(f), f->end);
	at_init(guard_of(f), f->split);
	at_init(&f->shared, 0);
	at_init(&f->asked, 0);
	return WEIR_OK;
}

void forks_fini(struct forks *f)
{
	if (f->base)
		munmap(f->base, ((size_t)(f->end - f->base) + 1) * sizeof(weir_fork_slot));
	free(f->kept);
	memset(f, 0, sizeof(*f));
}

static inline bool wanted(struct forks *f)
{
	return !at_load(limit_of(f), relaxed, none);
}

/* Let joins of private slots be fast again, unless results are kept (F4) or somebody waits for more. */
static void restore_guard(struct forks *f)
{
	weir_fork_slot *guard = f->kept_count || wanted(f) ? GUARD_ALL : f->split;
	/* ORDER(fork_ask): acquire, pairs with the release in forks_ask(): if we took a request out, we see its limit.
	 */
	weir_fork_slot *old = at_swap(guard_of(f), guard, acquire, fork_ask);
	if (guard != GUARD_ALL && old == GUARD_ALL && wanted(f))
		at_store(guard_of(f), GUARD_ALL, relaxed, none);
}

/* Something is public now: fast spawns and joins again, and thieves may ask anew. */
static void answered(struct forks *f)
{
	at_store(limit_of(f), f->end, relaxed, none);
	/* ORDER(fork_ask): release, pairs with the exchange in forks_ask(): its limit comes after ours. */
	at_store(&f->asked, 0, release, fork_ask);
	restore_guard(f);
}

/* [split, to) becomes public. */
static void publish(struct forks *f, weir_fork_slot *to, uintptr_t tag)
{
	DEBUG_CHECK("F1", to > f->split && to <= f->end);
	for (weir_fork_slot *s = f->split; s < to; s++)
		at_store(forks_state(s), tag | FORK_OPEN, relaxed, none);
	/*
	 * ORDER(fork_public): release, pairs with the exchange in forks_steal(): the thief sees function, arguments and
	 * state. ORDER(announce): seq_cst, P of the argument in park.h: the owner looks for idle workers next.
	 */
	at_add(&f->shared, CHANGE_ONE + (uint64_t)(to - f->split), seq_cst, announce);
	f->split = to;
}

/* Half of [split, head) for who asked. With nothing private and nothing public the request stays. */
static void serve(struct forks *f, weir_fork_slot *head, uintptr_t tag)
{
	uint64_t word = at_load(&f->shared, relaxed, none);
	if (tail_of(word) == split_of(word)) {
		if (head <= f->split)
			return;
		publish(f, f->split + (head - f->split + 1) / 2, tag);
	}
	answered(f);
}

bool forks_attend(struct forks *f, weir_fork_slot *head, uintptr_t tag)
{
	if (wanted(f))
		serve(f, head < f->end ? head : f->end, tag);
	return head >= f->end;
}

void forks_publish_all(struct forks *f, weir_fork_slot *head, uintptr_t tag)
{
	if (head > f->end)
		head = f->end;
	if (head > f->split) {
		publish(f, head, tag);
		answered(f);
	}
}

void forks_keep(struct forks *f, const void *result, size_t bytes)
{
	CHECK("F4", bytes <= WEIR_FORK_BYTES);
	if (f->kept_count == f->kept_room) {
		uint32_t room = f->kept_room ? f->kept_room * 2 : 64;
		struct fork_result *kept = reallocarray(f->kept, room, sizeof(*kept));
		CHECK("F4", kept && room > f->kept_room);
		f->kept = kept;
		f->kept_room = room;
	}
	if (bytes)
		memcpy(f->kept[f->kept_count].data, result, bytes);
	f->kept_count++;
	/* Not over a request: restore_guard() is to take out who asked, and not ourselves.
	 * ORDER(fork_ask): acquire, pairs with the release in forks_ask(): if we took a request out, we see its limit. */
	if (at_load(guard_of(f), relaxed, none) != GUARD_ALL)
		(void)at_swap(guard_of(f), GUARD_ALL, acquire, fork_ask);
}

/* A public slot, the newest of all, is joined: take it back and half of the other public ones with it. */
static enum fork_joined take_back(struct forks *f, weir_fork_slot *slot, void **result)
{
	CHECK("F1", f->split == slot + 1);
	uint32_t index = (uint32_t)(slot - f->base);
	uint64_t word = at_load(&f->shared, relaxed, none);
	while (tail_of(word) <= index) {
		uint32_t tail = tail_of(word);
		uint32_t split = tail + (index - tail) / 2;
		/*
		 * ORDER(fork_public): relaxed is enough: we take what we wrote ourselves, and of [tail, split) the
		 * release in publish() still holds, as an exchange continues its release sequence. Failure: a thief
		 * moved tail.
		 */
		if (at_cas_weak(&f->shared, &word, changed(word, tail, split), relaxed, relaxed, fork_public)) {
			f->split = f->base + split;
			restore_guard(f);
			return FORK_MINE;
		}
	}
	if (!forks_done(slot))
		return FORK_STOLEN;
	*result = forks_join_stolen(f, slot);
	return FORK_DONE;
}

enum fork_joined forks_join(struct forks *f, weir_fork_slot *slot, uintptr_t tag, void **result)
{
	if (slot >= f->end) {
		CHECK("F4", f->kept_count);
		*result = f->kept[--f->kept_count].data;
		restore_guard(f);
		return FORK_DONE;
	}
	if (wanted(f))
		serve(f, slot, tag);
	if (slot < f->split)
		return take_back(f, slot, result);
	restore_guard(f);
	return FORK_MINE;
}

void *forks_join_stolen(struct forks *f, weir_fork_slot *slot)
{
	uint32_t index = (uint32_t)(slot - f->base);
	uint64_t word = at_load(&f->shared, relaxed, none);
	CHECK("F3", forks_done(slot) && tail_of(word) == index + 1 && split_of(word) == index + 1);
	/* ORDER(fork_public): relaxed: nothing is public, so no thief can exchange the word and none reads a slot
	 * through it. */
	at_store(&f->shared, changed(word, index, index), relaxed, fork_public);
	f->split = slot;
	restore_guard(f);
	return slot->data;
}

void forks_ask(struct forks *f)
{
	if (at_load(&f->asked, relaxed, none))
		return;
	/* ORDER(fork_ask): acquire, pairs with the release in answered(): limit is overwritten after it was restored.
	 */
	if (at_swap(&f->asked, 1, acquire, fork_ask))
		return;
	at_store(limit_of(f), NULL, relaxed, none);
	/* ORDER(fork_ask): release, pairs with the exchange in restore_guard(): who takes this out sees limit. */
	at_store(guard_of(f), GUARD_ALL, release, fork_ask);
}

weir_fork_slot *forks_steal(struct forks *f, uint32_t thief, bool (*may)(void *context, uintptr_t tag), void *context,
			    bool *raced)
{
	*raced = false;
	/* ORDER(fork_public): acquire, pairs with the release in publish(): the state that we read is this
	 * publication's. ORDER(announce): seq_cst, R of the argument in park.h. */
	uint64_t word = at_load(&f->shared, seq_cst, announce);
	if (tail_of(word) >= split_of(word)) {
		forks_ask(f);
		return NULL;
	}
	weir_fork_slot *slot = f->base + tail_of(word);
	uintptr_t state = at_load(forks_state(slot), relaxed, none);
	if ((state & FORK_KIND) != FORK_OPEN) {
		*raced = true; /* taken since we looked */
		return NULL;
	}
	if (may && !may(context, state & ~(uintptr_t)(FORK_KIND | FORK_WAITING)))
		return NULL;
	/* ORDER(fork_public): acquire, pairs with the release in publish(). Release is not needed: the owner reads
	 * nothing of ours before the slot is done. Failure: the slot is not ours, nothing that was read is used. */
	if (!at_cas(&f->shared, &word, word + TAIL_ONE, acquire, relaxed, fork_public)) {
		*raced = true;
		return NULL;
	}
	/* Fails if the owner sleeps on it already; it goes on sleeping, but may look where to help when it is woken. */
	while (!at_cas_weak(forks_state(slot), &state,
			    (uintptr_t)thief << FORK_BITS | FORK_TAKEN | (state & FORK_WAITING), relaxed, relaxed,
			    none))
		;
	return slot;
}

bool forks_finish(weir_fork_slot *slot)
{
	/*
	 * ORDER(fork_done): release, pairs with the acquire in forks_done() and forks_await(): the owner sees the
	 * result and we are done with the slot (F3). Acquire, pairs with the exchange in forks_await(): the ticket was
	 * read before our wake.
	 */
	return at_swap(forks_state(slot), FORK_DONE_STATE, acq_rel, fork_done) & FORK_WAITING;
}

bool forks_await(weir_fork_slot *slot)
{
	/* ORDER(fork_done): acquire, pairs with the exchange in forks_finish(). */
	uintptr_t state = at_load(forks_state(slot), acquire, fork_done);
	do {
		if ((state & FORK_KIND) == FORK_DONE_STATE)
			return false;
		/* ORDER(fork_done): release, pairs with the acquire in forks_finish(): the park ticket was read before.
		 * Failure is acquire: it may have read that the slot is done. ORDER(announce): seq_cst, A of the argument
		 * in park.h: the owner looks at what its thief has public next. */
	} while (!at_cas_weak(forks_state(slot), &state, state | FORK_WAITING, seq_cst, acquire, announce));
	return true;
}
