/* SPDX-License-Identifier: MIT */
/*
 * uts.c - unbalanced tree search: the published trees T1 and T3, and smaller ones of their kinds for quick runs.
 *
 * The published counts are the references of T1 and T3; a smaller tree's is a serial walk.
 *
 * A node's number hashes in one block, so the compression function is called by itself, on a block that is padded here as
 * SHA-1 says.
 */
#include <math.h>
#include <string.h>

#include <nettle/sha1.h>

#include "uts.h"

enum { SHA1_BLOCK = 64 };

static const uint32_t sha1_start[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};

static struct uts tree;
static uint64_t expected;

static void put(uint8_t *at, uint32_t word)
{
	word = __builtin_bswap32(word);
	memcpy(at, &word, sizeof(word));
}

/* The hash of `count` words, most significant byte first. */
static void hash(uint32_t state[5], const uint32_t *words, uint32_t count)
{
	uint8_t block[SHA1_BLOCK] = {0};
	for (uint32_t i = 0; i < count; i++)
		put(block + i * 4, words[i]);
	block[count * 4] = 0x80;
	put(block + SHA1_BLOCK - 4, count * 32);
	memcpy(state, sha1_start, sizeof(sha1_start));
	nettle_sha1_compress(state, block);
}

static struct uts_node root(uint32_t seed)
{
	const uint32_t words[5] = {0, 0, 0, 0, seed};
	struct uts_node node = {.depth = 0};
	hash(node.state, words, 5);
	return node;
}

struct uts_node uts_child(const struct uts_node *parent, uint32_t number)
{
	uint32_t words[6];
	struct uts_node node = {.depth = parent->depth + 1};
	memcpy(words, parent->state, sizeof(parent->state));
	words[5] = number;
	hash(node.state, words, 6);
	return node;
}

uint32_t uts_children(const struct uts *t, const struct uts_node *node)
{
	double u = (double)(node->state[4] & INT32_MAX) / 2147483648.0;
	if (t->depth_max == 0)
		return node->depth == 0 ? (uint32_t)t->b : u < t->q ? (uint32_t)t->many : 0;
	if (node->depth >= t->depth_max)
		return 0;
	double p = 1 / (1 + t->b);
	double children = floor(log(1 - u) / log(1 - p));
	return children < UTS_CHILDREN_MAX ? (uint32_t)children : UTS_CHILDREN_MAX;
}

uint64_t uts_serial(const struct uts *t, const struct uts_node *node)
{
	uint64_t nodes = 1;
	uint32_t children = uts_children(t, node);
	for (uint32_t i = 0; i < children; i++) {
		struct uts_node child = uts_child(node, i);
		nodes += uts_serial(t, &child);
	}
	return nodes;
}

static int prepare_t1(bool quick)
{
	tree = (struct uts){.depth_max = quick ? 7 : 10, .b = 4, .root = root(19)};
	expected = quick ? uts_serial(&tree, &tree.root) : 4130071;
	return 0;
}

static int prepare_t3(bool quick)
{
	tree = (struct uts){.b = quick ? 200 : 2000, .many = 8, .q = 0.124875, .root = root(42)};
	expected = quick ? uts_serial(&tree, &tree.root) : 4112897;
	return 0;
}

static void reset(void)
{
	tree.nodes = 0;
}

static bool has(void)
{
	return form.uts;
}

static int run(void)
{
	return form.uts(&tree);
}

static int check(void)
{
	return tree.nodes != expected;
}

static double nodes(void)
{
	return (double)expected;
}

const struct kernel kernel_uts_t1 = {
	.name = "uts_t1",
	.unit = "ns/node",
	.threads = "1,2",
	.has = has,
	.prepare = prepare_t1,
	.reset = reset,
	.run = run,
	.check = check,
	.units = nodes,
};

const struct kernel kernel_uts_t3 = {
	.name = "uts_t3",
	.unit = "ns/node",
	.threads = "1,2",
	.has = has,
	.prepare = prepare_t3,
	.reset = reset,
	.run = run,
	.check = check,
	.units = nodes,
};
