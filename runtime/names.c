/* SPDX-License-Identifier: MIT */
/*
 * names.c - what a grant is called.
 *
 * Holds:     a hash table of fixed size, its chains, and entries that are slots (slots.c).
 * Invariant: N1  of those who claim an id, one has it until it is dropped or forgotten.
 *            N2  an entry leaves its chain once, by the hand of one thread, and is used again after that.
 *            N3  who walks believes only what it read from an entry that was in this chain all the while.
 * Progress:  lock-free: nobody waits for a cleaner.
 * Together:  all but create and destroy; names_forget() and names_drop() once per entry.
 * Not here:  what a grant holds, and who releases it (book.c).
 *
 * Claim and forget cost one locked instruction each, on the bucket's head; the grant's release is decided in the book
 * anyway. liburcu's cds_lfht needs four, and entries that stay away for a grace period (docs/rationale.md has numbers).
 *
 * A head is: tag | AGAIN | BUSY | number + 1 of the first entry. Every exchange of a head adds one to its tag, so a
 * head that is seen twice did not change between, and nor did the links behind it:
 *
 *	claim    walk from head h; if the id is not there: CAS h -> my entry         in front only
 *	forget   if I am first and h not BUSY: CAS h -> my next                      then the entry is mine alone
 *	         else: mark my entry ABANDONED, and never touch it again;
 *	         not BUSY: CAS h -> h | BUSY and clean; BUSY: CAS h -> h | AGAIN     always an exchange: its release
 *	clean    take all ABANDONED entries out (only the cleaner changes links behind the first, and only the cleaner
 *	         takes the first away meanwhile); then CAS h -> h - BUSY; if AGAIN is set, once more
 *
 * A link is: generation | number + 1. A claim raises its entry's generation before it writes the fields (release); a
 * walker reads fields (acquire), then the generation once more, and starts again if it is not the link's. An entry that
 * was taken out keeps its link until it is used again: it leads on to all that was behind it and still lives.
 */
#include "runtime/names.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "private/check.h"
#include "private/error.h"

enum { ID_WORDS = NAME_ID_WORDS, NAME_SHIFT = 7 };

/* For the tests, which put all names in one bucket. */
#ifndef NAMES_BUCKETS_MIN
#define NAMES_BUCKETS_MIN 4096
#define NAMES_PER_BUCKET UINT64_C(4) /* at most, on average; a table for a million then stays in 2 MiB */
#endif

#define NUMBER_MASK ((UINT64_C(1) << SLOTS_BITS) - 1)
#define BUSY (UINT64_C(1) << SLOTS_BITS)
#define AGAIN (UINT64_C(2) << SLOTS_BITS)
#define TAG_ONE (UINT64_C(4) << SLOTS_BITS)

/* Values of an entry's grant that are none: handles have a generation above 0 and a slot below NUMBER_MASK. */
#define CLAIMED UINT64_C(0)
#define ABANDONED UINT64_MAX

_Static_assert(sizeof(struct name) <= 1 << NAME_SHIFT, "an entry fits its slot");

struct names {
	struct slots *slots;
	_Atomic(uint64_t) *head;
	uint64_t bucket_mask;
};

/* An id as it is compared: zero-padded words. */
struct key {
	uint64_t word[ID_WORDS];
	uint32_t words; /* those that count, the one with the terminating zero included */
	uint64_t hash;
};

static void name_init(void *memory, uint32_t number, uint64_t generation)
{
	(void)generation;
	struct name *name = memory;
	name->number = number;
	at_init(&name->grant, CLAIMED);
}

static struct name *name_at(struct names *names, uint64_t number_plus_one)
{
	return slots_at(names->slots, (uint32_t)number_plus_one - 1, NAME_SHIFT);
}

static _Atomic(uint64_t) *bucket_of(struct names *names, uint64_t hash)
{
	return &names->head[hash & names->bucket_mask];
}

