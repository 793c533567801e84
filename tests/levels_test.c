/* SPDX-License-Identifier: MIT */
/* levels_test.c - Z3, Z4: every transition between levels on a logical clock, what each level does to each class, what
 * pressure is made of. It would fail by a pool that is full of granted memory and not GREEN, or by a level that is left
 * too early or never. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fixture.h"
#include "private/compiler.h"
#include "runtime/levels.h"

#define MS WEIR_NS_PER_MS
#define GIB (UINT64_C(1) << 30)

static struct levels make(weir_level_options given)
{
	struct levels levels;
	weir_level_options options;
	given.size = sizeof(given);
	assert_int_equal(levels_resolve(&options, &given, 5 * MS), WEIR_OK);
	levels_init(&levels, &options);
	return levels;
}

static weir_level tick(struct levels *levels, double pressure, uint64_t at_ms)
{
	weir_level_change change;
	struct levels_input input = {.stall_percent = pressure * 10};
	weir_level before = levels_now(levels);
	bool changed = levels_tick(levels, &input, at_ms * MS, &change);
	assert_int_equal(changed, before != levels_now(levels));
	if (changed) {
		assert_int_equal(change.from, before);
		assert_int_equal(change.to, levels_now(levels));
	}
	return levels_now(levels);
}

/* What brings it to each level from below and from above, the threshold, and what keeps it there. */
static const struct {
	double up, down, enter, stay;
} at_level[WEIR_LEVELS] = {{0.30, 0.30, 0, 0},
			   {0.75, 0.68, 0.7005, 0.6505},
			   {0.88, 0.82, 0.8505, 0.8005},
			   {0.97, 0.92, 0.9505, 0.9005},
			   {1.50, 1.50, 1.0005, 0.9505}};

static struct levels made_at(weir_level level)
{
	struct levels levels = make((weir_level_options){0});
	assert_int_equal(tick(&levels, at_level[level].up, 1), level);
	return levels;
}

/* All 5 x 5: up at once, down after 100 ms, to the level that the pressure then is at. */
static void every_level_is_reached_from_every_other(void **state)
{
	(void)state;
	for (int from = 0; from < WEIR_LEVELS; from++)
		for (int to = 0; to < WEIR_LEVELS; to++) {
			struct levels levels = made_at((weir_level)from);
			double pressure = to > from ? at_level[to].up : at_level[to].down;
			if (to >= from) {
				assert_int_equal(tick(&levels, pressure, 2), to);
				continue;
			}
			assert_int_equal(tick(&levels, pressure, 2), from);
			assert_int_equal(tick(&levels, pressure, 101), from);
			assert_int_equal(tick(&levels, pressure, 102), to);
			assert_int_equal(tick(&levels, pressure, 9999), to);
		}
}

static void a_level_begins_at_its_threshold_and_ends_below(void **state)
{
	(void)state;
	for (int level = WEIR_LEVEL_YELLOW; level < WEIR_LEVELS; level++) {
		struct levels levels = made_at((weir_level)(level - 1));
		assert_int_equal(tick(&levels, at_level[level].enter - 0.002, 2), level - 1);
		assert_int_equal(tick(&levels, at_level[level].enter, 3), level);
		for (uint64_t at = 4; at < 2000; at += 50)
			assert_int_equal(tick(&levels, at_level[level].stay, at), level);
		assert_int_equal(tick(&levels, at_level[level].stay - 0.002, 2000), level);
		assert_int_equal(tick(&levels, at_level[level].stay - 0.002, 2099), level);
		assert_int_equal(tick(&levels, at_level[level].stay - 0.002, 2100), level - 1);
	}
}

static void one_tick_of_pressure_starts_the_time_over(void **state)
{
	(void)state;
	struct levels levels = made_at(WEIR_LEVEL_RED);
	assert_int_equal(tick(&levels, 0, 10), WEIR_LEVEL_RED);
	assert_int_equal(tick(&levels, 0.92, 105), WEIR_LEVEL_RED);
	assert_int_equal(tick(&levels, 0, 110), WEIR_LEVEL_RED);
	assert_int_equal(tick(&levels, 0.72, 209), WEIR_LEVEL_RED);
	/* Below all the while, by one level or another: it falls to that of now. */
	assert_int_equal(tick(&levels, 0.72, 210), WEIR_LEVEL_YELLOW);
	/* A rise on the way down counts at once. */
	assert_int_equal(tick(&levels, 0, 220), WEIR_LEVEL_YELLOW);
	assert_int_equal(tick(&levels, 1.0, 300), WEIR_LEVEL_BLACK);
	assert_int_equal(tick(&levels, 0, 330), WEIR_LEVEL_BLACK);
	assert_int_equal(tick(&levels, 0, 429), WEIR_LEVEL_BLACK);
	assert_int_equal(tick(&levels, 0, 430), WEIR_LEVEL_GREEN);
}

