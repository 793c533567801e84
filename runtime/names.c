/* SPDX-License-Identifier: MIT */
/*
 * names.c - what a grant is called.
 *
 * Holds:     liburcu's lock-free hash table of entries; entries are slots (slots.c), so they have numbers too.
 * Invariant: N1  of those who claim an id, one has it until it is dropped or removed.
 *            N2  of those who remove a bound id, one wins: the one for whom cds_lfht_del() succeeds.
 *            N3  an entry is used again only after a grace period: whoever may still walk past it has left.
 *            N4  at most NAMES_BACKLOG_MAX removed entries wait for their grace period (and a batch per thread).
 * Progress:  lock-free, but: the claim that finds the table too small doubles it, and a removal beyond N4 waits for a
 *            grace period.
 * Together:  all but create and destroy.
 * Not here:  what a grant holds (book.c).
 *
 * Removed entries are gathered per thread number and handed to call_rcu() a batch at a time: one call, and one node of
 * liburcu's queue, for 64 entries. The callback puts the batch on the slots' shared stack.
 *
 * An entry's grant is its generation: grants are never the same twice, so who reads grant, id, grant and finds the
 * grant it looks for both times has that grant's id (as book.c does with its state).
 */
#include "runtime/names.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "private/check.h"
#include "private/error.h"
#include "private/rcu.h"
#include "runtime/slots.h"

/* After the flavour. */
#include <urcu/rculfhash.h>

enum {
	ID_WORDS = (WEIR_ID_MAX + 1) / 8,
	NAME_SHIFT = 7,
	BATCH = SLOTS_BATCH,
	BUCKETS_MIN = 256,
};

#ifndef NAMES_BACKLOG_MAX
#define NAMES_BACKLOG_MAX (256u * 1024)
#endif

struct name {
	struct slot_link link;
	struct cds_lfht_node node;
	_Atomic(uint64_t) grant;	/* 0 while free, claimed, or removed */
	_Atomic(uint64_t) id[ID_WORDS]; /* with its terminating zero; ids of up to 31 bytes stay in one cache line */
	/* Of the first of a batch that waits for its grace period. */
	struct rcu_head waiting;
	struct names *names;
	uint32_t batch;
	uint32_t number; /* for life */
};

_Static_assert(sizeof(struct name) <= 1 << NAME_SHIFT, "an entry fits its slot");

/* The removed entries of one thread number, a chain by link.next; only its holder touches it. */
struct limbo {
	_Alignas(CACHE_LINE) uint32_t first;
	uint32_t count;
};

struct names {
	struct slots *slots;
	struct cds_lfht *table;
	uint32_t buckets_max;
	_Atomic(struct limbo *) limbo[THREADS_MAX + 1]; /* the last, for threads without number, stays NULL */
	_Alignas(CACHE_LINE) _Atomic(uint64_t) backlog; /* handed to call_rcu() and not back yet */
	_Atomic(uint32_t) buckets;
	_Atomic(bool) growing;
};

/* An id as it is compared: zero-padded words. */
struct key {
	uint64_t word[ID_WORDS];
	uint32_t words; /* those that count, the one with the terminating zero included */
	uint64_t hash;
};

static void name_init(void *memory, uint32_t number)
{
	struct name *name = memory;
	name->number = number;
	at_init(&name->grant, 0);
}

static struct name *name_at(struct names *names, uint32_t number)
{
	return slots_at(names->slots, number, NAME_SHIFT);
}

static uint32_t power_of_two(uint32_t least, uint32_t wanted)
{
	while (least < wanted)
		least *= 2;
	return least;
}

