/* SPDX-License-Identifier: MIT */
/*
 * topology.c - the machine, read by hwloc once and kept as constant arrays. The only home of hwloc.
 *
 * Holds:     nothing between calls; a machine owns its arrays.
 * Invariant: T2  the nodes' cores are a partition of machine->cpu, in order; no core is in two nodes.
 *            T3  row n of `order` is a permutation of the nodes that starts with n and never comes nearer.
 * Together:  creating and destroying different machines is safe from any thread; a machine itself is only read.
 * Not here:  binding to it (pin.c), its files (host.c), what is in use now (monitor.c).
 */
#include "numa/topology.h"

#include <errno.h>
#include <hwloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/resource.h>

#include "numa/host.h"
#include "numa/pages.h"
#include "numa/ranks.h"
#include "private/check.h"
#include "private/error.h"
#include "private/log.h"

enum { LOCAL_DISTANCE = 10, HOP_DISTANCE = 10, THREADS_OF_A_MACHINE_MAX = 8192 };

enum source { SOURCE_THIS, SOURCE_XML, SOURCE_SYNTHETIC };

/* While a machine is made. */
struct making {
	struct weir_machine *machine;
	const char *root; /* of the host's files */
	hwloc_topology_t topology;
	hwloc_bitmap_t usable; /* hardware threads */
	hwloc_obj_t *core;     /* those with a usable thread, in hwloc's order */
	uint32_t *home;	       /* the node of each */
	uint32_t cores;
};

/* Loading. ------------------------------------------------------------------------------------------------------ */

static enum source source_of(const char *name)
{
	if (!name || !*name || strcmp(name, "this") == 0)
		return SOURCE_THIS;
	size_t length = strlen(name);
	return length >= 4 && strcmp(name + length - 4, ".xml") == 0 ? SOURCE_XML : SOURCE_SYNTHETIC;
}

/* hwloc builds any synthetic machine that is asked for, 10^10 threads included, in quadratic time; Linux on x86 counts
 * to 8192. The counts multiplied ("core:8", "2"; not what is in parentheses) bound the number of threads. */
static bool synthetic_is_too_large(const char *text)
{
	uint64_t threads = 1;
	int depth = 0;
	for (const char *c = text; *c; c++) {
		depth += *c == '(' ? 1 : *c == ')' ? -1 : 0;
		bool starts = c == text || c[-1] == ':' || c[-1] == ' ';
		if (depth != 0 || !starts || *c < '0' || *c > '9')
			continue;
		unsigned long long count = strtoull(c, NULL, 0);
		if (count && __builtin_mul_overflow(threads, (uint64_t)count, &threads))
			return true;
		if (threads > THREADS_OF_A_MACHINE_MAX)
			return true;
	}
	return false;
}

static weir_status set_synthetic(hwloc_topology_t topology, const char *name)
{
	if (synthetic_is_too_large(name))
		return error_set(WEIR_EINVAL,
				 "machine \"%.200s\": more than %d hardware threads: describe a smaller one", name,
				 THREADS_OF_A_MACHINE_MAX);
	if (hwloc_topology_set_synthetic(topology, name))
		return error_set(
			WEIR_EINVAL,
			"machine \"%.200s\" is no hwloc synthetic description: give one like \"numa:4 core:8 pu:1\", "
			"a file ending in .xml, or \"this\"",
			name);
	return WEIR_OK;
}

static weir_status set_xml(hwloc_topology_t topology, const char *name)
{
	if (access(name, R_OK) != 0)
		return error_set_errno(errno == ENOENT || errno == ENOTDIR ? WEIR_ENOENT : WEIR_ESYSTEM, errno,
				       "machine file %.300s", name);
	if (hwloc_topology_set_xml(topology, name))
		return error_set(WEIR_EINVAL, "machine file %.300s is no hwloc export: make one by lstopo FILE.xml",
				 name);
	return WEIR_OK;
}

