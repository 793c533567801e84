/* SPDX-License-Identifier: MIT */
/* limits_test.c - from cores and bytes to units and back; totals; what is wrong with limits and demands, in words. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fixture.h"
#include "invented.h"
#include "private/compiler.h"
#include "runtime/limits.h"

#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

enum { NODES = INVENTED_NODES };

static bool is_power_of_two(uint64_t value)
{
	return value && !(value & (value - 1));
}

/* The sum of the nodes must fit a field of 15 bits; as fine as that allows. Fails if a big machine's cores are cut off.
 */
static void cores_are_counted_as_finely_as_the_field_allows(void **state)
{
	(void)state;
	static const struct {
		uint32_t nodes, cores, per_core;
	} cases[] = {{1, 1, 64},   {4, 8, 64},	 {1, 511, 64}, {1, 512, 32}, {4, 127, 64},
		     {4, 128, 32}, {2, 511, 32}, {2, 512, 16}, {4, 512, 8},  {4, 1023, 8},
		     {4, 1024, 4}, {4, 2047, 4}, {4, 4095, 2}, {4, 8191, 1}, {1, 32766, 1}};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct invented invented;
		struct limits limits;
		const weir_machine *machine = invent(&invented, cases[i].nodes, cases[i].cores, GIB);
		assert_int_equal(limits_resolve(&limits, machine, NULL), WEIR_OK);
		assert_int_equal(limits.units.per_core, cases[i].per_core);
		for (uint32_t n = 0; n < cases[i].nodes; n++)
			assert_int_equal(word_get(limits.node[n].main, WEIR_CPU), cases[i].cores * cases[i].per_core);
		limits_fini(&limits);
	}
}

/* Fails if the unit is no power of two, is below a page, or if the limit does not fit the field or loses a unit or
 * more. */
static void the_unit_of_memory_follows_from_the_capacity(void **state)
{
	(void)state;
	static const struct {
		uint64_t bytes, unit;
	} cases[] = {{GIB, 4096},	    {4096, 4096},	   {TIB - 8192, 4096},
		     {TIB - 4096, 8192},    {TIB, 8192},	   {24 * TIB, 128 << 10},
		     {64 * TIB, 512 << 10}, {1024 * TIB, 8 << 20}, {UINT64_C(1) << 62, UINT64_C(1) << 35}};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct invented invented;
		struct limits limits;
		assert_int_equal(limits_resolve(&limits, invent(&invented, 1, 4, cases[i].bytes), NULL), WEIR_OK);
		assert_int_equal(limits.units.memory_bytes, cases[i].unit);
		uint32_t units = word_get(limits.node[0].main, WEIR_MEMORY);
		assert_true(units < word_field_max(WEIR_MEMORY));
		assert_int_equal(units, cases[i].bytes / cases[i].unit);
		limits_fini(&limits);
	}
}

/* L4: whatever is asked is covered by its units, by less than one unit too much; whatever is the limit covers its
 * units. Fails if a demand is rounded down or a limit up: both would over-commit. */
