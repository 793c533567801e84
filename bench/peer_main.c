/* SPDX-License-Identifier: MIT */
/*
 * peer_main.c - measures one runtime: the sizes, the times and the checks of every micro workload, the same for all.
 *
 * Holds:     the table of workloads and the one measurement that `run` makes.
 * Invariant: nothing is printed unless the answer was right.
 * Together:  with one file of bench/peers/, which defines `peer`.
 * Not here:  medians over rounds and ratios (the driver's).
 *
 * A measurement warms up once and repeats until its time is over; its value is the median of the repetitions. Times
 * are elapsed ones.
 */
#include "peer.h"

#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tree.h"

enum { LOOP = 1 << 22, LOOP_SAMPLE = 67, TASKS = 1000000, TASKS_QUICK = 250000, PRODUCERS = 2, SAMPLES = 200000 };

static const char *workload;
static uint32_t threads;
static bool quick;

static double samples[SAMPLES];
static size_t taken;

void peer_fail(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fprintf(stderr, "%s, %s: ", peer.name, workload ? workload : "");
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static double now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The q-quantile of the samples, which it sorts. */
static double quantile(double q)
{
	qsort(samples, taken, sizeof(samples[0]), by_value);
	return samples[(size_t)(q * (double)(taken - 1) + 0.5)];
}

static void row(double value, const char *unit)
{
	printf("{\"workload\":\"%s\",\"peer\":\"%s\",\"threads\":%" PRIu32 ",\"value\":%.5g,\"unit\":\"%s\"}\n",
	       workload, peer.name, threads, value, unit);
}

/* once() returns what it took, in ns for one operation. */
static void repeat(double (*once)(void), double seconds)
{
	double end = now_ns() + seconds * 1e9;
	do
		samples[taken++] = once();
	while (taken < SAMPLES && now_ns() < end);
}

static void median_of(double (*once)(void))
{
	(void)once();
	repeat(once, quick ? 0.05 : 0.2);
	row(quantile(0.5), "ns");
}

/* Fork-join. ---------------------------------------------------------------------------------------------------- */

static uint64_t fib_by_hand(int n)
{
	uint64_t a = 0, b = 1;
	for (; n > 0; n--) {
		uint64_t next = a + b;
		a = b;
		b = next;
	}
	return a;
}

static double fib_once(void)
{
	double start = now_ns();
	uint64_t found = peer.fib(peer.fib_n);
	double took = now_ns() - start;
	if (found != fib_by_hand(peer.fib_n))
		peer_fail("fib(%d) is %" PRIu64 ", not %" PRIu64, peer.fib_n, fib_by_hand(peer.fib_n), found);
	return took / (double)(fib_by_hand(peer.fib_n + 1) - 1) / (peer.copies ? threads : 1);
}

static void run_fib(void)
{
	median_of(fib_once);
}

static double tree_once(void)
{
	double start = now_ns();
	uint64_t found = peer.tree();
	double took = now_ns() - start;
	if (found != TREE_NODES)
		peer_fail("the tree has %" PRIu64 " nodes, not %" PRIu64, TREE_NODES, found);
	return took / (double)TREE_NODES / (peer.copies ? threads : 1);
}

static void run_tree(void)
{
	median_of(tree_once);
}

/* Loops. -------------------------------------------------------------------------------------------------------- */

static uint32_t *array;
static uint64_t passes;
static void (*loop)(uint32_t *array, int64_t count);

static double loop_once(void)
{
	passes++;
	double start = now_ns();
	loop(array, LOOP);
	return (now_ns() - start) / LOOP;
}

/* After a few passes every element, after many each LOOP_SAMPLE-th: an element depends on its index and on how often it
 * was stepped. */
static void loop_check(int64_t apart)
{
	for (int64_t i = 0; i < LOOP; i += apart) {
		uint32_t kept = array[i];
		array[i] = 0;
		for (uint64_t pass = 0; pass < passes; pass++)
			peer_step(array, i);
		if (array[i] != kept)
			peer_fail("element %" PRId64 " is wrong after %" PRIu64 " passes", i, passes);
	}
}

static void run_loop(void (*how)(uint32_t *array, int64_t count))
{
	loop = how;
	array = aligned_alloc(4096, LOOP * sizeof(array[0]));
	if (!array)
		peer_fail("no memory");
	memset(array, 0, LOOP * sizeof(array[0]));
	(void)loop_once();
	(void)loop_once();
	loop_check(1);
	repeat(loop_once, quick ? 0.05 : 0.2);
	loop_check(LOOP_SAMPLE);
	row(quantile(0.5), "ns");
	free(array);
}

static void run_loop_grain1(void)
{
	run_loop(peer.loop_grain1);
}

static void run_loop_auto(void)
{
	run_loop(peer.loop_auto);
}

/* Submission. --------------------------------------------------------------------------------------------------- */

static struct {
	_Alignas(64) atomic_uint count;
	_Alignas(64) atomic_bool flag;
	_Alignas(64) sem_t at_gate;
	sem_t gate;
} tasks;

void peer_run(enum peer_body body)
{
	switch (body) {
	case PEER_EMPTY:
		return;
	case PEER_COUNTED:
		atomic_fetch_add_explicit(&tasks.count, 1, memory_order_relaxed);
		return;
	case PEER_HELD:
		sem_post(&tasks.at_gate);
		while (sem_wait(&tasks.gate))
			;
		return;
	case PEER_FLAGGED:
		atomic_store_explicit(&tasks.flag, true, memory_order_release);
		return;
	}
}

static struct {
	unsigned producers; /* 0: one call of submit_batch() */
	uint32_t each;
	enum peer_body body;
	pthread_barrier_t begin, end;
	bool over;
} wave;

static void *produce(void *argument)
{
	unsigned me = (unsigned)(uintptr_t)argument;
	for (;;) {
		pthread_barrier_wait(&wave.begin);
		if (wave.over)
			return NULL;
		peer.submit(me, wave.each, wave.body);
		pthread_barrier_wait(&wave.end);
	}
}

static double wave_once(void)
{
	uint32_t count = wave.each * (wave.producers ? wave.producers : 1);
	if (wave.producers > 1)
		pthread_barrier_wait(&wave.begin);
	double start = now_ns();
	if (wave.producers)
		peer.submit(0, wave.each, wave.body);
	else
		peer.submit_batch(wave.each, wave.body);
	if (wave.producers > 1)
		pthread_barrier_wait(&wave.end);
	peer.wait();
	return (now_ns() - start) / count;
}

static uint32_t tasks_at_once(void)
{
	uint32_t count = quick ? TASKS_QUICK : TASKS;
	return peer.tasks_max && peer.tasks_max < count ? peer.tasks_max : count;
}

static void run_wave(unsigned producers)
{
	pthread_t thread[PRODUCERS];
	pthread_barrier_init(&wave.begin, NULL, producers ? producers : 1);
	pthread_barrier_init(&wave.end, NULL, producers ? producers : 1);
	for (unsigned p = 1; p < producers; p++)
		if (pthread_create(&thread[p], NULL, produce, (void *)(uintptr_t)p))
			peer_fail("no thread");
	wave.producers = producers;
	wave.each = tasks_at_once() / (producers ? producers : 1);
	wave.body = PEER_COUNTED;
	(void)wave_once();
	uint32_t ran = atomic_load(&tasks.count), submitted = wave.each * (producers ? producers : 1);
	if (ran != submitted)
		peer_fail("%" PRIu32 " tasks were submitted, %" PRIu32 " ran", submitted, ran);
	wave.body = PEER_EMPTY;
	median_of(wave_once);
	wave.over = true;
	if (producers > 1)
		pthread_barrier_wait(&wave.begin);
	for (unsigned p = 1; p < producers; p++)
		pthread_join(thread[p], NULL);
}

static void run_submit_1p(void)
{
	run_wave(1);
}

static void run_submit_2p(void)
{
	run_wave(PRODUCERS);
}

static void run_submit_batch(void)
{
	run_wave(0);
}

/* Latency. ------------------------------------------------------------------------------------------------------- */

static double round_trip(bool spin)
{
	double start = now_ns();
	if (peer.round_trip) {
		peer.round_trip(spin);
	} else if (spin) {
		atomic_store_explicit(&tasks.flag, false, memory_order_relaxed);
		peer.submit(0, 1, PEER_FLAGGED);
		while (!atomic_load_explicit(&tasks.flag, memory_order_acquire))
			peer_relax();
	} else {
		peer.submit(0, 1, PEER_EMPTY);
		peer.wait();
	}
	return (now_ns() - start) / 1000;
}

static double hot(void)
{
	return round_trip(true);
}

/* All threads have slept for long, the submitter too; it waits by the runtime's own means. */
static double parked(void)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	nanosleep(&pause, NULL);
	return round_trip(false);
}

