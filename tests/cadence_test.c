/* SPDX-License-Identifier: MIT */
/* cadence_test.c - M3's arithmetic: what costs more than its share is done more rarely, so that on average it takes its
 * share; many pieces are done a slice at a time; one cost out of line does not silence a thing for long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "numa/cadence.h"
#include "private/compiler.h"

struct tally {
	uint64_t spent_ns, pieces, turns, longest_rest;
};

static struct tally rounds(struct cadence *c, uint32_t count, uint32_t pieces, uint64_t piece_ns)
{
	struct tally t = {0};
	uint64_t rest = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t turn = cadence_turn(c, pieces);
		assert_in_range(turn, 0, pieces);
		rest = turn ? 0 : rest + 1;
		t.longest_rest = rest > t.longest_rest ? rest : t.longest_rest;
		if (!turn)
			continue;
		cadence_paid(c, turn, turn * piece_ns);
		t.spent_ns += turn * piece_ns;
		t.pieces += turn;
		t.turns++;
	}
	return t;
}

static void what_is_cheap_is_done_each_time(void **state)
{
	(void)state;
	struct cadence one = {.share_ns = 8000}, four = one;
	assert_int_equal(rounds(&one, 1000, 1, 7000).turns, 1000);
	assert_int_equal(rounds(&four, 1000, 4, 1900).pieces, 4000);
}

/* On machines of 8192 CPUs and 1024 nodes: 15 ms for /proc/stat, 6 us for each node. Fails if the average is above the
 * share, or far below. */
static void what_is_dear_takes_its_share_on_average(void **state)
{
	(void)state;
	static const struct {
		uint64_t share_ns, piece_ns;
		uint32_t pieces;
	} cases[] = {{8000, 15000000, 1}, {8000, 8001, 1},   {8000, 12000, 1}, {16000, 6000, 1024},
		     {16000, 15999, 3},	  {16000, 20000, 8}, {1, 1000, 1},     {16000, 1, 1024}};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct cadence c = {.share_ns = cases[i].share_ns};
		enum { ROUNDS = 100000 };
		(void)rounds(&c, 1, cases[i].pieces, cases[i].piece_ns); /* not known before */
		struct tally t = rounds(&c, ROUNDS, cases[i].pieces, cases[i].piece_ns);
		uint64_t all = cases[i].pieces * cases[i].piece_ns;
		uint64_t fair = all < cases[i].share_ns ? all : cases[i].share_ns;
		uint64_t average = t.spent_ns / ROUNDS;
		if (average > fair + fair / 8 + 1 || average < fair / 3)
			fail_msg("case %zu: %llu ns", i, (unsigned long long)average);
	}
}

static void one_cost_out_of_line_counts_as_four(void **state)
{
	(void)state;
	struct cadence c = {.share_ns = 8000};
	(void)rounds(&c, 100, 1, 4000);
	assert_int_equal(cadence_turn(&c, 1), 1);
	cadence_paid(&c, 1, UINT64_MAX / 8); /* stopped in a debugger */
	assert_in_range(rounds(&c, 100, 1, 4000).longest_rest, 0, 1);
}

static void a_new_cost_is_learnt_in_either_direction(void **state)
{
	(void)state;
	struct cadence c = {.share_ns = 8000};
	(void)rounds(&c, 10, 1, 1000);
	(void)rounds(&c, 1000, 1, 800000);
	assert_in_range(rounds(&c, 10000, 1, 800000).spent_ns / 10000, 6000, 9000);
	(void)rounds(&c, 2000, 1, 1000);
	assert_int_equal(rounds(&c, 100, 1, 1000).turns, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_cheap_is_done_each_time),
		cmocka_unit_test(what_is_dear_takes_its_share_on_average),
		cmocka_unit_test(one_cost_out_of_line_counts_as_four),
		cmocka_unit_test(a_new_cost_is_learnt_in_either_direction),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
