/* SPDX-License-Identifier: MIT */
/* overload_test.c - three times as much work as 64 cores can do, on a logical clock: the real ledger and admission, no threads.
 * CRITICAL, which has a core kept for it, waits no longer than twice what it waits alone, or one mean run; and what is not
 * kept is used: the others get at least nine tenths of it. It would fail by claims or floors that keep room from everybody,
 * by an order of service that lets others go before CRITICAL, or by a release that starts nobody. */
#include <math.h>

#include "house.h"

#define MS WEIR_NS_PER_MS
#define SECOND WEIR_NS_PER_S

enum { CORES = 64, EVENTS_MAX = 1 << 14 };

struct load {
	const char *name;
	const char *machine;
	uint32_t nodes;
	uint32_t floor_permille; /* of a node, kept from all but CRITICAL: one core */
	uint32_t rules;
	uint32_t cores_max; /* of a demand that is not CRITICAL: 1 to so many */
	bool steady;	    /* all run as long; else exponentially long */
};

static const struct load loads[] = {
	{"one node, one core each", "numa:1 core:64 pu:1", 1, 16, WEIR_ADMIT_WATERMARK, 1, false},
	{"one node, all run as long", "numa:1 core:64 pu:1", 1, 16, WEIR_ADMIT_WATERMARK, 1, true},
	{"one node, 1 to 4 cores", "numa:1 core:64 pu:1", 1, 16, WEIR_ADMIT_WATERMARK, 4, false},
	{"four nodes, 1 to 4 cores", "numa:4 core:16 pu:1", 4, 63, WEIR_ADMIT_WATERMARK, 4, false},
	{"one node, what is late is refused", "numa:1 core:64 pu:1", 1, 16, WEIR_ADMIT_WATERMARK | WEIR_ADMIT_DEADLINE,
	 2, false},
};

/* Of the work that the machine can do in a second, how much of each class arrives. */
static const double share[WEIR_CLASSES] = {[WEIR_CRITICAL] = 0.5 / CORES,
					   [WEIR_HIGH] = 0.5,
					   [WEIR_NORMAL] = 1.25,
					   [WEIR_BEST_EFFORT] = 1.25 - 0.5 / CORES};

static const uint64_t mean_run_ns = MS, until_ns = SECOND / 2, patience_ns = 20 * MS;

/* What the world does next: an arrival of a class, or the end of a job. */
struct event {
	uint64_t at_ns;
	struct job *job; /* NULL: an arrival */
	weir_class task_class;
};

struct job {
	weir_class task_class;
	double cores;
	uint64_t came_ns, run_ns;
	weir_grant grant;
	struct job *next; /* not in use */
};

struct world {
	struct house house;
	const struct load *load;
	bool critical_only;
	uint64_t random;
	struct event event[EVENTS_MAX]; /* a heap */
	uint32_t events;
	struct job *unused;
	uint64_t *waits; /* of CRITICAL */
	uint32_t waited;
	uint64_t came[WEIR_CLASSES], refused[WEIR_CLASSES], given_up[WEIR_CLASSES];
	double done_core_ns; /* by the others, before until_ns */
};

static void add_event(struct world *world, struct event event)
{
	assert_true(world->events < EVENTS_MAX);
	uint32_t at = world->events++;
	for (; at && world->event[(at - 1) / 2].at_ns > event.at_ns; at = (at - 1) / 2)
		world->event[at] = world->event[(at - 1) / 2];
	world->event[at] = event;
}

static struct event next_event(struct world *world)
{
	struct event first = world->event[0], last = world->event[--world->events];
	uint32_t at = 0;
	for (uint32_t child; (child = 2 * at + 1) < world->events; at = child) {
		if (child + 1 < world->events && world->event[child + 1].at_ns < world->event[child].at_ns)
			child++;
		if (last.at_ns <= world->event[child].at_ns)
			break;
		world->event[at] = world->event[child];
	}
	world->event[at] = last;
	return first;
}

static double exponential(struct world *world)
{
	return -log(((double)(fixture_random(&world->random) >> 11) + 1) / 0x1p53);
}

static double mean_cores(const struct world *world, weir_class task_class)
{
	return task_class == WEIR_CRITICAL ? 1 : (1 + world->load->cores_max) / 2.0;
}

static void add_arrival(struct world *world, weir_class task_class)
{
	double work_ns = (double)mean_run_ns * mean_cores(world, task_class) / CORES;
	uint64_t gap_ns = 1 + (uint64_t)(exponential(world) * work_ns / share[task_class]);
	add_event(world, (struct event){.at_ns = now_ns + gap_ns, .task_class = task_class});
}

static void start(struct world *world, struct job *job, weir_grant grant)
{
	job->grant = grant;
	if (job->task_class == WEIR_CRITICAL)
		world->waits[world->waited++] = now_ns - job->came_ns;
	else if (now_ns + job->run_ns < until_ns)
		world->done_core_ns += job->cores * (double)job->run_ns;
	else if (now_ns < until_ns)
		world->done_core_ns += job->cores * (double)(until_ns - now_ns);
	add_event(world, (struct event){.at_ns = now_ns + job->run_ns, .job = job});
}

static void forget(struct world *world, struct job *job)
{
	job->next = world->unused;
	world->unused = job;
}

static struct world *world_of_decided;

static void decided(uint64_t ticket, weir_grant grant, uint32_t node, weir_cause cause, void *context)
{
	struct world *world = world_of_decided;
	struct job *job = context;
	(void)ticket;
	(void)node;
	if (grant.handle) {
		start(world, job, grant);
		return;
	}
	assert_int_equal(cause, WEIR_CAUSE_DEADLINE);
	world->given_up[job->task_class]++;
	forget(world, job);
}

