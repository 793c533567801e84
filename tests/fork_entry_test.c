/* SPDX-License-Identifier: MIT */
/*
 * fork_entry_test.c - the ways into the slow paths of fork-join (F10). Each would fail if an entry lost a general register,
 * wrote into the red zone or left the stack askew, if a compiler kept something else over the jump, or if unwinders lost
 * their way there.
 */
#include <execinfo.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <weir/weir.h>

#include "fixture.h"

enum { FRAMES = 64 };

static weir_pool *small_pool(void)
{
	weir_pool *pool;
	if (weir_pool_create(&pool, WEIR_OPTIONS(.workers = 1, .forks_max = 2)))
		fail_msg("%s", weir_error_text());
	return pool;
}

/* Floating point, and more values that live over a spawn and a join than there are registers. There is room for two children, so
 * most are run inside the slow path. */
WEIR_FORK_2(double, weigh, int, n, double, x)
{
	if (n < 1)
		return x;
	double a = x + 1, b = x * 2, c = x - n, sum = 0;
	int64_t i = n, j = i * 3, k = j + 7, l = k ^ i, m = l * j;
	for (int child = 0; child < 4; child++) {
		WEIR_SPAWN(weigh, n - 1, a + child);
		a += b * 0.5;
		i += k ^ m;
		m -= l;
	}
	for (int child = 0; child < 4; child++) {
		sum += WEIR_JOIN(weigh) * c;
		j += i ^ child;
		b += 0.25;
	}
	return sum + a + b + c + (double)((i ^ j) + (k ^ l) + m);
}

static double weigh_serial(int n, double x)
{
	if (n < 1)
		return x;
	double a = x + 1, b = x * 2, c = x - n, sum = 0, children[4];
	int64_t i = n, j = i * 3, k = j + 7, l = k ^ i, m = l * j;
	for (int child = 0; child < 4; child++) {
		children[child] = weigh_serial(n - 1, a + child);
		a += b * 0.5;
		i += k ^ m;
		m -= l;
	}
	for (int child = 0; child < 4; child++) {
		sum += children[3 - child] * c;
		j += i ^ child;
		b += 0.25;
	}
	return sum + a + b + c + (double)((i ^ j) + (k ^ l) + m);
}

/* A child so small that it is inlined: its parent calls nothing, as far as the compiler knows, and has a red zone. */
WEIR_FORK_1(long, small, long, n)
{
	return n * 3;
}

WEIR_FORK_1(long, sums, long, n)
{
	volatile long kept[8];
	for (long i = 0; i < 8; i++)
		kept[i] = n + i;
	WEIR_SPAWN(small, n);
	WEIR_SPAWN(small, n + 1);
	WEIR_SPAWN(small, n + 2);
	long sum = WEIR_JOIN(small);
	sum += 2 * WEIR_JOIN(small);
	sum += 3 * WEIR_JOIN(small);
	for (long i = 0; i < 8; i++)
		sum += kept[i] - i;
	return sum;
}

static void what_lives_over_a_slow_spawn_or_join_is_kept(void **state)
{
	(void)state;
	weir_pool *pool = small_pool();
	double weight = 0;
	long sum = 0;
	assert_int_equal(WEIR_RUN(pool, weigh, &weight, 5, 1.5), WEIR_OK);
	assert_int_equal(WEIR_RUN(pool, sums, &sum, 100), WEIR_OK);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
	double right = weigh_serial(5, 1.5);
	assert_memory_equal(&weight, &right, sizeof(right));
	assert_int_equal(sum, 3 * (102 + 2 * 101 + 3 * 100) + 8 * 100);
}

