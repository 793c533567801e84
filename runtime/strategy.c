/* SPDX-License-Identifier: MIT */
/*
 * strategy.c - first, best, worst fit and the application's own: scores, and the order that follows from them.
 *
 * Holds:     nothing. Pure: (demand, machine, a look at the ledger) -> order.
 * Not here:  whether there is room: only the ledger's compare-and-swap decides that.
 *
 * left_d = (free_d - need_d) x 2^16 / limit_d. Best fit: -sum(left_d), worst fit: +sum(left_d), over the resources
 * needed. Each unit of distance costs 1/100 of a limit, so that a node at distance 20 is taken before the home node at
 * 10 only if it is better by a tenth.
 */
#include "runtime/strategy.h"

#include <alloca.h>
#include <string.h>

enum { SCALE = 1 << 16, DISTANCE_COST = SCALE / 100, DISTANCE_LOCAL = 10 };

bool wish_is_feasible(const struct ledger *ledger, const struct wish *wish, struct shortage *why)
{
	for (uint32_t n = 0; n < ledger->nodes; n++)
		if ((!wish->home_only || n == wish->home) && ledger_feasible(ledger, &wish->units, n, why))
			return true;
	return false;
}

static double demanded(const weir_demand *demand, weir_resource resource)
{
	switch (resource) {
	case WEIR_CPU:
		return demand->cores;
	case WEIR_MEMORY:
		return (double)demand->memory_bytes;
	case WEIR_BANDWIDTH:
		return (double)demand->bandwidth_bytes_s;
	default:
		return (double)demand->counted[resource - WEIR_COUNTED];
	}
}

/* The most that there is anywhere it may go. */
static uint64_t most_permitted(const struct ledger *ledger, const struct wish *wish, weir_resource resource)
{
	uint64_t most = 0;
	for (uint32_t n = 0; n < ledger->nodes; n++) {
		uint64_t limit = packed_get(ledger_limit(ledger, n), resource);
		if ((!wish->home_only || n == wish->home) && limit > most)
			most = limit;
	}
	return most;
}

/* What all nodes may give together; UINT64_MAX: no more is said than of each. */
static uint64_t total_limit(const struct ledger *ledger, weir_resource resource)
{
	bool is_main = word_kind(resource) == WORD_MAIN;
	uint64_t mask = is_main ? ledger->limits.total_mask.main : ledger->limits.total_mask.counted;
	if (!(mask & word_mask(resource)))
		return UINT64_MAX;
	return word_get(ledger_word_limit(ledger, is_main ? LEDGER_TOTAL : LEDGER_TOTAL_COUNTED), resource);
}

struct excess wish_excess(const struct ledger *ledger, const struct wish *wish, const struct shortage *why)
{
	const struct limits *limits = &ledger->limits;
	for (int r = 0; r < WEIR_RESOURCES; r++) {
		weir_resource resource = (weir_resource)r;
		uint64_t units = packed_get(wish->units, resource);
		uint64_t on_node = most_permitted(ledger, wish, resource), total = total_limit(ledger, resource);
		uint64_t limit = on_node < total ? on_node : total;
		if (!(why->resources >> r & 1) || units <= limit)
			continue;
		/* What is far above all limits was cut down as it was packed. */
		bool exact = wish->demand && !wish->elastic.steps;
		return (struct excess){.resource = resource,
				       .total = units > total,
				       .asked = exact ? demanded(wish->demand, resource)
						      : limits_amount_of(limits, resource, units),
				       .limit = limits_amount_of(limits, resource, limit)};
	}
	return (struct excess){0};
}

/* What is left of a resource, in parts of its limit. */
static inline int64_t part_left(uint32_t free, uint32_t need, uint32_t limit)
{
	return ((int64_t)free - (int64_t)need) * SCALE / (int64_t)limit;
}

static int64_t sum_left(const weir_snapshot *snapshot, uint32_t node)
{
	const weir_node_view *view = &snapshot->node[node];
	int64_t sum = 0;
	for (int r = 0; r < WEIR_RESOURCES; r++) {
		if (!snapshot->need[r])
			continue;
		if (!view->limit[r])
			return WEIR_SCORE_NEVER;
		sum += part_left(view->free[r], snapshot->need[r], view->limit[r]);
	}
	return sum;
}

static inline int64_t cost_of(uint32_t distance)
{
	return distance > DISTANCE_LOCAL ? (int64_t)(distance - DISTANCE_LOCAL) * DISTANCE_COST : 0;
}

static int64_t distance_cost(const weir_snapshot *snapshot, uint32_t node)
{
	return cost_of(snapshot->node[node].distance);
}