weir_status names_create(struct names **out, uint32_t names_max)
{
	*out = NULL;
	uint64_t buckets = NAMES_BUCKETS_MIN;
	while (buckets < names_max / NAMES_PER_BUCKET)
		buckets *= 2;
	struct names *names = calloc(1, sizeof(*names));
	/* calloc: a large table's pages are not there before they are used. */
	_Atomic(uint64_t) *head = calloc(buckets, sizeof(*head));
	/* Entries that a cleaner has yet to take out are in use, for the slots. */
	uint32_t slots_max = names_max < SLOTS_MAX - THREADS_MAX ? names_max + THREADS_MAX : SLOTS_MAX;
	if (!names || !head || slots_create(&names->slots, slots_max, 1 << NAME_SHIFT, name_init)) {
		free(head);
		free(names);
		return error_set(WEIR_ENOMEM, "no memory for a table of ids");
	}
	names->head = head;
	names->bucket_mask = buckets - 1;
	*out = names;
	return WEIR_OK;
}

void names_destroy(struct names *names)
{
	if (!names)
		return;
	slots_destroy(names->slots);
	free(names->head);
	free(names);
}

static COLD weir_status not_an_id(const char *id, size_t length)
{
	if (!length)
		return error_set(WEIR_EINVAL, "id %s: give 1 to %d bytes", id ? "\"\"" : "NULL", WEIR_ID_MAX);
	return error_set(WEIR_EINVAL, "id %.*s...: give at most %d bytes", WEIR_ID_MAX, id, WEIR_ID_MAX);
}

/* The last 0 to 7 bytes of an id as a word. Loads that overlap rather than a copy of so many bytes, which would be read
 * back before it is whole. */
static ALWAYS_INLINE uint64_t tail_word(const char *id, size_t length)
{
	size_t rest = length % sizeof(uint64_t);
	uint64_t word = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	if (likely(length >= sizeof(word))) {
		memcpy(&word, id + length - sizeof(word), sizeof(word));
		/* In two steps: a shift by 64 is not defined. */
		return word >> 8 >> (8 * (sizeof(word) - 1 - rest));
	}
#endif
	memcpy(&word, id + length - rest, rest);
	return word;
}

static ALWAYS_INLINE weir_status key_make(struct key *key, const char *id)
{
	size_t length = likely(id) ? strnlen(id, WEIR_ID_MAX + 1) : 0;
	if (unlikely(!length || length > WEIR_ID_MAX))
		return not_an_id(id, length);
	uint32_t whole = (uint32_t)(length / sizeof(uint64_t));
	for (uint32_t i = 0; i < whole; i++)
		memcpy(&key->word[i], id + i * sizeof(uint64_t), sizeof(uint64_t));
	key->word[whole] = tail_word(id, length);
	key->words = whole + 1;
	key->hash = XXH3_64bits(id, length);
	return WEIR_OK;
}

static bool key_matches(const struct key *key, struct name *name)
{
	for (uint32_t i = 0; i < key->words; i++) {
		/* ORDER(name_fields): acquire, pairs with the releases in names_claim(). */
		if (at_load(&name->id[i], acquire, name_fields) != key->word[i])
			return false;
	}
	return true;
}

/* The link to the first entry of a chain, and the head that it was read from. */
static uint64_t first_link(struct names *names, _Atomic(uint64_t) *bucket, uint64_t *head)
{
	/* ORDER(names_head): acquire, pairs with the releases of all exchanges of a head: the entries and links behind
	 * it. */
	uint64_t seen = at_load(bucket, acquire, names_head);
	for (;;) {
		*head = seen;
		uint64_t number = seen & NUMBER_MASK;
		if (!number)
			return 0;
		/* ORDER(name_generation): acquire, keeps the second look at the head behind it. */
		uint64_t generation = at_load(&name_at(names, number)->generation, acquire, name_generation);
		/* ORDER(names_head): acquire, as above, for the next round. */
		seen = at_load(bucket, acquire, names_head);
		if (likely(seen == *head))
			return generation << SLOTS_BITS | number;
	}
}

/* The entry of an id, claimed or bound; NULL if there was none at the time of *head. */
static struct name *look_up(struct names *names, const struct key *key, uint64_t *head, uint64_t *first,
			    uint64_t *grant)
{
	_Atomic(uint64_t) *bucket = bucket_of(names, key->hash);
again:;
	uint64_t link = *first = first_link(names, bucket, head);
	while (link) {
		struct name *name = name_at(names, link & NUMBER_MASK);
		bool matches = key_matches(key, name);
		/* ORDER(name_grant): acquire, pairs with the release in names_bind(): what the claimer did to the
		 * grant. */
		*grant = at_load(&name->grant, acquire, name_grant);
		/* ORDER(name_fields): acquire, pairs with the releases in names_claim() and clean_behind(). */
		uint64_t next = at_load(&name->next, acquire, name_fields);
		/* Relaxed: the acquires before it keep it behind them. */
		if (unlikely(at_load(&name->generation, relaxed, none) != link >> SLOTS_BITS))
			goto again;
		if (matches && *grant != ABANDONED)
			return name;
		link = next;
	}
	return NULL;
}