static weir_status load(hwloc_topology_t *out, enum source source, const char *name)
{
	hwloc_topology_t topology;
	if (hwloc_topology_init(&topology))
		return error_set(WEIR_ENOMEM, "no memory for a machine's topology");
	weir_status status = source == SOURCE_SYNTHETIC ? set_synthetic(topology, name)
			     : source == SOURCE_XML	? set_xml(topology, name)
							: WEIR_OK;
	if (status == WEIR_OK && hwloc_topology_load(topology))
		status =
			source == SOURCE_THIS
				? error_set_errno(WEIR_ESYSTEM, errno, "hwloc cannot read this machine")
				: error_set(WEIR_EINVAL, "machine \"%.300s\" is malformed: hwloc cannot load it", name);
	/* hwloc falls back to the real machine where a source fails late. */
	const char *backend = status ? NULL : hwloc_obj_get_info_by_name(hwloc_get_root_obj(topology), "Backend");
	if (source == SOURCE_SYNTHETIC && status == WEIR_OK && (!backend || strcmp(backend, "Synthetic") != 0))
		status = error_set(WEIR_EINVAL, "machine \"%.300s\" is malformed: hwloc did not take it", name);
	if (status) {
		hwloc_topology_destroy(topology);
		return status;
	}
	*out = topology;
	return WEIR_OK;
}

/* Which threads and cores. -------------------------------------------------------------------------------------- */

static uint32_t weight(hwloc_const_bitmap_t threads)
{
	int count = hwloc_bitmap_weight(threads);
	return count > 0 ? (uint32_t)count : 0;
}

static weir_status find_usable(struct making *m)
{
	m->usable = hwloc_bitmap_dup(hwloc_topology_get_allowed_cpuset(m->topology));
	hwloc_bitmap_t bound = hwloc_bitmap_alloc();
	if (!m->usable || !bound) {
		hwloc_bitmap_free(bound);
		return error_set(WEIR_ENOMEM, "no memory for a machine's threads");
	}
	/* The whole process's binding: the caller may be a thread that was pinned to one core. */
	if (m->machine->is_this && hwloc_get_cpubind(m->topology, bound, HWLOC_CPUBIND_PROCESS) == 0)
		hwloc_bitmap_and(m->usable, m->usable, bound);
	hwloc_bitmap_free(bound);
	m->machine->facts.threads = weight(hwloc_topology_get_complete_cpuset(m->topology));
	m->machine->facts.threads_allowed = weight(hwloc_topology_get_allowed_cpuset(m->topology));
	m->machine->facts.threads_bound = weight(m->usable);
	return WEIR_OK;
}

/* Several nodes may be local to a core: DRAM and high-bandwidth memory of one package share it, and memory on its own
 * counts as local to the cores nearest to it. A core's own node is the one with the smallest cpuset; among equals the
 * one that the operating system counts first, as it gives nodes with cores their numbers before memory on its own. Only
 * the own node lists the core. */
static uint32_t own_node(hwloc_topology_t topology, hwloc_const_bitmap_t local, uint32_t nodes)
{
	uint32_t best = UINT32_MAX;
	int best_weight = 0;
	unsigned best_number = 0;
	for (uint32_t i = 0; i < nodes; i++) {
		hwloc_obj_t node = hwloc_get_obj_by_type(topology, HWLOC_OBJ_NUMANODE, i);
		if (!hwloc_bitmap_isset(local, node->os_index))
			continue;
		int weight = hwloc_bitmap_weight(node->cpuset);
		if (best == UINT32_MAX || weight < best_weight ||
		    (weight == best_weight && node->os_index < best_number)) {
			best = i;
			best_weight = weight;
			best_number = node->os_index;
		}
	}
	return best;
}

/* A core whose own node is denied to us belongs to what is nearest up the tree. */
static uint32_t home_of(struct making *m, hwloc_obj_t core)
{
	for (hwloc_obj_t o = core; o; o = o->parent) {
		uint32_t node = own_node(m->topology, o->nodeset, m->machine->nodes);
		if (node != UINT32_MAX)
			return node;
	}
	return 0;
}

static weir_status find_cores(struct making *m)
{
	int depth = hwloc_get_type_or_below_depth(m->topology, HWLOC_OBJ_CORE);
	uint32_t all = hwloc_get_nbobjs_by_depth(m->topology, depth);
	m->core = calloc(all + 1, sizeof(*m->core));
	m->home = calloc(all + 1, sizeof(*m->home));
	if (!m->core || !m->home)
		return error_set(WEIR_ENOMEM, "no memory for a machine of %u cores", all);
	for (uint32_t i = 0; i < all; i++) {
		hwloc_obj_t core = hwloc_get_obj_by_depth(m->topology, depth, i);
		if (!hwloc_bitmap_intersects(core->cpuset, m->usable))
			continue;
		m->core[m->cores] = core;
		m->home[m->cores] = home_of(m, core);
		m->machine->node[m->home[m->cores]].cores++;
		m->cores++;
	}
	return m->cores ? WEIR_OK
			: error_set(WEIR_EINVAL, "machine \"%.300s\" has no core that this process may use",
				    m->machine->name);
}

