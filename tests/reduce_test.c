/* SPDX-License-Identifier: MIT */
/*
 * reduce_test.c - weir_parallel_reduce(): the order of the range is kept (F6), and the deterministic form gives the same bits
 * whoever does what (F7).
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <weir/weir.h>

#include "fixture.h"
#include "runtime/pool.h"

static weir_pool *make_pool(uint32_t workers, uint32_t forks_max)
{
	weir_pool *pool;
	if (weir_pool_create(&pool, WEIR_OPTIONS(.workers = workers, .forks_max = forks_max)))
		fail_msg("%s", weir_error_text());
	return pool;
}

/* x -> a x + b modulo 2^64, one after the other: associative, and not commutative. */
struct map {
	uint64_t a;
	uint64_t b;
};

static struct map map_of(int64_t i)
{
	uint64_t state = (uint64_t)i;
	return (struct map){fixture_random(&state) | 1, fixture_random(&state)};
}

static struct map then(struct map first, struct map second)
{
	return (struct map){first.a * second.a, first.b * second.a + second.b};
}

static weir_status fold_maps(int64_t begin, int64_t end, void *accumulator, void *argument)
{
	struct map *map = accumulator;
	if (argument && begin % 3 == 0)
		sched_yield(); /* so that others come by, on one core too */
	for (int64_t i = begin; i < end; i++)
		*map = then(*map, map_of(i));
	return WEIR_OK;
}

static void combine_maps(void *accumulator, const void *right, void *argument)
{
	(void)argument;
	struct map *map = accumulator;
	*map = then(*map, *(const struct map *)right);
}

/* F6. Fails if sums are combined in the order in which they are ready, or a piece is lost or folded twice. */
static void what_is_combined_is_in_the_order_of_the_range(void **state)
{
	(void)state;
	static const struct map identity = {1, 0};
	int shaken = 1;
	for (uint32_t workers = 1; workers <= 8; workers *= 2) {
		weir_pool *pool = make_pool(workers, workers == 4 ? 2 : 0);
		for (int64_t length = 0; length < 30000; length = length * 3 + 1) {
			struct map expected = identity;
			fold_maps(-7, length - 7, &expected, NULL);
			for (int64_t grain = 0; grain <= length; grain = grain * 4 + 1) {
				for (int deterministic = 0; deterministic < 2; deterministic++) {
					struct map got = {0};
					assert_int_equal(
						weir_parallel_reduce(
							pool, -7, length - 7,
							WEIR_REDUCTION(.identity = &identity, .bytes = sizeof(got),
								       .fold = fold_maps, .combine = combine_maps,
								       .argument = &shaken, .grain = grain,
								       .deterministic = deterministic),
							&got),
						WEIR_OK);
					assert_memory_equal(&got, &expected, sizeof(got));
				}
			}
		}
		assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
	}
}

/* Numbers of which no two orders of addition have the same sum. */
enum { NUMBERS = 100003, PIECE = 37 };
static double number[NUMBERS];

static weir_status fold_numbers(int64_t begin, int64_t end, void *accumulator, void *argument)
{
	(void)argument;
	if (begin % 5 == 0)
		sched_yield();
	for (int64_t i = begin; i < end; i++)
		*(double *)accumulator += number[i];
	return WEIR_OK;
}

static void add(void *accumulator, const void *right, void *argument)
{
	(void)argument;
	*(double *)accumulator += *(const double *)right;
}

/* What the header says: pieces of `grain`, each from zero, as a binary tree whose left half has n / 2. */
static double tree_sum(int64_t first, int64_t end)
{
	if (end - first > 1) {
		int64_t middle = first + (end - first) / 2;
		return tree_sum(first, middle) + tree_sum(middle, end);
	}
	double sum = 0;
	for (int64_t i = first * PIECE; i < (first + 1) * PIECE && i < NUMBERS; i++)
		sum += number[i];
	return sum;
}

/* F7. Fails if the shape depends on workers, steals or room for children. */
static void a_deterministic_sum_has_the_same_bits_whoever_adds(void **state)
{
	(void)state;
	uint64_t seed = fixture_seed("a_deterministic_sum_has_the_same_bits_whoever_adds");
	double plain = 0;
	for (int i = 0; i < NUMBERS; i++) {
		uint64_t bits = fixture_random(&seed);
		number[i] = (double)(int64_t)bits / (double)(UINT64_C(1) << (bits & 63));
		plain += number[i];
	}
	double expected = tree_sum(0, (NUMBERS - 1) / PIECE + 1), by_default = 0;
	assert_memory_not_equal(&expected, &plain, sizeof(plain)); /* order matters */
	uint64_t stolen = 0;
	static const uint32_t workers[] = {1, 2, 8}, rooms[] = {0, 0, 0, 3};
	static const double zero = 0;
	for (int w = 0; w < 4; w++) {
		weir_pool *pool = make_pool(workers[w % 3], rooms[w]);
		for (int round = 0; round < 5; round++) {
			double got = 0, automatic = 0;
			weir_reduction how = {.size = sizeof(how),
					      .identity = &zero,
					      .bytes = sizeof(double),
					      .fold = fold_numbers,
					      .combine = add,
					      .grain = PIECE,
					      .deterministic = true};
			assert_int_equal(weir_parallel_reduce(pool, 0, NUMBERS, &how, &got), WEIR_OK);
			assert_memory_equal(&got, &expected, sizeof(got));
			how.grain = WEIR_AUTO;
			assert_int_equal(weir_parallel_reduce(pool, 0, NUMBERS, &how, &automatic), WEIR_OK);
			if (w == 0 && round == 0)
				by_default = automatic;
			assert_memory_equal(&automatic, &by_default, sizeof(automatic));
		}
		weir_pool_counts counts = {.size = sizeof(counts)};
		assert_int_equal(weir_pool_counts_get(pool, &counts), WEIR_OK);
		stolen += counts.forked_stolen;
		assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
	}
	print_message("%llu subtrees were stolen\n", (unsigned long long)stolen);
}

