/* SPDX-License-Identifier: MIT */
/* names_test.c - ids of grants: in use once, removed once, their memory used again only when nobody walks past it. */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "private/atomics.h"
#include "private/error.h"
#include "private/rcu.h"
#include "runtime/names.h"

enum { THREADS = 8 };

static uint64_t seed;

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static struct names *make_names(uint32_t names_max)
{
	struct names *names;
	assert_int_equal(names_create(&names, names_max), WEIR_OK);
	return names;
}

static weir_status name_it(struct names *names, const char *id, uint64_t handle)
{
	struct name *name;
	weir_status status = names_claim(names, id, &name);
	if (!status)
		names_bind(name, (weir_grant){.handle = handle});
	return status;
}

/* N1, N2: fails if an id is there before it is bound, twice, or after its removal. */
static void an_id_is_claimed_bound_found_and_removed_once(void **state)
{
	(void)state;
	struct names *names = make_names(100);
	struct name *name, *other;
	weir_grant grant = {.handle = 99};
	char text[WEIR_ID_MAX + 1];
	assert_int_equal(names_find(names, "a", &grant), WEIR_ENOENT);
	assert_int_equal(grant.handle, 0);
	assert_int_equal(names_claim(names, "a", &name), WEIR_OK);
	assert_int_equal(names_claim(names, "a", &other), WEIR_EEXIST);
	assert_non_null(strstr(weir_error_text(), "a"));
	assert_int_equal(names_find(names, "a", &grant), WEIR_ENOENT);
	assert_int_equal(names_remove(names, "a", &grant), WEIR_ENOENT);
	names_bind(name, (weir_grant){.handle = 7});
	uint32_t number = names_number(name);
	assert_int_not_equal(number, 0);
	assert_int_equal(names_find(names, "a", &grant), WEIR_OK);
	assert_int_equal(grant.handle, 7);
	assert_true(names_text(names, number, grant, text));
	assert_string_equal(text, "a");
	assert_false(names_text(names, number, (weir_grant){.handle = 8}, text));
	assert_string_equal(text, "");
	assert_false(names_text(names, 0, grant, text));
	assert_false(names_text(names, UINT32_MAX, grant, text));
	assert_int_equal(names_claim(names, "a", &other), WEIR_EEXIST);
	assert_int_equal(names_remove(names, "a", &grant), WEIR_OK);
	assert_int_equal(grant.handle, 7);
	assert_int_equal(names_remove(names, "a", &grant), WEIR_ENOENT);
	assert_int_equal(grant.handle, 0);
	assert_false(names_text(names, number, (weir_grant){.handle = 7}, text));

	/* Given up, then taken again. */
	assert_int_equal(names_claim(names, "a", &name), WEIR_OK);
	names_drop(names, name);
	assert_int_equal(names_find(names, "a", &grant), WEIR_ENOENT);
	assert_int_equal(name_it(names, "a", 8), WEIR_OK);
	assert_int_equal(names_find(names, "a", &grant), WEIR_OK);
	assert_int_equal(grant.handle, 8);
	names_destroy(names);
}

/* Fails if a released handle leaves its id behind, or takes another grant's id with it. */
static void a_handle_that_is_given_back_takes_its_id_along(void **state)
{
	(void)state;
	struct names *names = make_names(100);
	struct name *name;
	weir_grant grant;
	assert_int_equal(names_claim(names, "job", &name), WEIR_OK);
	uint32_t number = names_number(name);
	names_bind(name, (weir_grant){.handle = 5});
	assert_false(names_forget(names, number, (weir_grant){.handle = 6}));
	assert_false(names_forget(names, 0, (weir_grant){.handle = 5}));
	assert_true(names_forget(names, number, (weir_grant){.handle = 5}));
	assert_false(names_forget(names, number, (weir_grant){.handle = 5}));
	assert_int_equal(names_find(names, "job", &grant), WEIR_ENOENT);
	assert_int_equal(names_remove(names, "job", &grant), WEIR_ENOENT);
	names_destroy(names);
}

