/* SPDX-License-Identifier: MIT */
/*
 * host_json.c - a reading as one JSON object: what is not known is null, and so is a limit that is none.
 */
#include "host.h"

#include <jansson.h>

static json_t *count(bool known, uint64_t value)
{
	return known && value <= INT64_MAX ? json_integer((json_int_t)value) : json_null();
}

static json_t *nodes_of(const struct host_view *v)
{
	const weir_reading *r = v->reading;
	bool memory = r->known & WEIR_KNOWN_NODE_MEMORY, cpu = r->known & WEIR_KNOWN_CPU;
	json_t *nodes = json_array();
	for (uint32_t n = 0; n < r->nodes; n++) {
		const weir_node_reading *node = &r->node[n];
		weir_node_info info = {0};
		if (weir_machine_node(v->machine, n, &info))
			continue;
		json_array_append_new(nodes,
				      json_pack("{s:i, s:i, s:o, s:o, s:o, s:o}", "physical", (int)info.physical_index,
						"cores", (int)info.cores, "memory_total_bytes",
						count(memory, node->memory_total_bytes), "memory_free_bytes",
						count(memory, node->memory_free_bytes), "memory_available_bytes",
						count(memory, node->memory_available_bytes), "cpu_busy",
						cpu ? json_real(node->cpu_busy) : json_null()));
	}
	return nodes;
}

static json_t *pressure_of(const weir_pressure *pressure, uint32_t known, const uint32_t *bit)
{
	static const char *const name[WEIR_STALLS] = {"cpu", "memory", "io"};
	json_t *all = json_object();
	for (int i = 0; i < WEIR_STALLS; i++) {
		const weir_pressure *p = &pressure[i];
		json_object_set_new(all, name[i],
				    known & bit[i]
					    ? json_pack("{s:f, s:f, s:o, s:o}", "some_avg10", p->some, "full_avg10",
							p->full, "some_total_ns", count(true, p->some_total_ns),
							"full_total_ns", count(true, p->full_total_ns))
					    : json_null());
	}
	return all;
}

static json_t *group_of(const weir_reading *r)
{
	static const uint32_t bit[WEIR_STALLS] = {WEIR_KNOWN_CGROUP_CPU_PRESSURE, WEIR_KNOWN_CGROUP_MEMORY_PRESSURE,
						  WEIR_KNOWN_CGROUP_IO_PRESSURE};
	bool events = r->known & WEIR_KNOWN_CGROUP_MEMORY_EVENTS, throttling = r->known & WEIR_KNOWN_CGROUP_THROTTLING;
	bool quota = r->known & WEIR_KNOWN_CGROUP_CPU_QUOTA && r->cgroup_cpu_quota > 0;
	json_t *memory = json_pack(
		"{s:o, s:o, s:o, s:o}", "bytes", count(r->known & WEIR_KNOWN_CGROUP_MEMORY, r->cgroup_memory_bytes),
		"max_bytes", count(r->known & WEIR_KNOWN_CGROUP_MEMORY_MAX, r->cgroup_memory_max_bytes), "high_bytes",
		count(r->known & WEIR_KNOWN_CGROUP_MEMORY_HIGH, r->cgroup_memory_high_bytes), "available_bytes",
		count(r->known & WEIR_KNOWN_CGROUP_MEMORY_AVAILABLE, r->cgroup_memory_available_bytes));
	json_t *counts = json_pack("{s:o, s:o, s:o, s:o}", "high", count(events, r->cgroup_high_events), "max",
				   count(events, r->cgroup_max_events), "oom", count(events, r->cgroup_oom_events),
				   "oom_kill", count(events, r->cgroup_oom_kills));
	json_t *cpu = json_pack("{s:o, s:o, s:o, s:o, s:o}", "quota_cores",
				quota ? json_real(r->cgroup_cpu_quota) : json_null(), "used_ns",
				count(r->known & WEIR_KNOWN_CGROUP_CPU_USE, r->cgroup_cpu_used_ns), "periods",
				count(throttling, r->cgroup_periods), "throttled_periods",
				count(throttling, r->cgroup_throttled_periods), "throttled_ns",
				count(throttling, r->cgroup_throttled_ns));
	return json_pack("{s:o, s:o, s:o, s:o}", "memory", memory, "events", counts, "cpu", cpu, "pressure",
			 pressure_of(r->cgroup_pressure, r->known, bit));
}

static json_t *process_of(const weir_reading *r)
{
	bool known = r->known & WEIR_KNOWN_PROCESS;
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "resident_bytes", count(known, r->process_rss_bytes),
			 "virtual_bytes", count(known, r->process_virtual_bytes), "virtual_max_bytes",
			 count(known, r->process_virtual_max_bytes), "cpu_ns", count(known, r->process_cpu_ns),
			 "major_faults", count(known, r->process_major_faults));
}

static json_t *ages_of(const weir_reading *r)
{
	json_t *ages = json_object();
	for (int p = 0; p < WEIR_PARTS; p++)
		json_object_set_new(ages, host_part_name((weir_monitor_part)p),
				    count(r->read_at_ns[p] != 0, r->taken_at_ns - r->read_at_ns[p]));
	return ages;
}

static json_t *known_of(const weir_reading *r)
{
	json_t *known = json_array();
	for (uint32_t bit = 1; bit; bit <<= 1)
		if (r->known & bit && host_known_name(bit))
			json_array_append_new(known, json_string(host_known_name(bit)));
	return known;
}

int host_print_json(FILE *out, const struct host_view *v)
{
	static const uint32_t bit[WEIR_STALLS] = {WEIR_KNOWN_CPU_PRESSURE, WEIR_KNOWN_MEMORY_PRESSURE,
						  WEIR_KNOWN_IO_PRESSURE};
	const weir_reading *r = v->reading;
	bool memory = r->known & WEIR_KNOWN_HOST_MEMORY;
	json_t *all = json_pack("{s:I, s:b, s:o, s:{s:o, s:o, s:o}, s:o, s:o, s:o, s:o, s:o, s:{s:I, s:I, s:f}}",
				"taken_at_ns", (json_int_t)r->taken_at_ns, "early", r->early, "known", known_of(r),
				"memory", "total_bytes", count(memory, r->memory_total_bytes), "free_bytes",
				count(memory, r->memory_free_bytes), "available_bytes",
				count(memory, r->memory_available_bytes), "nodes", nodes_of(v), "pressure",
				pressure_of(r->pressure, r->known, bit), "cgroup", group_of(r), "process",
				process_of(r), "age_ns", ages_of(r), "monitor", "readings", (json_int_t)r->readings,
				"early_readings", (json_int_t)r->early_readings, "share_of_a_core", v->cost_share);
	int failed = !all || json_dumpf(all, out, JSON_COMPACT) || fputc('\n', out) == EOF;
	json_decref(all);
	return failed ? -1 : 0;
}