/* A subtree that a thief did is combined as one's own is: forced, by who waits for another worker in the first piece. */
struct forced {
	struct map map;
	char pad[3000];
};

struct meeting {
	atomic_int others;
	_Atomic(void *) first;
};

static weir_status meet(int64_t begin, int64_t end, void *accumulator, void *argument)
{
	struct meeting *meeting = argument;
	void *nobody = NULL;
	if (!atomic_compare_exchange_strong(&meeting->first, &nobody, worker_self) && nobody != worker_self)
		atomic_fetch_add(&meeting->others, 1);
	if (!meeting->others)
		nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	return fold_maps(begin, end, &((struct forced *)accumulator)->map, NULL);
}

static void combine_forced(void *accumulator, const void *right, void *argument)
{
	combine_maps(&((struct forced *)accumulator)->map, &((const struct forced *)right)->map, argument);
}

static void what_a_thief_folded_is_combined_in_its_place(void **state)
{
	(void)state;
	static const struct forced identity = {.map = {1, 0}};
	struct map expected = identity.map;
	fold_maps(0, 5000, &expected, NULL);
	weir_pool *pool = make_pool(2, 0);
	for (int deterministic = 0; deterministic < 2; deterministic++) {
		struct meeting meeting = {0};
		struct forced got = {0};
		assert_int_equal(
			weir_parallel_reduce(pool, 0, 5000,
					     WEIR_REDUCTION(.identity = &identity, .bytes = sizeof(got), .fold = meet,
							    .combine = combine_forced, .argument = &meeting, .grain = 1,
							    .deterministic = deterministic),
					     &got),
			WEIR_OK);
		assert_memory_equal(&got.map, &expected, sizeof(expected));
		assert_int_not_equal(meeting.others, 0);
	}
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

static weir_status fail_late(int64_t begin, int64_t end, void *accumulator, void *argument)
{
	(void)argument;
	*(int *)accumulator += 1;
	return begin <= 700 && 700 < end ? WEIR_EUSER + 9 : WEIR_OK;
}

static void add_ints(void *accumulator, const void *right, void *argument)
{
	(void)argument;
	*(int *)accumulator += *(const int *)right;
}

static void what_fails_or_cannot_be_says_so_and_writes_nothing(void **state)
{
	(void)state;
	static const int zero = 0;
	weir_pool *pool = make_pool(3, 0);
	weir_reduction good = {
		.size = sizeof(good), .identity = &zero, .bytes = sizeof(int), .fold = fail_late, .combine = add_ints};
	int result = 42;
	for (int i = 0; i < 20; i++) {
		good.deterministic = i % 2;
		assert_int_equal(weir_parallel_reduce(pool, 0, 1000, &good, &result), WEIR_EUSER + 9);
	}
	assert_int_equal(result, 42);
	struct {
		weir_reduction how;
		weir_status status;
		const char *says;
	} bad[] = {
		{good, WEIR_EINVAL, "bytes"},
		{good, WEIR_EINVAL, "bytes"},
		{good, WEIR_EINVAL, "identity is NULL"},
		{good, WEIR_EINVAL, "fold is NULL"},
		{good, WEIR_EINVAL, "combine is NULL"},
		{good, WEIR_EVERSION, "WEIR_REDUCTION"},
		{good, WEIR_EINVAL, "grain"},
	};
	bad[0].how.bytes = 0;
	bad[1].how.bytes = WEIR_ACCUMULATOR_BYTES_MAX + 1;
	bad[2].how.identity = NULL;
	bad[3].how.fold = NULL;
	bad[4].how.combine = NULL;
	bad[5].how.size = 0;
	bad[6].how.grain = -1;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(weir_parallel_reduce(pool, 0, 10, &bad[i].how, &result), bad[i].status);
		assert_non_null(strstr(weir_error_text(), bad[i].says));
	}
	assert_int_equal(weir_parallel_reduce(pool, 0, 10, NULL, &result), WEIR_EINVAL);
	assert_int_equal(weir_parallel_reduce(NULL, 0, 10, &good, &result), WEIR_EINVAL);
	assert_int_equal(weir_parallel_reduce(pool, 0, 10, &good, NULL), WEIR_EINVAL);
	assert_int_equal(weir_parallel_reduce(pool, INT64_MIN, 10, &good, &result), WEIR_EINVAL);
	assert_int_equal(result, 42);
	assert_int_equal(weir_parallel_reduce(pool, 10, 10, &good, &result), WEIR_OK);
	assert_int_equal(result, 0);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_combined_is_in_the_order_of_the_range),
		cmocka_unit_test(a_deterministic_sum_has_the_same_bits_whoever_adds),
		cmocka_unit_test(what_a_thief_folded_is_combined_in_its_place),
		cmocka_unit_test(what_fails_or_cannot_be_says_so_and_writes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
