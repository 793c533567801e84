/* SPDX-License-Identifier: MIT */
/* monitor_test.c - readings: from this host and from the application's own source; while
 * threads read, sources fail and the monitor is stopped and started. */
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/log.h>
#include <weir/pool.h>

#include "private/atomics.h"
#include "private/compiler.h"

#define HOUR_NS (3600 * WEIR_NS_PER_S)
#define READING(room, nodes)                                                            \
	{                                                                               \
		.size = sizeof(weir_reading), .node = (room), .nodes_capacity = (nodes) \
	}

static weir_machine *machine_of(const char *source)
{
	weir_machine *machine;
	assert_int_equal(weir_machine_create(&machine, source), WEIR_OK);
	return machine;
}

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* This process has a thread of that name? */
static bool thread_is_there(const char *name)
{
	DIR *tasks = opendir("/proc/self/task");
	assert_non_null(tasks);
	bool found = false;
	for (struct dirent *entry; (entry = readdir(tasks));) {
		char path[300], text[32] = "";
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		FILE *file = fopen(path, "r");
		if (file && fgets(text, sizeof(text), file))
			found |= strcspn(text, "\n") == strlen(name) && strncmp(text, name, strlen(name)) == 0;
		if (file)
			fclose(file);
	}
	closedir(tasks);
	return found;
}

static void this_host_is_read_by_a_named_thread(void **state)
{
	(void)state;
	weir_machine *machine = machine_of("this");
	weir_monitor *monitor;
	weir_node_reading node[16];
	weir_reading r = READING(node, 16);
	assert_int_equal(weir_monitor_create(&monitor, machine, NULL, HOUR_NS), WEIR_OK);
	assert_int_equal(weir_monitor_read(monitor, &r), WEIR_EAGAIN);
	assert_int_equal(weir_monitor_start(monitor), WEIR_OK);
	assert_true(thread_is_there("weir/monitor"));
	assert_int_equal(weir_monitor_start(monitor), WEIR_EBUSY);
	assert_int_equal(weir_monitor_read(monitor, &r), WEIR_OK);
	assert_true(r.taken_at_ns > 0);
	assert_true(r.known & WEIR_KNOWN_PROCESS);
	assert_true(r.process_rss_bytes > 4096);
	assert_false(r.known & WEIR_KNOWN_CPU); /* the first has none before it */
	for (uint32_t i = 0; i < r.nodes && r.known & WEIR_KNOWN_NODE_MEMORY; i++) {
		assert_true(node[i].memory_free_bytes <= node[i].memory_total_bytes);
		assert_true(node[i].memory_available_bytes <= node[i].memory_total_bytes);
	}
	/* Due in an hour: returns because it is woken. */
	weir_monitor_stop(monitor);
	while (thread_is_there("weir/monitor"))
		nap(); /* joined, but the kernel may list it for a moment longer */
	weir_monitor_stop(monitor);
	assert_int_equal(weir_monitor_read(monitor, &r), WEIR_OK);
	assert_int_equal(weir_monitor_start(monitor), WEIR_OK);
	weir_monitor_destroy(monitor);
	weir_machine_destroy(machine);
}