/* Registers that only some processors have, and that the rest of this program is not compiled for. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define HAS_WIDE __builtin_cpu_supports("avx512f")
#pragma GCC push_options
#pragma GCC target("avx512f")
enum { LANES = 8, WIDES = 14 };
typedef double wide __attribute__((vector_size(8 * LANES)));

/* As many vectors that live over a spawn and a join as there are registers without the lower sixteen, nearly. */
#define WEIGH_WIDE(spawn, join)                                    \
	wide v[WIDES];                                             \
	double sum = 0;                                            \
	if (n < 1)                                                 \
		return x;                                          \
	for (int i = 0; i < WIDES; i++)                            \
		v[i] = (wide){x, n, i, x - n, x * i, 1, n - i, 2}; \
	for (int child = 0; child < 3; child++) {                  \
		spawn;                                             \
		for (int i = 0; i < WIDES; i++)                    \
			v[i] = v[i] * 0.5 + (double)child;         \
	}                                                          \
	for (int child = 0; child < 3; child++) {                  \
		sum += join;                                       \
		for (int i = 0; i < WIDES; i++)                    \
			v[i] = v[i] * 0.25 + x;                    \
	}                                                          \
	for (int i = 0; i < WIDES; i++)                            \
		for (int lane = 0; lane < LANES; lane++)           \
			sum = sum * 0.5 + v[i][lane];              \
	return sum

WEIR_FORK_2(double, weigh_wide, int, n, double, x)
{
	WEIGH_WIDE(WEIR_SPAWN(weigh_wide, n - 1, x + child), WEIR_JOIN(weigh_wide));
}

static double weigh_wide_serial(int n, double x)
{
	double children[3];
	WEIGH_WIDE(children[child] = weigh_wide_serial(n - 1, x + child), children[2 - child]);
}

static weir_status run_wide(weir_pool *pool, double *weight, double *right)
{
	*right = weigh_wide_serial(5, 1.5);
	return WEIR_RUN(pool, weigh_wide, weight, 5, 1.5);
}
#pragma GCC pop_options
#else
#define HAS_WIDE false

static weir_status run_wide(weir_pool *pool, double *weight, double *right)
{
	(void)pool;
	*weight = *right = 0;
	return WEIR_OK;
}
#endif

static void what_lives_in_wide_registers_is_kept(void **state)
{
	(void)state;
	if (!HAS_WIDE)
		skip();
	weir_pool *pool = small_pool();
	double weight = 0, right = 1;
	assert_int_equal(run_wide(pool, &weight, &right), WEIR_OK);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
	assert_memory_equal(&weight, &right, sizeof(right));
}

static struct {
	void *frame[FRAMES];
	int frames;
	void *caller;
} seen;

WEIR_FORK_1(int, look, int, n)
{
	if (n)
		seen.frames = backtrace(seen.frame, FRAMES);
	return n;
}

/* The third child has no slot: it looks from inside the slow path. */
WEIR_FORK_1(int, looked_at, int, n)
{
	seen.caller = __builtin_extract_return_addr(__builtin_return_address(0));
	WEIR_SPAWN(look, 0);
	WEIR_SPAWN(look, 0);
	WEIR_SPAWN(look, n);
	int last = WEIR_JOIN(look);
	last += WEIR_JOIN(look);
	return WEIR_JOIN(look) + last;
}

static void unwinders_find_their_way_through_a_slow_path(void **state)
{
	(void)state;
	weir_pool *pool = small_pool();
	int result = 0, found = 0;
	assert_int_equal(WEIR_RUN(pool, looked_at, &result, 5), WEIR_OK);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
	assert_int_equal(result, 5);
	for (int i = 0; i < seen.frames; i++)
		found += seen.frame[i] == seen.caller;
	assert_int_equal(found, 1);
}

#if defined(__x86_64__) && !defined(__ILP32__)
/* Fill the registers and the red zone, take the entry at `at` of the worker, and look at them again. pad: 0 or 8, what the stack's
 * alignment is off by. */