static void each_level_does_its_own_to_each_class(void **state)
{
	(void)state;
	static const enum level_effect expected[WEIR_LEVELS][WEIR_CLASSES] = {
		/* NORMAL, HIGH, CRITICAL, BEST_EFFORT */
		{LEVEL_GO, LEVEL_GO, LEVEL_GO, LEVEL_GO},
		{LEVEL_GO, LEVEL_GO, LEVEL_GO, LEVEL_WAIT},
		{LEVEL_WAIT, LEVEL_GO, LEVEL_GO, LEVEL_REJECT},
		{LEVEL_REJECT, LEVEL_GO, LEVEL_GO, LEVEL_REJECT},
		{LEVEL_REJECT, LEVEL_REJECT, LEVEL_GO, LEVEL_REJECT},
	};
	for (int l = 0; l < WEIR_LEVELS; l++)
		for (int c = 0; c < WEIR_CLASSES; c++)
			assert_int_equal(levels_effect((weir_level)l, (weir_class)c), expected[l][c]);

}

/* What is granted is covered, to the last byte; what is used beyond is measured by what is not granted. */
static void pressure_is_what_no_grant_covers(void **state)
{
	(void)state;
	static const struct {
		uint64_t used, limit, granted; /* in 1/100 GiB */
		double memory;
		weir_level level;
	} cases[] = {
		{100, 100, 100, 0, WEIR_LEVEL_GREEN}, /* full and accounted */
		{90, 100, 100, 0, WEIR_LEVEL_GREEN},  /* granted and not touched yet */
		{0, 100, 0, 0, WEIR_LEVEL_GREEN},
		{50, 100, 0, 0.5, WEIR_LEVEL_GREEN}, /* nothing granted: used / limit */
		{71, 100, 0, 0.71, WEIR_LEVEL_YELLOW},
		{75, 100, 50, 0.5, WEIR_LEVEL_GREEN}, /* 25 of the 50 that are not granted */
		{93, 100, 50, 0.86, WEIR_LEVEL_ORANGE},
		{98, 100, 50, 0.96, WEIR_LEVEL_RED},
		{100, 100, 50, 1.0, WEIR_LEVEL_BLACK},
		{102, 100, 100, 0.4, WEIR_LEVEL_GREEN}, /* all granted: measured by 5 % of the limit */
		{104, 100, 100, 0.8, WEIR_LEVEL_YELLOW},
		{105, 100, 100, 1.0, WEIR_LEVEL_BLACK},
		{150, 100, 400, 0, WEIR_LEVEL_GREEN}, /* grants of an invented machine */
		{150, 0, 0, 0, WEIR_LEVEL_GREEN},     /* no limit is known */
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct levels levels = make((weir_level_options){0});
		struct levels_input input = {.used_bytes = cases[i].used * 1000,
					     .limit_bytes = cases[i].limit * 1000,
					     .granted_bytes = cases[i].granted * 1000};
		weir_level_change change;
		(void)levels_tick(&levels, &input, MS, &change);
		levels_look(&levels, &change);
		if (change.to != cases[i].level)
			fail_msg("case %zu: %s at %g", i, weir_level_name(change.to), change.pressure);
		assert_in_range((uint64_t)(change.memory * 1000 + 0.5),
				(uint64_t)(cases[i].memory * 1000) - (cases[i].memory > 0),
				(uint64_t)(cases[i].memory * 1000 + 0.5));
	}
}

static void the_largest_of_the_three_counts(void **state)
{
	(void)state;
	static const struct {
		struct levels_input input;
		weir_level level;
	} cases[] = {
		{{.stall_percent = 7.1}, WEIR_LEVEL_YELLOW},
		{{.stall_percent = 10}, WEIR_LEVEL_BLACK},
		{{.delay_ns = 34 * MS}, WEIR_LEVEL_GREEN},
		{{.delay_ns = 44 * MS}, WEIR_LEVEL_ORANGE}, /* of 50 ms: 10 targets of 5 ms */
		{{.used_bytes = 75, .limit_bytes = 100, .stall_percent = 9.6, .delay_ns = 44 * MS}, WEIR_LEVEL_RED},
		{{.used_bytes = 96, .limit_bytes = 100, .stall_percent = 1, .delay_ns = 1 * MS}, WEIR_LEVEL_RED},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct levels levels = make((weir_level_options){0});
		weir_level_change change;
		(void)levels_tick(&levels, &cases[i].input, MS, &change);
		assert_int_equal(levels_now(&levels), cases[i].level);
	}
}

