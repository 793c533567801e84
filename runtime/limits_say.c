/* SPDX-License-Identifier: MIT */
/*
 * limits_say.c - why a limit is what it is, once, for whoever wonders why nothing more starts; amounts as text.
 *
 * Holds:     nothing.
 * Not here:  the limits themselves (limits.c), what was found out about the machine (topology.c).
 */
#include "runtime/limits_say.h"

#include <stdio.h>
#include <string.h>

#include "private/log.h"

/* Equal nodes that follow each other share a line; a machine of many unlike nodes must not fill the log. */
enum { NODE_LINES_MAX = 16, WHY_BYTES = 400 };

#define MIB(bytes) ((double)(bytes) / (1 << 20))

static const weir_node_limit *given_for(const weir_limits *given, uint32_t node)
{
	return given && given->node && node < given->nodes ? &given->node[node] : NULL;
}

/* Who says how many cores there are in all. */
static void why_cores(const weir_machine *m, const weir_limits *given, char *why)
{
	const struct machine_facts *f = &m->facts;
	if (given && given->cores > 0)
		snprintf(why, WHY_BYTES, "given by limits.cores");
	else if (f->quota_group)
		snprintf(why, WHY_BYTES, "CPU quota of control group %.300s", f->quota_group);
	else if (!m->is_this)
		snprintf(why, WHY_BYTES, "the machine's");
	else if (f->threads_bound < f->threads_allowed)
		snprintf(why, WHY_BYTES, "this process's CPU mask, %u of %u hardware threads", f->threads_bound,
			 f->threads);
	else if (f->threads_allowed < f->threads)
		snprintf(why, WHY_BYTES, "cpuset, %u of %u hardware threads", f->threads_allowed, f->threads);
	else
		snprintf(why, WHY_BYTES, "all of the machine's");
}

/* Who says how much memory there is by default; how many share it comes on top. */
static void why_memory(const weir_machine *m, const weir_limits *given, char *why)
{
	const struct machine_facts *f = &m->facts;
	uint32_t ranks = given && given->local_ranks ? given->local_ranks : f->ranks;
	int length;
	if (given && given->memory_bytes) {
		snprintf(why, WHY_BYTES, "given by limits.memory_bytes");
		return;
	}
	if (!m->is_this)
		length = snprintf(why, WHY_BYTES, "the machine's");
	else if (f->memory_group)
		length = snprintf(why, WHY_BYTES, "control group %.200s may take %.0f MiB more", f->memory_group,
				  MIB(f->group_bytes));
	else
		length = snprintf(why, WHY_BYTES, "%s%.0f MiB of the nodes' %.0f MiB",
				  f->use_known ? "free or reclaimable are " : "use unknown, taken for free: ",
				  MIB(f->available_bytes), MIB(f->capacity_bytes));
	if (ranks > 1 && length > 0 && length < WHY_BYTES)
		length +=
			snprintf(why + length, (size_t)(WHY_BYTES - length), ", for %u ranks on this host (%s)", ranks,
				 given && given->local_ranks ? "limits.local_ranks" : "the launcher's variables");
	if (f->kept_back_bytes && length > 0 && length < WHY_BYTES)
		snprintf(why + length, (size_t)(WHY_BYTES - length), ", less %.0f MiB for what tasks do not ask for",
			 MIB(f->kept_back_bytes));
}

/* The machine's own amounts are explained once for all nodes. */
static void say_nodes(const struct limits *l, uint32_t from, uint32_t to, const weir_node_limit *given)
{
	char which[32];
	const char *each = from == to ? "" : " each";
	if (from == to)
		snprintf(which, sizeof(which), "node %u", from);
	else
		snprintf(which, sizeof(which), "nodes %u-%u", from, to);
	weir_amount limit = limits_amount(l, l->node[from]);
	LOG(WEIR_LOG_INFO, "limits: %s: %g cores%s%s, %.0f MiB%s%s", which, limit.cores, each,
	    given && given->cores != 0 ? " (given by limits.node)" : "", MIB(limit.memory_bytes), each,
	    given && given->memory_bytes ? " (given by limits.node)" : "");
}

static bool alike(const struct limits *l, const weir_limits *given, uint32_t a, uint32_t b)
{
	const weir_node_limit *of_a = given_for(given, a), *of_b = given_for(given, b);
	bool cores[] = {of_a && of_a->cores != 0, of_b && of_b->cores != 0};
	bool memory[] = {of_a && of_a->memory_bytes, of_b && of_b->memory_bytes};
	return l->node[a].main == l->node[b].main && cores[0] == cores[1] && memory[0] == memory[1];
}

void limits_say(const struct limits *l, const weir_machine *m, const weir_limits *given)
{
	char cores[WHY_BYTES], memory[WHY_BYTES];
	if (at_load(&log_level, relaxed, none) < WEIR_LOG_INFO)
		return;
	why_cores(m, given, cores);
	why_memory(m, given, memory);
	double sum_cores = 0, sum_bytes = 0;
	uint32_t lines = 0;
	for (uint32_t n = 0, first = 0; n < l->nodes; n++) {
		weir_amount limit = limits_amount(l, l->node[n]);
		sum_cores += limit.cores;
		sum_bytes += (double)limit.memory_bytes;
		if (n + 1 < l->nodes && alike(l, given, first, n + 1))
			continue;
		if (lines++ < NODE_LINES_MAX)
			say_nodes(l, first, n, given_for(given, first));
		first = n + 1;
	}
	if (lines > NODE_LINES_MAX)
		LOG(WEIR_LOG_INFO, "limits: and %u more unlike nodes", lines - NODE_LINES_MAX);
	weir_amount total = limits_amount(l, l->total);
	if (packed_get(l->total_mask, WEIR_CPU))
		sum_cores = total.cores;
	if (packed_get(l->total_mask, WEIR_MEMORY))
		sum_bytes = (double)total.memory_bytes;
	LOG(WEIR_LOG_INFO, "limits: %g cores in all: %s", sum_cores, cores);
	LOG(WEIR_LOG_INFO, "limits: %.0f MiB in all: %s", MIB(sum_bytes), memory);
}

const char *limits_amount_text(weir_resource resource, double amount, char text[AMOUNT_TEXT_BYTES])
{
	bool one = amount == 1;
	const char *unit = resource == WEIR_CPU		? one ? " core" : " cores"
			   : resource == WEIR_MEMORY	? one ? " byte" : " bytes"
			   : resource == WEIR_BANDWIDTH ? " bytes/s"
							: "";
	snprintf(text, AMOUNT_TEXT_BYTES, "%.15g%s", amount, unit);
	return text;
}
