/* SPDX-License-Identifier: MIT */
/*
 * limits.c - from cores and bytes to units: resolving limits against a machine, packing demands.
 *
 * Holds:     nothing of its own; fills `struct limits`, constant afterwards.
 * Invariant: L4  a demand's units cover it, a limit's units are covered by it.
 * Not here:  what is spare (ledger.c), other limits later on (relimit.c), what is elastic of a demand (elastic.c).
 */
#include "runtime/limits.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "private/error.h"
#include "runtime/amounts.h"
#include "runtime/elastic.h"

enum { MEMORY_UNIT_MIN = 4096, PER_CORE_MAX = 64 };

static uint64_t saturating_add(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

/* unit: a power of two, as all of them are. */
static uint64_t units_up(uint64_t amount, uint64_t unit)
{
	return (amount >> __builtin_ctzll(unit)) + ((amount & (unit - 1)) != 0);
}

/* The smallest power of two, from `least` on, in which `amount` is at most `units_max`. */
static uint64_t unit_for(uint64_t amount, uint64_t least, uint64_t units_max)
{
	uint64_t unit = least;
	while (amount / unit > units_max && unit < UINT64_C(1) << 62)
		unit *= 2;
	return unit;
}

weir_status limits_check_size(const weir_limits *given)
{
	if (given && given->size != sizeof(*given))
		return error_set(WEIR_EINVAL,
				 "limits.size is %zu: use WEIR_LIMITS() or set it to sizeof(weir_limits), %zu",
				 given->size, sizeof(*given));
	return WEIR_OK;
}

/* A name is one of a demand's words and a key of the metrics, beside those that are there anyway. */
static weir_status check_names(const weir_limits *given)
{
	static const char *const taken[] = {"cores",	"memory",	"bandwidth",	    "steps", "class", "node",
					    "priority", "memory_bytes", "bandwidth_bytes_s"};
	for (int c = 0; c < WEIR_COUNTED_MAX; c++) {
		const char *name = given->counted_name[c];
		if (!name || !*name)
			continue;
		if (strlen(name) > 31)
			return error_set(WEIR_EINVAL, "limits.counted_name[%d] is \"%.40s\": at most 31 bytes", c,
					 name);
		for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
			if (!strcmp(name, taken[i]))
				return error_set(
					WEIR_EINVAL,
					"limits.counted_name[%d] is \"%s\", which a demand says of something else: "
					"give another name",
					c, name);
		for (int d = 0; d < c; d++)
			if (given->counted_name[d] && !strcmp(name, given->counted_name[d]))
				return error_set(
					WEIR_EINVAL,
					"limits.counted_name[%d] is \"%s\", and so is counted_name[%d]: give each "
					"its own",
					c, name, d);
	}
	return WEIR_OK;
}

static weir_status check_given(const weir_machine *machine, const weir_limits *given)
{
	if (!isfinite(given->cores) || given->cores < 0)
		return error_set(WEIR_EINVAL, "limits.cores is %g: give 0 (all) or more", given->cores);
	if (given->node && given->nodes > machine->nodes)
		return error_set(WEIR_EINVAL, "limits.nodes is %u: the machine has %u node%s", given->nodes,
				 machine->nodes, plural(machine->nodes));
	if (!given->node && given->nodes)
		return error_set(WEIR_EINVAL, "limits.nodes is %u but limits.node is NULL: give both or neither",
				 given->nodes);
	for (int c = 0; c < WEIR_COUNTED_MAX; c++) {
		bool used = given->counted[c] != 0;
		for (uint32_t n = 0; given->node && n < given->nodes; n++)
			used |= given->node[n].counted[c] != 0;
		if (used && (!given->counted_name[c] || !*given->counted_name[c]))
			return error_set(WEIR_EINVAL, "limits.counted[%d] has no name: set limits.counted_name[%d]", c,
					 c);
	}
	return check_names(given);
}

/* The machine's default is its launcher's share; ours may be another. What is kept back of a larger share is as much more,
 * of a smaller one it is no less, but at most half. */
static uint64_t default_memory(const weir_machine *machine, const weir_limits *given, uint32_t node)
{
	const struct machine_node *has = &machine->node[node];
	uint32_t ranks = given ? given->local_ranks : 0;
	if (!ranks || ranks == machine->facts.ranks)
		return has->memory_default_bytes;
	double left = 0;
	for (uint32_t n = 0; n < machine->nodes; n++)
		left += (double)machine->node[n].memory_default_bytes;
	double more = (double)machine->facts.ranks / ranks;
	double back = (double)machine->facts.kept_back_bytes;
	double share = (left + back) * more;
	back = fmin(back * fmax(more, 1), share / 2);
	uint64_t bytes = left > 0 ? (uint64_t)((double)has->memory_default_bytes * (share - back) / left) : 0;
	return bytes < has->memory_bytes ? bytes : has->memory_bytes;
}

static weir_status node_amounts(const weir_machine *machine, const weir_limits *given, uint32_t node,
				struct amounts *out)
{
	const struct machine_node *has = &machine->node[node];
	static const weir_node_limit defaults;
	const weir_node_limit *say = given && given->node && node < given->nodes ? &given->node[node] : &defaults;
	if (!isfinite(say->cores))
		return error_set(WEIR_EINVAL, "limits.node[%u].cores is %g: give 0 (all), more, or a negative (none)",
				 node, say->cores);
	out->cores = say->cores < 0 ? 0 : say->cores > 0 ? say->cores : has->cores;
	out->memory_bytes = given_or(say->memory_bytes, default_memory(machine, given, node));
	if (out->memory_bytes > has->memory_bytes)
		return error_set(
			WEIR_EINVAL,
			"limits.node[%u].memory_bytes is %llu: the node has %llu; give at most that, or 0 for what "
			"this process may use of it",
			node, (unsigned long long)out->memory_bytes, (unsigned long long)has->memory_bytes);
	if (out->cores > 0 && !has->cores)
		return error_set(WEIR_EINVAL,
				 "limits.node[%u].cores is %g: the node has no cores that this process may use", node,
				 out->cores);
	out->bandwidth_bytes_s = given_or(say->bandwidth_bytes_s, 0);
	for (int c = 0; c < WEIR_COUNTED_MAX; c++)
		out->counted[c] = given_or(say->counted[c], 0);
	return WEIR_OK;
}

static void choose_units(struct units *units, const struct amounts *sum)
{
	units->per_core = PER_CORE_MAX;
	while (units->per_core > 1 && sum->cores * units->per_core > (double)limit_units_max(WEIR_CPU))
		units->per_core /= 2;
	units->memory_bytes = unit_for(sum->memory_bytes, MEMORY_UNIT_MIN, limit_units_max(WEIR_MEMORY));
	units->bandwidth_bytes_s = unit_for(sum->bandwidth_bytes_s, 1, limit_units_max(WEIR_BANDWIDTH));
	for (int c = 0; c < WEIR_COUNTED_MAX; c++)
		units->counted[c] = unit_for(sum->counted[c], 1, limit_units_max((weir_resource)(WEIR_COUNTED + c)));
}

static uint64_t core_units_down(double cores, uint32_t per_core)
{
	double units = floor(cores * per_core);
	double most = (double)limit_units_max(WEIR_CPU);
	return (uint64_t)(units < most ? units : most);
}

static bool is_below(uint64_t given, uint64_t unit)
{
	return given && given < unit; /* WEIR_NONE is none below */
}

static weir_status below_unit(const char *of, const char *what, double given, double unit)
{
	return error_set(WEIR_EINVAL, "limits.%s%s is %g: less than the smallest unit, %.17g; give at least that", of,
			 what, given, unit);
}

static weir_status check_node_units(const struct units *units, const weir_node_limit *given, const char *of)
{
	if (given->cores > 0 && !core_units_down(given->cores, units->per_core))
		return below_unit(of, "cores", given->cores, 1.0 / units->per_core);
	if (is_below(given->memory_bytes, units->memory_bytes))
		return below_unit(of, "memory_bytes", (double)given->memory_bytes, (double)units->memory_bytes);
	if (is_below(given->bandwidth_bytes_s, units->bandwidth_bytes_s))
		return below_unit(of, "bandwidth_bytes_s", (double)given->bandwidth_bytes_s,
				  (double)units->bandwidth_bytes_s);
	for (int c = 0; c < WEIR_COUNTED_MAX; c++)
		if (is_below(given->counted[c], units->counted[c])) {
			char name[sizeof("counted[9]")];
			snprintf(name, sizeof(name), "counted[%d]", c);
			return below_unit(of, name, (double)given->counted[c], (double)units->counted[c]);
		}
	return WEIR_OK;
}

weir_status amounts_check_units(const struct units *units, const weir_limits *given)
{
	weir_node_limit total = {.cores = given->cores,
				 .memory_bytes = given->memory_bytes,
				 .bandwidth_bytes_s = given->bandwidth_bytes_s};
	memcpy(total.counted, given->counted, sizeof(total.counted));
	weir_status status = check_node_units(units, &total, "");
	for (uint32_t n = 0; given->node && n < given->nodes && !status; n++) {
		char of[sizeof("node[4294967295].")];
		snprintf(of, sizeof(of), "node[%u].", n);
		status = check_node_units(units, &given->node[n], of);
	}
	return status;
}

static struct packed pack_down(const struct units *units, const struct amounts *amounts)
{
	struct packed packed = {0};
	packed.main = word_put(WEIR_CPU, core_units_down(amounts->cores, units->per_core)) |
		      word_put(WEIR_MEMORY, amounts->memory_bytes / units->memory_bytes) |
		      word_put(WEIR_BANDWIDTH, amounts->bandwidth_bytes_s / units->bandwidth_bytes_s);
	for (int c = 0; c < WEIR_COUNTED_MAX; c++)
		packed.counted |= word_put((weir_resource)(WEIR_COUNTED + c), amounts->counted[c] / units->counted[c]);
	return packed;
}

/* A total binds where it is below the sum of the nodes; for a counted resource that no node has, it is the stock. */
static void bind_total(struct limits *limits, const weir_limits *given, const struct amounts *sum)
{
	struct amounts total = {.cores = given->cores,
				.memory_bytes = given_or(given->memory_bytes, 0),
				.bandwidth_bytes_s = given_or(given->bandwidth_bytes_s, 0)};
	uint64_t mask = 0;
	if (given->cores > 0 && given->cores < sum->cores)
		mask |= word_mask(WEIR_CPU);
	if (given->memory_bytes && total.memory_bytes < sum->memory_bytes)
		mask |= word_mask(WEIR_MEMORY);
	if (given->bandwidth_bytes_s && total.bandwidth_bytes_s < sum->bandwidth_bytes_s)
		mask |= word_mask(WEIR_BANDWIDTH);
	limits->total_mask.main = mask;
	for (int c = 0; c < WEIR_COUNTED_MAX; c++) {
		weir_resource resource = (weir_resource)(WEIR_COUNTED + c);
		total.counted[c] = given_or(given->counted[c], 0);
		if (sum->counted[c])
			limits->node_mask.counted |= word_mask(resource);
		if (given->counted[c] && (!sum->counted[c] || total.counted[c] < sum->counted[c]))
			limits->total_mask.counted |= word_mask(resource);
		if (sum->counted[c] || given->counted[c])
			limits->defined |= UINT32_C(1) << resource;
	}
	struct packed packed = pack_down(&limits->units, &total);
	limits->total.main = packed.main & limits->total_mask.main;
	limits->total.counted = packed.counted & limits->total_mask.counted;
}

/* One node: its limit is the total's where the total is smaller, so that a single node needs no word for totals. */
static void cap_by_total(struct amounts *node, const weir_limits *given)
{
	if (given->cores > 0 && node->cores > given->cores)
		node->cores = given->cores;
	if (given->memory_bytes && node->memory_bytes > given_or(given->memory_bytes, 0))
		node->memory_bytes = given_or(given->memory_bytes, 0);
	uint64_t bandwidth = given_or(given->bandwidth_bytes_s, 0);
	if (given->bandwidth_bytes_s && (!node->bandwidth_bytes_s || node->bandwidth_bytes_s > bandwidth))
		node->bandwidth_bytes_s = bandwidth;
}

static weir_status check_totals(const weir_limits *given, const struct amounts *machine_sum)
{
	if (given->memory_bytes != WEIR_NONE && given->memory_bytes > machine_sum->memory_bytes)
		return error_set(WEIR_EINVAL, "limits.memory_bytes is %llu: the nodes have %llu in all",
				 (unsigned long long)given->memory_bytes,
				 (unsigned long long)machine_sum->memory_bytes);
	return WEIR_OK;
}

static weir_status of_nodes(const weir_machine *machine, const weir_limits *given, struct amounts *node,
			    struct amounts *sum)
{
	struct amounts capacity = {0};
	for (uint32_t n = 0; n < machine->nodes; n++)
		capacity.memory_bytes = saturating_add(capacity.memory_bytes, machine->node[n].memory_bytes);
	weir_status status = check_totals(given, &capacity);
	*sum = (struct amounts){0};
	for (uint32_t n = 0; n < machine->nodes && !status; n++) {
		status = node_amounts(machine, given, n, &node[n]);
		cap_by_total(&node[n], given);
		sum->cores += node[n].cores;
		sum->memory_bytes = saturating_add(sum->memory_bytes, node[n].memory_bytes);
		sum->bandwidth_bytes_s = saturating_add(sum->bandwidth_bytes_s, node[n].bandwidth_bytes_s);
		for (int c = 0; c < WEIR_COUNTED_MAX; c++)
			sum->counted[c] = saturating_add(sum->counted[c], node[n].counted[c]);
	}
	return status;
}

static weir_status complete(const weir_machine *machine, const weir_limits *given, const struct limits *names,
			    weir_limits *out)
{
	weir_status status = limits_check_size(given);
	if (status)
		return status;
	*out = given ? *given : (weir_limits){.size = sizeof(*out)};
	for (int c = 0; names && c < WEIR_COUNTED_MAX; c++) {
		const char *has = names->name[c], *says = out->counted_name[c];
		if (says && *says && strcmp(says, has))
			return error_set(WEIR_EINVAL,
					 "limits.counted_name[%d] is \"%.40s\": it was \"%s\" from the start", c, says,
					 has);
		out->counted_name[c] = *has ? has : NULL;
	}
	status = check_given(machine, out);
	if (!(out->cores > 0) && machine->cores_quota < machine->cores)
		out->cores = machine->cores_quota;
	return status;
}

weir_status amounts_ask(const weir_machine *machine, const weir_limits *said, const struct limits *names,
			struct limits *out, struct asked *asked)
{
	out->node = NULL;
	weir_status status = complete(machine, said, names, &asked->given);
	if (status)
		return status;
	asked->node = calloc(machine->nodes, sizeof(*asked->node));
	out->node = calloc(machine->nodes, sizeof(*out->node));
	if (!asked->node || !out->node)
		status = error_set(WEIR_ENOMEM, "no memory for the limits of %u nodes", machine->nodes);
	else
		status = of_nodes(machine, &asked->given, asked->node, &asked->sum);
	if (!status)
		return WEIR_OK;
	free(asked->node);
	limits_fini(out);
	return status;
}

weir_status limits_resolve(struct limits *out, const weir_machine *machine, const weir_limits *said)
{
	memset(out, 0, sizeof(*out));
	struct asked asked;
	weir_status status = amounts_ask(machine, said, NULL, out, &asked);
	if (status)
		return status;
	out->nodes = machine->nodes;
	out->node_mask.main = word_mask(WEIR_CPU) | word_mask(WEIR_MEMORY) | word_mask(WEIR_BANDWIDTH);
	out->defined = UINT32_C(1) << WEIR_CPU | UINT32_C(1) << WEIR_MEMORY;
	if (asked.sum.bandwidth_bytes_s)
		out->defined |= UINT32_C(1) << WEIR_BANDWIDTH;
	struct amounts widest = asked.sum;
	for (int c = 0; c < WEIR_COUNTED_MAX; c++) {
		uint64_t stock = given_or(asked.given.counted[c], 0);
		if (stock > widest.counted[c])
			widest.counted[c] = stock;
		if (asked.given.counted_name[c])
			snprintf(out->name[c], sizeof(out->name[c]), "%s", asked.given.counted_name[c]);
	}
	choose_units(&out->units, &widest);
	for (uint32_t n = 0; n < machine->nodes; n++)
		out->node[n] = pack_down(&out->units, &asked.node[n]);
	bind_total(out, &asked.given, &asked.sum);
	status = amounts_check_units(&out->units, &asked.given);
	free(asked.node);
	if (status)
		limits_fini(out);
	return status;
}

void limits_fini(struct limits *limits)
{
	free(limits->node);
	limits->node = NULL;
}

static uint64_t cores_up(const struct limits *limits, double cores)
{
	double exact = cores * limits->units.per_core;
	uint64_t down = exact < (double)word_field_max(WEIR_CPU) ? (uint64_t)exact : word_field_max(WEIR_CPU);
	return down + ((double)down < exact);
}

static weir_status check_defined(const struct limits *limits, weir_resource resource, uint64_t amount)
{
	if (!amount || limits->defined & UINT32_C(1) << resource)
		return WEIR_OK;
	if (resource == WEIR_BANDWIDTH)
		return error_set(WEIR_EINVAL,
				 "demand.bandwidth_bytes_s is %llu but there is no bandwidth limit: set "
				 "limits.bandwidth_bytes_s",
				 (unsigned long long)amount);
	return error_set(WEIR_EINVAL, "demand.counted[%d] is %llu but there is no such limit: set limits.counted[%d]",
			 (int)resource - WEIR_COUNTED, (unsigned long long)amount, (int)resource - WEIR_COUNTED);
}

_Static_assert(WEIR_COUNTED_MAX == 4, "limits_pack() asks for four");

static weir_status pack_counted(const struct limits *limits, const weir_demand *demand, uint64_t *out)
{
	for (int c = 0; c < WEIR_COUNTED_MAX; c++) {
		weir_resource resource = (weir_resource)(WEIR_COUNTED + c);
		weir_status status = check_defined(limits, resource, demand->counted[c]);
		if (status)
			return status;
		*out |= word_put(resource, units_up(demand->counted[c], limits->units.counted[c]));
	}
	return WEIR_OK;
}

weir_status limits_check_demand(const weir_demand *demand, uint32_t nodes)
{
	if (!demand)
		return error_set(WEIR_EINVAL, "demand is NULL");
	if (demand->size != sizeof(*demand))
		return error_set(WEIR_EINVAL,
				 "demand.size is %zu: use WEIR_DEMAND() or set it to sizeof(weir_demand), %zu",
				 demand->size, sizeof(*demand));
	if ((unsigned)demand->task_class >= WEIR_CLASSES)
		return error_set(WEIR_EINVAL,
				 "demand.task_class is %d: give WEIR_NORMAL, HIGH, CRITICAL or BEST_EFFORT",
				 (int)demand->task_class);
	if ((unsigned)demand->when_short > WEIR_FAIL)
		return error_set(WEIR_EINVAL, "demand.when_short is %d: give WEIR_QUEUE, WEIR_DEFER or WEIR_FAIL",
				 (int)demand->when_short);
	if (demand->home > nodes)
		return error_set(WEIR_EINVAL, "demand.home is WEIR_NODE(%u): the machine has %u node%s",
				 demand->home - 1, nodes, plural(nodes));
	if (demand->home_only && !demand->home)
		return error_set(WEIR_EINVAL,
				 "demand.home_only is set without a home: set demand.home to WEIR_NODE(i)");
	/* Written so that what is not a number is refused too. */
	if (!(demand->cores >= 0) || isinf(demand->cores))
		return error_set(WEIR_EINVAL, "demand.cores is %g: give 0 or more", demand->cores);
	return WEIR_OK;
}

weir_status limits_pack(const struct limits *limits, const weir_demand *demand, struct packed *out)
{
	weir_status status = limits_check_demand(demand, limits->nodes);
	weir_demand least;
	if (!status && unlikely(elastic_is(demand))) {
		status = elastic_least(demand, &least);
		demand = &least;
	}
	if (!status)
		status = check_defined(limits, WEIR_BANDWIDTH, demand->bandwidth_bytes_s);
	if (status)
		return status;
	struct packed packed = {0};
	const struct units *units = &limits->units;
	packed.main = word_put(WEIR_CPU, cores_up(limits, demand->cores)) |
		      word_put(WEIR_MEMORY, units_up(demand->memory_bytes, units->memory_bytes));
	if (demand->bandwidth_bytes_s)
		packed.main |= word_put(WEIR_BANDWIDTH, units_up(demand->bandwidth_bytes_s, units->bandwidth_bytes_s));
	if (demand->counted[0] | demand->counted[1] | demand->counted[2] | demand->counted[3])
		status = pack_counted(limits, demand, &packed.counted);
	if (status)
		return status;
	if (!packed.main && !packed.counted)
		return error_set(WEIR_EINVAL,
				 "the demand asks for nothing: give cores, memory_bytes or another amount, or no "
				 "demand at all for a plain task");
	*out = packed;
	return WEIR_OK;
}

weir_amount limits_amount(const struct limits *limits, struct packed packed)
{
	const struct units *units = &limits->units;
	weir_amount amount = {
		.cores = (double)word_get(packed.main, WEIR_CPU) / units->per_core,
		.memory_bytes = word_get(packed.main, WEIR_MEMORY) * units->memory_bytes,
		.bandwidth_bytes_s = word_get(packed.main, WEIR_BANDWIDTH) * units->bandwidth_bytes_s,
	};
	for (int c = 0; c < WEIR_COUNTED_MAX; c++)
		amount.counted[c] = word_get(packed.counted, (weir_resource)(WEIR_COUNTED + c)) * units->counted[c];
	return amount;
}

double limits_amount_of(const struct limits *limits, weir_resource resource, uint64_t units)
{
	switch (resource) {
	case WEIR_CPU:
		return (double)units / limits->units.per_core;
	case WEIR_MEMORY:
		return (double)units * (double)limits->units.memory_bytes;
	case WEIR_BANDWIDTH:
		return (double)units * (double)limits->units.bandwidth_bytes_s;
	default:
		return (double)units * (double)limits->units.counted[resource - WEIR_COUNTED];
	}
}

const char *limits_resource_name(const struct limits *limits, weir_resource resource)
{
	if (resource >= WEIR_COUNTED && resource < WEIR_RESOURCES && limits->name[resource - WEIR_COUNTED][0])
		return limits->name[resource - WEIR_COUNTED];
	return weir_resource_name(resource);
}
