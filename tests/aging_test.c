/* SPDX-License-Identifier: MIT */
/* aging_test.c - within what bound a demand starts that needs a whole node, whatever floods it (O1, O2): counted in grants that
 * pass it, on a clock that stands still. Fails if by-passes are not counted, if a claim does not bind whom it should, or if it
 * binds those above it too early. */
#include "house.h"

enum { CORES = 8, OVERTAKES = 16, AGING = 24 };

static const weir_class by_service[WEIR_CLASSES] = {WEIR_CRITICAL, WEIR_HIGH, WEIR_NORMAL, WEIR_BEST_EFFORT};

struct flood {
	struct house house;
	weir_class small[4]; /* the classes of the small ones, in turn */
	bool direct;	     /* they ask when there is room; else they wait in the room as well */
	weir_grant held[TOLD_MAX];
	uint32_t first, end, seen, waiting;
	uint32_t turn;
	uint32_t passed;		  /* small grants since the large ones began to wait */
	uint32_t passed_by[WEIR_CLASSES]; /* by service */
};

static weir_demand small_one(struct flood *flood)
{
	return (weir_demand){.size = sizeof(weir_demand), .cores = 1, .task_class = flood->small[flood->turn++ % 4]};
}

static void note_small(struct flood *flood, weir_grant grant, weir_class task_class)
{
	assert_true(flood->end < TOLD_MAX);
	flood->held[flood->end++] = grant;
	flood->passed++;
	flood->passed_by[room_service(task_class)]++;
}

static void begin(struct flood *flood, bool total)
{
	build(&flood->house,
	      WEIR_TRACKER_OPTIONS(.machine = total ? "numa:2 core:8 pu:1" : "numa:1 core:8 pu:1",
				   .limits = total ? WEIR_LIMITS(.cores = CORES) : NULL),
	      (weir_admission_options){.overtakes_max = OVERTAKES, .aging_overtakes = AGING});
	told_count = 0;
	while (flood->end < CORES) {
		weir_demand small = small_one(flood);
		flood->held[flood->end++] = admit(&flood->house, &small);
	}
}

/* One small one ends, and whoever wants to takes its place. */
static void one_step(struct flood *flood)
{
	static const weir_class *const class_of_service = by_service;
	while (!flood->direct && flood->waiting < 4) {
		weir_demand small = small_one(flood);
		(void)queue(&flood->house, &small, (void *)&class_of_service[room_service(small.task_class)]);
		flood->waiting++;
	}
	if (flood->first < flood->end)
		release(&flood->house, flood->held[flood->first++]);
	for (; flood->seen < told_count; flood->seen++) {
		const struct told *one = &told[flood->seen];
		const weir_class *small = one->context;
		if (small < by_service || small >= by_service + WEIR_CLASSES) {
			flood->held[flood->end++] = one->grant; /* a large one: it ends in its turn */
			continue;
		}
		flood->waiting--;
		note_small(flood, one->grant, *small);
	}
	for (uint32_t tries = 0; flood->direct && tries < 4; tries++) {
		weir_demand small = small_one(flood);
		weir_decision decision = ask(&flood->house, &small);
		if (decision.allowed)
			note_small(flood, decision.grant, small.task_class);
	}
}

static const struct told *told_of(const void *context)
{
	for (uint32_t i = 0; i < told_count; i++)
		if (told[i].context == context)
			return &told[i];
	return NULL;
}

static void end(struct flood *flood)
{
	uint64_t asked = counts_of(&flood->house).asked;
	while (flood->first < flood->end)
		release(&flood->house, flood->held[flood->first++]);
	for (; flood->seen < told_count; flood->seen++)
		release(&flood->house, told[flood->seen].grant);
	pull_down(&flood->house, asked);
}

/* Every class under every flood, with a total short as well: passed by at most overtakes_max of its own and lower classes, by
 * aging_overtakes for each class above it, and by one for each look. */
