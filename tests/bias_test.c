/* SPDX-License-Identifier: MIT */
/* bias_test.c - grants whose owner releases them without a locked instruction, while others release them, too. B1, B4: fails
 * if a handle is released twice or never, if "stale" is said of one that nobody released, if the owner never gets its bias
 * back, or if it has one where the kernel gives no barrier. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"
#include "no_membarrier.h"
#include "private/membarrier.h"
#include "runtime/book.h"

enum { GRANTS_MAX = 1 << 20, OTHERS = 3, SHOWN = 16 };

static struct book *make_book(void)
{
	struct book *book;
	assert_int_equal(book_create(&book, GRANTS_MAX), WEIR_OK);
	return book;
}

static weir_grant publish(struct book *book, uint64_t number)
{
	uint32_t slot = book_reserve(book);
	struct book_record record = {.main = number, .counted = ~number, .cpu_node = 1, .memory_node = 2};
	return book_publish_for(book, slot, &record, book_owner_slow(book));
}

static bool release(struct book *book, weir_grant grant, struct book_record *record)
{
	struct slot_cache *cache;
	uint64_t free;
	struct record_slot *slot = book_find_simple(book, grant, &cache, &free);
	if (slot && where_owner(at_load(&slot->where, relaxed, none)) == thread_index_plus_one &&
	    !(book_enter(cache, grant) & BOOK_BIAS)) {
		book_fields_read(slot, record);
		book_free(slot, cache, free, grant);
		book_leave(cache);
		return true;
	}
	return book_unpublish(book, grant, record) == WEIR_OK;
}

static uint32_t owner_of(struct book *book, weir_grant grant)
{
	struct record_slot *slot = book_slot_of(book, grant);
	return where_owner(at_load(&slot->where, relaxed, none));
}

struct one {
	struct book *book;
	weir_grant grant;
	bool won;
};

static void *release_one(void *argument)
{
	struct one *one = argument;
	struct book_record record;
	one->won = release(one->book, one->grant, &record) && record.main == 7;
	return NULL;
}

static bool release_elsewhere(struct book *book, weir_grant grant)
{
	struct one one = {.book = book, .grant = grant};
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, release_one, &one), 0);
	pthread_join(thread, NULL);
	return one.won;
}

static void the_owner_releases_once(void **state)
{
	(void)state;
	if (!membarrier_ready())
		skip();
	struct book *book = make_book();
	struct book_record record;
	weir_grant grant = publish(book, 7);
	assert_int_equal(owner_of(book, grant), thread_index_plus_one);
	assert_true(release(book, grant, &record));
	assert_int_equal(record.main, 7);
	assert_false(release(book, grant, &record));
	assert_false(release_elsewhere(book, grant));
	/* The next of the same slot: the old handle is stale for everybody. */
	weir_grant next = publish(book, 7);
	assert_int_equal(next.handle & BOOK_SLOT_MASK, grant.handle & BOOK_SLOT_MASK);
	assert_false(release(book, grant, &record));
	assert_false(release_elsewhere(book, grant));
	assert_true(release_elsewhere(book, next));
	assert_false(release(book, next, &record));
	assert_int_equal(book_count(book), 0);
	book_destroy(book);
}

static void a_bias_that_was_taken_comes_back_later_each_time(void **state)
{
	(void)state;
	if (!membarrier_ready())
		skip();
	struct book *book = make_book();
	struct book_record record;
	uint32_t waited_before = 0;
	for (int round = 0; round < 4; round++) {
		uint32_t waited = 0;
		weir_grant grant = publish(book, 7);
		assert_int_equal(owner_of(book, grant), thread_index_plus_one);
		assert_true(release_elsewhere(book, grant));
		for (grant = publish(book, 7); !owner_of(book, grant); grant = publish(book, 7)) {
			assert_true(release(book, grant, &record));
			waited++;
			assert_true(waited < 1 << 20);
		}
		assert_true(release(book, grant, &record));
		assert_true(round == 0 || waited > waited_before);
		waited_before = waited;
	}
	book_destroy(book);
}

/* B4. So does that of who only renews: a worker that hands on a grant again and again. Fails if it exchanges for ever after one that
 * somebody else released. */
static void a_bias_that_was_taken_comes_back_to_who_renews(void **state)
{
	(void)state;
	if (!membarrier_ready())
		skip();
	struct book *book = make_book();
	struct book_record record;
	/* The first time it is back at once. */
	for (int i = 0; i < 2; i++)
		assert_true(release_elsewhere(book, publish(book, 7)));
	weir_grant grant = publish(book, 7);
	assert_int_equal(owner_of(book, grant), 0);
	assert_int_equal(book_read(book, grant, &record), WEIR_OK);
	uint32_t waited = 0;
	while (!owner_of(book, grant) && waited < 1 << 20) {
		assert_true(book_renew(book, &grant, record.main, record.counted));
		waited++;
	}
	assert_int_equal(owner_of(book, grant), thread_index_plus_one);
	assert_true(release(book, grant, &record));
	book_destroy(book);
}

