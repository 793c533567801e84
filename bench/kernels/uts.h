/* SPDX-License-Identifier: MIT */
/*
 * uts.h - the trees of the Unbalanced Tree Search benchmark (Olivier et al., "UTS: An Unbalanced Tree Search Benchmark",
 * LCPC 2006): a node is twenty bytes of SHA-1, from which alone follows how many children it has and which.
 */
#ifndef KERNELS_UTS_H
#define KERNELS_UTS_H

#include "kernel.h"

#ifdef __cplusplus
extern "C" {
#endif

struct uts_node {
	uint32_t state[5];
	int32_t depth;
};

struct uts {
	/* Geometric: down to this depth a node has b children on average. 0: a binomial tree, whose root has b children, and
	 * each other node `many` with probability q, or none. */
	int32_t depth_max;
	double b;
	int32_t many;
	double q;
	struct uts_node root;
	uint64_t nodes; /* the answer */
};

enum { UTS_CHILDREN_MAX = 100 }; /* of a node; the root of a binomial tree may have more */

uint32_t uts_children(const struct uts *tree, const struct uts_node *node);
struct uts_node uts_child(const struct uts_node *parent, uint32_t number);

/* How many nodes there are from here on, this one too. */
uint64_t uts_serial(const struct uts *tree, const struct uts_node *node);

#ifdef __cplusplus
}
#endif

#endif
