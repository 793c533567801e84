/* SPDX-License-Identifier: MIT */
/* strategy_test.c - the order in which nodes are tried: first, best, worst fit, the application's own; ties;
 * distance. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fixture.h"
#include "invented.h"
#include "runtime/strategy.h"

#define MIB (UINT64_C(1) << 20)

enum { NODES = INVENTED_NODES };

struct place {
	struct invented invented;
	struct ledger ledger;
};

/* Four nodes of ten cores and 64 MiB in two pairs: 10 at home, 16 to the neighbour, 21 to the other pair. */
static void build(struct place *place)
{
	(void)invent(&place->invented, NODES, 10, 64 * MIB);
	for (uint32_t a = 0; a < NODES; a++) {
		for (uint32_t b = 0; b < NODES; b++)
			place->invented.distance[a * NODES + b] = a == b ? 10 : a / 2 == b / 2 ? 16 : 21;
		uint32_t *order = &place->invented.order[a * NODES];
		order[0] = a;
		order[1] = a ^ 1;
		order[2] = a < 2 ? 2 : 0;
		order[3] = a < 2 ? 3 : 1;
	}
	if (ledger_init(&place->ledger, &place->invented.machine, NULL))
		fail_msg("%s", weir_error_text());
}

static void hold(struct place *place, uint32_t node, double cores, uint64_t memory_bytes)
{
	if (cores <= 0 && !memory_bytes)
		return;
	struct packed units;
	struct taken taken;
	struct shortage why;
	bool waiters = false;
	assert_int_equal(
		limits_pack(&place->ledger.limits, WEIR_DEMAND(.cores = cores, .memory_bytes = memory_bytes), &units),
		WEIR_OK);
	assert_int_equal(ledger_take(&place->ledger, &units, NULL, node, 0, &taken, &why, &waiters), LEDGER_TAKEN);
}

static uint32_t rank_for(struct place *place, const weir_strategy *strategy, const weir_demand *demand,
			 struct rank *rank, bool all)
{
	struct wish wish = {
		.demand = demand, .home = demand->home ? demand->home - 1 : NO_NODE, .home_only = demand->home_only};
	assert_int_equal(limits_pack(&place->ledger.limits, demand, &wish.units), WEIR_OK);
	if (all)
		return strategy_rank_all(strategy, &place->ledger, &wish, rank);
	uint32_t count = strategy_rank(strategy, &place->ledger, &wish, rank);
	strategy_rank_rest(rank, count);
	return count;
}

/* The same order, whether it is for a take or for a dry run that shows all scores. */
static void assert_order(struct place *place, const weir_strategy *strategy, const weir_demand *demand,
			 const char *expected)
{
	for (int all = 0; all < 2; all++) {
		struct rank rank[NODES];
		char order[NODES + 1] = "";
		uint32_t count = rank_for(place, strategy, demand, rank, all);
		for (uint32_t i = 0; i < count; i++)
			order[i] = (char)('0' + rank[i].node);
		order[count] = '\0';
		if (strcmp(order, expected) != 0)
			fail_msg("%s fit%s: %s, not %s", strategy->name, all ? ", dry" : "", order, expected);
	}
}

/* Fails if a home is not nearest to itself, or if equal distances are not in the order of numbers. */
static void first_fit_goes_by_distance_from_home(void **state)
{
	(void)state;
	struct place place;
	build(&place);
	assert_order(&place, WEIR_FIRST_FIT, WEIR_DEMAND(.cores = 1), "0123");
	static const char *const orders[] = {"0123", "1023", "2301", "3201"};
	for (uint32_t home = 0; home < NODES; home++)
		assert_order(&place, WEIR_FIRST_FIT, WEIR_DEMAND(.cores = 1, .home = WEIR_NODE(home)), orders[home]);
	assert_order(&place, WEIR_FIRST_FIT, WEIR_DEMAND(.cores = 1, .home = WEIR_NODE(2), .home_only = true), "2");
	ledger_fini(&place.ledger);
}

