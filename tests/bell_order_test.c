/* SPDX-License-Identifier: MIT */
/*
 * bell_order_test.c - what the bell has done by the time that it looks at something. W12 stands on these orders: the other way round a
 * ring comes between the two now and then, and its task lies for ever. Where it looks is a page that may not be read: the signal
 * handler writes down what was there at that moment, and lets it.
 */
#include "ringer.h"

#include <signal.h>
#include <sys/mman.h>

static struct {
	char *page;
	size_t bytes;
	_Atomic(uint32_t) *watched; /* read as the page is */
	volatile sig_atomic_t touched;
	volatile uint32_t seen;
} trap;

static void on_touch(int signal)
{
	(void)signal;
	/* Another's, or the second time: let it end the program. */
	if (trap.touched++ || mprotect(trap.page, trap.bytes, PROT_READ | PROT_WRITE))
		_exit(1);
	trap.seen = at_load(trap.watched, relaxed, none);
}

static void set_trap(_Atomic(uint32_t) *watched)
{
	trap.watched = watched;
	trap.touched = 0;
	assert_int_equal(mprotect(trap.page, trap.bytes, PROT_NONE), 0);
}

static void assert_seen(uint32_t wanted)
{
	assert_int_equal(trap.touched, 1);
	assert_int_equal(trap.seen, wanted);
}

/* The page, and one after it that may be read. */
static void begin(struct ringer *ringer)
{
	struct sigaction action = {.sa_handler = on_touch};
	trap.bytes = (size_t)sysconf(_SC_PAGESIZE);
	trap.page = mmap(NULL, 2 * trap.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(trap.page != MAP_FAILED);
	assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);
	ringer_begin(ringer, WEIR_OPTIONS(.workers = 1, INVENTED));
	at_store(&ringer->pool->bell->state, BELL_NEVER, relaxed, none);
	bell_begin_rounds(ringer->pool);
}

static void end(struct ringer *ringer)
{
	(void)signal(SIGSEGV, SIG_DFL);
	ringer_end(ringer);
	(void)munmap(trap.page, 2 * trap.bytes);
}

/* A lane of nobody's, empty; its habit begins the second page. */
static struct intake *add_lane(weir_pool *pool)
{
	struct intake *in = (struct intake *)(void *)(trap.page + trap.bytes - offsetof(struct intake, habit));
	at_store(&pool->producers->all[1], in, relaxed, none);
	at_store(&pool->producers->made, 2, relaxed, none);
	return in;
}

static void remove_lane(weir_pool *pool)
{
	at_store(&pool->producers->made, 1, relaxed, none);
	at_store(&pool->producers->all[1], NULL, relaxed, none);
}

/* Or a ring after the look counts on a round that is not to come. */
static void nobody_watches_any_more_as_the_last_round_looks(void **state)
{
	(void)state;
	struct ringer ringer;
	begin(&ringer);
	struct intake *in = add_lane(ringer.pool);
	at_store(&in->habit.rung, 1, relaxed, none);
	set_trap(&ringer.pool->bell->watching);
	bell_end_rounds(ringer.pool);
	assert_seen(0);
	remove_lane(ringer.pool);
	end(&ringer);
}

/* Or what is pushed after the look counts on a ring that is about to be cleared. */
static void nothing_is_rung_for_any_more_as_a_round_looks(void **state)
{
	(void)state;
	struct ringer ringer;
	begin(&ringer);
	struct intake *in = add_lane(ringer.pool);
	at_store(&in->habit.rung, 1, relaxed, none);
	set_trap(&in->habit.rung);
	assert_true(bell_go_round(ringer.pool));
	assert_seen(0);
	remove_lane(ringer.pool);
	end(&ringer);
}

/* Where who rings looks whether somebody watches is a page, too. */
static struct bell *move_bell(weir_pool *pool)
{
	struct bell *bell = pool->bell;
	pool->bell = (struct bell *)(void *)trap.page;
	memcpy(pool->bell, bell, sizeof(*bell));
	return bell;
}

/* Or a last round between the two looks at nothing. */
static void it_is_rung_for_as_the_ringer_looks_who_watches(void **state)
{
	(void)state;
	struct ringer ringer;
	begin(&ringer);
	ringer_believe(&ringer);
	struct bell *bell = move_bell(ringer.pool);
	set_trap(&ringer_habit(&ringer)->rung);
	assert_true(ringer_submit(&ringer));
	assert_seen(1);
	ringer.pool->bell = bell;
	end(&ringer);
}

/* Or a round between the two clears the ring, and finds nothing. */
static void it_is_shown_as_it_is_rung_for(void **state)
{
	(void)state;
	struct ringer ringer;
	begin(&ringer);
	ringer_believe(&ringer);
	struct intake *in = ringer_lane(&ringer);
	struct bell *bell = move_bell(ringer.pool);
	uint32_t pushed = in->pushed;
	/* The low half of `tail`: calls pushed. */
	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the other half");
	set_trap((_Atomic(uint32_t) *)(void *)&in->tail);
	assert_true(ringer_submit(&ringer));
	assert_seen(pushed + 1);
	ringer.pool->bell = bell;
	end(&ringer);
}

int main(void)
{
	alarm(HANG_SECONDS);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_watches_any_more_as_the_last_round_looks),
		cmocka_unit_test(nothing_is_rung_for_any_more_as_a_round_looks),
		cmocka_unit_test(it_is_rung_for_as_the_ringer_looks_who_watches),
		cmocka_unit_test(it_is_shown_as_it_is_rung_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