static void arrive(struct world *world, weir_class task_class)
{
	add_arrival(world, task_class);
	/* Drawn also where only CRITICAL is to come, so that its own stream stays the same. */
	double run = world->load->steady ? 1 : exponential(world);
	uint64_t cores = 1 + fixture_random(&world->random) % world->load->cores_max;
	if (world->critical_only && task_class != WEIR_CRITICAL)
		return;
	struct job *job = world->unused;
	assert_non_null(job);
	world->unused = job->next;
	*job = (struct job){.task_class = task_class,
			    .cores = task_class == WEIR_CRITICAL ? 1 : (double)cores,
			    .came_ns = now_ns,
			    .run_ns = 1 + (uint64_t)(run * (double)mean_run_ns)};
	world->came[task_class]++;
	bool critical = task_class == WEIR_CRITICAL;
	bool late = world->load->rules & WEIR_ADMIT_DEADLINE && !critical;
	weir_decision decision = weir_admission_admit(
		world->house.admission,
		WEIR_DEMAND(.cores = job->cores, .task_class = task_class, .wait_ns_max = critical ? 0 : patience_ns,
			    .deadline_ns = late ? patience_ns + job->run_ns : 0, .run_ns = late ? job->run_ns : 0),
		decided, job);
	if (decision.verdict == WEIR_ADMITTED) {
		start(world, job, decision.grant);
	} else if (decision.verdict != WEIR_QUEUED) {
		world->refused[task_class]++;
		forget(world, job);
	}
}

static int by_length(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static uint64_t p99(struct world *world)
{
	qsort(world->waits, world->waited, sizeof(*world->waits), by_length);
	assert_true(world->waited >= 100);
	return world->waits[world->waited - 1 - world->waited / 100];
}

/* Until everybody who came by until_ns is gone. */
static void run(struct world *world)
{
	uint64_t due_ns = 0;
	for (int c = 0; c < WEIR_CLASSES; c++)
		add_arrival(world, (weir_class)c);
	while (world->events) {
		if (due_ns < world->event[0].at_ns) {
			now_ns = due_ns > now_ns ? due_ns : now_ns;
		} else {
			struct event event = next_event(world);
			now_ns = event.at_ns;
			if (event.job) {
				release(&world->house, event.job->grant);
				forget(world, event.job);
			} else if (now_ns < until_ns) {
				arrive(world, event.task_class);
			}
		}
		assert_int_equal(weir_admission_tick(world->house.admission, &due_ns), WEIR_OK);
	}
}

static void simulate(struct world *world, const struct load *load, uint64_t seed, bool critical_only)
{
	static struct job jobs[1 << 16];
	static uint64_t waits[1 << 14];
	*world = (struct world){.load = load, .critical_only = critical_only, .random = seed, .waits = waits};
	world_of_decided = world;
	for (size_t j = 0; j < ARRAY_LENGTH(jobs); j++)
		forget(world, &jobs[j]);
	uint32_t kept = load->floor_permille;
	build(&world->house, WEIR_TRACKER_OPTIONS(.machine = load->machine),
	      (weir_admission_options){
		      .rule = load->rules,
		      .class_floor_permille = {[WEIR_HIGH] = kept, [WEIR_NORMAL] = kept, [WEIR_BEST_EFFORT] = kept}});
	run(world);
	uint64_t asked = 0;
	for (int c = 0; c < WEIR_CLASSES; c++)
		asked += world->came[c];
	weir_admission_counts counts = counts_of(&world->house);
	assert_int_equal(counts.waiting, 0);
	assert_int_equal(counts.asked, asked);
	assert_int_equal(weir_tracker_audit(world->house.tracker), WEIR_OK);
	assert_int_equal(weir_admission_destroy(world->house.admission), WEIR_OK);
	assert_int_equal(weir_tracker_destroy(world->house.tracker), WEIR_OK);
}

static void critical_keeps_its_wait_and_the_rest_its_goodput(void **state)
{
	(void)state;
	static struct world world;
	printf("%-34s %-6s %14s %14s %10s %8s %8s\n", "3 x 64 cores' work", "seed", "p99 alone ns", "p99 ns", "of net",
	       "refused", "given up");
	for (size_t l = 0; l < ARRAY_LENGTH(loads); l++)
		for (uint64_t seed = 1; seed <= 2; seed++) {
			simulate(&world, &loads[l], seed, true);
			uint64_t alone = p99(&world);
			simulate(&world, &loads[l], seed, false);
			uint64_t loaded = p99(&world);
			double net = (double)(CORES - loads[l].nodes) * (double)until_ns;
			double goodput = world.done_core_ns / net;
			uint64_t refused =
				world.refused[WEIR_HIGH] + world.refused[WEIR_NORMAL] + world.refused[WEIR_BEST_EFFORT];
			uint64_t given_up = world.given_up[WEIR_HIGH] + world.given_up[WEIR_NORMAL] +
					    world.given_up[WEIR_BEST_EFFORT];
			printf("%-34s %-6llu %14llu %14llu %9.1f%% %8llu %8llu\n", loads[l].name,
			       (unsigned long long)seed, (unsigned long long)alone, (unsigned long long)loaded,
			       100 * goodput, (unsigned long long)refused, (unsigned long long)given_up);
			assert_int_equal(world.refused[WEIR_CRITICAL] + world.given_up[WEIR_CRITICAL], 0);
			assert_true(loaded <= (2 * alone > mean_run_ns ? 2 * alone : mean_run_ns));
			assert_true(goodput >= 0.9);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(critical_keeps_its_wait_and_the_rest_its_goodput),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