static void best_fit_leaves_least_and_worst_fit_leaves_most(void **state)
{
	(void)state;
	static const struct {
		double cores[NODES]; /* held */
		uint64_t mib[NODES]; /* held */
		double demand_cores;
		uint64_t demand_mib;
		const char *best, *worst;
	} cases[] = {
		{{0}, {0}, 1, 0, "0123", "0123"}, /* ties: by number */
		{{1, 5, 3, 0}, {0}, 1, 0, "1203", "3021"},
		{{1, 5, 3, 0}, {0}, 8, 0, "0312", "3021"}, /* those without room come last */
		{{1, 5, 3, 0}, {0}, 0, 1, "0123", "0123"}, /* what is not demanded does not count */
		{{0}, {0, 16, 0, 32}, 0, 1, "3102", "0213"},
		{{5, 0, 0, 0}, {0, 32, 0, 0}, 1, 1, "0123", "2301"}, /* half of either weighs the same */
		{{9.5, 9.5, 9.5, 9.5}, {0}, 1, 0, "0123", "0123"},   /* nobody has room: still an order */
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct place place;
		build(&place);
		for (uint32_t n = 0; n < NODES; n++)
			hold(&place, n, cases[i].cores[n], cases[i].mib[n] * MIB);
		const weir_demand *demand =
			WEIR_DEMAND(.cores = cases[i].demand_cores, .memory_bytes = cases[i].demand_mib * MIB);
		assert_order(&place, WEIR_BEST_FIT, demand, cases[i].best);
		assert_order(&place, WEIR_WORST_FIT, demand, cases[i].worst);
		ledger_fini(&place.ledger);
	}
}

/* A unit of distance costs a hundredth of a limit: the neighbour (6 farther) is taken before the home node only if it
 * is better by more than six hundredths. */
static void distance_is_weighed_against_fit(void **state)
{
	(void)state;
	static const struct {
		double held_next, held_far;
		const char *best;
	} cases[] = {{0.5, 0, "3201"}, {0.7, 0, "2301"}, {0, 1, "3021"}, {0, 1.2, "0321"}};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct place place;
		build(&place);
		hold(&place, 2, cases[i].held_next, 0);
		hold(&place, 0, cases[i].held_far, 0);
		assert_order(&place, WEIR_BEST_FIT, WEIR_DEMAND(.cores = 1, .home = WEIR_NODE(3)), cases[i].best);
		ledger_fini(&place.ledger);
	}
}

/* What the application's own function is shown, and what it answers. */
struct seen {
	weir_snapshot snapshot;
	weir_node_view view[NODES];
	const weir_demand *demand;
	int64_t score[NODES];
	uint32_t calls;
};

static int64_t score_as_told(const weir_demand *demand, const weir_snapshot *snapshot, uint32_t node, void *context)
{
	struct seen *seen = context;
	seen->snapshot = *snapshot;
	seen->demand = demand;
	seen->view[node] = snapshot->node[node];
	seen->calls++;
	return seen->score[node];
}

/* Its context, its demand, units and amounts as the ledger has them; NEVER leaves a node out; ties go to the nearer,
 * then to the smaller number. */
static void a_custom_strategy_sees_the_machine_and_decides(void **state)
{
	(void)state;
	struct place place;
	build(&place);
	hold(&place, 1, 2.5, 16 * MIB);
	struct seen seen = {.score = {3, 9, WEIR_SCORE_NEVER, 3}};
	const weir_strategy strategy = {.score = score_as_told, .context = &seen, .name = "told"};
	const weir_demand *demand = WEIR_DEMAND(.cores = 2, .memory_bytes = MIB, .home = WEIR_NODE(3));
	assert_order(&place, &strategy, demand, "130");
	assert_int_equal(seen.calls, 2 * NODES);
	assert_ptr_equal(seen.demand, demand);
	const weir_snapshot *snapshot = &seen.snapshot;
	assert_int_equal(snapshot->nodes, NODES);
	assert_int_equal(snapshot->units_per_core, 64);
	assert_int_equal(snapshot->unit_memory_bytes, 4096);
	assert_int_equal(snapshot->need[WEIR_CPU], 2 * 64);
	assert_int_equal(snapshot->need[WEIR_MEMORY], MIB / 4096);
	assert_int_equal(snapshot->need[WEIR_BANDWIDTH], 0);
	for (uint32_t n = 0; n < NODES; n++) {
		assert_int_equal(seen.view[n].node, n);
		assert_int_equal(seen.view[n].distance, n == 3 ? 10 : n == 2 ? 16 : 21);
		assert_int_equal(seen.view[n].limit[WEIR_CPU], 640);
		assert_int_equal(seen.view[n].free[WEIR_CPU], n == 1 ? 480 : 640);
		assert_int_equal(seen.view[n].free[WEIR_MEMORY], (n == 1 ? 48 : 64) * MIB / 4096);
	}
	/* Best but without room: after those that have it. */
	hold(&place, 1, 7, 0);
	assert_order(&place, &strategy, demand, "301");
	assert_order(&place, &strategy, WEIR_DEMAND(.cores = 9, .home = WEIR_NODE(0), .home_only = true), "0");
	ledger_fini(&place.ledger);
}

