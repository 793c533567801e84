/* SPDX-License-Identifier: MIT */
/*
 * host_text.c - a reading for people: what is not known is not printed, but named at the end.
 */
#include "host.h"

#include <inttypes.h>

static const char *const part_names[WEIR_PARTS] = {[WEIR_PART_HOST_MEMORY] = "host_memory",
						   [WEIR_PART_NODE_MEMORY] = "node_memory",
						   [WEIR_PART_NODE_CPU] = "node_cpu",
						   [WEIR_PART_HOST_PRESSURE] = "host_pressure",
						   [WEIR_PART_CGROUP_MEMORY] = "cgroup_memory",
						   [WEIR_PART_CGROUP_LIMITS] = "cgroup_limits",
						   [WEIR_PART_CGROUP_CPU] = "cgroup_cpu",
						   [WEIR_PART_CGROUP_PRESSURE] = "cgroup_pressure",
						   [WEIR_PART_PROCESS] = "process",
						   [WEIR_PART_QUEUE] = "queue"};

/* A queue is a pool's: this program has none. */
static const struct {
	uint32_t bit;
	const char *name;
} known_names[] = {
	{WEIR_KNOWN_HOST_MEMORY, "host_memory"},
	{WEIR_KNOWN_NODE_MEMORY, "node_memory"},
	{WEIR_KNOWN_CPU, "node_cpu"},
	{WEIR_KNOWN_CPU_PRESSURE, "cpu_pressure"},
	{WEIR_KNOWN_MEMORY_PRESSURE, "memory_pressure"},
	{WEIR_KNOWN_IO_PRESSURE, "io_pressure"},
	{WEIR_KNOWN_CGROUP_MEMORY, "cgroup_memory"},
	{WEIR_KNOWN_CGROUP_MEMORY_MAX, "cgroup_memory_max"},
	{WEIR_KNOWN_CGROUP_MEMORY_HIGH, "cgroup_memory_high"},
	{WEIR_KNOWN_CGROUP_MEMORY_AVAILABLE, "cgroup_memory_available"},
	{WEIR_KNOWN_CGROUP_MEMORY_EVENTS, "cgroup_memory_events"},
	{WEIR_KNOWN_CGROUP_CPU_QUOTA, "cgroup_cpu_quota"},
	{WEIR_KNOWN_CGROUP_CPU_USE, "cgroup_cpu_use"},
	{WEIR_KNOWN_CGROUP_THROTTLING, "cgroup_throttling"},
	{WEIR_KNOWN_CGROUP_CPU_PRESSURE, "cgroup_cpu_pressure"},
	{WEIR_KNOWN_CGROUP_MEMORY_PRESSURE, "cgroup_memory_pressure"},
	{WEIR_KNOWN_CGROUP_IO_PRESSURE, "cgroup_io_pressure"},
	{WEIR_KNOWN_PROCESS, "process"},
	{WEIR_KNOWN_TRIGGERS, "stall_triggers"},
};

const char *host_part_name(weir_monitor_part part)
{
	return part_names[part];
}

const char *host_known_name(uint32_t bit)
{
	for (size_t i = 0; i < sizeof(known_names) / sizeof(known_names[0]); i++)
		if (known_names[i].bit == bit)
			return known_names[i].name;
	return NULL;
}

/* "1.5G", "none" for no limit. */
static const char *bytes(uint64_t amount, char text[16])
{
	static const char unit[] = "BKMGTPE";
	double scaled = (double)amount;
	int u = 0;
	for (; scaled >= 1024 && u < 6; u++)
		scaled /= 1024;
	if (amount == UINT64_MAX)
		snprintf(text, 16, "none");
	else
		snprintf(text, 16, u ? "%.1f%c" : "%.0f%c", scaled, unit[u]);
	return text;
}

static double seconds(uint64_t ns)
{
	return (double)ns / (double)WEIR_NS_PER_S;
}

static void print_nodes(FILE *out, const struct host_view *v)
{
	const weir_reading *r = v->reading;
	for (uint32_t n = 0; n < r->nodes; n++) {
		weir_node_info info;
		char total[16], free_[16], available[16];
		if (weir_machine_node(v->machine, n, &info))
			continue;
		fprintf(out, "node %u (physical %u, %u cores):", n, info.physical_index, info.cores);
		if (r->known & WEIR_KNOWN_NODE_MEMORY)
			fprintf(out, " memory %s, free %s, available %s", bytes(r->node[n].memory_total_bytes, total),
				bytes(r->node[n].memory_free_bytes, free_),
				bytes(r->node[n].memory_available_bytes, available));
		if (r->known & WEIR_KNOWN_CPU)
			fprintf(out, "%s CPU %.0f %% busy", r->known & WEIR_KNOWN_NODE_MEMORY ? ";" : "",
				r->node[n].cpu_busy * 100);
		fputc('\n', out);
	}
}

static void print_pressure(FILE *out, const char *whose, const weir_pressure *p, uint32_t known, const uint32_t *bit)
{
	static const char *const name[WEIR_STALLS] = {"cpu", "memory", "io"};
	for (int i = 0; i < WEIR_STALLS; i++)
		if (known & bit[i])
			fprintf(out, "%s pressure %s: some %.2f %%, full %.2f %% of 10 s; in all %.3f s, %.3f s\n",
				whose, name[i], p[i].some, p[i].full, seconds(p[i].some_total_ns),
				seconds(p[i].full_total_ns));
}