/* What was in use when admission began is not its tasks'. */
static void the_first_reading_is_the_base(void **state)
{
	(void)state;
	struct levels levels = make((weir_level_options){0});
	struct levels_input input = {0};
	weir_reading reading = {.size = sizeof(reading), .known = WEIR_KNOWN_MEMORY_PRESSURE};
	levels_read(&levels, &reading, true, &input);
	assert_int_equal(input.used_bytes, 0);
	reading.known |= WEIR_KNOWN_PROCESS;
	reading.process_rss_bytes = 5 * GIB;
	levels_read(&levels, &reading, true, &input);
	assert_int_equal(input.used_bytes, 0);
	reading.process_rss_bytes = 7 * GIB;
	levels_read(&levels, &reading, true, &input);
	assert_int_equal(input.used_bytes, 2 * GIB);
	reading.process_rss_bytes = 3 * GIB;
	levels_read(&levels, &reading, true, &input);
	assert_int_equal(input.used_bytes, 0);
}

/* Of the host's stalls and the group's own the worse counts, and only what is known. */
static void the_worse_stall_counts(void **state)
{
	(void)state;
	static const struct {
		uint32_t known;
		double percent;
	} cases[] = {{0, 0},
		     {WEIR_KNOWN_MEMORY_PRESSURE, 3},
		     {WEIR_KNOWN_CGROUP_MEMORY_PRESSURE, 8},
		     {WEIR_KNOWN_MEMORY_PRESSURE | WEIR_KNOWN_CGROUP_MEMORY_PRESSURE, 8}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct levels levels = make((weir_level_options){0});
		struct levels_input input = {0};
		weir_reading reading = {.size = sizeof(reading), .known = cases[i].known};
		reading.pressure[WEIR_STALL_MEMORY].full = 3;
		reading.cgroup_pressure[WEIR_STALL_MEMORY].full = 8;
		levels_read(&levels, &reading, true, &input);
		assert_true(input.stall_percent == cases[i].percent);
	}
}

static void off_finds_nothing(void **state)
{
	(void)state;
	struct levels levels = make((weir_level_options){.degrade = WEIR_DEGRADE_OFF});
	assert_int_equal(tick(&levels, 5, 1), WEIR_LEVEL_GREEN);
}

/* Random pressures and times: Z4 by an account of its own, and after 100 ms without pressure it is GREEN. */
static void no_history_keeps_a_level_without_pressure(void **state)
{
	(void)state;
	uint64_t random = fixture_seed("no_history_keeps_a_level_without_pressure");
	for (int round = 0; round < 200; round++) {
		struct levels levels = make((weir_level_options){0});
		uint64_t at = 1, last_high[WEIR_LEVELS] = {0};
		for (int i = 0; i < 200; i++) {
			weir_level before = levels_now(&levels);
			double pressure = (double)(fixture_random(&random) % 1200) / 1000;
			at += fixture_random(&random) % 120;
			weir_level after = tick(&levels, pressure, at);
			for (int l = 1; l < WEIR_LEVELS; l++)
				if (pressure >= at_level[l].stay)
					last_high[l] = at;
			if (after < before)
				assert_true(at - last_high[before] >= 100);
			for (int l = (int)after + 1; l < WEIR_LEVELS; l++)
				assert_true(pressure < at_level[l].enter);
		}
		(void)tick(&levels, 0, at + 1);
		assert_int_equal(tick(&levels, 0, at + 101), WEIR_LEVEL_GREEN);
	}
}

static void wrong_options_are_named(void **state)
{
	(void)state;
	static const struct {
		weir_level_options options;
		const char *words;
	} cases[] = {
		{{.size = 1}, "levels.size is 1"},
		{{.size = sizeof(weir_level_options), .degrade = (weir_degrade)3}, "levels.degrade is 3"},
		{{.size = sizeof(weir_level_options), .enter_permille = {0, 900}},
		 "levels.enter_permille[2] (orange) is 850"},
		{{.size = sizeof(weir_level_options), .leave_permille = 501}, "levels.leave_permille is 501"},
		{{.size = sizeof(weir_level_options), .stall_permille = 1001}, "levels.stall_permille is 1001"},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		weir_level_options out;
		assert_int_equal(levels_resolve(&out, &cases[i].options, MS), WEIR_EINVAL);
		if (!strstr(weir_error_text(), cases[i].words))
			fail_msg("%s", weir_error_text());
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_level_is_reached_from_every_other),
		cmocka_unit_test(a_level_begins_at_its_threshold_and_ends_below),
		cmocka_unit_test(one_tick_of_pressure_starts_the_time_over),
		cmocka_unit_test(each_level_does_its_own_to_each_class),
		cmocka_unit_test(pressure_is_what_no_grant_covers),
		cmocka_unit_test(the_largest_of_the_three_counts),
		cmocka_unit_test(the_first_reading_is_the_base),
		cmocka_unit_test(the_worse_stall_counts),
		cmocka_unit_test(off_finds_nothing),
		cmocka_unit_test(no_history_keeps_a_level_without_pressure),
		cmocka_unit_test(wrong_options_are_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
