/* SPDX-License-Identifier: MIT */
/*
 * nodes.c - on a machine of several nodes: is everything where weir says it is? The kernel is asked, page by page.
 *
 * Usage: nodes NODES CORES ALONE WORKERS [refused]
 *
 * Expects NODES nodes with CORES cores each in a ring of distances, then ALONE nodes of memory without cores; 0 0 0: whatever
 * there is. WORKERS: of a pool by default. refused: the kernel refuses to bind memory, as in many containers: then memory
 * is where the thread is that touches it first, and that is said once.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/mempolicy.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <weir/weir.h>

enum { PAGE = 4096, PAGES = 1300, TASKS_PER_NODE = 12, NODES_MAX = 16 };

/* One of a region that it shares, one of a huge page and little more, one with small pages before two huge ones: of a task each, in turn. */
static const size_t sizes[] = {40000, 512 * PAGE, 5 * 1024 * 1024 - 100000};

static bool refused;
static const weir_machine *machine;
static _Atomic(uint32_t) ran[NODES_MAX], warnings, faults;

#define EXPECT(condition, ...)                                  \
	do {                                                    \
		if (!(condition)) {                             \
			atomic_fetch_add(&faults, 1);           \
			fprintf(stderr, "nodes: " __VA_ARGS__); \
			fputc('\n', stderr);                    \
		}                                               \
	} while (0)

static void hear(weir_log_level level, const char *text, void *context)
{
	(void)context;
	fprintf(stderr, "log: %s\n", text);
	if (level == WEIR_LOG_WARN && strstr(text, "touched first"))
		atomic_fetch_add(&warnings, 1);
}

/* mbind() and set_mempolicy() answer EPERM from now on. */
static void refuse_binding(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mbind, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_set_mempolicy, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(filter) / sizeof(*filter), .filter = filter};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
		perror("nodes: seccomp");
		exit(1);
	}
}

static weir_node_info info_of(uint32_t node)
{
	weir_node_info info = {0};
	EXPECT(!weir_machine_node(machine, node, &info), "node %u: %s", node, weir_error_text());
	return info;
}

static bool cpu_is_of(uint32_t node, int cpu)
{
	for (uint32_t c = 0; c < info_of(node).cores; c++)
		if (weir_machine_node_cpu(machine, node, c) == (uint32_t)cpu)
			return true;
	return false;
}

/* The worker may run on one core, and it is one of the node's; and the kernel agrees about which node that is. */
static void check_thread(uint32_t node)
{
	cpu_set_t set;
	unsigned cpu, physical;
	CPU_ZERO(&set);
	EXPECT(sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) == 1,
	       "a worker of node %u may run on %d cores", node, CPU_COUNT(&set));
	EXPECT(syscall(SYS_getcpu, &cpu, &physical, NULL) == 0 && physical == info_of(node).physical_index,
	       "a worker of node %u runs on physical node %u", node, physical);
	EXPECT(cpu_is_of(node, (int)cpu) && CPU_ISSET(cpu, &set), "a worker of node %u runs on CPU %u", node, cpu);
}

/* From now on on the first core of a node. */
static void go_to(uint32_t node)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(weir_machine_node_cpu(machine, node, 0), &set);
	EXPECT(sched_setaffinity(0, sizeof(set), &set) == 0, "to node %u: %s", node, strerror(errno));
}

/* Another node with cores, if there is one. */
static uint32_t other_than(uint32_t node)
{
	uint32_t nodes = weir_machine_nodes(machine);
	for (uint32_t i = 1; i < nodes; i++)
		if (info_of((node + i) % nodes).cores)
			return (node + i) % nodes;
	return node;
}

static void check_policy(unsigned char *at, uint32_t node)
{
	int mode = -1;
	unsigned long mask[16] = {0};
	uint32_t physical = info_of(node).physical_index;
	EXPECT(syscall(SYS_get_mempolicy, &mode, mask, 8 * sizeof(mask), at, (unsigned long)MPOL_F_ADDR) == 0 &&
		       mode == (refused ? MPOL_DEFAULT : MPOL_PREFERRED),
	       "the policy of memory on node %u is %d", node, mode);
	EXPECT(refused || mask[0] == 1ul << physical, "memory on node %u is preferred on nodes %lx", node, mask[0]);
}

/* move_pages() without a place to move to tells where pages are. */
static void check_pages(unsigned char *block, size_t bytes, uint32_t node)
{
	void *page[PAGES];
	int where[PAGES], elsewhere = 0, pages = (int)(bytes / PAGE);
	for (int i = 0; i < pages; i++) {
		page[i] = block + (size_t)i * PAGE;
		block[(size_t)i * PAGE] = 1;
	}
	EXPECT(syscall(SYS_move_pages, 0, (unsigned long)pages, page, NULL, where, 0) == 0, "move_pages: %s",
	       strerror(errno));
	for (int i = 0; i < pages; i++)
		elsewhere += where[i] != (int)info_of(node).physical_index;
	EXPECT(elsewhere == 0, "%d of %d pages of node %u are elsewhere, the first on %d", elsewhere, pages, node,
	       where[0]);
	check_policy(block, node);
	check_policy(block + bytes - 1, node);
}

/* Touched from another node, if it is bound: where who touches it is must not matter. */
static void check_block(unsigned char *block, size_t bytes, uint32_t node)
{
	cpu_set_t set;
	EXPECT(sched_getaffinity(0, sizeof(set), &set) == 0, "sched_getaffinity: %s", strerror(errno));
	if (!refused)
		go_to(other_than(node));
	check_pages(block, bytes, node);
	EXPECT(sched_setaffinity(0, sizeof(set), &set) == 0, "sched_setaffinity: %s", strerror(errno));
}

