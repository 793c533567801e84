/* SPDX-License-Identifier: MIT */
/*
 * relimit.c - other limits, in the units and for the words that were made for the first ones.
 *
 * Holds:     nothing of its own.
 * Invariant: L4  a limit's units are covered by it, as in limits.c; no field is asked to hold more than it can.
 * Not here:  what becomes of the words (ledger.c, kept.c).
 */
#include <math.h>
#include <stdlib.h>

#include "private/error.h"
#include "runtime/amounts.h"

static uint64_t amount_of(const struct units *units, weir_resource resource, const struct amounts *amounts)
{
	switch (resource) {
	case WEIR_CPU:
		return (uint64_t)fmin(floor(amounts->cores * units->per_core), 1e15);
	case WEIR_MEMORY:
		return amounts->memory_bytes / units->memory_bytes;
	case WEIR_BANDWIDTH:
		return amounts->bandwidth_bytes_s / units->bandwidth_bytes_s;
	default:
		return amounts->counted[resource - WEIR_COUNTED] / units->counted[resource - WEIR_COUNTED];
	}
}

static uint64_t *field_word(struct packed *packed, weir_resource resource)
{
	return word_kind(resource) == WORD_MAIN ? &packed->main : &packed->counted;
}

static weir_status check_holds(const struct limits *made, weir_resource resource, const char *whose, uint64_t units)
{
	uint64_t most = limit_units_max(resource);
	if (units <= most)
		return WEIR_OK;
	if (resource == WEIR_CPU)
		return error_set(WEIR_EINVAL, "%s limit of cores is %g: with the units of the first limits at most %g",
				 whose, (double)units / made->units.per_core, (double)most / made->units.per_core);
	uint64_t unit = resource == WEIR_MEMORY	     ? made->units.memory_bytes
			: resource == WEIR_BANDWIDTH ? made->units.bandwidth_bytes_s
						     : made->units.counted[resource - WEIR_COUNTED];
	return error_set(WEIR_EINVAL, "%s limit of %s is %llu: with the units of the first limits at most %llu", whose,
			 limits_resource_name(made, resource), (unsigned long long)(units * unit),
			 (unsigned long long)(most * unit));
}

/* The words are made once: nothing can be limited that was not limited then. sum: of the nodes, total: 0 if not given. */
static weir_status check_existed(const struct limits *made, weir_resource resource, uint64_t sum, uint64_t total)
{
	const char *name = limits_resource_name(made, resource);
	if (!(made->defined & UINT32_C(1) << resource) && (sum || total))
		return error_set(WEIR_EINVAL,
				 "%s has a limit now and had none at first: give it one at first, of 1 if need be",
				 name);
	if (resource < WEIR_COUNTED)
		return WEIR_OK;
	bool of_nodes = (made->node_mask.counted & word_mask(resource)) != 0;
	if (sum && !of_nodes)
		return error_set(WEIR_EINVAL, "%s is given for nodes: at first it was a stock of the whole machine",
				 name);
	if (!sum && total && of_nodes)
		return error_set(WEIR_EINVAL, "%s is given for the whole machine only: at first nodes had it", name);
	return WEIR_OK;
}

/* The total did not bind at first, so it has no word: the nodes get their parts of it. Whole cores stay whole where they
 * can; the parts sum to the total. */
static void scale_down(struct limits *out, weir_resource resource, uint64_t sum, uint64_t total)
{
	uint64_t step = resource == WEIR_CPU && total % out->units.per_core == 0 ? out->units.per_core : 1;
	for (uint32_t n = 0; n < out->nodes; n++)
		if (packed_get(out->node[n], resource) % step)
			step = 1;
	uint64_t passed = 0, given = 0;
	for (uint32_t n = 0; n < out->nodes; n++) {
		uint64_t *word = field_word(&out->node[n], resource);
		passed += word_get(*word, resource) / step;
		/* No field holds more than 2^28 and no machine more than 2^10 nodes: 2^66 is too much for a product. */
		uint64_t up_to = (uint64_t)((unsigned __int128)passed * (total / step) / (sum / step));
		*word = (*word & ~word_mask(resource)) | word_put(resource, (up_to - given) * step);
		given = up_to;
	}
}

/* Is a total given? Zero in *units if not. */
static bool total_given(const weir_limits *given, const struct units *units, weir_resource resource, uint64_t *out)
{
	struct amounts whole = {.cores = given->cores,
				.memory_bytes = given_or(given->memory_bytes, 0),
				.bandwidth_bytes_s = given_or(given->bandwidth_bytes_s, 0)};
	for (int c = 0; c < WEIR_COUNTED_MAX; c++)
		whole.counted[c] = given_or(given->counted[c], 0);
	*out = amount_of(units, resource, &whole);
	switch (resource) {
	case WEIR_CPU:
		return given->cores > 0;
	case WEIR_MEMORY:
		return given->memory_bytes != 0;
	case WEIR_BANDWIDTH:
		return given->bandwidth_bytes_s != 0;
	default:
		return given->counted[resource - WEIR_COUNTED] != 0;
	}
}

static weir_status change_resource(const struct limits *made, weir_resource resource, const struct amounts *node,
				   const weir_limits *given, struct limits *out)
{
	uint64_t sum = 0, total;
	bool has_total = total_given(given, &made->units, resource, &total);
	bool kind_counted = word_kind(resource) == WORD_COUNTED;
	bool bound = ((kind_counted ? made->total_mask.counted : made->total_mask.main) & word_mask(resource)) != 0;
	bool stock = kind_counted && !(made->node_mask.counted & word_mask(resource));
	weir_status status = WEIR_OK;
	for (uint32_t n = 0; n < made->nodes && !status; n++) {
		uint64_t units = amount_of(&made->units, resource, &node[n]);
		status = check_holds(made, resource, "a node's", units);
		*field_word(&out->node[n], resource) |= word_put(resource, units);
		sum += units;
	}
	if (!status)
		status = check_existed(made, resource, sum, total);
	if (!status && !bound && has_total && total < sum)
		scale_down(out, resource, sum, total);
	if (status || !bound)
		return status;
	uint64_t binds = stock || (has_total && total < sum) ? total : sum;
	*field_word(&out->total, resource) |= word_put(resource, binds);
	return check_holds(made, resource, "the whole machine's", binds);
}

weir_status limits_change(const struct limits *made, const weir_machine *machine, const weir_limits *said,
			  struct limits *out)
{
	*out = *made;
	out->total = (struct packed){0};
	struct asked asked;
	weir_status status = amounts_ask(machine, said, made, out, &asked);
	if (status)
		return status;
	status = amounts_check_units(&made->units, &asked.given);
	for (int r = 0; r < WEIR_RESOURCES && !status; r++)
		status = change_resource(made, (weir_resource)r, asked.node, &asked.given, out);
	free(asked.node);
	if (status)
		limits_fini(out);
	return status;
}