/* A node that has none of what is demanded is no candidate. */
static void a_node_without_the_resource_is_never_chosen(void **state)
{
	(void)state;
	struct place place;
	build(&place);
	ledger_fini(&place.ledger);
	const weir_node_limit node[] = {{.cores = -1}, {.counted = {2}}, {.cores = 0}, {.counted = {1}}};
	assert_int_equal(ledger_init(&place.ledger, &place.invented.machine,
				     WEIR_LIMITS(.node = node, .nodes = 4, .counted_name = {"gpu"})),
			 WEIR_OK);
	static const weir_strategy *const *const all[] = {&WEIR_FIRST_FIT, &WEIR_BEST_FIT, &WEIR_WORST_FIT};
	for (int s = 0; s < 3; s++) {
		struct rank rank[NODES];
		assert_int_equal(rank_for(&place, *all[s], WEIR_DEMAND(.cores = 1), rank, true), 3);
		assert_int_equal(rank[0].node, 1);
		assert_int_equal(rank_for(&place, *all[s], WEIR_DEMAND(.counted = {1}), rank, true), 2);
		assert_int_equal(rank[0].node, *all[s] == WEIR_BEST_FIT ? 3 : 1);
	}
	ledger_fini(&place.ledger);
}

/* The public face: names, and a score for a snapshot that anybody can make. */
static void strategies_are_found_by_name_and_score_any_snapshot(void **state)
{
	(void)state;
	assert_ptr_equal(weir_strategy_find("first"), WEIR_FIRST_FIT);
	assert_ptr_equal(weir_strategy_find("best"), WEIR_BEST_FIT);
	assert_ptr_equal(weir_strategy_find("worst"), WEIR_WORST_FIT);
	static const char *const none[] = {NULL, "", "First", "bes", "firsts"};
	for (size_t i = 0; i < ARRAY_LENGTH(none); i++)
		assert_null(weir_strategy_find(none[i]));
	const weir_node_view view[] = {{.node = 0, .distance = 10, .free = {50}, .limit = {100}},
				       {.node = 1, .distance = 20, .free = {100}, .limit = {100}},
				       {.node = 2, .distance = 10}};
	const weir_snapshot snapshot = {.nodes = 3, .need = {25}, .node = view, .units_per_core = 1};
	const weir_demand *demand = WEIR_DEMAND(.cores = 25);
	assert_int_equal(weir_strategy_score(WEIR_FIRST_FIT, demand, &snapshot, 0), 0);
	assert_int_equal(weir_strategy_score(WEIR_FIRST_FIT, demand, &snapshot, 1), -10 * 655);
	assert_int_equal(weir_strategy_score(WEIR_BEST_FIT, demand, &snapshot, 0), -16384);
	assert_int_equal(weir_strategy_score(WEIR_BEST_FIT, demand, &snapshot, 1), -49152 - 6550);
	assert_int_equal(weir_strategy_score(WEIR_WORST_FIT, demand, &snapshot, 0), 16384);
	assert_int_equal(weir_strategy_score(WEIR_WORST_FIT, demand, &snapshot, 1), 49152 - 6550);
	for (uint32_t n = 2; n < 5; n++)
		assert_true(weir_strategy_score(WEIR_WORST_FIT, demand, &snapshot, n) == WEIR_SCORE_NEVER);
	assert_true(weir_strategy_score(NULL, demand, &snapshot, 0) == WEIR_SCORE_NEVER);
	assert_true(weir_strategy_score(WEIR_BEST_FIT, demand, NULL, 0) == WEIR_SCORE_NEVER);
}

enum { NODES_MOST = 300, LOOKS = 60 };

/* plain: of a node's cores and memory only; else totals bind, too, and there are bandwidth and counted things. */
static weir_status limit_at_random(struct ledger *ledger, const weir_machine *machine, bool plain, bool again,
				   uint64_t *random)
{
	weir_node_limit node[NODES_MOST];
	for (uint32_t n = 0; n < machine->nodes; n++) {
		node[n] = (weir_node_limit){.cores = fixture_random(random) % 3 ? 8 : 4,
					    .memory_bytes = (4 + fixture_random(random) % 60) * MIB};
		if (plain)
			continue;
		/* The first node has always some, and the most: what no node has may not be asked for, and the first limits fix the
		 * units of later ones. */
		node[n].bandwidth_bytes_s = (n ? fixture_random(random) % 4 : 3) * (UINT64_C(1) << 30);
		node[n].counted[0] = !n + fixture_random(random) % 5;
		if (fixture_random(random) % 5 == 0)
			node[n].cores = -1;
	}
	weir_limits limits = {.size = sizeof(limits), .node = node, .nodes = machine->nodes};
	if (!plain) {
		limits.cores = 3;
		limits.counted[1] = 7;
		limits.counted_name[0] = "gpu";
		limits.counted_name[1] = "licence";
	}
	bool waiters = false;
	return again ? ledger_set_limits(ledger, &limits, &waiters) : ledger_init(ledger, machine, &limits);
}

