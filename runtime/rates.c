/* SPDX-License-Identifier: MIT */
/*
 * rates.c - how fast room comes back, and when it will be enough.
 *
 * Holds:     counts of released units per thread, node and resource; rates of the last sample.
 * Invariant: U2  the units counted as released are those that were given back (at rest).
 * Progress:  note and eta are wait-free; of several that sample at once one does, the others go on.
 * Together:  all with all, but init and fini.
 * Not here:  what follows from an ETA (retry.c, claims).
 *
 * A window of d ns in which n units came back says n / d, and replaces the part 1 - exp(-d / scale) of what was known: so
 * windows may be of any length, and whoever is interested may end one. Sums are divided by the weight of all windows so
 * far, so that the first window counts fully. The rate is the higher one of the two scales: an ETA that is too early costs
 * one more look (the back-off is its floor), one that is too late leaves room lying idle.
 *
 * What is idle releases nothing, and that says nothing of how fast it will be: if nothing was held at the last sample, and
 * that was long ago, all is forgotten rather than averaged over the pause.
 */
#include "runtime/rates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "private/error.h"

#define INTERVAL_NS WEIR_NS_PER_MS
#define INTERVAL_PER_NODE_NS (250 * WEIR_NS_PER_US) /* a sample walks over all nodes of all threads */
#define PAUSE_NS (100 * WEIR_NS_PER_MS)
#define MILLI 1e3

static const double scale_ns[RATES_SCALES] = {[RATES_SHORT] = 20e6, [RATES_LONG] = 1e9};

weir_status rates_init(struct rates *rates, uint32_t nodes, uint64_t now_ns)
{
	memset(rates, 0, sizeof(*rates));
	size_t cells = (size_t)nodes * RATES_ROW;
	rates->nodes = nodes;
	rates->interval_ns = INTERVAL_NS > nodes * INTERVAL_PER_NODE_NS ? INTERVAL_NS : nodes * INTERVAL_PER_NODE_NS;
	at_init(&rates->sampled_ns, now_ns);
	rates->rate = calloc(cells + RATES_ROW, sizeof(*rates->rate));
	rates->before = calloc(cells, sizeof(*rates->before));
	rates->now = calloc(cells, sizeof(*rates->now));
	bool flows = true;
	for (int s = 0; s < RATES_SCALES; s++) {
		rates->flow[s] = calloc(cells, sizeof(*rates->flow[s]));
		flows &= rates->flow[s] != NULL;
	}
	bool tally = tally_init(&rates->released, (uint32_t)cells);
	if (rates->rate && rates->before && rates->now && flows && tally)
		return WEIR_OK;
	rates_fini(rates);
	return error_set(WEIR_ENOMEM, "no memory for the rates of %u nodes", nodes);
}

void rates_fini(struct rates *rates)
{
	free(rates->rate);
	free(rates->before);
	free(rates->now);
	for (int s = 0; s < RATES_SCALES; s++)
		free(rates->flow[s]);
	tally_fini(&rates->released);
	memset(rates, 0, sizeof(*rates));
}

void rates_note_shared(struct rates *rates, const struct taken *taken)
{
	struct tally *tally = &rates->released;
	for (int r = 0; r < WEIR_RESOURCES; r++) {
		bool of_memory = r == WEIR_MEMORY || r == WEIR_BANDWIDTH;
		uint32_t node = of_memory ? taken->memory_node : taken->cpu_node;
		uint32_t units = packed_get(taken->units, (weir_resource)r);
		if (units)
			tally_add(tally, node * RATES_ROW + (uint32_t)r, units);
	}
}

static void forget(struct rates *rates)
{
	for (int s = 0; s < RATES_SCALES; s++) {
		memset(rates->flow[s], 0, (size_t)rates->nodes * RATES_ROW * sizeof(*rates->flow[s]));
		rates->weight[s] = 0;
	}
}

/* One window of one scale. */
static void blend(struct rates *rates, int scale, double window_ns)
{
	double part = -expm1(-window_ns / scale_ns[scale]);
	double *flow = rates->flow[scale];
	for (uint32_t i = 0; i < rates->nodes * RATES_ROW; i++)
		flow[i] += part * ((double)(rates->now[i] - rates->before[i]) / window_ns - flow[i]);
	rates->weight[scale] += part * (1 - rates->weight[scale]);
}