static void ids_have_one_to_sixty_three_bytes(void **state)
{
	(void)state;
	struct names *names = make_names(1000);
	char id[WEIR_ID_MAX + 2], text[WEIR_ID_MAX + 1];
	struct name *name;
	weir_grant grant;
	assert_int_equal(names_claim(names, NULL, &name), WEIR_EINVAL);
	assert_int_equal(names_claim(names, "", &name), WEIR_EINVAL);
	memset(id, 'x', sizeof(id));
	id[WEIR_ID_MAX + 1] = '\0';
	assert_int_equal(names_claim(names, id, &name), WEIR_EINVAL);
	assert_non_null(strstr(weir_error_text(), "63"));
	assert_int_equal(names_find(names, id, &grant), WEIR_EINVAL);
	assert_int_equal(names_remove(names, id, &grant), WEIR_EINVAL);
	/* Each length is an id of its own, though each is the start of the next. */
	uint32_t numbers[WEIR_ID_MAX + 1];
	for (size_t length = WEIR_ID_MAX; length >= 1; length--) {
		id[length] = '\0';
		assert_int_equal(names_claim(names, id, &name), WEIR_OK);
		names_bind(name, (weir_grant){.handle = length});
		numbers[length] = names_number(name);
	}
	memset(id, 'x', sizeof(id));
	for (size_t length = WEIR_ID_MAX; length >= 1; length--) {
		id[length] = '\0';
		assert_int_equal(names_find(names, id, &grant), WEIR_OK);
		assert_int_equal(grant.handle, length);
		assert_true(names_text(names, numbers[length], grant, text));
		assert_string_equal(text, id);
	}
	names_destroy(names);
}

/* The table grows from 256 buckets to 32,768 and is used while it does; fails if an id is lost or doubled on the way.
 */
static void many_ids_are_all_found(void **state)
{
	(void)state;
	enum { IDS = 30000 };
	struct names *names = make_names(IDS);
	char id[32];
	weir_grant grant;
	for (uint64_t i = 1; i <= IDS; i++) {
		snprintf(id, sizeof(id), "task-%" PRIu64, i);
		assert_int_equal(name_it(names, id, i), WEIR_OK);
	}
	for (uint64_t i = 1; i <= IDS; i++) {
		snprintf(id, sizeof(id), "task-%" PRIu64, i);
		assert_int_equal(name_it(names, id, i), WEIR_EEXIST);
		if (i % 2) {
			assert_int_equal(names_remove(names, id, &grant), WEIR_OK);
			assert_int_equal(grant.handle, i);
		}
	}
	for (uint64_t i = 1; i <= IDS; i++) {
		snprintf(id, sizeof(id), "task-%" PRIu64, i);
		assert_int_equal(names_find(names, id, &grant), i % 2 ? WEIR_ENOENT : WEIR_OK);
	}
	names_destroy(names);
}

/* N1, N2: many threads claim the same few ids, and remove them by id and by handle. Between claim and bind an id has
 * one owner, who counts: fails if there are two, or if claims and removals do not match at the end.
 * --------------------- */

enum { IDS = 5 };

struct race {
	struct names *names;
	_Atomic(uint32_t) owners[IDS];
	_Atomic(uint64_t) claimed;
	_Atomic(uint64_t) removed;
	_Atomic(uint64_t) wrong;
	_Atomic(uint64_t) handles;
	_Atomic(uint32_t) threads;
	uint32_t rounds;
};

/* A handle that says which id it belongs to. */
static weir_grant new_grant(struct race *race, uint64_t id)
{
	return (weir_grant){.handle = (at_add(&race->handles, 1, relaxed, none) + 1) * IDS + id};
}

static void race_claim(struct race *race, uint64_t id, const char *text, uint64_t *random)
{
	struct name *name;
	if (names_claim(race->names, text, &name))
		return;
	if (at_add(&race->owners[id], 1, relaxed, none) != 0)
		at_add(&race->wrong, 1, relaxed, none);
	at_sub(&race->owners[id], 1, relaxed, none);
	if (next_random(random) % 4 == 0) {
		names_drop(race->names, name);
		return;
	}
	weir_grant grant = new_grant(race, id);
	uint32_t number = names_number(name);
	at_add(&race->claimed, 1, relaxed, none);
	names_bind(name, grant);
	/* It may be gone by now; what is still there must be ours. */
	char seen[WEIR_ID_MAX + 1];
	if (names_text(race->names, number, grant, seen) && strcmp(seen, text))
		at_add(&race->wrong, 1, relaxed, none);
	if (next_random(random) % 4)
		return;
	if (names_forget(race->names, number, grant))
		at_add(&race->removed, 1, relaxed, none);
}