weir_status names_create(struct names **out, uint32_t names_max)
{
	*out = NULL;
	struct names *names = aligned_alloc(CACHE_LINE, sizeof(*names));
	if (!names)
		return error_set(WEIR_ENOMEM, "no memory for a table of ids");
	memset(names, 0, sizeof(*names));
	if (names_max > SLOTS_MAX)
		names_max = SLOTS_MAX;
	names->buckets_max = power_of_two(BUCKETS_MIN, names_max);
	at_init(&names->buckets, BUCKETS_MIN);
	names->table = cds_lfht_new(BUCKETS_MIN, BUCKETS_MIN, names->buckets_max, 0, NULL);
	/* Entries that wait for their grace period are in use, for the slots. */
	uint32_t slots_max = names_max + NAMES_BACKLOG_MAX + THREADS_MAX * BATCH;
	weir_status status = slots_create(&names->slots, slots_max, 1 << NAME_SHIFT, name_init);
	if (!names->table && !status)
		status = error_set(WEIR_ENOMEM, "no memory for a table of ids");
	if (status)
		names_destroy(names);
	else
		*out = names;
	return status;
}

void names_destroy(struct names *names)
{
	if (!names)
		return;
	if (names_backlog(names))
		rcu_call_drain();
	if (names->table) {
		struct cds_lfht_iter at;
		struct cds_lfht_node *node;
		rcu_enter();
		cds_lfht_for_each(names->table, &at, node)(void) cds_lfht_del(names->table, node);
		rcu_leave();
		CHECK("N1", cds_lfht_destroy(names->table, NULL) == 0);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(names->limbo); i++)
		free(at_load(&names->limbo[i], relaxed, none));
	slots_destroy(names->slots);
	free(names);
}

/* False: not an id, and the error text says why. */
static bool key_make(struct key *key, const char *id)
{
	size_t length = id ? strnlen(id, WEIR_ID_MAX + 1) : 0;
	if (unlikely(!length || length > WEIR_ID_MAX)) {
		error_set(WEIR_EINVAL, "id %s: give 1 to %d bytes",
			  !id	   ? "NULL"
			  : length ? "too long"
				   : "\"\"",
			  WEIR_ID_MAX);
		return false;
	}
	memset(key->word, 0, sizeof(key->word));
	memcpy(key->word, id, length);
	key->words = (uint32_t)(length / sizeof(uint64_t)) + 1;
	key->hash = XXH3_64bits(id, length);
	return true;
}

static int key_matches(struct cds_lfht_node *node, const void *context)
{
	const struct key *key = context;
	struct name *name = container_of(node, struct name, node);
	for (uint32_t i = 0; i < key->words; i++) {
		/* ORDER(name_text): acquire, pairs with the release in names_claim(): a new entry's first contents. */
		if (at_load(&name->id[i], acquire, name_text) != key->word[i])
			return 0;
	}
	return 1;
}

/* Double the table until it has a bucket for each entry in use. Not inside a read-side section. */
static COLD void grow(struct names *names, uint64_t in_use)
{
	if (at_swap(&names->growing, true, relaxed, none))
		return;
	uint32_t buckets = at_load(&names->buckets, relaxed, none);
	uint32_t wanted = power_of_two(buckets, in_use < names->buckets_max ? (uint32_t)in_use : names->buckets_max);
	if (wanted > buckets) {
		/* Large steps make liburcu start helpers for a moment: the application's signals are not for them. */
		sigset_t all, before;
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		if (!rcu_thread_registered)
			rcu_thread_register();
		cds_lfht_resize(names->table, wanted);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
		at_store(&names->buckets, wanted, relaxed, none);
	}
	/* Relaxed: the resize has its own mutex; a stale `buckets` asks for a size that is there. */
	at_store(&names->growing, false, relaxed, none);
}

/* Called for one claim in 64: new entries come in runs, so a table that fills up is noticed in time. */
static void grow_if_needed(struct names *names)
{
	uint64_t made = at_load(&names->slots->made, relaxed, none);
	uint64_t backlog = names_backlog(names);
	uint64_t in_use = made > backlog ? made - backlog : 0;
	uint32_t buckets = at_load(&names->buckets, relaxed, none);
	if (unlikely(in_use > buckets && buckets < names->buckets_max) && !rcu_inside())
		grow(names, in_use);
}

