/* SPDX-License-Identifier: MIT */
/*
 * What rounds come to: medians, quartiles, spread, and ratios round by round. Fails if the order of rounds counts, if a round
 * that did not happen does, or if a ratio is of medians rather than of rounds.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stats.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void quantiles_lie_between_the_nearest_values(void **state)
{
	(void)state;
	const double odd[] = {5, 1, 3}, even[] = {4, 1, 2, 3}, one[] = {7};
	assert_float_equal(stats_quantile(odd, COUNT(odd), 0.5), 3, 0);
	assert_float_equal(stats_quantile(odd, COUNT(odd), 0.25), 2, 0);
	assert_float_equal(stats_quantile(even, COUNT(even), 0.5), 2.5, 0);
	assert_float_equal(stats_quantile(even, COUNT(even), 0), 1, 0);
	assert_float_equal(stats_quantile(even, COUNT(even), 1), 4, 0);
	assert_float_equal(stats_quantile(one, COUNT(one), 0.75), 7, 0);
	assert_true(isnan(stats_quantile(one, 0, 0.5)));
}

static void rounds_that_did_not_happen_are_left_out(void **state)
{
	(void)state;
	const double values[] = {NAN, 10, NAN, 30, 20};
	struct summary s = stats_summary(values, COUNT(values));
	assert_int_equal(s.count, 3);
	assert_float_equal(s.median, 20, 0);
	assert_float_equal(s.low, 15, 0);
	assert_float_equal(s.high, 25, 0);
	assert_float_equal(s.spread, 0.5, 1e-12);
	const double one[] = {NAN, 5};
	s = stats_summary(one, COUNT(one));
	assert_true(s.count == 1 && isnan(s.spread)); /* one round knows of no spread */
	const double none[] = {NAN, NAN};
	s = stats_summary(none, COUNT(none));
	assert_int_equal(s.count, 0);
	assert_true(isnan(s.median) && isnan(s.spread));
}

static void the_same_in_all_rounds_has_no_spread(void **state)
{
	(void)state;
	const double zeros[] = {0, 0, 0}, fives[] = {5, 5};
	assert_float_equal(stats_summary(zeros, COUNT(zeros)).spread, 0, 0);
	assert_float_equal(stats_summary(fives, COUNT(fives)).spread, 0, 0);
}

/* The machine is ten times slower in the second round: both are, and the ratio stays 2. That of the medians would be 1. */
static void a_ratio_is_taken_round_by_round(void **state)
{
	(void)state;
	const double a[] = {2, 20, 2, NAN, 8}, b[] = {1, 10, 1, 5, 0};
	struct summary s = stats_ratio(a, b, COUNT(a));
	assert_int_equal(s.count, 3);
	assert_float_equal(s.median, 2, 1e-12);
	assert_float_equal(s.spread, 0, 1e-12);
}

static void joint_spreads_add_as_squares(void **state)
{
	(void)state;
	assert_float_equal(stats_joint_spread(0.03, 0.04), 0.05, 1e-12);
	assert_float_equal(stats_joint_spread(0, 0.2), 0.2, 1e-12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_lie_between_the_nearest_values),
		cmocka_unit_test(rounds_that_did_not_happen_are_left_out),
		cmocka_unit_test(the_same_in_all_rounds_has_no_spread),
		cmocka_unit_test(a_ratio_is_taken_round_by_round),
		cmocka_unit_test(joint_spreads_add_as_squares),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
