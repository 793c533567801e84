/* SPDX-License-Identifier: MIT */
/*
 * waits.h - who cannot end before whom: edges between groups, for waits from inside tasks and for chains.
 */
#ifndef WEIR_RUNTIME_WAITS_H
#define WEIR_RUNTIME_WAITS_H

#include "runtime/pool.h"

/* `from` cannot be done before `to` is. A wait's edge is on the stack of who waits, a chain's in its successor. */
struct wait_edge {
	struct wait_edge *next; /* of those from the same group */
	struct wait_edge **link;
	struct wait_edge *below; /* the wait that this one was called in, on the same stack; NULL: none */
	struct wait_edge *todo;
	weir_group *from;
	weir_group *to;
	uint32_t epoch;	 /* of `to`: the edge means nothing once that has passed */
	bool grant;	 /* who waits holds a grant */
	bool holding;	 /* that, or somebody who holds one waits for `from` */
	bool registered;
};

/* Make an edge known, and those below it on its stack.
 * Errors:  WEIR_EDEADLK: it would close a ring; or who holds a grant would wait for who waits for one. */
weir_status waits_register(weir_pool *pool, struct wait_edge *edge);
/* Nothing happens to one that is not registered. */
void waits_forget(weir_pool *pool, struct wait_edge *edge);

#endif
