/* SPDX-License-Identifier: MIT */
/* book_test.c - the book of grants: handles live once, records are whole, a full book says so. */
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "private/atomics.h"
#include "private/thread.h"
#include "runtime/book.h"
#include "runtime/slots.h"

enum { THREADS = 8 };

static uint64_t seed;

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* A record whose parts follow from one number, so that a torn one shows. */
static struct book_record record_of(uint64_t number)
{
	return (struct book_record){.main = number,
				    .counted = ~number,
				    .cpu_node = number & 0xfff,
				    .memory_node = number >> 12 & 0xfff,
				    .name = (uint32_t)(number * 0x9e3779b9u) >> 6};
}

static bool whole(const struct book_record *record)
{
	struct book_record wanted = record_of(record->main);
	return record->counted == wanted.counted && record->cpu_node == wanted.cpu_node &&
	       record->memory_node == wanted.memory_node && record->name == wanted.name;
}

static weir_grant publish(struct book *book, uint64_t number)
{
	uint32_t slot = book_reserve(book);
	if (slot == BOOK_FULL)
		return (weir_grant){0};
	struct book_record record = record_of(number);
	return book_publish(book, slot, &record);
}

static struct book *make_book(uint32_t grants_max)
{
	struct book *book;
	assert_int_equal(book_create(&book, grants_max), WEIR_OK);
	return book;
}

/* B1: fails if a released handle is accepted again, at once or after its slot serves another grant. */
static void a_handle_is_released_once(void **state)
{
	(void)state;
	struct book *book = make_book(1u << 20);
	struct book_record record;
	weir_grant first = publish(book, 1);
	assert_int_not_equal(first.handle, 0);
	assert_int_equal(book_count(book), 1);
	assert_int_equal(book_unpublish(book, first, &record), WEIR_OK);
	assert_true(whole(&record) && record.main == 1);
	assert_int_equal(book_unpublish(book, first, &record), WEIR_ESTALE);
	assert_int_equal(book_read(book, first, &record), WEIR_ESTALE);

	weir_grant second = publish(book, 2);
	assert_int_equal(second.handle & 0xffffff, first.handle & 0xffffff);
	assert_int_not_equal(second.handle, first.handle);
	assert_int_equal(book_unpublish(book, first, &record), WEIR_ESTALE);
	assert_int_equal(book_read(book, first, &record), WEIR_ESTALE);
	assert_int_equal(book_read(book, second, &record), WEIR_OK);
	assert_int_equal(record.main, 2);
	assert_int_equal(book_unpublish(book, second, &record), WEIR_OK);
	assert_int_equal(book_count(book), 0);
	book_destroy(book);
}

/* B3: fails if a handle that was never given out is taken for a live one. */
static void a_handle_that_never_was_is_stale(void **state)
{
	(void)state;
	struct book *book = make_book(100);
	weir_grant live = publish(book, 5);
	const uint64_t handles[] = {
		0,
		1,
		0xffffff,
		UINT64_MAX,
		live.handle + 1,
		live.handle + 5000,
		live.handle & 0xffffff,
		live.handle + (1 << 24),
		UINT64_C(1) << 63,
	};
	struct book_record record;
	for (size_t i = 0; i < ARRAY_LENGTH(handles); i++) {
		weir_grant forged = {.handle = handles[i]};
		assert_int_equal(book_read(book, forged, &record), WEIR_ESTALE);
		assert_int_equal(book_unpublish(book, forged, &record), WEIR_ESTALE);
	}
	/* Reserved, but not published: nobody's yet. */
	uint32_t slot = book_reserve(book);
	weir_grant early = {.handle = UINT64_C(1) << 24 | slot};
	assert_int_equal(book_unpublish(book, early, &record), WEIR_ESTALE);
	book_cancel(book, slot);
	assert_int_equal(book_count(book), 1);
	book_destroy(book);
}

/* S2, S3: fails if a book holds more than grants_max, or refuses before, or stays full after a release. */
static void a_full_book_says_so_and_no_sooner(void **state)
{
	(void)state;
	static const uint32_t sizes[] = {1, 2, 63, 1024, 3000, 200000};
	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		struct book *book = make_book(sizes[i]);
		weir_grant *grants = calloc(sizes[i], sizeof(*grants));
		struct book_record record;
		for (uint32_t n = 0; n < sizes[i]; n++) {
			grants[n] = publish(book, n);
			assert_int_not_equal(grants[n].handle, 0);
		}
		assert_int_equal(book_reserve(book), BOOK_FULL);
		assert_int_equal(book_count(book), sizes[i]);
		for (uint32_t n = 0; n < sizes[i]; n += 3)
			assert_int_equal(book_unpublish(book, grants[n], &record), WEIR_OK);
		for (uint32_t n = 0; n < sizes[i]; n += 3)
			assert_int_not_equal(publish(book, n).handle, 0);
		assert_int_equal(book_reserve(book), BOOK_FULL);
		free(grants);
		book_destroy(book);
	}
}