static void *race_thread(void *argument)
{
	struct race *race = argument;
	uint64_t random = seed + 1000 * (at_add(&race->threads, 1, relaxed, none) + 1);
	for (uint32_t i = 0; i < race->rounds; i++) {
		uint64_t id = next_random(&random) % IDS;
		char text[WEIR_ID_MAX + 1];
		snprintf(text, sizeof(text), "the same id for everybody, number %d", (int)id);
		weir_grant grant;
		switch (random >> 32 & 3) {
		case 0:
			if (!names_find(race->names, text, &grant) && grant.handle % IDS != id)
				at_add(&race->wrong, 1, relaxed, none);
			break;
		case 1:
			if (!names_remove(race->names, text, &grant)) {
				at_add(&race->removed, 1, relaxed, none);
				at_add(&race->wrong, grant.handle % IDS != id, relaxed, none);
			}
			break;
		default:
			race_claim(race, id, text, &random);
		}
	}
	return NULL;
}

static void of_many_who_claim_an_id_one_has_it(void **state)
{
	(void)state;
	struct race *race = calloc(1, sizeof(*race));
	race->names = make_names(1000);
	race->rounds = 20000;
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race_thread, race), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	uint64_t left = 0;
	for (int i = 0; i < IDS; i++) {
		char text[WEIR_ID_MAX + 1];
		weir_grant grant;
		snprintf(text, sizeof(text), "the same id for everybody, number %d", i);
		if (!names_remove(race->names, text, &grant))
			left++;
	}
	assert_int_equal(at_load(&race->wrong, relaxed, none), 0);
	assert_int_equal(at_load(&race->claimed, relaxed, none) - at_load(&race->removed, relaxed, none), left);
	names_destroy(race->names);
	free(race);
}

/* N3, N4: own ids come and go while others look up and the table grows; fails (a wrong chain, a lost id, a crash, a
 * report of the sanitizers) if an entry is used again while somebody stands on it.
 * --------------------------------------------- */

static void *churn_thread(void *argument)
{
	struct race *race = argument;
	uint32_t me = at_add(&race->threads, 1, relaxed, none);
	uint64_t random = seed + 77 * (me + 1);
	for (uint32_t i = 0; i < race->rounds; i++) {
		char own[WEIR_ID_MAX + 1], other[WEIR_ID_MAX + 1];
		weir_grant grant;
		snprintf(own, sizeof(own), "%u/%u", me, i);
		if (name_it(race->names, own, new_grant(race, 0).handle))
			at_add(&race->wrong, 1, relaxed, none);
		snprintf(other, sizeof(other), "%u/%u", (unsigned)(next_random(&random) % THREADS), i);
		(void)names_find(race->names, other, &grant);
		/* Every other id stays for a while, so that chains have members. */
		if (i >= 500) {
			snprintf(own, sizeof(own), "%u/%u", me, i - 500);
			if (names_remove(race->names, own, &grant))
				at_add(&race->wrong, 1, relaxed, none);
		}
	}
	return NULL;
}

static void entries_are_not_used_again_too_early(void **state)
{
	(void)state;
	struct race *race = calloc(1, sizeof(*race));
	race->names = make_names(THREADS * 600);
	race->rounds = 10000;
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, churn_thread, race), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(at_load(&race->wrong, relaxed, none), 0);
	rcu_call_drain();
	assert_int_equal(names_backlog(race->names), 0);
	names_destroy(race->names);
	free(race);
}

/* N4: a reader that stays in its section holds back every grace period. Fails if the backlog grows past its limit, or
 * if what waited is lost after the reader has left.
 * ------------------------------------------------------------------------- */

enum { BACKLOG_MAX = 256 * 1024, BATCH = 64 };

