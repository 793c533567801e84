/* SPDX-License-Identifier: MIT */
/*
 * program.c - the program around the kernels of one runtime.
 *
 * Usage: PROGRAM list                           a line "WORKLOAD THREADS[,THREADS...]" for each that it has
 *        PROGRAM run WORKLOAD THREADS [quick]   one measurement as one JSON object a line
 *
 * A measurement is the median over as many runs as its time allows, after one that warms up. Every run's answer is
 * compared with the reference; a wrong one ends the program with 1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernel.h"

enum { RUNS_MAX = 1000, THREADS_MAX = 1024, PAGE = 4096, APART = 9 * 64 };

static const struct kernel *const kernels[] = {&kernel_matmul,	&kernel_cholesky, &kernel_spmv,
					       &kernel_stencil, &kernel_nqueens,  &kernel_uts_t1,
					       &kernel_uts_t3,	&kernel_sort,	  &kernel_pipeline};
enum { KERNELS = sizeof(kernels) / sizeof(kernels[0]) };

/* Allocators place large blocks each in its own way, and programs have different ones. So blocks begin where we say: each so many
 * lines further in its page than the one before, lest all that is read and written side by side meets in the same sets. */
void *lasting(uint64_t count, uint64_t bytes)
{
	static size_t blocks;
	size_t room = (count * bytes + 2 * PAGE - 1) / PAGE * PAGE, shift = blocks++ * APART % PAGE;
	char *memory = aligned_alloc(PAGE, room);
	if (!memory) {
		fprintf(stderr, "kernels: no memory for %llu x %llu bytes\n", (unsigned long long)count,
			(unsigned long long)bytes);
		exit(1);
	}
	return memset(memory + shift, 0, count * bytes);
}

static double now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* The time of one run; negative: it failed, or came to a wrong answer. */
static double run_once(const struct kernel *kernel)
{
	kernel->reset();
	double begun = now_ns();
	int failed = kernel->run();
	double took = now_ns() - begun;
	if (failed)
		return -1;
	if (kernel->check()) {
		fprintf(stderr, "kernels: %s of %s came to a wrong answer\n", kernel->name, form.peer);
		return -1;
	}
	return took;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void print_row(const char *workload, unsigned threads, double value, const char *unit)
{
	printf("{\"workload\":\"%s\",\"peer\":\"%s\",\"threads\":%u,\"value\":%.4g,\"unit\":\"%s\"}\n", workload,
	       form.peer, threads, value, unit);
}

static int measure(const struct kernel *kernel, unsigned threads, bool quick)
{
	static double took[RUNS_MAX];
	double budget_ns = quick ? 0.05e9 : 0.25e9, spent = 0;
	int runs = 0;
	if (kernel->prepare(quick) || form.open(threads, kernel->budget_bytes ? kernel->budget_bytes() : 0))
		return 1;
	if (run_once(kernel) < 0)
		return 1;
	while (runs < RUNS_MAX && spent < budget_ns) {
		double one = run_once(kernel);
		if (one < 0)
			return 1;
		took[runs++] = one;
		spent += one;
	}
	form.close();
	qsort(took, (size_t)runs, sizeof(took[0]), ascending);
	print_row(kernel->name, threads, took[runs / 2] / kernel->units(), kernel->unit);
	if (kernel->also)
		print_row(kernel->name, threads, kernel->also(), kernel->also_unit);
	return 0;
}

static int list(void)
{
	for (int i = 0; i < KERNELS; i++)
		if (kernels[i]->has())
			printf("%s %s\n", kernels[i]->name, form.threads ? form.threads : kernels[i]->threads);
	return 0;
}

static int usage(void)
{
	fputs("usage: PROGRAM list\n       PROGRAM run WORKLOAD THREADS [quick]\n", stderr);
	return 1;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "list") == 0)
		return list();
	bool quick = argc == 5 && strcmp(argv[4], "quick") == 0;
	if (argc != (quick ? 5 : 4) || strcmp(argv[1], "run") != 0)
		return usage();
	char *end;
	unsigned long threads = strtoul(argv[3], &end, 10);
	if (*end || threads == 0 || threads > THREADS_MAX) {
		fprintf(stderr, "kernels: threads \"%s\": a number from 1 to %d is needed\n", argv[3], THREADS_MAX);
		return 1;
	}
	for (int i = 0; i < KERNELS; i++)
		if (strcmp(kernels[i]->name, argv[2]) == 0 && kernels[i]->has())
			return measure(kernels[i], (unsigned)threads, quick);
	fprintf(stderr, "kernels: no workload \"%s\"; \"list\" shows those there are\n", argv[2]);
	return 1;
}