void machine_drop_cores(struct machine_node *node, uint32_t nodes, uint32_t keep)
{
	uint32_t cores = 0;
	for (uint32_t i = 0; i < nodes; i++)
		cores += node[i].cores;
	for (; cores > keep; cores--) {
		struct machine_node *most = node;
		for (uint32_t i = 1; i < nodes; i++)
			if (node[i].cores >= most->cores)
				most = &node[i];
		most->cores--;
	}
}

/* No more workers than the quota lets run at once. */
static void cut_to_quota(struct making *m, const struct host_cgroup *group)
{
	struct weir_machine *machine = m->machine;
	machine->cores = m->cores;
	machine->cores_quota = m->cores;
	double quota;
	char where[HOST_PATH_BYTES];
	if (!machine->is_this || !host_cgroup_cores(m->root, group, &quota, where) || quota >= m->cores)
		return;
	machine->facts.quota_group = strdup(where);
	machine->cores_quota = quota;
	machine->cores = (uint32_t)quota;
	machine->cores += machine->cores < quota; /* half a core needs a worker too */
	machine_drop_cores(machine->node, machine->nodes, machine->cores);
	LOG(WEIR_LOG_INFO, "CPU quota of %.2f cores: %u of %u cores are used", quota, machine->cores, m->cores);
}

/* Write the cores that are kept, node by node: the first machine->node[i].cores of each. */
static weir_status list_cores(struct making *m)
{
	struct weir_machine *machine = m->machine;
	size_t threads_max = (size_t)hwloc_bitmap_weight(m->usable);
	machine->cpu = calloc(machine->cores, sizeof(*machine->cpu));
	machine->first_thread = calloc((size_t)machine->cores + 1, sizeof(*machine->first_thread));
	machine->thread = calloc(threads_max + 1, sizeof(*machine->thread));
	if (!machine->cpu || !machine->first_thread || !machine->thread)
		return error_set(WEIR_ENOMEM, "no memory for a machine of %u cores", machine->cores);
	uint32_t core = 0, threads = 0;
	for (uint32_t n = 0; n < machine->nodes; n++) {
		struct machine_node *node = &machine->node[n];
		node->first_core = core;
		for (uint32_t i = 0; i < m->cores && core < node->first_core + node->cores; i++) {
			if (m->home[i] != n)
				continue;
			machine->first_thread[core] = threads;
			for (int t = hwloc_bitmap_first(m->core[i]->cpuset); t >= 0;
			     t = hwloc_bitmap_next(m->core[i]->cpuset, t))
				if (hwloc_bitmap_isset(m->usable, (unsigned)t))
					machine->thread[threads++] = (uint32_t)t;
			machine->cpu[core] = machine->thread[machine->first_thread[core]];
			core++;
		}
	}
	CHECK("T2", core == machine->cores && threads <= threads_max);
	machine->first_thread[core] = threads;
	return WEIR_OK;
}

/* Memory. ------------------------------------------------------------------------------------------------------- */

/* Of what a process may have, what its tasks cannot: page tables and pages that are used in part (a 64th); the process
 * itself, as it grows while tasks come and go; for each core a worker's stacks and caches (about 180 KiB, measured; where
 * every touch may bring a huge page, one for the allocator's own records), and what the kernel charges to a control group
 * ahead of use (256 KiB). */
static double kept_back(const struct weir_machine *machine, double share, const char *root)
{
	double each = 448 * 1024 + (pages_huge_when(root) == PAGES_HUGE_ALWAYS ? PAGES_HUGE_BYTES : 0);
	double back = share / 64 + 2 * 1024 * 1024 + machine->cores * each;
	return back < share / 2 ? back : share / 2;
}

