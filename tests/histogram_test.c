/* SPDX-License-Identifier: MIT */
/*
 * histogram_test.c - U1: a histogram's count is the sum of its buckets. Fails if a time falls into no bucket, or two.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "runtime/histogram.h"

static void each_time_falls_into_the_bucket_whose_bounds_hold_it(void **state)
{
	(void)state;
	for (uint32_t bit = 0; bit < 64; bit++) {
		uint64_t around[] = {(UINT64_C(1) << bit) - 1, UINT64_C(1) << bit, (UINT64_C(1) << bit) + 1};
		for (size_t i = 0; i < 3; i++) {
			uint32_t bucket = histogram_bucket(around[i]);
			assert_true(bucket < WEIR_BUCKETS);
			assert_true(around[i] < weir_histogram_bound_ns(bucket));
			if (bucket)
				assert_true(around[i] >= weir_histogram_bound_ns(bucket - 1));
		}
	}
}

static void sums_and_quantiles_are_those_of_what_was_added(void **state)
{
	(void)state;
	struct tally *tally = malloc(sizeof(*tally));
	assert_non_null(tally);
	assert_true(tally_init(tally, 2 * HISTOGRAM_COUNTERS));
	for (uint64_t i = 0; i < 1000; i++)
		histogram_add(tally, HISTOGRAM_COUNTERS, i < 990 ? 1000 : 1000000);
	weir_histogram h;
	histogram_sum(tally, 0, &h);
	assert_int_equal(h.count, 0);
	assert_int_equal(weir_histogram_quantile_ns(&h, 0.5), 0);
	histogram_sum(tally, HISTOGRAM_COUNTERS, &h);
	assert_int_equal(h.count, 1000);
	assert_int_equal(h.sum_ns, 990 * 1000 + 10 * 1000000);
	assert_int_equal(weir_histogram_quantile_ns(&h, 0.5), 1024);
	assert_int_equal(weir_histogram_quantile_ns(&h, 0.99), 1024);
	assert_int_equal(weir_histogram_quantile_ns(&h, 0.991), 1048576);
	assert_int_equal(weir_histogram_quantile_ns(&h, 1), 1048576);
	tally_fini(tally);
	free(tally);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_time_falls_into_the_bucket_whose_bounds_hold_it),
		cmocka_unit_test(sums_and_quantiles_are_those_of_what_was_added),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