static void show(struct rates *rates)
{
	uint64_t all[RATES_ROW] = {0};
	for (uint32_t i = 0; i < rates->nodes * RATES_ROW; i++) {
		double per_ns = 0;
		for (int s = 0; s < RATES_SCALES; s++)
			per_ns = rates->weight[s] > 0 ? fmax(per_ns, rates->flow[s][i] / rates->weight[s]) : per_ns;
		uint64_t rate = (uint64_t)(per_ns * (double)WEIR_NS_PER_S * MILLI);
		at_store(&rates->rate[i], rate, relaxed, none);
		all[i % RATES_ROW] += rate;
	}
	for (uint32_t r = 0; r < RATES_ROW; r++)
		at_store(&rates->rate[rates->nodes * RATES_ROW + r], all[r], relaxed, none);
}

void rates_sample(struct rates *rates, struct book *book, uint64_t now_ns)
{
	uint64_t sampled_ns = at_load(&rates->sampled_ns, relaxed, none);
	if (now_ns < sampled_ns + rates->interval_ns)
		return;
	/* ORDER(rates): acquire, pairs with the release below: what who sampled last left behind. */
	if (at_swap(&rates->sampling, 1, acquire, rates))
		return;
	sampled_ns = at_load(&rates->sampled_ns, relaxed, none);
	if (now_ns >= sampled_ns + rates->interval_ns) {
		tally_sums(&rates->released, rates->now);
		uint64_t window_ns = now_ns - sampled_ns;
		if (!rates->held && window_ns > PAUSE_NS)
			forget(rates);
		else
			for (int s = 0; s < RATES_SCALES; s++)
				blend(rates, s, (double)window_ns);
		show(rates);
		uint64_t *before = rates->before;
		rates->before = rates->now;
		rates->now = before;
		rates->held = book_count(book) != 0;
		at_store(&rates->sampled_ns, now_ns, relaxed, none);
	}
	/* ORDER(rates): release, pairs with the acquire above. */
	at_store(&rates->sampling, 0, release, rates);
}

/* In how long `missing` units come back. */
static uint64_t eta_of(const struct rates *rates, uint32_t node, weir_resource resource, uint64_t missing)
{
	uint64_t rate = rates_get(rates, node, resource);
	if (!rate)
		return RATES_UNKNOWN;
	double ns = (double)missing * MILLI * (double)WEIR_NS_PER_S / (double)rate;
	return ns < (double)RATES_ETA_NS_MAX ? (uint64_t)ns : RATES_ETA_NS_MAX;
}

static uint32_t missing_units(struct packed spare, uint64_t needed, weir_resource resource)
{
	uint64_t there = packed_get(spare, resource);
	return needed > there ? (uint32_t)(needed - there) : 0;
}

struct lack rates_lack(const struct ledger *ledger, const struct packed *units, const struct packed *floor,
		       uint32_t place)
{
	const struct limits *limits = &ledger->limits;
	struct packed spare = ledger_spare(ledger, place);
	struct packed limit = ledger_limit(ledger, place);
	struct packed total = {.main = ledger_word_spare(ledger, LEDGER_TOTAL),
			       .counted = ledger_word_spare(ledger, LEDGER_TOTAL_COUNTED)};
	struct lack lack = {0};
	for (int i = 0; i < WEIR_RESOURCES; i++) {
		weir_resource r = (weir_resource)i;
		bool main = word_kind(r) == WORD_MAIN;
		uint64_t need = packed_get(*units, r);
		if (!need)
			continue;
		lack.never |= need > packed_get(limit, r);
		if ((main ? limits->node_mask.main : limits->node_mask.counted) & word_mask(r))
			lack.node[r] = missing_units(spare, need + (floor ? packed_get(*floor, r) : 0), r);
		if ((main ? limits->total_mask.main : limits->total_mask.counted) & word_mask(r))
			lack.total[r] = missing_units(total, need, r);
	}
	return lack;
}

uint64_t rates_eta_ns(const struct rates *rates, const struct ledger *ledger, const struct packed *units,
		      const struct packed *floor, uint32_t place)
{
	const weir_machine *machine = ledger->machine;
	struct lack lack = rates_lack(ledger, units, floor, place);
	uint64_t eta = lack.never ? RATES_UNKNOWN : 0;
	for (int i = 0; i < WEIR_RESOURCES; i++) {
		weir_resource r = (weir_resource)i;
		bool of_memory = r == WEIR_MEMORY || r == WEIR_BANDWIDTH;
		uint32_t node = of_memory ? machine->memory_near[place] : machine->cores_near[place];
		uint64_t on_node = lack.node[r] ? eta_of(rates, node, r, lack.node[r]) : 0;
		uint64_t in_all = lack.total[r] ? eta_of(rates, rates->nodes, r, lack.total[r]) : 0;
		eta = on_node > eta ? on_node : eta;
		eta = in_all > eta ? in_all : eta;
	}
	return eta;
}