weir_status names_claim(struct names *names, const char *id, struct name **out)
{
	struct key key;
	if (unlikely(key_make(&key, id)))
		return WEIR_EINVAL;
	uint32_t number = slots_get(names->slots);
	if (unlikely(number == SLOTS_NONE))
		return error_set(WEIR_EFULL, "id %s: no room for more ids", id);
	struct name *name = name_at(names, number + UINT64_C(1));
	/* 40 bits, as in a link. Relaxed: the releases below carry it. */
	uint64_t generation = (at_load(&name->generation, relaxed, none) + 1) & (UINT64_MAX >> SLOTS_BITS);
	at_store(&name->generation, generation, relaxed, none);
	/* ORDER(name_fields): release, pairs with the acquires of walkers and of names_text(): who reads one of these
	 * sees the new generation, and that the last grant is gone. */
	at_store(&name->grant, CLAIMED, release, name_fields);
	for (uint32_t i = 0; i < key.words; i++)
		at_store(&name->id[i], key.word[i], release, name_fields);
	name->hash = key.hash;
	uint64_t head, first, grant;
	_Atomic(uint64_t) *bucket = bucket_of(names, key.hash);
	do {
		if (unlikely(look_up(names, &key, &head, &first, &grant) != NULL)) {
			slots_put(names->slots, number);
			return error_set(WEIR_EEXIST, "id %s: in use", id);
		}
		/* ORDER(name_fields): release, as above. */
		at_store(&name->next, first, release, name_fields);
		/* ORDER(names_head): release, pairs with the acquire in first_link(): the entry is whole. It fails if
		 * anything was put in front meanwhile, so what look_up() did not find is not there. */
	} while (!at_cas(bucket, &head, ((head & ~NUMBER_MASK) + TAG_ONE) | (number + UINT64_C(1)), release, relaxed,
			 names_head));
	*out = name;
	return WEIR_OK;
}

/* Take an entry out of its chain's front: it is in nobody's hand but ours. */
static void put_out(struct names *names, struct name *name)
{
	at_store(&name->grant, CLAIMED, relaxed, none);
	slots_put(names->slots, name->number);
}

static bool abandoned(struct name *name)
{
	/* ORDER(name_abandoned): acquire, pairs with the release in forget(): its owner is through with it. */
	return at_load(&name->grant, acquire, name_abandoned) == ABANDONED;
}

/* Take the abandoned entries out that stand behind the first. BUSY is ours, so that links only change by our hand. */
static void clean_behind(struct names *names, struct name *first)
{
	struct name *before = first;
	uint64_t link;
	while ((link = at_load(&before->next, relaxed, none)) != 0) {
		struct name *name = name_at(names, link & NUMBER_MASK);
		if (!abandoned(name)) {
			before = name;
			continue;
		}
		/* ORDER(name_fields): release, pairs with the acquire in look_up(): what the link leads to is whole. */
		at_store(&before->next, at_load(&name->next, relaxed, none), release, name_fields);
		put_out(names, name);
	}
}

/* Called with BUSY ours; gives it back. */
static NOINLINE void clean(struct names *names, _Atomic(uint64_t) *bucket)
{
	for (;;) {
		/* ORDER(names_head): acquire: links and abandoned entries behind it. */
		uint64_t head = at_load(bucket, acquire, names_head);
		struct name *first = head & NUMBER_MASK ? name_at(names, head & NUMBER_MASK) : NULL;
		uint64_t wanted = (head & ~(NUMBER_MASK | AGAIN)) + TAG_ONE;
		if (first && abandoned(first)) {
			uint64_t next = at_load(&first->next, relaxed, none) & NUMBER_MASK;
			/* ORDER(names_head): acq_rel: takes the front away, and a wish for another round. It fails if
			 * something was put in front. */
			if (at_cas(bucket, &head, wanted | next, acq_rel, relaxed, names_head))
				put_out(names, first);
			continue;
		}
		if (first)
			clean_behind(names, first);
		/* One round for each wish: whoever set AGAIN abandoned its entry before. */
		wanted = head & AGAIN ? wanted | (head & NUMBER_MASK) : (wanted - BUSY) | (head & NUMBER_MASK);
		/* ORDER(names_head): acq_rel: release for the links that we changed; acquire for what was abandoned
		 * before AGAIN. It fails if something was put in front or abandoned meanwhile: then once more. */
		if (at_cas(bucket, &head, wanted, acq_rel, relaxed, names_head) && !(wanted & BUSY))
			return;
	}
}