static weir_status visit(weir_task *task, void *argument)
{
	uint32_t home = (uint32_t)(uintptr_t)argument, node = weir_task_node(task),
		 memory_node = weir_task_memory_node(task);
	check_thread(node);
	if (info_of(home).cores)
		EXPECT(node == home, "a task of node %u runs on node %u", home, node);
	EXPECT(memory_node == home, "a task of node %u has its memory on node %u", home, memory_node);
	size_t bytes = sizes[atomic_load(&ran[home]) % (sizeof(sizes) / sizeof(*sizes))];
	unsigned char *block = weir_task_alloc(task, bytes);
	EXPECT(block, "node %u: %s", home, weir_error_text());
	if (block)
		check_block(block, bytes, refused ? node : memory_node);
	atomic_fetch_add(&ran[home], 1);
	return WEIR_OK;
}

/* The ring that tests/vm/guest builds, by the kernel's numbers: hwloc has an order of its own. */
static void check_machine(uint32_t nodes, uint32_t cores, uint32_t alone)
{
	uint32_t all = nodes + alone;
	EXPECT(weir_machine_is_this(machine), "not this machine");
	EXPECT(weir_machine_nodes(machine) == all, "%u nodes", weir_machine_nodes(machine));
	for (uint32_t i = 0; i < all && i < weir_machine_nodes(machine); i++) {
		weir_node_info info = info_of(i);
		uint32_t p = info.physical_index;
		EXPECT(p < all && info.memory_bytes, "node %u is %u, %llu bytes", i, p,
		       (unsigned long long)info.memory_bytes);
		EXPECT(info.cores == (p < nodes ? cores : 0), "node %u has %u cores", i, info.cores);
		for (uint32_t j = 0; j < all; j++) {
			uint32_t q = info_of(j).physical_index, apart = p > q ? p - q : q - p;
			apart = apart < all - apart ? apart : all - apart;
			EXPECT(weir_machine_distance(machine, i, j) == 10 + 6 * apart, "from %u to %u it is %u", i, j,
			       weir_machine_distance(machine, i, j));
		}
	}
}

/* A third of what the node's limit is, so that most tasks wait and are handed the room of those before them. */
static uint64_t third_of(weir_pool *pool, uint32_t node)
{
	weir_usage usage = {0};
	EXPECT(!weir_tracker_usage(weir_pool_tracker(pool), node, &usage), "%s", weir_error_text());
	EXPECT(usage.limit.memory_bytes / 3 > (uint64_t)PAGES * PAGE, "node %u has %llu bytes", node,
	       (unsigned long long)usage.limit.memory_bytes);
	return usage.limit.memory_bytes / 3;
}

/* More tasks on every node than it has workers, all at once. */
static void visit_all(weir_pool *pool)
{
	weir_group *group;
	uint32_t nodes = weir_machine_nodes(machine);
	EXPECT(!weir_group_create(&group, pool), "%s", weir_error_text());
	for (uint32_t i = 0; i < TASKS_PER_NODE * nodes; i++)
		EXPECT(!weir_submit(group, visit, (void *)(uintptr_t)(i % nodes),
				    WEIR_DEMAND(.memory_bytes = third_of(pool, i % nodes), .home = WEIR_NODE(i % nodes),
						.home_only = true)),
		       "submit to node %u: %s", i % nodes, weir_error_text());
	EXPECT(!weir_group_wait(group), "%s", weir_error_text());
	EXPECT(!weir_tracker_audit(weir_pool_tracker(pool)), "%s", weir_error_text());
	for (uint32_t n = 0; n < nodes; n++)
		EXPECT(atomic_load(&ran[n]) == TASKS_PER_NODE, "%u tasks ran for node %u", atomic_load(&ran[n]), n);
	EXPECT(!weir_group_destroy(group), "%s", weir_error_text());
}

int main(int argc, char **argv)
{
	if (argc < 5)
		return 2;
	uint32_t nodes = (uint32_t)atoi(argv[1]), workers = (uint32_t)atoi(argv[4]);
	refused = argc > 5;
	if (refused)
		refuse_binding();
	weir_pool *pool;
	if (weir_log_set(WEIR_LOG_INFO, hear, NULL, 0) ||
	    weir_pool_create(&pool, WEIR_OPTIONS(.resource_aware = true))) {
		fprintf(stderr, "nodes: %s\n", weir_error_text());
		return 1;
	}
	machine = weir_pool_machine(pool);
	if (nodes)
		check_machine(nodes, (uint32_t)atoi(argv[2]), (uint32_t)atoi(argv[3]));
	EXPECT(weir_machine_nodes(machine) <= NODES_MAX, "too many nodes");
	EXPECT(weir_pool_workers(pool) == workers, "%u workers", weir_pool_workers(pool));
	visit_all(pool);
	/* Of blocks and of threads, each once in the process's life. */
	EXPECT(atomic_load(&warnings) == (refused ? 2 : 0), "warned %u times of refused binding",
	       atomic_load(&warnings));
	printf("nodes: %u nodes, %u workers, %u tasks a node%s: %u faults\n", weir_machine_nodes(machine),
	       weir_pool_workers(pool), TASKS_PER_NODE, refused ? ", binding refused" : "", atomic_load(&faults));
	weir_pool_destroy(pool);
	return atomic_load(&faults) != 0;
}
