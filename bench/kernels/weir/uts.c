/* SPDX-License-Identifier: MIT */
/*
 * uts.c - fork-join: a child for each node of a tree that nobody can tell the shape of.
 */
#include "../uts.h"
#include "form.h"

WEIR_FORK_2(uint64_t, count, const struct uts *, tree, struct uts_node, node)
{
	uint64_t nodes = 1;
	uint32_t children = uts_children(tree, &node);
	for (uint32_t i = 0; i < children; i++)
		WEIR_SPAWN(count, tree, uts_child(&node, i));
	while (children-- > 0)
		nodes += WEIR_JOIN(count);
	return nodes;
}

int weir_uts(struct uts *tree)
{
	return answered(WEIR_RUN(crew, count, &tree->nodes, tree, tree->root));
}