struct sleeper {
	_Atomic(bool) inside;
	_Atomic(bool) leave;
	_Atomic(bool) done;
	struct names *names;
	_Atomic(uint64_t) most;
};

static void *sleep_in_a_section(void *argument)
{
	struct sleeper *sleeper = argument;
	rcu_enter();
	/* ORDER(test_sleeper): release and acquire: the section is open before the others begin. */
	at_store(&sleeper->inside, true, release, test_sleeper);
	while (!at_load(&sleeper->leave, acquire, test_sleeper))
		sched_yield();
	rcu_leave();
	return NULL;
}

/* Lets the sleeper go when no more can be removed without waiting for it. */
static void *watch_the_backlog(void *argument)
{
	struct sleeper *sleeper = argument;
	uint64_t most = 0;
	while (!at_load(&sleeper->done, acquire, test_sleeper)) {
		uint64_t now = names_backlog(sleeper->names);
		most = now > most ? now : most;
		if (now > BACKLOG_MAX)
			at_store(&sleeper->leave, true, release, test_sleeper);
		sched_yield();
	}
	at_store(&sleeper->most, most, relaxed, none);
	return NULL;
}

static void a_sleeping_reader_bounds_the_backlog(void **state)
{
	(void)state;
	struct sleeper sleeper = {.names = make_names(1)};
	pthread_t threads[2];
	assert_int_equal(pthread_create(&threads[0], NULL, sleep_in_a_section, &sleeper), 0);
	while (!at_load(&sleeper.inside, acquire, test_sleeper))
		sched_yield();
	assert_int_equal(pthread_create(&threads[1], NULL, watch_the_backlog, &sleeper), 0);
	weir_grant grant;
	for (uint64_t i = 1; i <= BACKLOG_MAX + 10 * BATCH; i++) {
		assert_int_equal(name_it(sleeper.names, "x", i), WEIR_OK);
		assert_int_equal(names_remove(sleeper.names, "x", &grant), WEIR_OK);
		assert_int_equal(grant.handle, i);
	}
	at_store(&sleeper.done, true, release, test_sleeper);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	assert_int_equal(at_load(&sleeper.most, relaxed, none), BACKLOG_MAX + BATCH);
	rcu_call_drain();
	assert_int_equal(names_backlog(sleeper.names), 0);
	names_destroy(sleeper.names);
}

/* N4, where the reader is the remover itself, which cannot wait for itself: claims end, by running out of entries. */
static void a_remover_inside_a_section_runs_out_of_entries(void **state)
{
	(void)state;
	enum { TRIES = BACKLOG_MAX + 100000 };
	struct names *names = make_names(1);
	uint64_t done = 0;
	weir_grant grant;
	rcu_enter();
	while (done < TRIES && !name_it(names, "x", done + 1)) {
		assert_int_equal(names_remove(names, "x", &grant), WEIR_OK);
		done++;
	}
	assert_in_range(done, BACKLOG_MAX, TRIES - 1);
	assert_int_equal(name_it(names, "x", 1), WEIR_EFULL);
	rcu_leave();
	rcu_call_drain();
	assert_int_equal(names_backlog(names), 0);
	assert_int_equal(name_it(names, "x", 1), WEIR_OK);
	names_destroy(names);
}

int main(void)
{
	const char *given = getenv("WEIR_TEST_SEED");
	seed = given ? strtoull(given, NULL, 0) : UINT64_C(20261123);
	print_message("WEIR_TEST_SEED=%" PRIu64 "\n", seed);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_id_is_claimed_bound_found_and_removed_once),
		cmocka_unit_test(a_handle_that_is_given_back_takes_its_id_along),
		cmocka_unit_test(ids_have_one_to_sixty_three_bytes),
		cmocka_unit_test(many_ids_are_all_found),
		cmocka_unit_test(of_many_who_claim_an_id_one_has_it),
		cmocka_unit_test(entries_are_not_used_again_too_early),
		cmocka_unit_test(a_sleeping_reader_bounds_the_backlog),
		cmocka_unit_test(a_remover_inside_a_section_runs_out_of_entries),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