/* The same for one who does not give its core away, neither before nor while it waits. */
static double parked_spin(void)
{
	for (double end = now_ns() + 1e6; now_ns() < end;)
		peer_relax();
	return round_trip(true);
}

static void run_latency(double (*once)(void), double seconds)
{
	for (int i = 0; i < 20; i++)
		(void)once();
	repeat(once, quick ? seconds / 4 : seconds);
	row(quantile(0.5), "us median");
	row(quantile(0.99), "us p99");
	if (peer.wait)
		peer.wait();
}

static void run_latency_hot(void)
{
	run_latency(hot, 0.2);
}

static void run_latency_parked(void)
{
	run_latency(parked, 0.4);
}

static void run_latency_parked_spin(void)
{
	run_latency(parked_spin, 0.4);
}

/* Memory. -------------------------------------------------------------------------------------------------------- */

static double resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long pages;
	if (!file || fscanf(file, "%*u %lu", &pages) != 1)
		peer_fail("/proc/self/statm cannot be read");
	fclose(file);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* All threads are held, so nothing that is queued begins. */
static void run_queued_bytes(void)
{
	uint32_t count = peer.tasks_max ? peer.tasks_max : TASKS;
	peer.submit(0, threads, PEER_HELD);
	for (uint32_t i = 0; i < threads; i++)
		while (sem_wait(&tasks.at_gate))
			;
	double before = resident_bytes();
	peer.submit(0, count, PEER_COUNTED);
	double after = resident_bytes();
	if (atomic_load(&tasks.count))
		peer_fail("a task ran while all threads were held");
	for (uint32_t i = 0; i < threads; i++)
		sem_post(&tasks.gate);
	peer.wait();
	if (atomic_load(&tasks.count) != count)
		peer_fail("%" PRIu32 " tasks were queued, %u ran", count, atomic_load(&tasks.count));
	row((after - before) / count, "bytes");
}