/* S2: fails if slots left in the caches of dead or idle threads make a book full too early. ------------------------ */

struct idler {
	struct book *book;
	pthread_barrier_t *filled;
	pthread_barrier_t *done;
};

static void *fill_a_cache_and_idle(void *argument)
{
	struct idler *idler = argument;
	weir_grant grants[SLOTS_CACHE_MAX];
	struct book_record record;
	for (size_t i = 0; i < SLOTS_CACHE_MAX; i++)
		grants[i] = publish(idler->book, i);
	for (size_t i = 0; i < SLOTS_CACHE_MAX; i++)
		(void)book_unpublish(idler->book, grants[i], &record);
	pthread_barrier_wait(idler->filled);
	pthread_barrier_wait(idler->done);
	return NULL;
}

static void idle_caches_do_not_fill_the_book(void **state)
{
	(void)state;
	enum { GRANTS = 60000 };
	struct book *book = make_book(GRANTS);
	pthread_barrier_t filled, done;
	pthread_barrier_init(&filled, NULL, THREADS + 1);
	pthread_barrier_init(&done, NULL, THREADS + 1);
	struct idler idler = {book, &filled, &done};
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fill_a_cache_and_idle, &idler), 0);
	pthread_barrier_wait(&filled);
	uint32_t held = 0;
	while (publish(book, held).handle)
		held++;
	assert_int_equal(held, GRANTS);
	pthread_barrier_wait(&done);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(book_count(book), GRANTS);
	pthread_barrier_destroy(&filled);
	pthread_barrier_destroy(&done);
	book_destroy(book);
}

/* B1: eight threads release the same handles; fails if one is released twice or never. ------------------------------
 */

struct race {
	struct book *book;
	weir_grant *grants;
	size_t count;
	_Atomic(uint32_t) *winners;
	_Atomic(uint64_t) wrong;
	_Atomic(bool) stop;
	_Atomic(uint32_t) ids;
};

static void *release_all(void *argument)
{
	struct race *race = argument;
	uint64_t random = seed + 77 * (at_add(&race->ids, 1, relaxed, none) + 1);
	size_t at = next_random(&random) % race->count;
	for (size_t i = 0; i < race->count; i++, at = (at + 1) % race->count) {
		struct book_record record;
		if (book_unpublish(race->book, race->grants[at], &record) != WEIR_OK)
			continue;
		at_add(&race->winners[at], 1, relaxed, none);
		if (!whole(&record) || record.main != at)
			at_add(&race->wrong, 1, relaxed, none);
	}
	return NULL;
}

static void each_handle_has_one_winner(void **state)
{
	(void)state;
	enum { GRANTS = 20000 };
	struct race race = {.book = make_book(1u << 20), .count = GRANTS};
	race.grants = calloc(GRANTS, sizeof(*race.grants));
	race.winners = calloc(GRANTS, sizeof(*race.winners));
	for (size_t i = 0; i < GRANTS; i++)
		race.grants[i] = publish(race.book, i);
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, release_all, &race), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < GRANTS; i++)
		assert_int_equal(at_load(&race.winners[i], relaxed, none), 1);
	assert_int_equal(at_load(&race.wrong, relaxed, none), 0);
	assert_int_equal(book_count(race.book), 0);
	free(race.grants);
	free(race.winners);
	book_destroy(race.book);
}

/* B2, S1: threads take, hand over and release at random while others read and walk; fails if a record is torn, of
 * another grant, in two hands, or if the count is off at rest.
 * ------------------------------------------------------------- */

enum { SHELF = 256 };

struct churn {
	struct book *book;
	_Atomic(uint64_t) shelf[SHELF]; /* handles on their way from one thread to another */
	_Atomic(uint64_t) published;
	_Atomic(uint64_t) unpublished;
	_Atomic(uint64_t) wrong;
	_Atomic(uint32_t) ids;
	uint32_t rounds;
};

static bool count_whole(weir_grant grant, const struct book_record *record, void *context)
{
	struct churn *churn = context;
	if (!grant.handle || !whole(record))
		at_add(&churn->wrong, 1, relaxed, none);
	return true;
}

static void churn_release(struct churn *churn, uint64_t handle)
{
	struct book_record record;
	if (!handle)
		return;
	if (book_unpublish(churn->book, (weir_grant){.handle = handle}, &record) != WEIR_OK || !whole(&record))
		at_add(&churn->wrong, 1, relaxed, none);
	at_add(&churn->unpublished, 1, relaxed, none);
}