#define CHECKED_ENTRY(at, pad, rax_now)                                                                              \
	__asm__ volatile("push %%rbp\n\tpush %%rbx\n\tpush %%rdi\n\tpush %%rsi\n\tsub $(256 + " #pad "), %%rsp\n\t"  \
			 "movq $70, -8(%%rsp)\n\tmovq $71, -128(%%rsp)\n\t"                                          \
			 "mov $1, %%eax\n\tmov $2, %%ebx\n\tmov $3, %%ecx\n\tmov $4, %%edx\n\tmov $5, %%ebp\n\t"     \
			 "mov $8, %%r8d\n\tmov $9, %%r9d\n\tmov $10, %%r10d\n\tmov $12, %%r12d\n\t"                  \
			 "mov $13, %%r13d\n\tmov $14, %%r14d\n\tmov $15, %%r15d\n\t"                                 \
			 "lea 1f(%%rip), %%r11\n\tjmp *%c[entry](%%rdi)\n1:\n\t"                                     \
			 "movq $0, -64(%%rsp)\n\t"                                                                   \
			 "cmpq $70, -8(%%rsp)\n\tjne 2f\n\tcmpq $71, -128(%%rsp)\n\tjne 2f\n\t" rax_now              \
			 "cmp $2, %%rbx\n\tjne 2f\n\tcmp $3, %%rcx\n\tjne 2f\n\tcmp $4, %%rdx\n\tjne 2f\n\t"         \
			 "cmp $5, %%rbp\n\tjne 2f\n\tcmp $8, %%r8\n\tjne 2f\n\tcmp $9, %%r9\n\tjne 2f\n\t"           \
			 "cmp $10, %%r10\n\tjne 2f\n\tcmp $12, %%r12\n\tjne 2f\n\tcmp $13, %%r13\n\tjne 2f\n\t"      \
			 "cmp $14, %%r14\n\tjne 2f\n\tcmp $15, %%r15\n\tjne 2f\n\t"                                  \
			 "cmp 256 + " #pad "(%%rsp), %%rsi\n\tjne 2f\n\tcmp 264 + " #pad                             \
			 "(%%rsp), %%rdi\n\tjne 2f\n\t"                                                              \
			 "movq $1, -64(%%rsp)\n2:\n\t"                                                               \
			 "mov -64(%%rsp), %%rcx\n\tadd $(256 + " #pad "), %%rsp\n\t"                                 \
			 "pop %%rsi\n\tpop %%rdi\n\tpop %%rbx\n\tpop %%rbp"                                          \
			 : "=a"(rax), "=c"(right)                                                                    \
			 : "D"(worker), "S"(slot), [entry] "i"(offsetof(weir_worker, at))                            \
			 : "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory", "xmm0",      \
			   "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", \
			   "xmm12", "xmm13", "xmm14", "xmm15")

static int askew;

static void nothing(weir_worker *worker, weir_fork_slot *head, weir_fork_slot *slot)
{
	(void)worker;
	(void)head;
	slot->data[0] = 99;
	askew += (uintptr_t)__builtin_frame_address(0) % 16 != 0;
}

static uint64_t kept_by[4];
static int answers[4];

static __attribute__((noinline)) void look_at_registers(weir_worker *worker, weir_fork_slot *slot)
{
	uint64_t rax, right;
	weir_fork_slot child = {.run = nothing};
	worker->spare = child;
	CHECKED_ENTRY(spawn_slow, 0, "cmp $1, %%rax\n\tjne 2f\n\t");
	kept_by[0] = right;
	CHECKED_ENTRY(join_slow, 0, "");
	kept_by[1] = right;
	answers[1] = *(unsigned char *)(uintptr_t)rax;
	worker->spare = child;
	CHECKED_ENTRY(spawn_slow, 8, "cmp $1, %%rax\n\tjne 2f\n\t");
	kept_by[2] = right;
	CHECKED_ENTRY(join_slow, 8, "");
	kept_by[3] = right;
	answers[3] = *(unsigned char *)(uintptr_t)rax;
}

static weir_status in_a_task(weir_task *task, void *argument)
{
	(void)task;
	(void)argument;
	weir_worker *worker = weir_fork_self();
	look_at_registers(worker, worker->head);
	return WEIR_OK;
}

static void entries_keep_registers_and_the_red_zone(void **state)
{
	(void)state;
	weir_pool *pool = small_pool();
	assert_int_equal(weir_pool_run(pool, in_a_task, NULL, NULL), WEIR_OK);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
	for (int i = 0; i < 4; i++)
		assert_int_equal(kept_by[i], 1);
	assert_int_equal(answers[1], 99);
	assert_int_equal(answers[3], 99);
	assert_int_equal(askew, 0);
}
#else
static void entries_keep_registers_and_the_red_zone(void **state)
{
	(void)state;
	skip(); /* there a compiler calls them */
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_lives_over_a_slow_spawn_or_join_is_kept),
		cmocka_unit_test(what_lives_in_wide_registers_is_kept),
		cmocka_unit_test(unwinders_find_their_way_through_a_slow_path),
		cmocka_unit_test(entries_keep_registers_and_the_red_zone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