static int64_t score_first(const weir_demand *demand, const weir_snapshot *snapshot, uint32_t node, void *context)
{
	(void)demand;
	(void)context;
	return sum_left(snapshot, node) == WEIR_SCORE_NEVER ? WEIR_SCORE_NEVER : -distance_cost(snapshot, node);
}

static int64_t score_best(const weir_demand *demand, const weir_snapshot *snapshot, uint32_t node, void *context)
{
	(void)demand;
	(void)context;
	int64_t left = sum_left(snapshot, node);
	return left == WEIR_SCORE_NEVER ? left : -left - distance_cost(snapshot, node);
}

static int64_t score_worst(const weir_demand *demand, const weir_snapshot *snapshot, uint32_t node, void *context)
{
	(void)demand;
	(void)context;
	int64_t left = sum_left(snapshot, node);
	return left == WEIR_SCORE_NEVER ? left : left - distance_cost(snapshot, node);
}

static const weir_strategy first_fit = {.score = score_first, .name = "first"};
static const weir_strategy best_fit = {.score = score_best, .name = "best"};
static const weir_strategy worst_fit = {.score = score_worst, .name = "worst"};

const weir_strategy *const WEIR_FIRST_FIT = &first_fit;
const weir_strategy *const WEIR_BEST_FIT = &best_fit;
const weir_strategy *const WEIR_WORST_FIT = &worst_fit;

enum strategy_kind strategy_kind(const weir_strategy *strategy)
{
	if (strategy->score == score_first)
		return STRATEGY_FIRST;
	if (strategy->score == score_best)
		return STRATEGY_BEST;
	return strategy->score == score_worst ? STRATEGY_WORST : STRATEGY_CUSTOM;
}

const weir_strategy *weir_strategy_find(const char *name)
{
	static const weir_strategy *const all[] = {&first_fit, &best_fit, &worst_fit};
	for (size_t i = 0; name && i < ARRAY_LENGTH(all); i++)
		if (!strcmp(name, all[i]->name))
			return all[i];
	return NULL;
}

int64_t weir_strategy_score(const weir_strategy *strategy, const weir_demand *demand, const weir_snapshot *snapshot,
			    uint32_t node)
{
	if (!strategy || !strategy->score || !snapshot || node >= snapshot->nodes)
		return WEIR_SCORE_NEVER;
	return strategy->score(demand, snapshot, node, strategy->context);
}

static void fill(uint32_t out[WEIR_RESOURCES], struct packed packed)
{
	for (int r = 0; r < WEIR_RESOURCES; r++)
		out[r] = packed_get(packed, (weir_resource)r);
}

static bool view_fits(const weir_snapshot *snapshot, uint32_t node)
{
	for (int r = 0; r < WEIR_RESOURCES; r++)
		if (snapshot->need[r] > snapshot->node[node].free[r])
			return false;
	return true;
}

/* Better: fits before does not, then the score, the distance, the number. */
static bool before(const struct rank *a, const struct rank *b)
{
	if (a->fits != b->fits)
		return a->fits;
	if (a->score != b->score)
		return a->score > b->score;
	if (a->distance != b->distance)
		return a->distance < b->distance;
	return a->node < b->node;
}

static void insert(struct rank *rank, uint32_t count, struct rank one)
{
	while (count && before(&one, &rank[count - 1])) {
		rank[count] = rank[count - 1];
		count--;
	}
	rank[count] = one;
}

uint32_t strategy_distance(const struct ledger *ledger, uint32_t home, uint32_t node)
{
	return home == NO_NODE ? DISTANCE_LOCAL : machine_distance(ledger->machine, home, node);
}

uint32_t strategy_rank_all(const weir_strategy *strategy, const struct ledger *ledger, const struct wish *wish,
			   struct rank *rank)
{
	weir_node_view *views = alloca(ledger->nodes * sizeof(*views));
	weir_snapshot snapshot = {
		.nodes = ledger->nodes,
		.node = views,
		.unit_memory_bytes = ledger->limits.units.memory_bytes,
		.unit_bandwidth_bytes_s = ledger->limits.units.bandwidth_bytes_s,
		.units_per_core = ledger->limits.units.per_core,
	};
	fill(snapshot.need, wish->units);
	for (uint32_t n = 0; n < ledger->nodes; n++) {
		views[n].node = n;
		views[n].distance = strategy_distance(ledger, wish->home, n);
		fill(views[n].free, ledger_spare(ledger, n));
		fill(views[n].limit, ledger_limit(ledger, n));
	}
	uint32_t count = 0;
	for (uint32_t n = 0; n < ledger->nodes; n++) {
		if (wish->home_only && n != wish->home)
			continue;
		struct rank one = {.node = n, .distance = views[n].distance, .fits = view_fits(&snapshot, n)};
		one.score = strategy->score(wish->demand, &snapshot, n, strategy->context);
		if (one.score != WEIR_SCORE_NEVER)
			insert(rank, count++, one);
	}
	return count;
}

