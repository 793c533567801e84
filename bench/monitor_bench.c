/* SPDX-License-Identifier: MIT */
/*
 * monitor_bench.c - what the monitor costs while nothing else happens: CPU time of its thread, by the kernel's own count,
 * as a part of one core.
 *
 * Floor:   a thread that only wakes up at each interval, beside it.
 * Promise: less than 0.1 % at the default interval. Ends with 1 if it is missed.
 *
 * Usage: monitor_bench [SECONDS [INTERVAL_MS...]]   10 seconds, 100 ms
 */
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <weir/weir.h>

#define PROMISE_PERCENT 0.1

/* How long the thread of that name has run, by /proc/self/task; -1: there is none. */
static double thread_ns(const char *name)
{
	DIR *tasks = opendir("/proc/self/task");
	double ns = -1;
	for (struct dirent *entry; tasks && ns < 0 && (entry = readdir(tasks));) {
		char path[300], comm[32] = "";
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		FILE *file = fopen(path, "r");
		bool it = file && fgets(comm, sizeof(comm), file) && strcspn(comm, "\n") == strlen(name) &&
			  strncmp(comm, name, strlen(name)) == 0;
		if (file)
			fclose(file);
		snprintf(path, sizeof(path), "/proc/self/task/%s/schedstat", entry->d_name);
		file = it ? fopen(path, "r") : NULL;
		if (file && fscanf(file, "%lf", &ns) != 1)
			ns = -1;
		if (file)
			fclose(file);
	}
	if (tasks)
		closedir(tasks);
	return ns;
}

static void pause_for(unsigned seconds)
{
	uint64_t end = weir_clock_monotonic_ns() + seconds * WEIR_NS_PER_S;
	for (uint64_t now; (now = weir_clock_monotonic_ns()) < end;)
		poll(NULL, 0, (int)((end - now) / WEIR_NS_PER_MS) + 1);
}

struct floor_thread {
	int stop;
	int interval_ms;
};

static void *only_wakes_up(void *argument)
{
	const struct floor_thread *floor = argument;
	struct pollfd stop = {.fd = floor->stop, .events = POLLIN};
	while (poll(&stop, 1, floor->interval_ms) == 0)
		;
	return NULL;
}

/* The share in per cent of one core, negative if it cannot be had. */
static double share_of(const char *thread, unsigned seconds)
{
	/* What the first readings cost, with all that is cold and opened once, is not what it goes on to cost. */
	pause_for(1);
	double from = thread_ns(thread);
	uint64_t begun = weir_clock_monotonic_ns();
	pause_for(seconds);
	double to = thread_ns(thread);
	double elapsed = (double)(weir_clock_monotonic_ns() - begun);
	return from < 0 || to < 0 ? -1 : (to - from) / elapsed * 100;
}

static double floor_share(unsigned seconds, unsigned interval_ms)
{
	struct floor_thread floor = {eventfd(0, EFD_CLOEXEC), (int)interval_ms};
	pthread_t thread;
	if (floor.stop < 0 || pthread_create(&thread, NULL, only_wakes_up, &floor))
		return -1;
	(void)pthread_setname_np(thread, "bench/floor");
	double share = share_of("bench/floor", seconds);
	const uint64_t one = 1;
	if (write(floor.stop, &one, sizeof(one)) != (ssize_t)sizeof(one))
		return -1;
	pthread_join(thread, NULL);
	close(floor.stop);
	return share;
}

static void print_ages(const weir_reading *r)
{
	static const char *const name[WEIR_PARTS] = {"host memory",  "node memory",  "node CPU",  "host pressure",
						     "group memory", "group limits", "group CPU", "group pressure",
						     "process",	     "queue"};
	for (int p = 0; p < WEIR_PARTS; p++)
		if (r->read_at_ns[p])
			printf("  %-15s %8.1f ms old\n", name[p],
			       (double)(r->taken_at_ns - r->read_at_ns[p]) / (double)WEIR_NS_PER_MS);
}

static int measure(const weir_machine *machine, unsigned seconds, unsigned interval_ms)
{
	weir_monitor *monitor;
	weir_status status = weir_monitor_create(&monitor, machine, NULL, interval_ms * WEIR_NS_PER_MS);
	if (!status)
		status = weir_monitor_start(monitor);
	if (status) {
		fprintf(stderr, "monitor_bench: %s\n", weir_error_text());
		return 2;
	}
	double share = share_of("weir/monitor", seconds);
	weir_reading r = {.size = sizeof(r)};
	status = weir_monitor_read(monitor, &r);
	weir_monitor_destroy(monitor);
	double floor = floor_share(seconds, interval_ms);
	if (status || share < 0 || floor < 0) {
		fprintf(stderr, "monitor_bench: no reading, or no /proc/self/task/*/schedstat\n");
		return 2;
	}
	printf("interval %u ms, %u s: %.4f %% of one core, %.1f us for each of %llu readings (%llu early)\n",
	       interval_ms, seconds, share, share / 100 * interval_ms * 1000, (unsigned long long)r.readings,
	       (unsigned long long)r.early_readings);
	printf("  a thread that only wakes up: %.4f %%; known: %#x\n", floor, r.known);
	print_ages(&r);
	bool promised = interval_ms == 100;
	if (promised)
		printf("  promise: less than %.1f %% at the default interval: %s\n", PROMISE_PERCENT,
		       share < PROMISE_PERCENT ? "kept" : "MISSED");
	return promised && share >= PROMISE_PERCENT;
}

int main(int argc, char **argv)
{
	unsigned seconds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 10;
	weir_machine *machine;
	if (weir_machine_create(&machine, NULL)) {
		fprintf(stderr, "monitor_bench: %s\n", weir_error_text());
		return 2;
	}
	int result = argc > 2 ? 0 : measure(machine, seconds, 100);
	for (int i = 2; i < argc; i++) {
		int one = measure(machine, seconds, (unsigned)strtoul(argv[i], NULL, 10));
		result = one > result ? one : result;
	}
	weir_machine_destroy(machine);
	return result;
}