static void print_group_memory(FILE *out, const weir_reading *r)
{
	char used[16], max[16], high[16], available[16];
	if (r->known & WEIR_KNOWN_CGROUP_MEMORY)
		fprintf(out, "control group memory: used %s", bytes(r->cgroup_memory_bytes, used));
	else
		fputs("control group memory:", out);
	if (r->known & WEIR_KNOWN_CGROUP_MEMORY_MAX)
		fprintf(out, ", limit %s", bytes(r->cgroup_memory_max_bytes, max));
	if (r->known & WEIR_KNOWN_CGROUP_MEMORY_HIGH)
		fprintf(out, ", high %s", bytes(r->cgroup_memory_high_bytes, high));
	if (r->known & WEIR_KNOWN_CGROUP_MEMORY_AVAILABLE && r->cgroup_memory_available_bytes != UINT64_MAX)
		fprintf(out, ", available %s", bytes(r->cgroup_memory_available_bytes, available));
	fputc('\n', out);
	if (r->known & WEIR_KNOWN_CGROUP_MEMORY_EVENTS)
		fprintf(out,
			"control group events: high %" PRIu64 ", max %" PRIu64 ", oom %" PRIu64 ", oom_kill %" PRIu64
			"\n",
			r->cgroup_high_events, r->cgroup_max_events, r->cgroup_oom_events, r->cgroup_oom_kills);
}

static void print_group_cpu(FILE *out, const weir_reading *r)
{
	if (r->known & WEIR_KNOWN_CGROUP_CPU_QUOTA) {
		if (r->cgroup_cpu_quota > 0)
			fprintf(out, "control group CPU: quota %g cores", r->cgroup_cpu_quota);
		else
			fputs("control group CPU: no quota", out);
		if (r->known & WEIR_KNOWN_CGROUP_CPU_USE)
			fprintf(out, ", used %.3f s", seconds(r->cgroup_cpu_used_ns));
		fputc('\n', out);
	}
	if (r->known & WEIR_KNOWN_CGROUP_THROTTLING)
		fprintf(out, "control group throttling: %" PRIu64 " of %" PRIu64 " periods, %.3f s\n",
			r->cgroup_throttled_periods, r->cgroup_periods, seconds(r->cgroup_throttled_ns));
}

static void print_unknown(FILE *out, const weir_reading *r)
{
	const char *between = "not known:";
	for (size_t i = 0; i < sizeof(known_names) / sizeof(known_names[0]); i++) {
		if (r->known & known_names[i].bit)
			continue;
		fprintf(out, "%s %s", between, known_names[i].name);
		between = ",";
	}
	if (*between == ',')
		fputc('\n', out);
}

static void print_ages(FILE *out, const weir_reading *r)
{
	const char *between = "read ms ago:";
	for (int p = 0; p < WEIR_PARTS; p++) {
		if (!r->read_at_ns[p])
			continue;
		fprintf(out, "%s %s %.0f", between, part_names[p],
			(double)(r->taken_at_ns - r->read_at_ns[p]) / (double)WEIR_NS_PER_MS);
		between = ",";
	}
	if (*between == ',')
		fputc('\n', out);
}

void host_print_text(FILE *out, const struct host_view *v)
{
	static const uint32_t host_bit[WEIR_STALLS] = {WEIR_KNOWN_CPU_PRESSURE, WEIR_KNOWN_MEMORY_PRESSURE,
						       WEIR_KNOWN_IO_PRESSURE};
	static const uint32_t group_bit[WEIR_STALLS] = {
		WEIR_KNOWN_CGROUP_CPU_PRESSURE, WEIR_KNOWN_CGROUP_MEMORY_PRESSURE, WEIR_KNOWN_CGROUP_IO_PRESSURE};
	const weir_reading *r = v->reading;
	char total[16], free_[16], available[16];
	if (r->known & WEIR_KNOWN_HOST_MEMORY)
		fprintf(out, "host: memory %s, free %s, available %s\n", bytes(r->memory_total_bytes, total),
			bytes(r->memory_free_bytes, free_), bytes(r->memory_available_bytes, available));
	print_nodes(out, v);
	print_pressure(out, "host", r->pressure, r->known, host_bit);
	print_group_memory(out, r);
	print_group_cpu(out, r);
	print_pressure(out, "control group", r->cgroup_pressure, r->known, group_bit);
	if (r->known & WEIR_KNOWN_PROCESS)
		fprintf(out, "process: resident %s, virtual %s, CPU %.3f s, major faults %" PRIu64 "\n",
			bytes(r->process_rss_bytes, total), bytes(r->process_virtual_bytes, available),
			seconds(r->process_cpu_ns), r->process_major_faults);
	fprintf(out, "monitor: %" PRIu64 " readings, %" PRIu64 " early; %.3f %% of one core\n", r->readings,
		r->early_readings, v->cost_share * 100);
	print_ages(out, r);
	print_unknown(out, r);
}
