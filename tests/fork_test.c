/* SPDX-License-Identifier: MIT */
/*
 * fork_test.c - the macros of <weir/fork.h> in a pool: what is passed and returned arrives whole, with a result and
 * without; the private path writes no line that others look at (F8); a stack holds only what lies deeper in the tree
 * than what is below it (F9).
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
#include "runtime/route.h"
#include "runtime/pool.h"

static weir_pool *make_pool(const weir_options *options)
{
	weir_pool *pool;
	if (weir_pool_create(&pool, options))
		fail_msg("%s", weir_error_text());
	return pool;
}

/* 48 bytes of result, arguments of several sizes and registers. */
struct wide {
	double x;
	int64_t n;
	char c[32];
};

static struct wide wide_of(int n, double x)
{
	struct wide r = {.x = x, .n = n};
	memset(r.c, n, sizeof(r.c));
	return r;
}

static struct wide wide_sum(struct wide a, struct wide b)
{
	struct wide r = {.x = a.x + 2 * b.x, .n = a.n + b.n};
	for (size_t i = 0; i < sizeof(r.c); i++)
		r.c[i] = (char)(a.c[i] * 3 + b.c[i]);
	return r;
}

WEIR_FORK_2(struct wide, wide, int, n, double, x)
{
	if (n < 2)
		return wide_of(n, x);
	WEIR_SPAWN(wide, n - 1, x * 0.5);
	struct wide b = WEIR_CALL(wide, n - 2, x + 1);
	return wide_sum(WEIR_JOIN(wide), b);
}

static struct wide wide_serial(int n, double x)
{
	return n < 2 ? wide_of(n, x) : wide_sum(wide_serial(n - 1, x * 0.5), wide_serial(n - 2, x + 1));
}

WEIR_FORK_4(double, four, int, n, double, x, float, y, int64_t, z)
{
	if (n < 2)
		return x + (double)y + (double)z;
	WEIR_SPAWN(four, n - 1, x * 0.5, y, z + 1);
	WEIR_SPAWN(four, n - 2, x * 0.25, y + 1, z);
	double c = WEIR_CALL(four, n - 2, x + 1, y, z);
	double b = WEIR_JOIN(four);
	return c + b * 3 + WEIR_JOIN(four);
}

static double four_serial(int n, double x, float y, int64_t z)
{
	if (n < 2)
		return x + (double)y + (double)z;
	double a = four_serial(n - 1, x * 0.5, y, z + 1), b = four_serial(n - 2, x * 0.25, y + 1, z);
	return four_serial(n - 2, x + 1, y, z) + b * 3 + a;
}

static void arguments_and_results_arrive_whole(void **state)
{
	(void)state;
	struct wide expected = wide_serial(16, 3);
	double other = four_serial(11, 3, 2, 5);
	for (int round = 0; round < 12; round++) {
		weir_pool *pool =
			make_pool(WEIR_OPTIONS(.workers = 1 + (uint32_t)round % 4, .forks_max = round % 3 ? 0 : 4));
		struct wide got = {0};
		double sum = 0;
		assert_int_equal(WEIR_RUN(pool, wide, &got, 16, 3.0), WEIR_OK);
		assert_memory_equal(&got, &expected, sizeof(got));
		assert_int_equal(WEIR_RUN(pool, four, &sum, 11, 3.0, 2.0f, (int64_t)5), WEIR_OK);
		assert_memory_equal(&sum, &other, sizeof(sum));
		assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
	}
}

/* Whatever arguments are called, the macros have no name of that kind: this would not compile, or, with `out`, would pass on
 * what is not initialised where no slot is left. */
WEIR_FORK_4(long, named, long, data, long, out, long, pool, long, result)
{
	if (data < 2)
		return data + 2 * out + 3 * pool + 4 * result;
	WEIR_SPAWN(named, data - 1, out, pool, result);
	long other = WEIR_CALL(named, data - 2, out, pool, result);
	return WEIR_JOIN(named) + other;
}

WEIR_FORK_4(long, named_too, long, status, long, call, long, worker, long, task)
{
	return status + 2 * call + 3 * worker + 4 * task;
}