/* What the control group may still take. Those processes of our job that are not here yet will use what we use now. */
static double group_room(const char *root, const struct host_cgroup *group, uint32_t ranks)
{
	uint64_t room, max, high, own;
	if (!host_cgroup_memory_room(root, group, &room, NULL))
		return (double)UINT64_MAX;
	if (ranks == 1 || !host_own_memory(root, &own) || !host_cgroup_memory_max(root, group, &max, NULL))
		return (double)room;
	if (host_cgroup_memory_high(root, group, &high) && high < max)
		max = high;
	double used_by_all = (double)own * ranks, left = (double)max - used_by_all;
	return left < (double)room ? (left > 0 ? left : 0) : (double)room;
}

/* What is left of each node for us: less what is used by others, no more together than the control group may take, our
 * share of that among the processes of our job, and of that what tasks may have. What we hold already is in use too, and
 * was not given by weir. */
static weir_status default_memory(struct weir_machine *machine, const struct host_cgroup *group, const char *root)
{
	struct host_node_memory *host = calloc(machine->nodes, sizeof(*host));
	uint32_t *physical = calloc(machine->nodes, sizeof(*physical));
	if (!host || !physical) {
		free(host);
		free(physical);
		return error_set(WEIR_ENOMEM, "no memory for a machine of %u nodes", machine->nodes);
	}
	for (uint32_t i = 0; i < machine->nodes; i++)
		physical[i] = machine->node[i].physical;
	bool known = host_nodes_memory(root, machine->nodes, physical, host);
	if (!known)
		LOG(WEIR_LOG_INFO, "what is in use of the nodes' memory is not known: taken for free");
	double sum = 0;
	for (uint32_t i = 0; i < machine->nodes; i++) {
		struct machine_node *node = &machine->node[i];
		if (known && host[i].available_bytes < node->memory_bytes)
			node->memory_default_bytes = host[i].available_bytes;
		sum += (double)node->memory_default_bytes;
	}
	struct machine_facts *facts = &machine->facts;
	char where[HOST_PATH_BYTES];
	uint64_t room;
	if (host_cgroup_memory_room(root, group, &room, where) && (double)room < sum) {
		facts->group_bytes = room;
		facts->memory_group = strdup(where);
	}
	uint32_t ranks = ranks_on_this_host();
	facts->use_known = known;
	facts->available_bytes = (uint64_t)sum;
	facts->ranks = ranks;
	double left = group_room(root, group, ranks);
	left = (left < sum ? left : sum) / ranks;
	double back = kept_back(machine, left, root);
	facts->kept_back_bytes = (uint64_t)back;
	double part = sum > 0 ? (left - back) / sum : 0;
	for (uint32_t i = 0; i < machine->nodes; i++)
		machine->node[i].memory_default_bytes =
			(uint64_t)((double)machine->node[i].memory_default_bytes * part);
	free(host);
	free(physical);
	return WEIR_OK;
}

static weir_status find_nodes(struct making *m)
{
	struct weir_machine *machine = m->machine;
	int found = hwloc_get_nbobjs_by_type(m->topology, HWLOC_OBJ_NUMANODE);
	if (found < 1 || found > WEIR_NODES_MAX)
		return error_set(WEIR_EINVAL, "machine \"%.200s\" has %d NUMA nodes: 1 to %d will do", machine->name,
				 found, WEIR_NODES_MAX);
	machine->nodes = (uint32_t)found;
	machine->node = calloc(machine->nodes, sizeof(*machine->node));
	if (!machine->node)
		return error_set(WEIR_ENOMEM, "no memory for a machine of %d nodes", found);
	for (uint32_t i = 0; i < machine->nodes; i++) {
		hwloc_obj_t node = hwloc_get_obj_by_type(m->topology, HWLOC_OBJ_NUMANODE, i);
		machine->node[i].physical = node->os_index == HWLOC_UNKNOWN_INDEX ? i : node->os_index;
		machine->node[i].memory_bytes = node->attr->numanode.local_memory;
		machine->facts.capacity_bytes += machine->node[i].memory_bytes;
		machine->node[i].memory_default_bytes = machine->node[i].memory_bytes;
	}
	return WEIR_OK;
}

/* Distances. ---------------------------------------------------------------------------------------------------- */

