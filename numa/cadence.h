/* SPDX-License-Identifier: MIT */
/*
 * cadence.h - how often something may be done whose cost is only known from having done it. Pure: counts and costs in,
 * decisions out; no clock is read here.
 *
 * A thing has a share of CPU time per round. What costs less is done at each round, what costs more only every n-th, so
 * that it takes its share on average.
 */
#ifndef NUMA_CADENCE_H
#define NUMA_CADENCE_H

#include <stdint.h>

struct cadence {
	uint64_t share_ns; /* per round, at least 1 */
	uint64_t cost_ns;  /* of one piece, smoothed; 0: not known */
	uint32_t rest;	   /* rounds to sit out */
};

/* A round begins: how many of `pieces` equal pieces may be done, 0: none at this round. At least one if any. */
static inline uint32_t cadence_turn(struct cadence *c, uint32_t pieces)
{
	if (c->rest) {
		c->rest--;
		return 0;
	}
	if (c->cost_ns == 0 || c->cost_ns * pieces <= c->share_ns)
		return pieces;
	uint64_t fit = c->share_ns / c->cost_ns;
	return fit == 0 ? 1 : (uint32_t)fit;
}

/* So many pieces, at least 1, were done, and took so long in all. A single cost that is far out of line (a page fault, a
 * cold cache) counts as four times the usual one. */
static inline void cadence_paid(struct cadence *c, uint32_t pieces, uint64_t cost_ns)
{
	uint64_t one = cost_ns / pieces + 1;
	if (c->cost_ns == 0)
		c->cost_ns = one;
	else if (one > 4 * c->cost_ns)
		one = 4 * c->cost_ns;
	c->cost_ns += one / 4 - c->cost_ns / 4;
	/* One that alone is dearer than its share is paid off by rest. */
	uint64_t rest = c->cost_ns > c->share_ns ? (c->cost_ns - 1) / c->share_ns : 0;
	c->rest = rest < UINT32_MAX ? (uint32_t)rest : UINT32_MAX;
}

#endif