static void another_machines_nodes_are_not_this_hosts(void **state)
{
	(void)state;
	weir_machine *machine = machine_of("numa:3(memory=5GiB) core:1 pu:1");
	weir_monitor *monitor;
	weir_node_reading node[3];
	weir_reading r = READING(node, 3), two = READING(node, 2), none = READING(NULL, 0);
	assert_int_equal(weir_monitor_create(&monitor, machine, NULL, HOUR_NS), WEIR_OK);
	assert_int_equal(weir_monitor_start(monitor), WEIR_OK);
	assert_int_equal(weir_monitor_read(monitor, &r), WEIR_OK);
	assert_false(r.known & (WEIR_KNOWN_NODE_MEMORY | WEIR_KNOWN_CPU));
	assert_true(r.known & WEIR_KNOWN_PROCESS);
	assert_int_equal(r.nodes, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(node[i].memory_total_bytes, UINT64_C(5) << 30);
	memset(node, 0, sizeof(node));
	assert_int_equal(weir_monitor_read(monitor, &two), WEIR_OK);
	assert_int_equal(two.nodes, 2);
	assert_int_equal(two.nodes_capacity, 2);
	assert_int_equal(node[2].memory_total_bytes, 0);
	assert_int_equal(weir_monitor_read(monitor, &none), WEIR_OK);
	assert_int_equal(none.nodes, 0);
	weir_monitor_destroy(monitor);
	weir_machine_destroy(machine);
}

static void count_lines(weir_log_level level, const char *line, void *context)
{
	(void)level;
	(void)line;
	++*(int *)context;
}

/* A source of the application's own. ----------------------------------------------------------------------------- */

struct mine {
	weir_monitor *monitor;
	_Atomic(uint64_t) reads;
	_Atomic(bool) failing;
	_Atomic(int) starts, stops;
	uint64_t interval_ns;
	weir_status start_status;
	bool hostile, meddles;
	int bell, broken;
	uint64_t watched_at_ns;
};

static weir_status my_start(void *context, uint64_t interval_ns)
{
	struct mine *mine = context;
	mine->interval_ns = interval_ns;
	at_add(&mine->starts, 1, relaxed, none);
	return mine->start_status;
}

/* All fields of a reading are its number. */
static weir_status my_read(void *context, weir_reading *out)
{
	struct mine *mine = context;
	uint64_t number = at_add(&mine->reads, 1, relaxed, none) + 1;
	out->taken_at_ns = number;
	out->process_rss_bytes = number;
	out->nodes = out->nodes_capacity;
	for (uint32_t i = 0; i < out->nodes; i++)
		out->node[i] = (weir_node_reading){number, number, number, number, (double)number};
	if (mine->meddles) {
		weir_monitor_stop(mine->monitor);
		if (weir_monitor_start(mine->monitor) != WEIR_EBUSY)
			return WEIR_ESYSTEM;
	}
	if (mine->hostile) {
		out->size = 1;
		out->nodes = UINT32_MAX;
		out->nodes_capacity = UINT32_MAX;
		out->node = NULL;
		out->taken_at_ns = 0;
	}
	return at_load(&mine->failing, relaxed, none) ? WEIR_EUSER + 3 : WEIR_OK;
}

static void my_stop(void *context)
{
	struct mine *mine = context;
	at_add(&mine->stops, 1, relaxed, none);
}

static weir_monitor *monitor_of(struct mine *mine, const weir_machine *machine, uint64_t interval_ns)
{
	weir_monitor_source source = {
		.size = sizeof(source), .start = my_start, .read = my_read, .stop = my_stop, .context = mine};
	weir_monitor *monitor;
	assert_int_equal(weir_monitor_create(&monitor, machine, &source, interval_ns), WEIR_OK);
	memset(&source, 0xff, sizeof(source)); /* it was copied */
	mine->monitor = monitor;
	return monitor;
}

static void wait_for_reads(struct mine *mine, uint64_t more)
{
	uint64_t target = at_load(&mine->reads, relaxed, none) + more;
	while (at_load(&mine->reads, relaxed, none) < target)
		nap();
}

static void an_own_source_replaces_the_hosts_files(void **state)
{
	(void)state;
	struct mine mine = {0};
	weir_machine *machine = machine_of("numa:2 core:1 pu:1");
	weir_monitor *monitor = monitor_of(&mine, machine, 2 * WEIR_NS_PER_MS);
	weir_reading r = READING(NULL, 0);
	assert_int_equal(at_load(&mine.reads, relaxed, none), 0);
	assert_int_equal(weir_monitor_start(monitor), WEIR_OK);
	assert_int_equal(mine.interval_ns, 2 * WEIR_NS_PER_MS);
	assert_int_equal(weir_monitor_read(monitor, &r), WEIR_OK);
	assert_true(r.process_rss_bytes >= 1);
	wait_for_reads(&mine, 3);
	weir_monitor_stop(monitor);
	assert_int_equal(at_load(&mine.starts, relaxed, none), 1);
	assert_int_equal(at_load(&mine.stops, relaxed, none), 1);
	assert_int_equal(weir_monitor_read(monitor, &r), WEIR_OK);
	assert_int_equal(r.process_rss_bytes, at_load(&mine.reads, relaxed, none));
	assert_int_equal(weir_monitor_start(monitor), WEIR_OK);
	weir_monitor_destroy(monitor);
	assert_int_equal(at_load(&mine.stops, relaxed, none), 2);
	weir_machine_destroy(machine);
}

static void a_failing_source_keeps_the_last_reading_and_is_logged_once(void **state)
{
	(void)state;
	static int lines;
	lines = 0;
	struct mine mine = {0};
	weir_machine *machine = machine_of("numa:1 core:1 pu:1");
	weir_monitor *monitor = monitor_of(&mine, machine, WEIR_NS_PER_MS);
	weir_reading r = READING(NULL, 0);
	assert_int_equal(weir_log_set(WEIR_LOG_WARN, count_lines, &lines, 100), WEIR_OK);
	assert_int_equal(weir_monitor_start(monitor), WEIR_OK);
	at_store(&mine.failing, true, relaxed, none);
	wait_for_reads(&mine, 2);
	assert_int_equal(weir_monitor_read(monitor, &r), WEIR_OK);
	uint64_t last = r.process_rss_bytes;
	wait_for_reads(&mine, 5);
	assert_int_equal(weir_monitor_read(monitor, &r), WEIR_OK);
	assert_int_equal(r.process_rss_bytes, last);
	weir_monitor_stop(monitor);
	assert_int_equal(weir_log_set(WEIR_LOG_OFF, NULL, NULL, 0), WEIR_OK);
	assert_int_equal(lines, 1);
	/* A first reading that fails is the caller's to know; the source is stopped again. */
	assert_int_equal(weir_monitor_start(monitor), WEIR_EUSER + 3);
	assert_int_equal(at_load(&mine.stops, relaxed, none), 2);
	at_store(&mine.failing, false, relaxed, none);
	mine.start_status = WEIR_EUSER + 9;
	assert_int_equal(weir_monitor_start(monitor), WEIR_EUSER + 9);
	assert_int_equal(at_load(&mine.stops, relaxed, none), 2); /* what did not start is not stopped */
	weir_monitor_destroy(monitor);
	weir_machine_destroy(machine);
}

/* It claims more nodes than it was given room for, takes the array away, and stops the monitor from within. */
static void a_hostile_source_harms_only_itself(void **state)
{
	(void)state;
	struct mine mine = {.hostile = true, .meddles = true};
	weir_machine *machine = machine_of("numa:2 core:1 pu:1");
	weir_monitor *monitor = monitor_of(&mine, machine, WEIR_NS_PER_MS);
	weir_node_reading node[4] = {0};
	weir_reading r = READING(node, 4);
	assert_int_equal(weir_monitor_start(monitor), WEIR_OK);
	wait_for_reads(&mine, 3);
	assert_int_equal(weir_monitor_read(monitor, &r), WEIR_OK);
	assert_int_equal(r.nodes, 2);
	assert_ptr_equal(r.node, node);
	assert_true(node[1].memory_total_bytes >= 1);
	assert_int_equal(node[2].memory_total_bytes, 0);
	assert_true(r.taken_at_ns > 0);
	weir_monitor_destroy(monitor);
	weir_machine_destroy(machine);
}

/* What rings on a source's descriptor brings a reading long before its time, but not before the monitor is a tenth of a second
 * old: a short-lived one sets no triggers of the kernel, to give back which takes long. What nobody empties does not make the
 * monitor spin, and what is closed or broken is no longer asked. Fails by waiting for an hour. */
static uint32_t my_watch(void *context, weir_monitor_watch *out, uint32_t capacity)
{
	struct mine *mine = context;
	mine->watched_at_ns = weir_clock_monotonic_ns();
	if (capacity < 2)
		return 0; /* nothing will ring */
	out[0] = (weir_monitor_watch){mine->broken, POLLIN};
	out[1] = (weir_monitor_watch){mine->bell, POLLIN};
	return 2;
}

static void what_rings_brings_an_early_reading(void **state)
{
	(void)state;
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	close(ends[1]); /* hangs up for ever */
	struct mine mine = {.bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .broken = ends[0]};
	weir_machine *machine = machine_of("numa:1 core:1 pu:1");
	const weir_monitor_source source = {
		.size = sizeof(source), .read = my_read, .watch = my_watch, .context = &mine};
	weir_monitor *monitor;
	weir_reading r = READING(NULL, 0);
	assert_int_equal(weir_monitor_create(&monitor, machine, &source, HOUR_NS), WEIR_OK);
	uint64_t started_at_ns = weir_clock_monotonic_ns();
	assert_int_equal(weir_monitor_start(monitor), WEIR_OK);
	assert_int_equal(weir_monitor_read(monitor, &r), WEIR_OK);
	assert_false(r.early);
	const uint64_t one = 1;
	assert_int_equal(write(mine.bell, &one, sizeof(one)), sizeof(one));
	do {
		nap();
		assert_int_equal(weir_monitor_read(monitor, &r), WEIR_OK);
	} while (r.readings < 2);
	assert_true(r.early);
	assert_true(mine.watched_at_ns - started_at_ns >= 100 * WEIR_NS_PER_MS);
	assert_int_equal(r.early_readings, 1);
	/* It still rings: the next reading is the one that is due, in an hour. */
	nap();
	assert_int_equal(weir_monitor_read(monitor, &r), WEIR_OK);
	assert_int_equal(r.readings, 2);
	weir_monitor_destroy(monitor);
	weir_machine_destroy(machine);
	close(mine.bell);
	close(mine.broken);
}

/* The pool's own news is in each reading at once, and its age with it. */
static void the_queues_delay_is_part_of_each_reading(void **state)
{
	(void)state;
	struct mine mine = {0};
	weir_machine *machine = machine_of("numa:1 core:1 pu:1");
	weir_monitor *monitor = monitor_of(&mine, machine, HOUR_NS);
	weir_reading r = READING(NULL, 0);
	weir_monitor_note_queue_delay(NULL, 1);
	assert_int_equal(weir_monitor_start(monitor), WEIR_OK);
	assert_int_equal(weir_monitor_read(monitor, &r), WEIR_OK);
	assert_false(r.known & WEIR_KNOWN_QUEUE_DELAY);
	uint64_t before = weir_clock_monotonic_ns();
	weir_monitor_note_queue_delay(monitor, 12345);
	assert_int_equal(weir_monitor_read(monitor, &r), WEIR_OK);
	assert_true(r.known & WEIR_KNOWN_QUEUE_DELAY);
	assert_int_equal(r.queue_delay_ns, 12345);
	assert_in_range(r.read_at_ns[WEIR_PART_QUEUE], before, weir_clock_monotonic_ns());
	weir_monitor_destroy(monitor);
	weir_machine_destroy(machine);
}

/* The application's source takes the place of the host's files in a pool as it does alone. */
static void a_pool_takes_the_users_source(void **state)
{
	(void)state;
	struct mine mine = {0};
	const weir_monitor_source source = {
		.size = sizeof(source), .start = my_start, .read = my_read, .stop = my_stop, .context = &mine};
	weir_pool *pool;
	weir_reading r = READING(NULL, 0);
	assert_int_equal(weir_pool_create(&pool, WEIR_OPTIONS(.resource_aware = true, .workers = 1, .monitor = &source,
							      .monitoring_interval_ns = 2 * WEIR_NS_PER_MS,
							      .no_environment = true)),
			 WEIR_OK);
	assert_int_equal(mine.interval_ns, 2 * WEIR_NS_PER_MS);
	wait_for_reads(&mine, 2);
	assert_int_equal(weir_monitor_read(weir_pool_monitor(pool), &r), WEIR_OK);
	assert_true(r.process_rss_bytes >= 1 && r.process_rss_bytes <= at_load(&mine.reads, relaxed, none));
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
	assert_int_equal(at_load(&mine.starts, relaxed, none), 1);
	assert_int_equal(at_load(&mine.stops, relaxed, none), 1);
}

/* A pool's own monitor is not its user's to destroy. Fails by use of freed memory in weir_pool_destroy(). */
static void a_lent_monitor_is_not_destroyed(void **state)
{
	(void)state;
	static int lines;
	lines = 0;
	weir_pool *pool;
	weir_reading r = READING(NULL, 0);
	assert_int_equal(
		weir_pool_create(&pool, WEIR_OPTIONS(.resource_aware = true, .workers = 1, .no_environment = true)),
		WEIR_OK);
	assert_int_equal(weir_log_set(WEIR_LOG_ERROR, count_lines, &lines, 100), WEIR_OK);
	weir_monitor_destroy(weir_pool_monitor(pool));
	assert_int_equal(lines, 1);
	assert_int_equal(weir_log_set(WEIR_LOG_OFF, NULL, NULL, 0), WEIR_OK);
	assert_int_equal(weir_monitor_read(weir_pool_monitor(pool), &r), WEIR_OK);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

enum { READERS = 4, NODES = 16 };

struct readers {
	weir_monitor *monitor;
	_Atomic(bool) enough, torn, went_back;
};

/* M2: all fields of a reading have one number, and it never goes back. */
static void *read_on(void *argument)
{
	struct readers *readers = argument;
	uint64_t before = 0;
	while (!at_load(&readers->enough, relaxed, none)) {
		weir_node_reading node[NODES];
		weir_reading r = READING(node, NODES);
		if (weir_monitor_read(readers->monitor, &r))
			continue;
		uint64_t number = r.process_rss_bytes;
		bool whole = r.taken_at_ns == number && r.nodes == NODES;
		for (uint32_t i = 0; i < r.nodes; i++)
			whole = whole && node[i].memory_total_bytes == number &&
				node[i].memory_available_bytes == number && node[i].cpu_busy == (double)number;
		if (!whole)
			at_store(&readers->torn, true, relaxed, none);
		if (number < before)
			at_store(&readers->went_back, true, relaxed, none);
		before = number;
	}
	return NULL;
}

static void readers_never_see_parts_of_two_readings(void **state)
{
	(void)state;
	struct mine mine = {0};
	weir_machine *machine = machine_of("numa:16 core:1 pu:1");
	static struct readers readers;
	readers = (struct readers){.monitor = monitor_of(&mine, machine, WEIR_NS_PER_MS)};
	pthread_t thread[READERS];
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, read_on, &readers), 0);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(weir_monitor_start(readers.monitor), WEIR_OK);
		wait_for_reads(&mine, 20);
		weir_monitor_stop(readers.monitor);
	}
	at_store(&readers.enough, true, relaxed, none);
	for (int i = 0; i < READERS; i++)
		pthread_join(thread[i], NULL);
	assert_false(at_load(&readers.torn, relaxed, none));
	assert_false(at_load(&readers.went_back, relaxed, none));
	weir_monitor_destroy(readers.monitor);
	weir_machine_destroy(machine);
}