/* One hop for each level of the tree at which more nodes come together, up to the one that holds both. */
static uint32_t distance_by_tree(hwloc_obj_t from, hwloc_obj_t to)
{
	uint32_t hops = 0;
	int known = 1;
	for (hwloc_obj_t o = from->parent; o; o = o->parent) {
		int nodes = hwloc_bitmap_weight(o->nodeset);
		hops += nodes > known;
		known = nodes > known ? nodes : known;
		if (hwloc_bitmap_isset(o->nodeset, to->os_index))
			break;
	}
	return LOCAL_DISTANCE + HOP_DISTANCE * (hops ? hops : 1);
}

/* As the firmware says; 10 is local there, but a recorded matrix may have nanoseconds: then in tenths of the local one.
 */
static uint32_t scaled(uint64_t value, uint64_t local)
{
	if (local == 0 || local == LOCAL_DISTANCE)
		return (uint32_t)(value < UINT32_MAX - 1 ? value : UINT32_MAX - 1);
	double tenths = (double)value * LOCAL_DISTANCE / (double)local + 0.5;
	return tenths < (double)(UINT32_MAX - 1) ? (uint32_t)tenths : UINT32_MAX - 1;
}

static bool distances_by_matrix(struct making *m)
{
	struct hwloc_distances_s *matrix = NULL;
	unsigned count = 1;
	uint32_t nodes = m->machine->nodes;
	if (hwloc_distances_get_by_type(m->topology, HWLOC_OBJ_NUMANODE, &count, &matrix,
					HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0) ||
	    count < 1)
		return false;
	bool whole = matrix->nbobjs == nodes;
	for (uint32_t i = 0; whole && i < nodes; i++) {
		uint32_t from = matrix->objs[i]->logical_index;
		for (uint32_t j = 0; j < nodes; j++) {
			uint32_t to = matrix->objs[j]->logical_index;
			m->machine->distance[from * nodes + to] =
				scaled(matrix->values[i * nodes + j], matrix->values[i * nodes + i]);
		}
	}
	hwloc_distances_release(m->topology, matrix);
	return whole;
}

/* Insertion sort of one row; it is stable, so ties stay in the order of numbers. */
static void order_row(struct weir_machine *machine, uint32_t from)
{
	uint32_t *row = machine->order + (size_t)from * machine->nodes;
	row[0] = from;
	uint32_t length = 1;
	for (uint32_t to = 0; to < machine->nodes; to++) {
		if (to == from)
			continue;
		uint32_t at = length++;
		for (; at > 1 && machine_distance(machine, from, row[at - 1]) > machine_distance(machine, from, to);
		     at--)
			row[at] = row[at - 1];
		row[at] = to;
	}
}

static weir_status find_distances(struct making *m)
{
	struct weir_machine *machine = m->machine;
	uint32_t nodes = machine->nodes;
	machine->distance = calloc((size_t)nodes * nodes, sizeof(*machine->distance));
	machine->order = calloc((size_t)nodes * nodes, sizeof(*machine->order));
	machine->cores_near = calloc(nodes, sizeof(*machine->cores_near));
	machine->memory_near = calloc(nodes, sizeof(*machine->memory_near));
	if (!machine->distance || !machine->order || !machine->cores_near || !machine->memory_near)
		return error_set(WEIR_ENOMEM, "no memory for the distances of %u nodes", nodes);
	bool measured = distances_by_matrix(m);
	for (uint32_t i = 0; i < nodes; i++) {
		hwloc_obj_t from = hwloc_get_obj_by_type(m->topology, HWLOC_OBJ_NUMANODE, i);
		for (uint32_t j = 0; !measured && j < nodes; j++)
			machine->distance[(size_t)i * nodes + j] =
				distance_by_tree(from, hwloc_get_obj_by_type(m->topology, HWLOC_OBJ_NUMANODE, j));
		machine->distance[(size_t)i * nodes + i] = LOCAL_DISTANCE;
		order_row(machine, i);
	}
	for (uint32_t i = 0; i < nodes; i++) {
		const uint32_t *row = machine->order + (size_t)i * nodes;
		uint32_t c = 0, b = 0;
		while (machine->node[row[c]].cores == 0)
			c++; /* ends: find_cores() found one */
		while (b < nodes && machine->node[row[b]].memory_bytes == 0)
			b++;
		machine->cores_near[i] = row[c];
		machine->memory_near[i] = b < nodes ? row[b] : i;
	}
	return WEIR_OK;
}

/* Public. ------------------------------------------------------------------------------------------------------- */

