/* SPDX-License-Identifier: MIT */
/*
 * noise.h - is this machine doing something else, too? A loop of fixed length on each core, timed between the rounds.
 */
#ifndef BENCH_NOISE_H
#define BENCH_NOISE_H

#include <stdint.h>

enum { NOISE_CORES = 16 };

/* A round is noisy if a core takes so much longer before or after it than it has at best. */
#define NOISE_LIMIT 0.05

struct noise {
	uint32_t cores; /* looked at: of those that this process may use, up to NOISE_CORES */
	int core[NOISE_CORES];
	double best_ns[NOISE_CORES];
	uint64_t turns; /* of the loop */
	double worst;	/* of all looks */
};

/* Find how fast the loop is at best, by 20 looks. look_ns: how long one takes; 0: 5 ms. */
void noise_create(struct noise *noise, uint64_t look_ns);

/* By which part the slowest core takes longer than at its best; 0: not at all. */
double noise_look(struct noise *noise);

#endif