static void demands_round_up_and_limits_round_down(void **state)
{
	(void)state;
	uint64_t random = fixture_seed("limits");
	for (int i = 0; i < 20000; i++) {
		struct invented invented;
		struct limits limits;
		uint64_t memory = 4096 + (fixture_random(&random) >> (fixture_random(&random) % 40 + 2));
		uint32_t cores = 1 + (uint32_t)(fixture_random(&random) % 5000);
		uint64_t bandwidth = 1 + (fixture_random(&random) >> (fixture_random(&random) % 50));
		uint64_t pieces = 1 + (fixture_random(&random) >> (fixture_random(&random) % 60 + 2));
		const weir_machine *machine = invent(&invented, 1, cores, memory);
		const weir_limits given = {.size = sizeof(given),
					   .bandwidth_bytes_s = bandwidth == WEIR_NONE ? 1 : bandwidth,
					   .counted = {pieces},
					   .counted_name = {"gpu"}};
		assert_int_equal(limits_resolve(&limits, machine, &given), WEIR_OK);
		assert_true(is_power_of_two(limits.units.memory_bytes) && limits.units.memory_bytes >= 4096);
		assert_true(is_power_of_two(limits.units.bandwidth_bytes_s) &&
			    is_power_of_two(limits.units.counted[0]));
		weir_amount limit = limits_amount(&limits, limits.node[0]);
		weir_amount stock = limits_amount(&limits, limits.total);
		assert_true(limit.memory_bytes <= memory && memory - limit.memory_bytes < limits.units.memory_bytes);
		assert_true(limit.cores <= cores);
		assert_true(limit.bandwidth_bytes_s <= given.bandwidth_bytes_s);
		assert_true(stock.counted[0] <= pieces && pieces - stock.counted[0] < limits.units.counted[0]);

		weir_demand demand = {.size = sizeof(demand),
				      .cores = (double)(fixture_random(&random) % 1000) / 999 * cores,
				      .memory_bytes = 1 + fixture_random(&random) % memory,
				      .bandwidth_bytes_s = fixture_random(&random) % given.bandwidth_bytes_s,
				      .counted = {fixture_random(&random) % pieces}};
		struct packed packed;
		assert_int_equal(limits_pack(&limits, &demand, &packed), WEIR_OK);
		weir_amount asked = limits_amount(&limits, packed);
		assert_true(asked.memory_bytes >= demand.memory_bytes);
		assert_true(asked.memory_bytes - demand.memory_bytes < limits.units.memory_bytes);
		assert_true(asked.cores >= demand.cores && asked.cores - demand.cores < 1.0 / limits.units.per_core);
		assert_true(asked.bandwidth_bytes_s >= demand.bandwidth_bytes_s);
		assert_true(asked.counted[0] >= demand.counted[0]);
		limits_fini(&limits);
	}
}

/* A total has a word of its own exactly where it is below the sum of the nodes. Fails if a total is forgotten, or if
 * one that cannot bind makes every take pay for a second word. */
static void a_total_binds_only_below_the_sum_of_the_nodes(void **state)
{
	(void)state;
	static const weir_node_limit two_gpus[NODES] = {{.counted = {2}}, {.counted = {2}}};
	static const struct {
		weir_limits given;
		uint32_t nodes;
		bool cpu, memory, bandwidth, gpu;
	} cases[] = {
		{{.size = sizeof(weir_limits)}, 2, false, false, false, false},
		{{.size = sizeof(weir_limits), .cores = 15.5}, 2, true, false, false, false},
		{{.size = sizeof(weir_limits), .cores = 16}, 2, false, false, false, false},
		{{.size = sizeof(weir_limits), .cores = 100}, 2, false, false, false, false},
		{{.size = sizeof(weir_limits), .memory_bytes = 2 * GIB}, 2, false, false, false, false},
		{{.size = sizeof(weir_limits), .memory_bytes = 2 * GIB - 1}, 2, false, true, false, false},
		{{.size = sizeof(weir_limits), .memory_bytes = WEIR_NONE}, 2, false, false, false, false},
		{{.size = sizeof(weir_limits), .bandwidth_bytes_s = 100}, 2, false, false, true, false},
		{{.size = sizeof(weir_limits), .counted = {3}, .counted_name = {"gpu"}}, 2, false, false, false, true},
		{{.size = sizeof(weir_limits), .counted = {3}, .counted_name = {"gpu"}, .node = two_gpus, .nodes = 2},
		 2,
		 false,
		 false,
		 false,
		 true},
		{{.size = sizeof(weir_limits), .counted = {4}, .counted_name = {"gpu"}, .node = two_gpus, .nodes = 2},
		 2,
		 false,
		 false,
		 false,
		 false},
		{{.size = sizeof(weir_limits), .counted_name = {"gpu"}, .node = two_gpus, .nodes = 2},
		 2,
		 false,
		 false,
		 false,
		 false},
		/* One node: its own limit is lowered instead. */
		{{.size = sizeof(weir_limits), .cores = 2, .memory_bytes = 4096, .bandwidth_bytes_s = 9},
		 1,
		 false,
		 false,
		 false,
		 false},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct invented invented;
		struct limits limits;
		const weir_machine *machine = invent(&invented, cases[i].nodes, 8, GIB);
		assert_int_equal(limits_resolve(&limits, machine, &cases[i].given), WEIR_OK);
		uint64_t mask = (cases[i].cpu ? word_mask(WEIR_CPU) : 0) |
				(cases[i].memory ? word_mask(WEIR_MEMORY) : 0) |
				(cases[i].bandwidth ? word_mask(WEIR_BANDWIDTH) : 0);
		if (limits.total_mask.main != mask || (limits.total_mask.counted != 0) != cases[i].gpu)
			fail_msg("case %zu", i);
		assert_int_equal(limits.total.main & ~mask, 0);
		limits_fini(&limits);
	}
}