static weir_status fill(struct making *m)
{
	struct host_cgroup *group = malloc(sizeof(*group));
	if (!group)
		return error_set(WEIR_ENOMEM, "no memory for a machine");
	if (m->machine->is_this)
		host_cgroup_find(m->root, group);
	weir_status status = find_nodes(m);
	if (status == WEIR_OK)
		status = find_usable(m);
	if (status == WEIR_OK)
		status = find_cores(m);
	if (status == WEIR_OK) {
		cut_to_quota(m, group);
		status = list_cores(m);
	}
	if (status == WEIR_OK)
		status = find_distances(m);
	if (status == WEIR_OK && m->machine->is_this)
		status = default_memory(m->machine, group, m->root);
	free(group);
	return status;
}

weir_status machine_create(struct weir_machine **out, const char *source, const char *root)
{
	if (!out)
		return error_set(WEIR_EINVAL, "out is NULL: give a place for the machine");
	*out = NULL;
	enum source kind = source_of(source);
	struct making m = {.machine = calloc(1, sizeof(*m.machine)), .root = root};
	if (m.machine)
		m.machine->name = strdup(kind == SOURCE_THIS ? "this" : source);
	if (m.machine)
		m.machine->facts.ranks = 1;
	weir_status status = m.machine && m.machine->name ? WEIR_OK : error_set(WEIR_ENOMEM, "no memory for a machine");
	if (status == WEIR_OK)
		status = load(&m.topology, kind, source);
	if (status == WEIR_OK) {
		/* hwloc's own environment variables can put another machine in place of this one. */
		m.machine->is_this = kind == SOURCE_THIS && hwloc_topology_is_thissystem(m.topology);
		status = fill(&m);
		hwloc_topology_destroy(m.topology);
	}
	hwloc_bitmap_free(m.usable);
	free(m.core);
	free(m.home);
	if (status) {
		weir_machine_destroy(m.machine);
		return status;
	}
	*out = m.machine;
	return WEIR_OK;
}

weir_status weir_machine_create(weir_machine **out, const char *source)
{
	return machine_create(out, source, "");
}

void weir_machine_destroy(weir_machine *machine)
{
	if (!machine)
		return;
	free(machine->name);
	free(machine->facts.quota_group);
	free(machine->facts.memory_group);
	free(machine->node);
	free(machine->cpu);
	free(machine->thread);
	free(machine->first_thread);
	free(machine->distance);
	free(machine->order);
	free(machine->cores_near);
	free(machine->memory_near);
	free(machine);
}

uint32_t machine_node_of_physical(const struct weir_machine *machine, uint32_t physical)
{
	for (uint32_t i = 0; i < machine->nodes; i++)
		if (machine->node[i].physical == physical)
			return i;
	return UINT32_MAX;
}

uint32_t weir_machine_nodes(const weir_machine *machine)
{
	return machine ? machine->nodes : 0;
}

uint32_t weir_machine_cores(const weir_machine *machine)
{
	return machine ? machine->cores : 0;
}

weir_status weir_machine_node(const weir_machine *machine, uint32_t node, weir_node_info *out)
{
	if (!machine || !out)
		return error_set(WEIR_EINVAL, "%s is NULL", machine ? "out" : "machine");
	if (node >= machine->nodes)
		return error_set(WEIR_EINVAL, "node %u: the machine has nodes 0 to %u", node, machine->nodes - 1);
	const struct machine_node *n = &machine->node[node];
	*out = (weir_node_info){.logical_index = node,
				.physical_index = n->physical,
				.cores = n->cores,
				.memory_bytes = n->memory_bytes};
	return WEIR_OK;
}

uint32_t weir_machine_distance(const weir_machine *machine, uint32_t from, uint32_t to)
{
	return machine && from < machine->nodes && to < machine->nodes ? machine_distance(machine, from, to) : UINT32_MAX;
}

uint32_t weir_machine_node_cpu(const weir_machine *machine, uint32_t node, uint32_t core)
{
	if (!machine || node >= machine->nodes || core >= machine->node[node].cores)
		return UINT32_MAX;
	return machine->cpu[machine->node[node].first_core + core];
}

bool weir_machine_is_this(const weir_machine *machine)
{
	return machine && machine->is_this;
}

const char *weir_machine_name(const weir_machine *machine)
{
	return machine ? machine->name : "";
}
