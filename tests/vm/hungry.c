/* SPDX-License-Identifier: MIT */
/*
 * hungry.c - tasks that touch all the memory that they ask for, of which no four fit under the control group's limit.
 *
 * Usage: hungry plain|aware|drawn WORKERS TIMES PIECE_KIB [RANKS DIRECTORY]
 *
 * drawn: aware, and tasks say that they take their memory by weir_task_alloc() alone.
 *
 * Three of the largest tasks take all of the pool's limit (of a plain pool: of what the group has left), to the page; the
 * smallest are 2.5 % smaller. They are submitted at once until they ask for TIMES the limit in all. Each draws its memory as
 * one block, or in pieces of PIECE_KIB times 1 to 4, which differ from task to task. With RANKS, a process waits for that
 * many to be there before it makes its pool, as MPI_Init() would, and again before it uses it: each leaves files in
 * DIRECTORY. Prints a line of NAME=VALUE words, in bytes and seconds:
 *
 *	available      what the group had left when the pool was about to be made, divided by RANKS
 *	limit          the pool's default limit (0: plain)
 *	smallest, tasks, asked   the smallest task; how many; what they asked for in all
 *	held_permille  mean of granted / available over the time in which tasks waited (0: plain)
 *	seconds
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <weir/weir.h>

enum { PAGE = 4096, ROUNDS = 2, PIECES_MAX = 4096 };

struct hunger {
	uint64_t bytes;
	uint64_t piece; /* bytes */
	bool intact;
};

struct watch {
	weir_pool *pool;
	_Atomic(bool) stop;
	double held_ns; /* bytes x ns in which tasks waited */
	double ns;
};

static void die(const char *what)
{
	fprintf(stderr, "hungry: %s: %s\n", what, weir_error_text());
	exit(1);
}