weir_status names_claim(struct names *names, const char *id, struct name **out)
{
	struct key key;
	if (!key_make(&key, id))
		return WEIR_EINVAL;
	uint32_t number = slots_get(names->slots);
	if (unlikely(number == SLOTS_NONE))
		return error_set(WEIR_EFULL, "id %s: no room for more ids", id);
	struct name *name = name_at(names, number);
	for (uint32_t i = 0; i < key.words; i++) {
		/* ORDER(name_text): release, pairs with the acquire in names_text(): whoever reads a word of this id
		 * sees that the grant which had the entry before is gone. */
		at_store(&name->id[i], key.word[i], release, name_text);
	}
	rcu_enter();
	struct cds_lfht_node *winner = cds_lfht_add_unique(names->table, key.hash, key_matches, &key, &name->node);
	rcu_leave();
	if (unlikely(winner != &name->node)) {
		/* It never was in the table: no grace period. */
		slots_put(names->slots, number);
		return error_set(WEIR_EEXIST, "id %s: in use", id);
	}
	if (unlikely(number % BATCH == 0))
		grow_if_needed(names);
	*out = name;
	return WEIR_OK;
}

void names_bind(struct name *name, weir_grant grant)
{
	/* ORDER(name_grant): release, pairs with the acquires in names_find(), names_remove() and names_text(): the id,
	 * and what the claimer did to the grant. */
	at_store(&name->grant, grant.handle, release, name_grant);
}

/* The grace period of a batch is over. Called in liburcu's thread. */
static void batch_returns(struct rcu_head *head)
{
	rcu_callback_begin();
	struct name *first = container_of(head, struct name, waiting);
	struct names *names = first->names;
	uint32_t count = first->batch;
	slots_put_chain(names->slots, first->number, count);
	/* ORDER(names_backlog): release, pairs with the acquire in names_backlog(): names_destroy() must not free what
	 * this callback has in hand; it looks, and then waits for callbacks. */
	at_sub(&names->backlog, count, release, names_backlog);
	rcu_callback_end();
}

static NOINLINE void batch_leaves(struct names *names, struct name *first, uint32_t count)
{
	uint64_t backlog = at_add(&names->backlog, count, relaxed, none) + count;
	first->names = names;
	first->batch = count;
	if (unlikely(backlog > NAMES_BACKLOG_MAX) && !rcu_inside()) {
		rcu_synchronize_all();
		batch_returns(&first->waiting);
	} else {
		rcu_call(&first->waiting, batch_returns);
	}
}

static COLD struct limbo *make_limbo(struct names *names)
{
	uint32_t index = thread_index();
	struct limbo *limbo = index < THREADS_MAX ? aligned_alloc(CACHE_LINE, sizeof(*limbo)) : NULL;
	if (limbo) {
		*limbo = (struct limbo){.first = SLOTS_NONE};
		/* Relaxed: only the number's holders read it, and edge thread_index orders these. */
		at_store(&names->limbo[index], limbo, relaxed, none);
	}
	return limbo;
}

/* An entry that is out of the table: it may be used again after a grace period. */
static void retire(struct names *names, struct name *name)
{
	struct limbo *limbo = at_load(&names->limbo[thread_index()], relaxed, none);
	if (unlikely(!limbo) && !(limbo = make_limbo(names))) {
		name->link.next = SLOTS_NONE;
		batch_leaves(names, name, 1);
		return;
	}
	name->link.next = limbo->first;
	limbo->first = name->number;
	if (unlikely(++limbo->count == BATCH)) {
		limbo->first = SLOTS_NONE;
		limbo->count = 0;
		batch_leaves(names, name, BATCH);
	}
}