static void arguments_may_have_any_name(void **state)
{
	(void)state;
	weir_pool *pool = make_pool(WEIR_OPTIONS(.workers = 2, .forks_max = 2));
	long got = 0;
	assert_int_equal(WEIR_RUN(pool, named, &got, 12, 1, 10, 100), WEIR_OK);
	assert_int_equal(got, 144 + 233 * 432); /* F(12), and F(13) leaves */
	assert_int_equal(WEIR_RUN(pool, named_too, &got, 1, 10, 100, 1000), WEIR_OK);
	assert_int_equal(got, 4321);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

/* What the functions without a result leave behind: a cell for each pair of a row and a column, written once. */
enum { ROWS = 97, COLUMNS = 61 };
static _Atomic(int64_t) cell[ROWS][COLUMNS];

WEIR_FORK_VOID_1(touch, _Atomic(int64_t) *, one)
{
	atomic_fetch_add_explicit(one, 1, memory_order_relaxed);
}

WEIR_FORK_VOID_4(fill, int, row, int, rows, int8_t, column, int64_t, columns)
{
	if (rows > 1) {
		WEIR_SPAWN(fill, row, rows / 2, column, columns);
		WEIR_SPAWN(fill, row + rows / 2, rows - rows / 2, column, columns);
		WEIR_JOIN(fill);
		WEIR_JOIN(fill);
	} else if (columns > 1) {
		WEIR_SPAWN(fill, row, rows, column, columns / 2);
		WEIR_CALL(fill, row, rows, (int8_t)(column + columns / 2), columns - columns / 2);
		WEIR_JOIN(fill);
	} else {
		WEIR_SPAWN(touch, &cell[row][column]);
		atomic_fetch_add_explicit(&cell[row][column], 1000 * row + 1000000 * column, memory_order_relaxed);
		WEIR_JOIN(touch);
	}
}

/* Between functions that have one: a kept result must not be taken for that of another child. */
WEIR_FORK_VOID_3(fib_into, int, n, long, factor, long *, out)
{
	if (n < 2) {
		*out = n * factor;
		return;
	}
	long a = 0, b = 0;
	WEIR_SPAWN(fib_into, n - 1, factor, &a);
	WEIR_SPAWN(named_too, n, 0, 0, 0);
	WEIR_SPAWN(fib_into, n - 2, factor, &b);
	WEIR_JOIN(fib_into);
	long right = WEIR_JOIN(named_too) == n;
	WEIR_JOIN(fib_into);
	*out = right ? a + b : INT32_MIN;
}

WEIR_FORK_VOID_2(count_down, int, n, atomic_int *, left)
{
	if (n > 0) {
		atomic_fetch_sub(left, 1);
		WEIR_SPAWN(count_down, n - 1, left);
		WEIR_JOIN(count_down);
	}
}

static void functions_without_a_result_do_all_of_their_work(void **state)
{
	(void)state;
	for (int round = 0; round < 12; round++) {
		weir_pool *pool =
			make_pool(WEIR_OPTIONS(.workers = 1 + (uint32_t)round % 4, .forks_max = round % 3 ? 0 : 4));
		memset((void *)cell, 0, sizeof(cell));
		assert_int_equal(WEIR_RUN(pool, fill, 0, ROWS, 0, COLUMNS), WEIR_OK);
		for (int row = 0; row < ROWS; row++)
			for (int column = 0; column < COLUMNS; column++)
				assert_int_equal(cell[row][column], 1 + 1000 * row + 1000000 * column);
		long sum = 0;
		assert_int_equal(WEIR_RUN(pool, fib_into, 14, 3, &sum), WEIR_OK);
		assert_int_equal(sum, 3 * 377);
		atomic_int left = 100;
		assert_int_equal(WEIR_RUN(pool, count_down, 100, &left), WEIR_OK);
		assert_int_equal(left, 0);
		assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
	}
}

/* F8: 28,656 spawns and joins that nobody asks for change nothing of their worker but its first line, which holds what
 * spawns and joins compare with. Fails on a counter, a log, a word for thieves in the private path. */
WEIR_FORK_1(int, fib, int, n)
{
	if (n < 2)
		return n;
	WEIR_SPAWN(fib, n - 1);
	int b = WEIR_CALL(fib, n - 2);
	return WEIR_JOIN(fib) + b;
}

struct lines {
	unsigned char before[sizeof(struct worker)];
	unsigned char after[sizeof(struct worker)];
	int result;
	weir_status status;
};

static weir_status look_before_and_after(weir_task *task, void *argument)
{
	(void)task;
	struct lines *lines = argument;
	memcpy(lines->before, worker_self, sizeof(lines->before));
	lines->status = WEIR_RUN(worker_self->pool, fib, &lines->result, 22);
	memcpy(lines->after, worker_self, sizeof(lines->after));
	return WEIR_OK;
}

static void the_private_path_writes_one_line_which_is_its_own(void **state)
{
	(void)state;
	static struct lines lines;
	/* Its thread, not a guest: the worker's own would write there that it sleeps. */
	weir_pool *pool = make_pool(WEIR_OPTIONS(.workers = 1, .no_guests = true));
	assert_int_equal(weir_pool_run(pool, look_before_and_after, &lines, NULL), WEIR_OK);
	assert_int_equal(lines.status, WEIR_OK);
	assert_int_equal(lines.result, 17711);
	assert_memory_equal(lines.after + CACHE_LINE, lines.before + CACHE_LINE, sizeof(lines.after) - CACHE_LINE);
	weir_pool_counts counts = {.size = sizeof(counts)};
	assert_int_equal(weir_pool_counts_get(pool, &counts), WEIR_OK);
	assert_int_equal(counts.forked_shared + counts.forked_stolen, 0);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

/* F9: a random tree on a stack as small as can be. Each node looks at what it runs on top of: its parent, or, where a joiner
 * helps, the node that waits; both must be nearer to the root. So a stack holds at most as many nodes as the tree is deep.
 * Fails if a joiner takes whatever there is. */
enum { DEPTH = 60 };
static _Thread_local int depth_below;
static atomic_int not_deeper;
static atomic_int deepest;

static uint64_t node_hash(uint64_t seed, int child)
{
	uint64_t state = seed + (uint64_t)child * 0x5851f42d4c957f2d;
	return fixture_random(&state);
}

/* About one child in the mean, so trees differ; a chain of DEPTH in any case. */
static int children_of(uint64_t seed, int depth)
{
	return depth == DEPTH ? 0 : 1 + (seed % 16 == 0) + (seed % 64 == 0);
}

static int64_t nodes_below(uint64_t seed, int depth)
{
	int64_t sum = 1;
	for (int i = 0; i < children_of(seed, depth); i++)
		sum += nodes_below(node_hash(seed, i), depth + 1);
	return sum;
}

WEIR_FORK_2(int64_t, node, uint64_t, seed, int, depth)
{
	int below = depth_below, most = deepest;
	if (depth <= below)
		atomic_fetch_add(&not_deeper, 1);
	while (depth > most && !atomic_compare_exchange_weak(&deepest, &most, depth))
		;
	depth_below = depth;
	if (seed % 16 == 1)
		sched_yield(); /* so that others come by, on one core too */
	int children = children_of(seed, depth);
	for (int i = 0; i < children; i++)
		WEIR_SPAWN(node, node_hash(seed, i), depth + 1);
	int64_t sum = 1;
	for (int i = 0; i < children; i++)
		sum += WEIR_JOIN(node);
	depth_below = below;
	return sum;
}

static void a_stack_holds_only_what_is_deeper_than_what_is_below(void **state)
{
	(void)state;
	uint64_t seed = fixture_seed("a_stack_holds_only_what_is_deeper_than_what_is_below");
	uint64_t stolen = 0;
	static const uint32_t rooms[] = {2, 8, 0};
	for (int i = 0; i < 6; i++) {
		/* Under a sanitizer frames are several times as large. */
		weir_pool *pool = make_pool(WEIR_OPTIONS(.workers = 4, .forks_max = rooms[i % 3],
							 .stack_bytes = FIXTURE_SANITIZED ? 0 : 64 << 10));
		for (int tree = 0; tree < 20; tree++) {
			uint64_t root = fixture_random(&seed);
			int64_t sum = 0;
			assert_int_equal(WEIR_RUN(pool, node, &sum, root, 1), WEIR_OK);
			assert_int_equal(sum, nodes_below(root, 1));
		}
		weir_pool_counts counts = {.size = sizeof(counts)};
		assert_int_equal(weir_pool_counts_get(pool, &counts), WEIR_OK);
		stolen += counts.forked_stolen;
		assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
	}
	assert_int_equal(not_deeper, 0);
	assert_int_equal(deepest, DEPTH);
	print_message("%llu children were stolen\n", (unsigned long long)stolen);
}

/* Found once under ThreadSanitizer on a busy machine: a joiner saw whose thief its child had, was stopped, and took what the thief had made
 * public after it was done with the child: of another branch, nearer to the root than what waited (F9). */
static void a_thief_that_is_done_is_no_thief_any_more(void **state)
{
	(void)state;
	static struct worker joiner, thief;
	static weir_task root;
	uintptr_t tag = (uintptr_t)&root;
	struct found found;
	bool raced;
	assert_int_equal(forks_init(&joiner.forks, 8), WEIR_OK);
	assert_int_equal(forks_init(&thief.forks, 8), WEIR_OK);
	at_init(&joiner.root, &root);
	at_init(&thief.root, &root);
	forks_publish_all(&joiner.forks, joiner.forks.base + 1, tag);
	weir_fork_slot *child = forks_steal(&joiner.forks, 1, NULL, NULL, &raced);
	assert_ptr_equal(child, joiner.forks.base);
	forks_publish_all(&thief.forks, thief.forks.base + 2, tag);
	assert_true(route_take_fork(&joiner, &thief, child, &found));
	assert_ptr_equal(found.fork, thief.forks.base);
	assert_false(forks_finish(child));
	assert_false(route_take_fork(&joiner, &thief, child, &found));
	forks_fini(&joiner.forks);
	forks_fini(&thief.forks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_and_results_arrive_whole),
		cmocka_unit_test(arguments_may_have_any_name),
		cmocka_unit_test(functions_without_a_result_do_all_of_their_work),
		cmocka_unit_test(the_private_path_writes_one_line_which_is_its_own),
		cmocka_unit_test(a_stack_holds_only_what_is_deeper_than_what_is_below),
		cmocka_unit_test(a_thief_that_is_done_is_no_thief_any_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