/* What a wish needs, resource by resource: the others are not looked at. */
struct needs {
	uint32_t count;
	struct need {
		uint32_t units;
		uint32_t mask;
		uint8_t shift;
		bool counted;
	} of[WEIR_RESOURCES];
};

static void needs_of(struct packed units, struct needs *needs)
{
	needs->count = 0;
	for (int r = 0; r < WEIR_RESOURCES; r++) {
		weir_resource resource = (weir_resource)r;
		uint32_t amount = packed_get(units, resource);
		if (amount)
			needs->of[needs->count++] = (struct need){.units = amount,
								  .mask = word_field_max(resource),
								  .shift = word_field(resource).shift,
								  .counted = word_kind(resource) == WORD_COUNTED};
	}
}

/* sum_left() and view_fits() of one node, without a snapshot. */
static ALWAYS_INLINE int64_t weigh(const struct needs *needs, struct packed spare, struct packed limit, bool *fits)
{
	int64_t sum = 0;
	bool fit = true;
	for (uint32_t i = 0; i < needs->count; i++) {
		const struct need *need = &needs->of[i];
		uint32_t most = (uint32_t)((need->counted ? limit.counted : limit.main) >> need->shift) & need->mask;
		uint32_t free = (uint32_t)((need->counted ? spare.counted : spare.main) >> need->shift) & need->mask;
		if (!most)
			return WEIR_SCORE_NEVER;
		sum += part_left(free, need->units, most);
		fit &= free >= need->units;
	}
	*fits = fit;
	return sum;
}

/* Best and worst fit: as strategy_rank_all(), but only the first is found. */
static NOINLINE uint32_t rank_by_left(bool is_best, const struct ledger *ledger, const struct wish *wish,
				      struct rank *rank)
{
	struct needs needs;
	needs_of(wish->units, &needs);
	const uint32_t *distances =
		wish->home == NO_NODE ? NULL : &ledger->machine->distance[(size_t)wish->home * ledger->nodes];
	struct rank *end = rank, *first = rank;
	for (uint32_t n = 0; n < ledger->nodes; n++) {
		struct packed spare, limit;
		bool fits;
		ledger_look_over(ledger, n, &spare, &limit);
		int64_t left = weigh(&needs, spare, limit, &fits);
		if (left == WEIR_SCORE_NEVER)
			continue;
		uint32_t distance = distances ? distances[n] : DISTANCE_LOCAL;
		int64_t score = (is_best ? -left : left) - cost_of(distance);
		*end = (struct rank){.node = n, .distance = distance, .score = score, .fits = fits};
		if (before(end, first))
			first = end;
		end++;
	}
	if (end == rank)
		return 0;
	struct rank one = *first;
	*first = rank[0];
	rank[0] = one;
	rank[0].rough = true;
	return (uint32_t)(end - rank);
}

/* Shell's sort, by Ciura's gaps: no two are equal, so every way to sort comes to the same. */
void strategy_rank_rest(struct rank *rank, uint32_t count)
{
	static const uint32_t gaps[] = {301, 132, 57, 23, 10, 4, 1};
	if (!rank[0].rough)
		return;
	rank[0].rough = false;
	for (size_t g = 0; g < ARRAY_LENGTH(gaps); g++)
		for (uint32_t i = 1 + gaps[g]; i < count; i++) {
			struct rank one = rank[i];
			uint32_t at = i;
			for (; at > gaps[g] && before(&one, &rank[at - gaps[g]]); at -= gaps[g])
				rank[at] = rank[at - gaps[g]];
			rank[at] = one;
		}
}

uint32_t strategy_rank(const weir_strategy *strategy, const struct ledger *ledger, const struct wish *wish,
		       struct rank *rank)
{
	if (wish->home_only || ledger->nodes == 1) {
		rank[0] = (struct rank){.node = wish->home == NO_NODE ? 0 : wish->home};
		return 1;
	}
	if (strategy->score == score_best || strategy->score == score_worst)
		return rank_by_left(strategy->score == score_best, ledger, wish, rank);
	if (strategy->score != score_first)
		return strategy_rank_all(strategy, ledger, wish, rank);
	const uint32_t *order =
		wish->home == NO_NODE ? NULL : &ledger->machine->order[(size_t)wish->home * ledger->nodes];
	for (uint32_t i = 0; i < ledger->nodes; i++)
		rank[i].node = order ? order[i] : i;
	rank[0].rough = false;
	return ledger->nodes;
}