static void a_node_sized_demand_starts_within_the_bound(void **state)
{
	(void)state;
	static const weir_class floods[][4] = {
		{WEIR_CRITICAL, WEIR_CRITICAL, WEIR_CRITICAL, WEIR_CRITICAL},
		{WEIR_HIGH, WEIR_HIGH, WEIR_HIGH, WEIR_HIGH},
		{WEIR_NORMAL, WEIR_NORMAL, WEIR_NORMAL, WEIR_NORMAL},
		{WEIR_BEST_EFFORT, WEIR_BEST_EFFORT, WEIR_BEST_EFFORT, WEIR_BEST_EFFORT},
		{WEIR_CRITICAL, WEIR_HIGH, WEIR_NORMAL, WEIR_BEST_EFFORT},
		{WEIR_BEST_EFFORT, WEIR_BEST_EFFORT, WEIR_BEST_EFFORT, WEIR_CRITICAL},
	};
	static const char large;
	for (uint32_t service = 0; service < WEIR_CLASSES; service++)
		for (uint32_t f = 0; f < ARRAY_LENGTH(floods); f++)
			for (int kind = 0; kind < 4; kind++) {
				struct flood flood = {.direct = kind & 1};
				memcpy(flood.small, floods[f], sizeof(flood.small));
				begin(&flood, kind & 2);
				(void)queue(&flood.house,
					    WEIR_DEMAND(.cores = CORES, .task_class = by_service[service]),
					    (void *)&large);
				while (!told_of(&large))
					one_step(&flood);
				uint32_t higher = 0;
				for (uint32_t s = 0; s < service; s++)
					higher += flood.passed_by[s];
				assert_in_range(flood.passed - higher, 0, OVERTAKES + 1);
				assert_in_range(higher, 0, service * AGING + service);
				/* And the bound is not kept by a claim that comes at once, or binds all. */
				if (f < WEIR_CLASSES && f >= service)
					assert_in_range(flood.passed, OVERTAKES, OVERTAKES + 1);
				if (f < service)
					assert_in_range(flood.passed, (service - f) * AGING,
							(service - f) * AGING + service);
				end(&flood);
			}
}

/* One large one of each class: the higher come first, a critical one is passed by the claims of those that have aged at most once
 * for each lower class, and all of them start. */
static void large_ones_of_all_classes_start_in_their_order(void **state)
{
	(void)state;
	static const char large[WEIR_CLASSES];
	struct flood flood = {.small = {WEIR_CRITICAL, WEIR_HIGH, WEIR_NORMAL, WEIR_BEST_EFFORT}, .direct = true};
	begin(&flood, false);
	for (int s = WEIR_CLASSES - 1; s >= 0; s--)
		(void)queue(&flood.house, WEIR_DEMAND(.cores = CORES, .task_class = by_service[s]), (void *)&large[s]);
	for (int s = 0; s < WEIR_CLASSES; s++) {
		while (!told_of(&large[s]))
			one_step(&flood);
		for (int later = s + 1; later < WEIR_CLASSES; later++)
			assert_null(told_of(&large[later]));
		assert_in_range(flood.passed, 0, (s + 1) * (OVERTAKES + 1) + s * (AGING + 1));
	}
	end(&flood);
}

/* Time as the head counts as well: one class for each aging_ns_max. */
static void who_has_been_the_head_for_long_is_raised(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:4 pu:1"),
	      (weir_admission_options){.overtaken_ns_max = 10, .aging_ns_max = 1000});
	weir_grant one = admit(&house, WEIR_DEMAND(.cores = 1));
	told_count = 0;
	(void)queue(&house, WEIR_DEMAND(.cores = 4, .task_class = WEIR_BEST_EFFORT), NULL);
	const weir_demand classes[] = {{.size = sizeof(weir_demand), .cores = 1, .task_class = WEIR_NORMAL},
				       {.size = sizeof(weir_demand), .cores = 1, .task_class = WEIR_HIGH},
				       {.size = sizeof(weir_demand), .cores = 1, .task_class = WEIR_CRITICAL}};
	for (uint32_t raised = 0; raised < 4; raised++) {
		now_ns = 1 + (raised ? raised * 1000 : 10);
		admission_settle(house.admission);
		assert_int_equal(counts_of(&house).claims, 1);
		for (uint32_t c = 0; c < 3; c++) {
			weir_decision decision = ask(&house, &classes[c]);
			assert_int_equal(decision.allowed, c >= raised);
			if (decision.allowed)
				release(&house, decision.grant);
			else
				assert_int_equal(decision.cause, WEIR_CAUSE_CLAIMED);
		}
	}
	release(&house, one);
	assert_int_equal(told_count, 1);
	release(&house, told[0].grant);
	pull_down(&house, 14);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_sized_demand_starts_within_the_bound),
		cmocka_unit_test(large_ones_of_all_classes_start_in_their_order),
		cmocka_unit_test(who_has_been_the_head_for_long_is_raised),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
