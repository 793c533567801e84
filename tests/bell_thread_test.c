/* SPDX-License-Identifier: MIT */
/*
 * bell_thread_test.c - the thread that goes the rounds: what it is like, when it is made, begins, rests and ends; and that it comes to
 * those who rang and do not wait. W12: without it their tasks would lie for ever: these tests would hang.
 */
#include "ringer.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

/* It goes rounds, from now on or already, and the calling thread is to ring with its next task. Rounds that were there may end meanwhile. */
static void have_rounds(const struct ringer *ringer)
{
	do {
		ringer_believe(ringer);
		usleep(50);
	} while (!at_load(&ringer->pool->bell->watching, relaxed, none));
}

static void await_rest(const struct ringer *ringer)
{
	while (at_load(&ringer->pool->bell->watching, relaxed, none))
		usleep(500);
}

/* What /proc says of threads. ------------------------------------------------------------------------------------ */

static bool read_line(const char *path, const char *begins, char *line, int bytes)
{
	FILE *file = fopen(path, "r");
	bool found = false;
	while (file && !found && fgets(line, bytes, file))
		found = !strncmp(line, begins, strlen(begins));
	if (file)
		fclose(file);
	return found;
}

/* Those of pools. */
struct threads {
	int count;
	bool sleep;	   /* all */
	uint64_t switches; /* how often they ran */
	uint64_t blocked;  /* signals of the bell */
};

static uint64_t number_of(const char *task, const char *begins, int base)
{
	char path[280], line[256];
	snprintf(path, sizeof(path), "/proc/self/task/%s/status", task);
	return read_line(path, begins, line, sizeof(line)) ? strtoull(line + strlen(begins), NULL, base) : 0;
}

static void look_at_thread(const char *task, struct threads *threads)
{
	char path[280], line[256];
	snprintf(path, sizeof(path), "/proc/self/task/%s/status", task);
	if (!read_line(path, "Name:\tweir/", line, sizeof(line)))
		return;
	if (!strcmp(line, "Name:\tweir/bell\n"))
		threads->blocked = number_of(task, "SigBlk:", 16);
	threads->count++;
	threads->sleep &= read_line(path, "State:\tS", line, sizeof(line));
	threads->switches += number_of(task, "voluntary_ctxt_switches:", 10);
	threads->switches += number_of(task, "nonvoluntary_ctxt_switches:", 10);
}

static struct threads look_at_threads(void)
{
	struct threads threads = {.sleep = true};
	DIR *folder = opendir("/proc/self/task");
	assert_non_null(folder);
	for (struct dirent *entry; (entry = readdir(folder));)
		if (entry->d_name[0] != '.')
			look_at_thread(entry->d_name, &threads);
	closedir(folder);
	return threads;
}

/* ---------------------------------------------------------------------------------------------------------------- */

/* A signal of the application's must not be taken by a thread that it does not know of. */
static void it_blocks_all_signals_and_its_maker_none(void **state)
{
	(void)state;
	struct ringer ringer;
	sigset_t before, after;
	assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
	ringer_begin(&ringer, WEIR_OPTIONS(.workers = 1, INVENTED));
	have_rounds(&ringer);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
	for (int signal = 1; signal < 32; signal++)
		assert_int_equal(sigismember(&after, signal), sigismember(&before, signal));
	uint64_t blocked;
	while (!(blocked = look_at_threads().blocked))
		usleep(50);
	assert_true(blocked >> (SIGUSR1 - 1) & 1);
	assert_true(blocked >> (SIGTERM - 1) & 1);
	/* Nor does it take what a stack is by default, of memory that may be locked. */
	pthread_attr_t attr;
	size_t bytes;
	assert_int_equal(pthread_getattr_np(ringer.pool->bell->thread, &attr), 0);
	assert_int_equal(pthread_attr_getstacksize(&attr, &bytes), 0);
	pthread_attr_destroy(&attr);
	assert_true(bytes < 1 << 20);
	ringer_end(&ringer);
}

/* Else it came only when that computes no more: who makes a thread hands its binding on. */
static void it_is_not_bound_to_the_processor_of_its_maker(void **state)
{
	(void)state;
	cpu_set_t before, one, of_bell;
	struct ringer ringer;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	ringer_begin(&ringer, WEIR_OPTIONS(.workers = 1, .idle = WEIR_IDLE_BLOCK));
	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	have_rounds(&ringer);
	assert_int_equal(pthread_getaffinity_np(ringer.pool->bell->thread, sizeof(of_bell), &of_bell), 0);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	assert_true(CPU_EQUAL(&of_bell, &before));
	ringer_end(&ringer);
}