static void wrong_arguments_are_refused_with_a_text(void **state)
{
	(void)state;
	weir_machine *machine = machine_of("numa:1 core:1 pu:1");
	weir_monitor *monitor = (weir_monitor *)&monitor;
	struct mine mine = {0};
	const weir_monitor_source good = {.size = sizeof(good), .read = my_read, .context = &mine};
	weir_monitor_source none = good, small = good;
	none.read = NULL;
	small.size = sizeof(small) - 1;
	struct {
		weir_monitor_source source;
		uint64_t tail[2];
	} later = {good, {0, 0}};
	later.source.size = sizeof(later);
	const struct {
		const weir_machine *machine;
		const weir_monitor_source *source;
		uint64_t interval_ns;
		const char *text;
	} cases[] = {{NULL, NULL, 0, "machine"},
		     {machine, NULL, 1, "interval_ns is 1"},
		     {machine, NULL, WEIR_NS_PER_MS - 1, "interval_ns"},
		     {machine, &none, 0, "source.read"},
		     {machine, &small, 0, "source.size"}};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		assert_int_equal(weir_monitor_create(&monitor, cases[i].machine, cases[i].source, cases[i].interval_ns),
				 WEIR_EINVAL);
		assert_null(monitor);
		assert_non_null(strstr(weir_error_text(), cases[i].text));
	}
	assert_int_equal(weir_monitor_create(NULL, machine, NULL, 0), WEIR_EINVAL);
	assert_int_equal(weir_monitor_create(&monitor, machine, &later.source, UINT64_MAX), WEIR_OK);
	assert_int_equal(weir_monitor_start(monitor), WEIR_OK); /* the next reading is never, not at once */
	weir_reading r = READING(NULL, 0), cut = READING(NULL, 0), lying = READING(NULL, 3);
	cut.size = 8;
	assert_int_equal(weir_monitor_read(monitor, &cut), WEIR_EINVAL);
	assert_int_equal(weir_monitor_read(monitor, &lying), WEIR_EINVAL);
	assert_int_equal(weir_monitor_read(monitor, NULL), WEIR_EINVAL);
	assert_int_equal(weir_monitor_read(NULL, &r), WEIR_EINVAL);
	assert_int_equal(at_load(&mine.reads, relaxed, none), 1);
	weir_monitor_destroy(monitor);
	later.tail[1] = 1;
	assert_int_equal(weir_monitor_create(&monitor, machine, &later.source, 0), WEIR_EINVAL);
	assert_int_equal(weir_monitor_start(NULL), WEIR_EINVAL);
	weir_monitor_stop(NULL);
	weir_monitor_destroy(NULL);
	weir_machine_destroy(machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(this_host_is_read_by_a_named_thread),
		cmocka_unit_test(another_machines_nodes_are_not_this_hosts),
		cmocka_unit_test(an_own_source_replaces_the_hosts_files),
		cmocka_unit_test(a_failing_source_keeps_the_last_reading_and_is_logged_once),
		cmocka_unit_test(a_hostile_source_harms_only_itself),
		cmocka_unit_test(what_rings_brings_an_early_reading),
		cmocka_unit_test(the_queues_delay_is_part_of_each_reading),
		cmocka_unit_test(a_pool_takes_the_users_source),
		cmocka_unit_test(a_lent_monitor_is_not_destroyed),
		cmocka_unit_test(readers_never_see_parts_of_two_readings),
		cmocka_unit_test(wrong_arguments_are_refused_with_a_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
