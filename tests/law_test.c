/* SPDX-License-Identifier: MIT */
/* law_test.c - Z5: the adaptive law on a logical clock: what it does to each kind of interval, and that it settles on a
 * machine that it does not know. It would fail by a factor that runs away, or that stays down when the delay is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <weir/base.h>

#include "private/compiler.h"
#include "runtime/law.h"

#define MS WEIR_NS_PER_MS

static uint32_t factor(const struct law *law)
{
	return at_load(&law->factor, relaxed, none);
}

static void a_standing_delay_makes_it_fall_and_none_makes_it_rise(void **state)
{
	(void)state;
	static const struct {
		uint64_t delay_ms[3]; /* of starts in the interval; 0: none more */
		uint32_t factor;      /* after it */
	} cases[] = {
		{{4, 3, 0}, 1000},			/* nothing stands */
		{{9, 8, 7}, 800},			/* the shortest is above the target */
		{{90, 6, 80}, 640}, {{90, 5, 80}, 690}, /* at the target: a burst that drains */
		{{0}, 690},				/* nobody started: nothing is known */
		{{1}, 740},	    {{6}, 592},
	};
	struct law law;
	law_init(&law, 5 * MS, 100 * MS, 0);
	uint64_t now = 0;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		uint32_t before = factor(&law);
		for (int d = 0; d < 3 && cases[i].delay_ms[d]; d++)
			law_note(&law, cases[i].delay_ms[d] * MS);
		assert_false(law_tick(&law, now + 99 * MS));
		now += 100 * MS;
		assert_int_equal(law_tick(&law, now), before != cases[i].factor);
		assert_int_equal(factor(&law), cases[i].factor);
	}
	law_reset(&law, now);
	assert_int_equal(factor(&law), 1000);
}

static void it_stays_within_its_bounds(void **state)
{
	(void)state;
	struct law law;
	law_init(&law, 5 * MS, 100 * MS, 0);
	for (uint64_t i = 1; i <= 100; i++) {
		law_note(&law, UINT64_MAX - 1);
		(void)law_tick(&law, i * 100 * MS);
		assert_in_range(factor(&law), LAW_FACTOR_MIN, LAW_FACTOR_MAX);
	}
	assert_int_equal(factor(&law), LAW_FACTOR_MIN);
	for (uint64_t i = 101; i <= 120; i++) {
		law_note(&law, 0);
		(void)law_tick(&law, i * 100 * MS);
	}
	assert_int_equal(factor(&law), LAW_FACTOR_MAX);
}

/* A machine whose delay is nothing up to a share of the limits that the law is not told, and grows above it. Once it is
 * there it stays within the two moves that it knows: down by a fifth, up by a step. */
static void it_finds_the_share_that_a_machine_can_run(void **state)
{
	(void)state;
	for (uint32_t can = 150; can <= 900; can += 150) {
		struct law law;
		law_init(&law, 5 * MS, 100 * MS, 0);
		for (uint64_t i = 1; i <= 400; i++) {
			uint32_t used = factor(&law);
			law_note(&law, used > can ? (used - can) * MS : 0);
			(void)law_tick(&law, i * 100 * MS);
			if (i > 50)
				assert_in_range(factor(&law), (can + 5) * 800 / 1000, can + 5 + LAW_RISE);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_standing_delay_makes_it_fall_and_none_makes_it_rise),
		cmocka_unit_test(it_stays_within_its_bounds),
		cmocka_unit_test(it_finds_the_share_that_a_machine_can_run),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