/* It rang, and computes on for as long as it takes. The bell has to notice by itself, and the next wait to learn of it. */
static void it_comes_to_who_computes_on(void **state)
{
	(void)state;
	struct ringer ringer;
	ringer_begin(&ringer, WEIR_OPTIONS(.workers = 1, INVENTED));
	for (int turns = 0; turns < 3;) {
		have_rounds(&ringer);
		bool rang = ringer_submit(&ringer);
		ringer_spin(&ringer.ran, ringer.submitted);
		assert_ok(weir_group_wait(ringer.group));
		/* The rounds may have ended before it rang; or the worker was not quite asleep yet, and has found it by itself. */
		bool missed = ringer_habit(&ringer)->needed == 2 * HABIT_MIN;
		assert_true(missed || ringer_habit(&ringer)->needed == HABIT_MIN);
		assert_true(rang || !missed);
		turns += missed;
		usleep(100);
	}
	ringer_end(&ringer);
}

/* Who would ring wakes after that; what it waits for then has rounds begun again. */
static void it_rests_where_nobody_rings_and_is_called_again(void **state)
{
	(void)state;
	struct ringer ringer;
	ringer_begin(&ringer, WEIR_OPTIONS(.workers = 1, INVENTED));
	for (int i = 0; i < 3; i++) {
		have_rounds(&ringer);
		await_rest(&ringer);
	}
	pthread_t thread = ringer.pool->bell->thread;
	have_rounds(&ringer);
	assert_true(pthread_equal(ringer.pool->bell->thread, thread));
	ringer_end(&ringer);
}

struct idler {
	struct ringer *ringer;
	pthread_barrier_t *registered, *end;
};

/* With the habit, and a task of its own that was run; then it is quiet. */
static void *have_a_lane(void *argument)
{
	struct idler *idler = argument;
	if (!weir_producer_register(idler->ringer->pool))
		ringer_believe(idler->ringer);
	pthread_barrier_wait(idler->registered);
	pthread_barrier_wait(idler->end);
	return NULL;
}

/* There are lanes, there were rings, and the bell has its thread: at last no thread of the pool runs for a while. Rounds that never end
 * would make this one hang. */
static void a_quiet_pool_with_lanes_has_no_thread_that_runs(void **state)
{
	(void)state;
	enum { IDLERS = 8 };
	struct ringer ringer;
	pthread_t thread[IDLERS];
	pthread_barrier_t registered, end;
	struct idler idler = {&ringer, &registered, &end};
	ringer_begin(&ringer, WEIR_OPTIONS(.workers = 2));
	pthread_barrier_init(&registered, NULL, IDLERS + 1);
	pthread_barrier_init(&end, NULL, IDLERS + 1);
	for (int i = 0; i < IDLERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, have_a_lane, &idler), 0);
	pthread_barrier_wait(&registered);
	have_rounds(&ringer);
	for (int i = 0; i < 3; i++) {
		(void)ringer_submit(&ringer);
		assert_ok(weir_group_wait(ringer.group));
	}
	struct threads before, now = look_at_threads();
	do {
		before = now;
		usleep(100000);
		now = look_at_threads();
	} while (!before.sleep || !now.sleep || now.switches != before.switches);
	assert_true(now.count >= 2 + 1);
	pthread_barrier_wait(&end);
	for (int i = 0; i < IDLERS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	pthread_barrier_destroy(&registered);
	pthread_barrier_destroy(&end);
	ringer_end(&ringer);
}

/* Before it was made, as it begins, with a ring on its way, as it rests. Nothing of it stays. */
static void it_ends_with_its_pool_at_any_time(void **state)
{
	(void)state;
	int others = look_at_threads().count;
	for (int turn = 0; turn < 32; turn++) {
		struct ringer ringer;
		ringer_begin(&ringer, WEIR_OPTIONS(.workers = 1, INVENTED));
		if (turn % 4 == 1)
			ringer_believe(&ringer);
		if (turn % 4 >= 2)
			have_rounds(&ringer);
		if (turn % 4 == 2)
			(void)ringer_submit(&ringer);
		if (turn == 3)
			await_rest(&ringer);
		assert_ok(weir_pool_destroy(ringer.pool));
		assert_int_equal(atomic_load(&ringer.ran), ringer.submitted);
		/* Who was joined is about to go. */
		while (look_at_threads().count > others)
			usleep(50);
	}
}

int main(void)
{
	alarm(HANG_SECONDS);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_blocks_all_signals_and_its_maker_none),
		cmocka_unit_test(it_is_not_bound_to_the_processor_of_its_maker),
		cmocka_unit_test(it_comes_to_who_computes_on),
		cmocka_unit_test(it_rests_where_nobody_rings_and_is_called_again),
		cmocka_unit_test(a_quiet_pool_with_lanes_has_no_thread_that_runs),
		cmocka_unit_test(it_ends_with_its_pool_at_any_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
