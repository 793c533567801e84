/* SPDX-License-Identifier: MIT */
/*
 * tree.h - the unbalanced tree that the workload `uts` counts: geometric like UTS' T1, its generator a cheap hash.
 *
 * A node is 64 bits of state. Down to TREE_DEPTH it has a geometrically distributed number of children, four on average
 * (at most TREE_CHILDREN: the tail is cut), given by eight of its bits; deeper it has none. Every peer counts the same
 * tree, so every peer must find TREE_NODES. bench/peers/go/main.go repeats this in Go.
 */
#ifndef BENCH_TREE_H
#define BENCH_TREE_H

#include <stdint.h>

enum { TREE_DEPTH = 10, TREE_CHILDREN = 24 };

#define TREE_SEED 16
#define TREE_NODES UINT64_C(2146237)

/* children[b]: how many a node has whose eight bits are b. */
struct tree {
	uint8_t children[256];
};

/* Of the 256 values, 4/5 have a first child, 4/5 of these a second, and so on. In integers, the same in every language. */
static inline void tree_make(struct tree *tree)
{
	uint32_t left = 256 << 16;
	for (unsigned b = 0; b < 256; b++)
		tree->children[b] = 0;
	for (unsigned k = 1; k <= TREE_CHILDREN; k++) {
		left = left / 5 * 4;
		for (unsigned b = 0; b < (left + (1 << 15)) >> 16; b++)
			tree->children[b] = (uint8_t)k;
	}
}

static inline uint64_t tree_child(uint64_t state, unsigned i)
{
	uint64_t z = state + (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline uint64_t tree_root(void)
{
	return tree_child(TREE_SEED, 0);
}

static inline unsigned tree_children(const struct tree *tree, uint64_t state, unsigned depth)
{
	return depth < TREE_DEPTH ? tree->children[state >> 56] : 0;
}

#endif