static void rest(long ns)
{
	nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

/* A file of our own group: its directory is the line "0::/path" of /proc/self/cgroup. */
static uint64_t group_number(const char *name)
{
	static char path[512];
	char line[256] = "", number[64] = "";
	FILE *file = fopen("/proc/self/cgroup", "r");
	if (!file || !fgets(line, sizeof(line), file) || strncmp(line, "0::", 3) != 0)
		die("no control group of version 2");
	fclose(file);
	line[strcspn(line, "\n")] = '\0';
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/%s", line + 3, name);
	file = fopen(path, "r");
	if (!file || !fgets(number, sizeof(number), file) || number[0] < '0' || number[0] > '9')
		die(path);
	fclose(file);
	return strtoull(number, NULL, 10);
}

static uint64_t mark(const struct hunger *hunger, uint64_t at)
{
	return (uint64_t)(uintptr_t)hunger + at;
}

/* Write, or look at, a word in every page. */
static void chew(struct hunger *hunger, unsigned char *const *piece, bool write)
{
	for (uint64_t at = 0; at < hunger->bytes; at += PAGE) {
		uint64_t *word = (void *)(piece[at / hunger->piece] + at % hunger->piece);
		if (write)
			*word = mark(hunger, at);
		else
			hunger->intact &= *word == mark(hunger, at);
	}
}

/* What it wrote it looks at again when the other tasks had their turns. */
static weir_status eat(weir_task *task, void *argument)
{
	struct hunger *hunger = argument;
	unsigned char *piece[PIECES_MAX];
	for (uint64_t at = 0, i = 0; at < hunger->bytes; at += hunger->piece, i++) {
		uint64_t left = hunger->bytes - at;
		piece[i] = weir_task_alloc(task, left < hunger->piece ? left : hunger->piece);
		if (!piece[i])
			return WEIR_ENOMEM;
	}
	chew(hunger, piece, true);
	hunger->intact = true;
	for (int round = 0; round < ROUNDS; round++) {
		rest(1000000);
		chew(hunger, piece, false);
	}
	return hunger->intact ? WEIR_OK : WEIR_EUSER;
}

/* What is granted, as a step function of time, as far as somebody waits. */
static void *watch(void *argument)
{
	struct watch *w = argument;
	uint64_t before = weir_clock_monotonic_ns();
	double held = 0;
	bool waiting = false;
	while (!atomic_load(&w->stop)) {
		uint64_t now = weir_clock_monotonic_ns();
		if (waiting) {
			w->held_ns += held * (double)(now - before);
			w->ns += (double)(now - before);
		}
		before = now;
		weir_usage usage;
		weir_admission_counts counts = {.size = sizeof(counts)};
		if (weir_tracker_usage(weir_pool_tracker(w->pool), WEIR_ALL_NODES, &usage) ||
		    weir_admission_counts_get(weir_pool_admission(w->pool), &counts))
			die("usage");
		held = (double)usage.held.memory_bytes;
		waiting = counts.waiting > 0;
		rest(1000000);
	}
	return NULL;
}

static void wait_for_ranks(const char *directory, const char *what, unsigned ranks)
{
	char path[512];
	bool made = false;
	for (unsigned r = 0; r < ranks && !made; r++) {
		snprintf(path, sizeof(path), "%s/%s.%u", directory, what, r);
		FILE *file = fopen(path, "wx");
		made = file != NULL;
		if (made)
			fclose(file);
	}
	snprintf(path, sizeof(path), "%s/%s.%u", directory, what, ranks - 1);
	while (access(path, F_OK) != 0)
		rest(10000000);
}

static uint64_t size_of_task(uint64_t limit, uint32_t i)
{
	uint64_t largest = limit / 3, step = largest / 200;
	return (largest - i % 6 * step) / PAGE * PAGE;
}

/* All tasks, submitted at once and waited for; how many they were and what they asked for. */
static uint32_t feed(weir_pool *pool, uint64_t limit, uint64_t times, uint64_t piece, bool drawn, uint64_t *asked)
{
	struct hunger *hunger = calloc(times * 4, sizeof(*hunger));
	weir_group *group;
	uint32_t tasks = 0;
	if (!hunger || weir_group_create(&group, pool))
		die("memory");
	for (*asked = 0; *asked < times * limit; tasks++) {
		uint64_t bytes = size_of_task(limit, tasks);
		hunger[tasks].bytes = bytes;
		hunger[tasks].piece = piece ? piece * (1 + tasks % 4) : bytes;
		*asked += bytes;
		if (weir_submit(group, eat, &hunger[tasks], WEIR_DEMAND(.memory_bytes = bytes, .memory_drawn = drawn)))
			die("submit");
	}
	if (weir_group_wait(group))
		die("a task");
	for (uint32_t i = 0; i < tasks; i++)
		if (!hunger[i].intact)
			die("a task's memory changed");
	weir_group_destroy(group);
	free(hunger);
	return tasks;
}

int main(int argc, char **argv)
{
	bool drawn = argc > 1 && strcmp(argv[1], "drawn") == 0;
	bool aware = drawn || (argc > 1 && strcmp(argv[1], "aware") == 0);
	if ((argc != 5 && argc != 7) || (!aware && strcmp(argv[1], "plain") != 0)) {
		fputs("usage: hungry plain|aware|drawn WORKERS TIMES PIECE_KIB [RANKS DIRECTORY]\n", stderr);
		return 2;
	}
	uint32_t workers = (uint32_t)strtoul(argv[2], NULL, 10);
	uint64_t times = strtoull(argv[3], NULL, 10), piece = strtoull(argv[4], NULL, 10) << 10;
	unsigned ranks = argc == 7 ? (unsigned)strtoul(argv[5], NULL, 10) : 1;
	weir_pool *pool;
	if (ranks > 1)
		wait_for_ranks(argv[6], "there", ranks);
	uint64_t max = group_number("memory.max"), used = group_number("memory.current"),
		 available = (max - used) / ranks;
	if (weir_pool_create(&pool, WEIR_OPTIONS(.workers = workers, .resource_aware = aware)))
		die("pool");
	weir_usage usage = {0};
	if (aware && weir_tracker_usage(weir_pool_tracker(pool), WEIR_ALL_NODES, &usage))
		die("usage");
	if (ranks > 1)
		wait_for_ranks(argv[6], "made", ranks);

	struct watch w = {.pool = pool};
	pthread_t thread;
	uint64_t began = weir_clock_monotonic_ns(), asked;
	if (aware && pthread_create(&thread, NULL, watch, &w))
		die("thread");
	uint64_t limit = aware ? usage.limit.memory_bytes : available;
	uint32_t tasks = feed(pool, limit, times, piece, drawn, &asked);
	atomic_store(&w.stop, true);
	if (aware)
		pthread_join(thread, NULL);
	printf("available=%" PRIu64 " limit=%" PRIu64 " smallest=%" PRIu64 " tasks=%u asked=%" PRIu64
	       " held_permille=%.0f seconds=%.1f\n",
	       available, usage.limit.memory_bytes, size_of_task(limit, 5), tasks, asked,
	       w.ns > 0 ? 1000 * w.held_ns / w.ns / (double)available : 0.0,
	       (double)(weir_clock_monotonic_ns() - began) / 1e9);
	weir_pool_destroy(pool);
	return 0;
}
