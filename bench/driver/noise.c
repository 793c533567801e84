/* SPDX-License-Identifier: MIT */
/*
 * noise.c - a calibration loop, at once on each core and pinned to it, so that whoever else runs there lengthens it.
 *
 * Together: one thread.
 */
#include "noise.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include <weir/clock.h>

enum { LOOP_US = 5000, LOOKS_FIRST = 20 };

struct looker {
	pthread_t thread;
	int core;
	uint64_t turns;
	double ns;
};

static void turn(uint64_t count)
{
	uint64_t x = count;
	for (uint64_t i = 0; i < count; i++) {
		x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		__asm__ volatile("" : "+r"(x));
	}
}

static double timed(uint64_t turns)
{
	uint64_t begun = weir_clock_monotonic_ns();
	turn(turns);
	return (double)(weir_clock_monotonic_ns() - begun);
}

static void *look(void *argument)
{
	struct looker *looker = argument;
	cpu_set_t only;
	CPU_ZERO(&only);
	CPU_SET((size_t)looker->core, &only);
	(void)pthread_setaffinity_np(pthread_self(), sizeof(only), &only);
	looker->ns = timed(looker->turns);
	return NULL;
}

double noise_look(struct noise *noise)
{
	struct looker lookers[NOISE_CORES];
	double worst = 0;
	for (uint32_t i = 0; i < noise->cores; i++) {
		lookers[i] = (struct looker){.core = noise->core[i], .turns = noise->turns};
		if (pthread_create(&lookers[i].thread, NULL, look, &lookers[i]))
			lookers[i].turns = 0;
	}
	for (uint32_t i = 0; i < noise->cores; i++) {
		if (!lookers[i].turns)
			continue;
		pthread_join(lookers[i].thread, NULL);
		noise->best_ns[i] = fmin(noise->best_ns[i], lookers[i].ns);
		worst = fmax(worst, lookers[i].ns / noise->best_ns[i] - 1);
	}
	noise->worst = fmax(noise->worst, worst);
	return worst;
}

void noise_create(struct noise *noise, uint64_t look_ns)
{
	*noise = (struct noise){0};
	cpu_set_t may;
	if (sched_getaffinity(0, sizeof(may), &may))
		CPU_ZERO(&may);
	for (int core = 0; core < CPU_SETSIZE && noise->cores < NOISE_CORES; core++)
		if (CPU_ISSET((size_t)core, &may)) {
			noise->best_ns[noise->cores] = INFINITY;
			noise->core[noise->cores++] = core;
		}
	const uint64_t probe = 100000;
	double best = INFINITY;
	for (int i = 0; i < 10; i++)
		best = fmin(best, timed(probe));
	noise->turns = (uint64_t)((double)(look_ns ? look_ns : LOOP_US * WEIR_NS_PER_US) * (double)probe / best);
	for (int i = 0; i < LOOKS_FIRST; i++)
		noise_look(noise);
	noise->worst = 0;
}