/* The program. --------------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*run)(void);
	bool scales; /* worth a row with all cores of a larger machine */
} workloads[] = {
	{"fib", run_fib, true},
	{"uts", run_tree, true},
	{"pfor_grain1", run_loop_grain1, true},
	{"pfor_auto", run_loop_auto, true},
	{"submit_1p", run_submit_1p, false},
	{"submit_2p", run_submit_2p, false},
	{"submit_batch", run_submit_batch, false},
	{"latency_hot", run_latency_hot, false},
	{"latency_parked", run_latency_parked, false},
	{"latency_parked_spin", run_latency_parked_spin, false},
	{"queued_bytes", run_queued_bytes, false},
};

enum { WORKLOADS = sizeof(workloads) / sizeof(workloads[0]), FIRST_SUBMIT = 4 };

static bool has(int w)
{
	const bool can[] = {
		peer.fib != NULL,
		peer.tree != NULL,
		peer.loop_grain1 != NULL,
		peer.loop_auto != NULL,
		peer.submit != NULL,
		peer.submit != NULL,
		peer.submit_batch != NULL,
		peer.submit || peer.round_trip,
		peer.submit || peer.round_trip,
		peer.submit || peer.round_trip,
		peer.submit && !peer.never_queues,
	};
	_Static_assert(sizeof(can) / sizeof(can[0]) == WORKLOADS, "one line for each workload");
	return can[w];
}

static int list(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	for (int w = 0; w < WORKLOADS; w++) {
		if (!has(w))
			continue;
		printf("%s %s", workloads[w].name, w >= FIRST_SUBMIT && peer.one_worker ? "1" : "1,2");
		if (workloads[w].scales && cores > 2)
			printf(",%ld", cores);
		printf("\n");
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "list") == 0)
		return list();
	quick = argc == 5 && strcmp(argv[4], "quick") == 0;
	unsigned long count = argc >= 4 ? strtoul(argv[3], NULL, 10) : 0;
	if (argc < 4 || strcmp(argv[1], "run") != 0 || argc != 4 + quick || count < 1 || count > 1024) {
		fprintf(stderr, "usage: %s list | run WORKLOAD THREADS [quick]\n", argv[0]);
		return 2;
	}
	int chosen = 0;
	while (chosen < WORKLOADS && (strcmp(argv[2], workloads[chosen].name) != 0 || !has(chosen)))
		chosen++;
	if (chosen == WORKLOADS) {
		fprintf(stderr, "%s: there is no workload %s\n", peer.name, argv[2]);
		return 2;
	}
	workload = workloads[chosen].name;
	threads = (uint32_t)count;
	sem_init(&tasks.at_gate, 0, 0);
	sem_init(&tasks.gate, 0, 0);
	peer.start(threads, chosen >= FIRST_SUBMIT);
	workloads[chosen].run();
	peer.stop();
	return 0;
}