/* Take an entry out of the table, inside a read-side section. True: the caller is the one who did. */
static bool strike_out(struct names *names, struct name *name)
{
	if (cds_lfht_del(names->table, &name->node))
		return false;
	/* Relaxed: who uses the entry again writes its id by releases, behind this. */
	at_store(&name->grant, 0, relaxed, none);
	return true;
}

void names_drop(struct names *names, struct name *name)
{
	rcu_enter();
	bool mine = strike_out(names, name);
	rcu_leave();
	CHECK("N1", mine);
	retire(names, name);
}

/* Inside a read-side section. The entry of a bound id and its grant, or NULL. */
static struct name *look_up(struct names *names, const struct key *key, weir_grant *grant)
{
	struct cds_lfht_iter at;
	cds_lfht_lookup(names->table, key->hash, key_matches, key, &at);
	struct cds_lfht_node *node = cds_lfht_iter_get_node(&at);
	if (!node)
		return NULL;
	struct name *name = container_of(node, struct name, node);
	/* ORDER(name_grant): acquire, pairs with the release in names_bind(). */
	grant->handle = at_load(&name->grant, acquire, name_grant);
	return grant->handle ? name : NULL;
}

static COLD weir_status unknown(const char *id)
{
	return error_set(WEIR_ENOENT, "id %s: unknown, or released before", id);
}

weir_status names_remove(struct names *names, const char *id, weir_grant *out)
{
	struct key key;
	if (!key_make(&key, id))
		return WEIR_EINVAL;
	rcu_enter();
	struct name *name = look_up(names, &key, out);
	bool mine = name && strike_out(names, name);
	rcu_leave();
	if (unlikely(!mine)) {
		*out = (weir_grant){0};
		return unknown(id);
	}
	retire(names, name);
	return WEIR_OK;
}

weir_status names_find(struct names *names, const char *id, weir_grant *out)
{
	struct key key;
	if (!key_make(&key, id))
		return WEIR_EINVAL;
	rcu_enter();
	bool found = look_up(names, &key, out) != NULL;
	rcu_leave();
	if (found)
		return WEIR_OK;
	*out = (weir_grant){0};
	return unknown(id);
}

/* Slot 0 is a name's, 0 is no number. */
uint32_t names_number(const struct name *name)
{
	return name->number + 1;
}

static struct name *name_of_number(struct names *names, uint32_t number)
{
	return number && number <= SLOTS_MAX ? name_at(names, number - 1) : NULL;
}

bool names_text(struct names *names, uint32_t number, weir_grant grant, char out[WEIR_ID_MAX + 1])
{
	struct name *name = name_of_number(names, number);
	uint64_t word[ID_WORDS] = {0};
	out[0] = '\0';
	/* ORDER(name_grant): acquire, pairs with the release in names_bind(): the id is at least this grant's. */
	if (!name || at_load(&name->grant, acquire, name_grant) != grant.handle)
		return false;
	for (size_t i = 0; i < ID_WORDS; i++) {
		/* ORDER(name_text): acquire, pairs with the release in names_claim(). */
		word[i] = at_load(&name->id[i], acquire, name_text);
	}
	if (at_load(&name->grant, relaxed, none) != grant.handle)
		return false;
	memcpy(out, word, sizeof(word));
	out[WEIR_ID_MAX] = '\0';
	return true;
}

bool names_forget(struct names *names, uint32_t number, weir_grant grant)
{
	struct name *name = name_of_number(names, number);
	if (!name)
		return false;
	rcu_enter();
	/* ORDER(name_grant): acquire, pairs with the release in names_bind(). It has this grant inside our section, so
	 * it was not removed before the section began, and is not used again before it ends (N3). */
	bool mine = at_load(&name->grant, acquire, name_grant) == grant.handle && strike_out(names, name);
	rcu_leave();
	if (mine)
		retire(names, name);
	return mine;
}

uint64_t names_backlog(struct names *names)
{
	/* ORDER(names_backlog): acquire, pairs with the release in batch_returns(). */
	return at_load(&names->backlog, acquire, names_backlog);
}