/* What is given for a node is taken as it is, zero means the default, NONE and negative cores mean nothing at all. */
static void each_node_has_the_limit_that_was_given_for_it(void **state)
{
	(void)state;
	struct invented invented;
	struct limits limits;
	const weir_machine *machine = invent(&invented, 3, 8, GIB);
	invented.node[2].memory_default_bytes = GIB / 2; /* others use the rest */
	const weir_node_limit node[] = {
		{.cores = 2.5, .memory_bytes = GIB / 4, .counted = {5, 0, 0, 1}},
		{.cores = -1, .memory_bytes = WEIR_NONE, .counted = {WEIR_NONE, 0, 0, 1}},
	};
	assert_int_equal(
		limits_resolve(&limits, machine,
			       WEIR_LIMITS(.node = node, .nodes = 2, .counted_name = {"gpu", NULL, NULL, "tape"})),
		WEIR_OK);
	weir_amount a = limits_amount(&limits, limits.node[0]);
	weir_amount b = limits_amount(&limits, limits.node[1]);
	weir_amount c = limits_amount(&limits, limits.node[2]);
	assert_true(a.cores == 2.5 && a.memory_bytes == GIB / 4 && a.counted[0] == 5 && a.counted[3] == 1);
	assert_true(b.cores == 0 && b.memory_bytes == 0 && b.counted[0] == 0 && b.counted[3] == 1);
	assert_true(c.cores == 8 && c.memory_bytes == GIB / 2 && c.counted[0] == 0 && c.counted[3] == 0);
	assert_int_equal(limits.defined, 1u << WEIR_CPU | 1u << WEIR_MEMORY | 1u << WEIR_COUNTED | 8u << WEIR_COUNTED);
	assert_string_equal(limits_resource_name(&limits, WEIR_COUNTED), "gpu");
	assert_string_equal(limits_resource_name(&limits, (weir_resource)(WEIR_COUNTED + 1)), "counted 1");
	assert_string_equal(limits_resource_name(&limits, WEIR_MEMORY), "memory");
	limits_fini(&limits);
}

/* Without a word about cores, the control group's quota is the total. Fails if a container's half core is taken for
 * eight. */
static void a_cpu_quota_is_the_default_total(void **state)
{
	(void)state;
	struct invented invented;
	struct limits limits;
	(void)invent(&invented, 2, 4, GIB);
	invented.machine.cores_quota = 2.5;
	assert_int_equal(limits_resolve(&limits, &invented.machine, NULL), WEIR_OK);
	assert_int_equal(limits.total_mask.main, word_mask(WEIR_CPU));
	assert_true(limits_amount(&limits, limits.total).cores == 2.5);
	limits_fini(&limits);
	/* Who says how many gets them. */
	assert_int_equal(limits_resolve(&limits, &invented.machine, WEIR_LIMITS(.cores = 8)), WEIR_OK);
	assert_int_equal(limits.total_mask.main, 0);
	limits_fini(&limits);
	(void)invent(&invented, 1, 4, GIB);
	invented.machine.cores_quota = 0.5;
	assert_int_equal(limits_resolve(&limits, &invented.machine, NULL), WEIR_OK);
	assert_int_equal(limits.total_mask.main, 0);
	assert_true(limits_amount(&limits, limits.node[0]).cores == 0.5);
	limits_fini(&limits);
}