/* Take an entry out of use. */
static void forget(struct names *names, struct name *name)
{
	_Atomic(uint64_t) *bucket = bucket_of(names, name->hash);
	uint64_t number = name->number + UINT64_C(1);
	/* ORDER(names_head): acquire: our link, which a cleaner may have changed. */
	uint64_t head = at_load(bucket, acquire, names_head);
	while (likely((head & (BUSY | NUMBER_MASK)) == number)) {
		uint64_t next = at_load(&name->next, relaxed, none) & NUMBER_MASK;
		/* ORDER(names_head): release, pairs with the acquire in first_link(); acquire on failure, as above. */
		if (likely(at_cas(bucket, &head, ((head & ~NUMBER_MASK) + TAG_ONE) | next, acq_rel, acquire,
				  names_head))) {
			put_out(names, name);
			return;
		}
	}
	/* ORDER(name_abandoned): release, pairs with the acquire in abandoned(): we never touch it again. */
	at_store(&name->grant, ABANDONED, release, name_abandoned);
	uint64_t wish;
	do {
		wish = head & BUSY ? AGAIN : BUSY;
		/* ORDER(names_head): acq_rel: release, the cleaner that takes our wish sees what we abandoned; acquire,
		 * if the cleaner is us. */
	} while (!at_cas(bucket, &head, (head + TAG_ONE) | wish, acq_rel, relaxed, names_head));
	if (wish == BUSY)
		clean(names, bucket);
}

void names_drop(struct names *names, struct name *name)
{
	DEBUG_CHECK("N2", at_load(&name->grant, relaxed, none) == CLAIMED);
	forget(names, name);
}

weir_status names_find(struct names *names, const char *id, weir_grant *out)
{
	struct key key;
	uint64_t head, first;
	*out = (weir_grant){0};
	if (unlikely(key_make(&key, id)))
		return WEIR_EINVAL;
	uint64_t grant;
	if (unlikely(!look_up(names, &key, &head, &first, &grant) || grant == CLAIMED))
		return error_set(WEIR_ENOENT, "id %s: unknown, or released before", id);
	out->handle = grant;
	return WEIR_OK;
}

static struct name *name_of_number(struct names *names, uint32_t number)
{
	return number && number <= SLOTS_MAX ? slots_find(names->slots, number - 1, NAME_SHIFT) : NULL;
}

void names_forget(struct names *names, uint32_t number, weir_grant grant)
{
	struct name *name = name_of_number(names, number);
	/* ORDER(name_grant): acquire, pairs with the release in names_bind(): the claimer's hash. */
	if (name && grant.handle && at_load(&name->grant, acquire, name_grant) == grant.handle)
		forget(names, name);
}

bool names_text(struct names *names, uint32_t number, weir_grant grant, char out[WEIR_ID_MAX + 1])
{
	struct name *name = name_of_number(names, number);
	uint64_t word[ID_WORDS];
	out[0] = '\0';
	/* ORDER(name_grant): acquire, pairs with the release in names_bind(): the id is at least this grant's. */
	if (!name || !grant.handle || at_load(&name->grant, acquire, name_grant) != grant.handle)
		return false;
	for (size_t i = 0; i < ID_WORDS; i++) {
		/* ORDER(name_fields): acquire, pairs with the releases in names_claim(). */
		word[i] = at_load(&name->id[i], acquire, name_fields);
	}
	/* Relaxed: the acquires before it keep it behind them. Grants are never the same twice, so it is still the same
	 * use. */
	if (at_load(&name->grant, relaxed, none) != grant.handle)
		return false;
	memcpy(out, word, sizeof(word));
	out[WEIR_ID_MAX] = '\0';
	return true;
}

uint64_t names_count(struct names *names)
{
	return slots_count(names->slots);
}