static struct packed units_at_random(const struct ledger *ledger, bool plain, uint64_t *random)
{
	weir_demand demand = {.size = sizeof(demand), .cores = (double)(fixture_random(random) % 7) / 2};
	if (demand.cores <= 0 || fixture_random(random) % 2)
		demand.memory_bytes = (1 + fixture_random(random) % 40) * MIB;
	if (!plain) {
		demand.bandwidth_bytes_s = fixture_random(random) % 3 * (UINT64_C(1) << 29);
		demand.counted[0] = fixture_random(random) % 2;
		demand.counted[1] = fixture_random(random) % 4 == 0;
	}
	struct packed units;
	if (limits_pack(&ledger->limits, &demand, &units))
		fail_msg("%s", weir_error_text());
	return units;
}

static void hold_at_random(struct ledger *ledger, bool plain, uint64_t *random)
{
	for (uint32_t i = 0; i < 2 * ledger->nodes; i++) {
		struct packed units = units_at_random(ledger, plain, random);
		struct taken taken;
		struct shortage why;
		bool waiters = false;
		(void)ledger_take(ledger, &units, NULL, (uint32_t)(fixture_random(random) % ledger->nodes), 0, &taken,
				  &why, &waiters);
	}
}

/* The first at once, as who takes it sees it, and then the others. */
static void assert_same_choice(const struct ledger *ledger, const weir_strategy *strategy, const struct wish *wish)
{
	struct rank rank[NODES_MOST], all[NODES_MOST];
	uint32_t count = strategy_rank(strategy, ledger, wish, rank),
		 known = strategy_rank_all(strategy, ledger, wish, all);
	assert_int_equal(count, known);
	if (count)
		assert_int_equal(rank[0].node, all[0].node);
	strategy_rank_rest(rank, count);
	for (uint32_t i = 0; i < count; i++)
		if (rank[i].node != all[i].node || rank[i].score != all[i].score || rank[i].fits != all[i].fits ||
		    rank[i].distance != all[i].distance)
			fail_msg("%s fit, %u nodes, place %u: node %u, not %u", strategy->name, ledger->nodes, i,
				 rank[i].node, all[i].node);
}

/* strategy_rank() looks only at what is needed, and finds only the first; strategy_rank_all() is the definition. Fails if a
 * resource is left out or counted twice, what is owed is taken for spare, a tie goes to another, or the rest is in disorder. */
static void best_and_worst_choose_as_their_scores_say(void **state)
{
	(void)state;
	static const char *const machines[] = {"numa:2 core:8 pu:1", "numa:7 core:8 pu:1", "numa:64 core:8 pu:1",
					       "numa:300 core:8 pu:1"};
	uint64_t random = fixture_seed("best_and_worst_choose_as_their_scores_say");
	for (size_t m = 0; m < 2 * ARRAY_LENGTH(machines); m++) {
		bool plain = m % 2;
		weir_machine *machine;
		assert_int_equal(weir_machine_create(&machine, machines[m / 2]), WEIR_OK);
		struct ledger ledger;
		if (limit_at_random(&ledger, machine, plain, false, &random))
			fail_msg("%s", weir_error_text());
		for (int i = 0; i < LOOKS; i++) {
			struct wish wish = {.units = units_at_random(&ledger, plain, &random), .home = NO_NODE};
			if (fixture_random(&random) % 2)
				wish.home = (uint32_t)(fixture_random(&random) % ledger.nodes);
			assert_same_choice(&ledger, WEIR_BEST_FIT, &wish);
			assert_same_choice(&ledger, WEIR_WORST_FIT, &wish);
			if (i == LOOKS / 3)
				hold_at_random(&ledger, plain, &random);
			if (i == 2 * LOOKS / 3 && limit_at_random(&ledger, machine, plain, true, &random))
				fail_msg("%s", weir_error_text());
		}
		ledger_fini(&ledger);
		weir_machine_destroy(machine);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_fit_goes_by_distance_from_home),
		cmocka_unit_test(best_fit_leaves_least_and_worst_fit_leaves_most),
		cmocka_unit_test(distance_is_weighed_against_fit),
		cmocka_unit_test(a_custom_strategy_sees_the_machine_and_decides),
		cmocka_unit_test(a_node_without_the_resource_is_never_chosen),
		cmocka_unit_test(best_and_worst_choose_as_their_scores_say),
		cmocka_unit_test(strategies_are_found_by_name_and_score_any_snapshot),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