/* Each wrong limit is refused in words that name it, its value and what would do. */
static void wrong_limits_are_named(void **state)
{
	(void)state;
	static const char longer[] = "a-name-that-has-more-than-31-bytes";
	static const weir_node_limit no_name[NODES] = {{.counted = {0, 1}}};
	static const weir_node_limit too_much[NODES] = {{.memory_bytes = 0}, {.memory_bytes = GIB + 1}};
	static const weir_node_limit no_number[NODES] = {{.cores = NAN}};
	static const weir_node_limit little[NODES] = {{.memory_bytes = GIB}, {.memory_bytes = 4095}};
	static const weir_node_limit crumbs[NODES] = {{.counted = {10000}}, {.counted = {1}}};
	static const weir_node_limit infinite[NODES] = {{.cores = INFINITY}};
	static const struct {
		weir_limits given;
		const char *says[3];
	} cases[] = {
		{{.size = 3}, {"limits.size", "3", "WEIR_LIMITS()"}},
		{{.size = sizeof(weir_limits), .cores = -2}, {"limits.cores", "-2", "0 (all)"}},
		{{.size = sizeof(weir_limits), .cores = NAN}, {"limits.cores", "nan"}},
		{{.size = sizeof(weir_limits), .cores = INFINITY}, {"limits.cores", "inf"}},
		{{.size = sizeof(weir_limits), .node = no_name, .nodes = 3}, {"limits.nodes", "3", "has 2 nodes"}},
		{{.size = sizeof(weir_limits), .nodes = 1}, {"limits.nodes", "limits.node is NULL", "both or neither"}},
		{{.size = sizeof(weir_limits), .counted = {0, 0, 1}},
		 {"limits.counted[2]", "no name", "limits.counted_name[2]"}},
		{{.size = sizeof(weir_limits), .counted = {1}, .counted_name = {""}}, {"limits.counted[0]", "no name"}},
		{{.size = sizeof(weir_limits), .node = no_name, .nodes = 1}, {"limits.counted[1]", "no name"}},
		{{.size = sizeof(weir_limits), .counted_name = {longer}},
		 {"limits.counted_name[0]", longer, "31 bytes"}},
		{{.size = sizeof(weir_limits), .counted_name = {NULL, "memory"}},
		 {"limits.counted_name[1]", "memory", "another name"}},
		{{.size = sizeof(weir_limits), .counted_name = {"gpu", NULL, "gpu"}},
		 {"limits.counted_name[2]", "gpu", "counted_name[0]"}},
		{{.size = sizeof(weir_limits), .memory_bytes = 2 * GIB + 1},
		 {"limits.memory_bytes", "2147483649", "2147483648"}},
		{{.size = sizeof(weir_limits), .node = too_much, .nodes = 2},
		 {"limits.node[1].memory_bytes", "1073741825", "1073741824"}},
		/* Not none at all, without a word. */
		{{.size = sizeof(weir_limits), .memory_bytes = 1}, {"limits.memory_bytes", "is 1", "4096"}},
		{{.size = sizeof(weir_limits), .cores = 0.01}, {"limits.cores", "is 0.01", "0.015625"}},
		{{.size = sizeof(weir_limits), .node = little, .nodes = 2},
		 {"limits.node[1].memory_bytes", "is 4095", "4096"}},
		{{.size = sizeof(weir_limits), .node = crumbs, .nodes = 2, .counted_name = {"gpu"}},
		 {"limits.node[1].counted[0]", "is 1", "2;"}},
		{{.size = sizeof(weir_limits), .node = no_number, .nodes = 1}, {"limits.node[0].cores", "nan"}},
		{{.size = sizeof(weir_limits), .node = infinite, .nodes = 1}, {"limits.node[0].cores", "inf"}},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct invented invented;
		struct limits limits;
		const weir_machine *machine = invent(&invented, 2, 4, GIB);
		assert_int_equal(limits_resolve(&limits, machine, &cases[i].given), WEIR_EINVAL);
		for (int w = 0; w < 3 && cases[i].says[w]; w++)
			if (!strstr(weir_error_text(), cases[i].says[w]))
				fail_msg("\"%s\" does not say \"%s\"", weir_error_text(), cases[i].says[w]);
	}
	struct invented invented;
	struct limits limits;
	(void)invent(&invented, 2, 4, GIB);
	invented.node[1].cores = 0;
	const weir_node_limit no_cores[] = {{.cores = 1}, {.cores = 1}};
	assert_int_equal(limits_resolve(&limits, &invented.machine, WEIR_LIMITS(.node = no_cores, .nodes = 2)),
			 WEIR_EINVAL);
	assert_non_null(strstr(weir_error_text(), "limits.node[1].cores"));
}

