/* SPDX-License-Identifier: MIT */
/*
 * names_race.h - threads that take and release under ids, with a real book: for names_test.c, and for
 * names_chain_test.c, where all ids share one chain.
 */
#ifndef TESTS_NAMES_RACE_H
#define TESTS_NAMES_RACE_H

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "private/atomics.h"
#include "private/error.h"
#include "runtime/book.h"
#include "runtime/names.h"

enum { RACE_THREADS = 8, RACE_IDS = 5 };

static uint64_t seed;

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void seed_read(void)
{
	const char *given = getenv("WEIR_TEST_SEED");
	seed = given ? strtoull(given, NULL, 0) : UINT64_C(20261123);
	print_message("WEIR_TEST_SEED=%" PRIu64 "\n", seed);
}

struct race {
	struct names *names;
	struct book *book;
	_Atomic(uint32_t) owners[RACE_IDS]; /* between claim and bind an id has one */
	_Atomic(uint64_t) taken;
	_Atomic(uint64_t) released;
	_Atomic(uint64_t) wrong;
	_Atomic(uint32_t) threads;
	uint32_t rounds;
};

static void race_wrong(struct race *race, bool wrong)
{
	if (wrong)
		at_add(&race->wrong, 1, relaxed, none);
}

/* What the tracker does: record.main says whose grant it is. */
static bool race_take(struct race *race, const char *id, uint64_t main, weir_grant *grant, uint32_t owned)
{
	struct name *name;
	if (names_claim(race->names, id, &name))
		return false;
	if (owned < RACE_IDS) {
		race_wrong(race, at_add(&race->owners[owned], 1, relaxed, none) != 0);
		at_sub(&race->owners[owned], 1, relaxed, none);
	}
	if (main == UINT64_MAX) {
		names_drop(race->names, name);
		return false;
	}
	struct book_record record = {.main = main, .name = names_number(name)};
	uint32_t slot = book_reserve(race->book);
	names_bind(name, book_handle(race->book, slot));
	*grant = book_publish(race->book, slot, &record);
	at_add(&race->taken, 1, relaxed, none);
	return true;
}

/* True: it was us. */
static bool race_give(struct race *race, weir_grant grant, uint64_t main)
{
	struct book_record record;
	if (book_unpublish(race->book, grant, &record))
		return false;
	race_wrong(race, record.main != main);
	names_forget(race->names, record.name, grant);
	at_add(&race->released, 1, relaxed, none);
	return true;
}

/* All threads want the same few ids. */
static void *race_thread(void *argument)
{
	struct race *race = argument;
	uint64_t random = seed + 1000 * (at_add(&race->threads, 1, relaxed, none) + 1);
	for (uint32_t i = 0; i < race->rounds; i++) {
		uint32_t id = (uint32_t)(next_random(&random) % RACE_IDS);
		char text[WEIR_ID_MAX + 1], seen[WEIR_ID_MAX + 1];
		snprintf(text, sizeof(text), "the same id for everybody, number %u", id);
		weir_grant grant;
		struct book_record record;
		switch (random >> 32 & 3) {
		case 0:
			if (names_find(race->names, text, &grant) || book_read(race->book, grant, &record))
				break;
			race_wrong(race, record.main != id);
			race_wrong(race, names_text(race->names, record.name, grant, seen) && strcmp(seen, text));
			break;
		case 1:
			if (!names_find(race->names, text, &grant))
				race_give(race, grant, id);
			break;
		default:
			if (race_take(race, text, random >> 40 & 3 ? id : UINT64_MAX, &grant, id) && random >> 50 & 1)
				race_give(race, grant, id);
		}
	}
	return NULL;
}

/* Each thread's own ids come and go, 50 at a time, while it looks for others'. */
static void *churn_thread(void *argument)
{
	enum { LIVE = 50 };
	struct race *race = argument;
	uint32_t me = at_add(&race->threads, 1, relaxed, none);
	uint64_t random = seed + 77 * (me + 1);
	for (uint32_t i = 0; i < race->rounds + LIVE; i++) {
		char own[WEIR_ID_MAX + 1], other[WEIR_ID_MAX + 1];
		weir_grant grant;
		struct book_record record;
		snprintf(own, sizeof(own), "%u/%u", me, i);
		if (i < race->rounds)
			race_wrong(race, !race_take(race, own, me, &grant, RACE_IDS));
		snprintf(other, sizeof(other), "%" PRIu64 "/%u", next_random(&random) % RACE_THREADS, i);
		if (!names_find(race->names, other, &grant) && !book_read(race->book, grant, &record))
			race_wrong(race, record.main != strtoul(other, NULL, 10));
		if (i < LIVE)
			continue;
		/* In and out of order, so that the entries leave from all places of their chains. */
		snprintf(own, sizeof(own), "%u/%u", me, (i - LIVE) ^ 1);
		race_wrong(race, names_find(race->names, own, &grant) || !race_give(race, grant, me));
		race_wrong(race, !names_find(race->names, own, &grant));
	}
	return NULL;
}

static struct race *race_run(uint32_t names_max, uint32_t rounds, void *(*thread)(void *))
{
	struct race *race = calloc(1, sizeof(*race));
	assert_int_equal(names_create(&race->names, names_max), WEIR_OK);
	assert_int_equal(book_create(&race->book, 1u << 20), WEIR_OK);
	race->rounds = rounds;
	pthread_t threads[RACE_THREADS];
	for (int i = 0; i < RACE_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, thread, race), 0);
	for (int i = 0; i < RACE_THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(at_load(&race->wrong, relaxed, none), 0);
	assert_int_equal(at_load(&race->taken, relaxed, none) - at_load(&race->released, relaxed, none),
			 book_count(race->book));
	assert_int_equal(names_count(race->names), book_count(race->book));
	return race;
}

static void race_end(struct race *race)
{
	names_destroy(race->names);
	book_destroy(race->book);
	free(race);
}

/* N1: many threads claim the same few ids, and release them by id and by handle. Fails if an id has two owners, if a
 * grant is released under another's id, or if what is left is not what was taken and not released. */
static void of_many_who_claim_an_id_one_has_it(void **state)
{
	(void)state;
	struct race *race = race_run(RACE_NAMES, 2 * RACE_ROUNDS, race_thread);
	uint64_t left = 0;
	for (uint32_t id = 0; id < RACE_IDS; id++) {
		char text[WEIR_ID_MAX + 1];
		weir_grant grant;
		snprintf(text, sizeof(text), "the same id for everybody, number %u", id);
		if (names_find(race->names, text, &grant))
			continue;
		left++;
		assert_true(race_give(race, grant, id));
		assert_int_equal(names_find(race->names, text, &grant), WEIR_ENOENT);
	}
	assert_int_equal(at_load(&race->taken, relaxed, none), at_load(&race->released, relaxed, none));
	assert_true(left <= RACE_IDS);
	assert_int_equal(book_count(race->book), 0);
	race_end(race);
}

/* N2, N3: fails (an id that is not found, or after its release, or another's grant; a broken chain) if an entry is used
 * again where somebody still walks, or leaves its chain twice or never: the count is then off. */
static void ids_come_and_go_while_others_walk(void **state)
{
	(void)state;
	struct race *race = race_run(RACE_NAMES, RACE_ROUNDS, churn_thread);
	assert_int_equal(book_count(race->book), 0);
	race_end(race);
}

#endif