static void *churn_thread(void *argument)
{
	struct churn *churn = argument;
	uint32_t id = at_add(&churn->ids, 1, relaxed, none);
	uint64_t random = seed ^ (id + 1) * UINT64_C(0x9e3779b97f4a7c15);
	for (uint32_t i = 0; i < churn->rounds; i++) {
		_Atomic(uint64_t) *place = &churn->shelf[next_random(&random) % SHELF];
		struct book_record record;
		switch (random % 8) {
		case 0:
			if (i % 64 == 0)
				book_each(churn->book, count_whole, churn);
			break;
		case 1:
		case 2: {
			/* Relaxed on purpose: only the book's own edges make the record whole. */
			weir_grant seen = {.handle = at_load(place, relaxed, none)};
			if (book_read(churn->book, seen, &record) == WEIR_OK && !whole(&record))
				at_add(&churn->wrong, 1, relaxed, none);
			break;
		}
		case 3:
			churn_release(churn, at_swap(place, 0, relaxed, none));
			break;
		default: {
			weir_grant grant = publish(churn->book, (uint64_t)id << 32 | i);
			if (!grant.handle)
				break;
			at_add(&churn->published, 1, relaxed, none);
			churn_release(churn, at_swap(place, grant.handle, relaxed, none));
		}
		}
	}
	return NULL;
}

static void records_are_whole_while_all_changes(void **state)
{
	(void)state;
	/* Without caches and nearly full; with small ones; as they come. */
	static const uint32_t sizes[] = {40, 4096, 1u << 20};
	for (size_t s = 0; s < ARRAY_LENGTH(sizes); s++) {
		struct churn *churn = calloc(1, sizeof(*churn));
		churn->book = make_book(sizes[s]);
		churn->rounds = 20000;
		pthread_t threads[THREADS];
		for (int i = 0; i < THREADS; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, churn_thread, churn), 0);
		for (int i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		uint64_t live = at_load(&churn->published, relaxed, none) - at_load(&churn->unpublished, relaxed, none);
		assert_int_equal(book_count(churn->book), live);
		assert_true(live <= sizes[s]);
		for (int i = 0; i < SHELF; i++)
			churn_release(churn, at_load(&churn->shelf[i], relaxed, none));
		assert_int_equal(at_load(&churn->wrong, relaxed, none), 0);
		assert_int_equal(book_count(churn->book), 0);
		book_destroy(churn->book);
		free(churn);
	}
}

struct walk {
	struct book *book;
	uint64_t seen;
	uint64_t sum;
	uint64_t stop_after;
};

static bool release_what_is_shown(weir_grant grant, const struct book_record *record, void *context)
{
	struct walk *walk = context;
	struct book_record out;
	walk->seen++;
	walk->sum += record->main;
	(void)book_unpublish(walk->book, grant, &out);
	return walk->seen < walk->stop_after;
}

/* A walk at rest is exact; fails if it misses or doubles a grant, goes on after false, or minds releases under way. */
static void a_walk_may_release_what_it_is_shown(void **state)
{
	(void)state;
	struct book *book = make_book(5000);
	uint64_t sum = 0;
	for (uint64_t i = 0; i < 3000; i++) {
		assert_int_not_equal(publish(book, i).handle, 0);
		sum += i;
	}
	struct walk first = {.book = book, .stop_after = 1000};
	book_each(book, release_what_is_shown, &first);
	assert_int_equal(first.seen, 1000);
	struct walk rest = {.book = book, .stop_after = UINT64_MAX};
	book_each(book, release_what_is_shown, &rest);
	assert_int_equal(rest.seen, 2000);
	assert_int_equal(first.sum + rest.sum, sum);
	assert_int_equal(book_count(book), 0);
	book_destroy(book);
}

/* S1: a number beyond THREADS_MAX threads has no cache; fails if slots are lost or doubled there. -------------------
 */

static void *churn_without_number(void *argument)
{
	thread_index_plus_one = THREADS_MAX + 1;
	return churn_thread(argument);
}

static void threads_without_a_number_share(void **state)
{
	(void)state;
	struct churn *churn = calloc(1, sizeof(*churn));
	churn->book = make_book(1u << 20);
	churn->rounds = 10000;
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, i < 2 ? churn_without_number : churn_thread, churn),
				 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < SHELF; i++)
		churn_release(churn, at_load(&churn->shelf[i], relaxed, none));
	assert_int_equal(at_load(&churn->wrong, relaxed, none), 0);
	assert_int_equal(book_count(churn->book), 0);
	book_destroy(churn->book);
	free(churn);
}

int main(void)
{
	const char *given = getenv("WEIR_TEST_SEED");
	seed = given ? strtoull(given, NULL, 0) : UINT64_C(20261123);
	print_message("WEIR_TEST_SEED=%" PRIu64 "\n", seed);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_handle_is_released_once),
		cmocka_unit_test(a_handle_that_never_was_is_stale),
		cmocka_unit_test(a_full_book_says_so_and_no_sooner),
		cmocka_unit_test(idle_caches_do_not_fill_the_book),
		cmocka_unit_test(each_handle_has_one_winner),
		cmocka_unit_test(records_are_whole_while_all_changes),
		cmocka_unit_test(a_walk_may_release_what_it_is_shown),
		cmocka_unit_test(threads_without_a_number_share),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