static void wrong_demands_are_named(void **state)
{
	(void)state;
	static const struct {
		weir_demand demand;
		const char *says[3];
	} cases[] = {
		{{.size = 1, .cores = 1}, {"demand.size", "1", "WEIR_DEMAND()"}},
		{{.size = sizeof(weir_demand)}, {"asks for nothing", "cores", "memory_bytes"}},
		{{.size = sizeof(weir_demand), .cores = -0.5}, {"demand.cores", "-0.5", "0 or more"}},
		{{.size = sizeof(weir_demand), .cores = NAN}, {"demand.cores", "nan"}},
		{{.size = sizeof(weir_demand), .cores = INFINITY}, {"demand.cores", "inf"}},
		{{.size = sizeof(weir_demand), .cores = 1, .task_class = (weir_class)4},
		 {"demand.task_class", "4", "NORMAL"}},
		{{.size = sizeof(weir_demand), .cores = 1, .task_class = (weir_class)-1}, {"demand.task_class", "-1"}},
		{{.size = sizeof(weir_demand), .cores = 1, .when_short = (weir_when_short)3},
		 {"demand.when_short", "3", "FAIL"}},
		{{.size = sizeof(weir_demand), .cores = 1, .home = WEIR_NODE(2)},
		 {"demand.home", "WEIR_NODE(2)", "2 nodes"}},
		{{.size = sizeof(weir_demand), .cores = 1, .home_only = true}, {"demand.home_only", "without a home"}},
		{{.size = sizeof(weir_demand), .bandwidth_bytes_s = 7},
		 {"demand.bandwidth_bytes_s", "7", "limits.bandwidth"}},
		{{.size = sizeof(weir_demand), .counted = {0, 8}}, {"demand.counted[1]", "8", "limits.counted[1]"}},
	};
	struct invented invented;
	struct limits limits;
	assert_int_equal(limits_resolve(&limits, invent(&invented, 2, 4, GIB), NULL), WEIR_OK);
	struct packed packed;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		assert_int_equal(limits_pack(&limits, &cases[i].demand, &packed), WEIR_EINVAL);
		for (int w = 0; w < 3 && cases[i].says[w]; w++)
			if (!strstr(weir_error_text(), cases[i].says[w]))
				fail_msg("\"%s\" does not say \"%s\"", weir_error_text(), cases[i].says[w]);
	}
	assert_int_equal(limits_pack(&limits, NULL, &packed), WEIR_EINVAL);
	assert_non_null(strstr(weir_error_text(), "demand is NULL"));
	/* Too much is not wrong: it never fits. */
	assert_int_equal(limits_pack(&limits, WEIR_DEMAND(.cores = 1e300, .memory_bytes = UINT64_MAX), &packed),
			 WEIR_OK);
	assert_int_equal(word_get(packed.main, WEIR_CPU), word_field_max(WEIR_CPU));
	assert_int_equal(word_get(packed.main, WEIR_MEMORY), word_field_max(WEIR_MEMORY));
	limits_fini(&limits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cores_are_counted_as_finely_as_the_field_allows),
		cmocka_unit_test(the_unit_of_memory_follows_from_the_capacity),
		cmocka_unit_test(demands_round_up_and_limits_round_down),
		cmocka_unit_test(a_total_binds_only_below_the_sum_of_the_nodes),
		cmocka_unit_test(each_node_has_the_limit_that_was_given_for_it),
		cmocka_unit_test(a_cpu_quota_is_the_default_total),
		cmocka_unit_test(wrong_limits_are_named),
		cmocka_unit_test(wrong_demands_are_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