/* The owner publishes, shows the handles, and releases some; others release what they see. */
struct shared {
	struct book *book;
	_Atomic(uint64_t) shown[SHOWN];
	_Atomic(uint64_t) won;
	_Atomic(uint32_t) wrong;
	_Atomic(bool) stop;
	uint64_t seed;
	_Atomic(uint32_t) threads;
};

static void try_to_release(struct shared *shared, uint64_t handle)
{
	struct book_record record;
	if (!handle || !release(shared->book, (weir_grant){.handle = handle}, &record))
		return;
	at_add(&shared->won, 1, relaxed, none);
	if (record.main >> 48 != 0xabc)
		at_add(&shared->wrong, 1, relaxed, none);
}

static void *release_what_is_shown(void *argument)
{
	struct shared *shared = argument;
	uint64_t random = shared->seed + 99 * (at_add(&shared->threads, 1, relaxed, none) + 1);
	uint64_t old[8] = {0};
	while (!at_load(&shared->stop, relaxed, none)) {
		uint64_t r = fixture_random(&random);
		uint64_t handle = at_load(&shared->shown[r % SHOWN], relaxed, none);
		uint64_t *kept = &old[r >> 32 & 7];
		try_to_release(shared, r >> 40 & 7 ? handle : *kept); /* a stale one as well */
		*kept = handle;
	}
	return NULL;
}

static void owner_and_others_release_each_grant_once(void **state)
{
	(void)state;
	enum { ROUNDS = 300000 };
	struct shared shared = {.book = make_book(), .seed = fixture_seed("owner and others")};
	pthread_t thread[OTHERS];
	for (int i = 0; i < OTHERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, release_what_is_shown, &shared), 0);
	uint64_t random = shared.seed, published = 0;
	for (uint64_t i = 0; i < ROUNDS; i++) {
		uint64_t r = fixture_random(&random);
		uint64_t place = r % SHOWN;
		uint64_t before = at_load(&shared.shown[place], relaxed, none);
		/* The bias comes back often here: seldom is what a program wants, not what a test wants. */
		struct slot_cache *cache = slots_cache(&shared.book->slots);
		if (cache && cache->bias_wait != UINT32_MAX)
			cache->bias_wait = 1 + (uint32_t)(r >> 32 & 15);
		weir_grant grant = publish(shared.book, UINT64_C(0xabc) << 48 | i);
		published++;
		at_store(&shared.shown[place], grant.handle, relaxed, none);
		/* Nobody is sure to have seen the one before. */
		try_to_release(&shared, before);
		if (r >> 60 & 1)
			continue;
		/* About when the others come back from their barrier. */
		for (uint64_t pause = r >> 40 & 63; pause; pause--)
			at_pause();
		try_to_release(&shared, grant.handle);
	}
	for (int i = 0; i < SHOWN; i++)
		try_to_release(&shared, at_load(&shared.shown[i], relaxed, none));
	at_store(&shared.stop, true, relaxed, none);
	for (int i = 0; i < OTHERS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(at_load(&shared.wrong, relaxed, none), 0);
	assert_int_equal(at_load(&shared.won, relaxed, none), published);
	assert_int_equal(book_count(shared.book), 0);
	book_destroy(shared.book);
}

/* A number is handed on with all that its last thread published. */
static void *publish_and_leave(void *argument)
{
	struct one *one = argument;
	one->grant = publish(one->book, 7);
	return NULL;
}

static void what_a_thread_leaves_is_anybodys(void **state)
{
	(void)state;
	struct book *book = make_book();
	struct book_record record;
	struct one first = {.book = book}, second = {.book = book};
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, publish_and_leave, &first), 0);
	pthread_join(thread, NULL);
	assert_int_equal(pthread_create(&thread, NULL, publish_and_leave, &second), 0);
	pthread_join(thread, NULL);
	assert_true(release_elsewhere(book, first.grant)); /* by the number's next holder, most likely */
	assert_true(release(book, second.grant, &record));
	assert_false(release(book, first.grant, &record));
	assert_int_equal(book_count(book), 0);
	book_destroy(book);
}

/* Fork copies no registration made here before. */
static int on_a_kernel_without(void)
{
	struct book *book;
	struct book_record record;
	if (membarrier_ready() || book_create(&book, GRANTS_MAX))
		return 1;
	for (uint64_t i = 0; i < 3000; i++) {
		weir_grant grant = publish(book, i);
		if (!grant.handle || owner_of(book, grant))
			return 2;
		if (!release(book, grant, &record) || record.main != i || release(book, grant, &record))
			return 3;
	}
	return book_count(book) ? 4 : 0;
}

static int forbidden;

static void no_barrier_no_bias(void **state)
{
	(void)state;
	if (forbidden == NO_SECCOMP)
		skip();
	assert_int_equal(forbidden, 0);
}

int main(void)
{
	/* Before this process asks for it itself. */
	forbidden = without_membarrier(on_a_kernel_without);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_owner_releases_once),
		cmocka_unit_test(a_bias_that_was_taken_comes_back_later_each_time),
		cmocka_unit_test(a_bias_that_was_taken_comes_back_to_who_renews),
		cmocka_unit_test(owner_and_others_release_each_grant_once),
		cmocka_unit_test(what_a_thread_leaves_is_anybodys),
		cmocka_unit_test(no_barrier_no_bias),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
