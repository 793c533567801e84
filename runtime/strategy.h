/* SPDX-License-Identifier: MIT */
/*
 * strategy.h - nodes in the order in which a demand should try them.
 */
#ifndef WEIR_RUNTIME_STRATEGY_H
#define WEIR_RUNTIME_STRATEGY_H

#include <weir/strategy.h>

#include "runtime/elastic.h"
#include "runtime/ledger.h"

#define NO_NODE UINT32_MAX

/* What ranking needs to know of a demand. */
struct wish {
	const weir_demand *demand;
	struct packed units; /* of an elastic demand the least */
	uint32_t home;	     /* NO_NODE: none */
	bool home_only;
	struct elastic elastic;
};

/* Strategies are counted by kind: the built-in ones each for itself, the application's own together. */
enum strategy_kind { STRATEGY_FIRST, STRATEGY_BEST, STRATEGY_WORST, STRATEGY_CUSTOM, STRATEGY_KINDS };
enum strategy_kind strategy_kind(const weir_strategy *strategy);

/* Could it ever fit on a node that it permits? *why gathers what is more than the limits. */
bool wish_is_feasible(const struct ledger *ledger, const struct wish *wish, struct shortage *why);

/* One thing of which a wish that is not feasible has too much; asked is 0 if there is none: no node has all that it needs. */
struct excess {
	weir_resource resource;
	bool total;	     /* more than all nodes may give, rather than any permitted one */
	double asked, limit; /* as in weir_amount */
};
struct excess wish_excess(const struct ledger *ledger, const struct wish *wish, const struct shortage *why);

/* One node in the order. */
struct rank {
	uint32_t node;
	uint32_t distance;
	int64_t score;
	bool fits;  /* by the look that the score was made from */
	bool rough; /* of the first: those behind it are in no order yet */
};

/* From a wish's home to a node; the local distance where there is no home. */
uint32_t strategy_distance(const struct ledger *ledger, uint32_t home, uint32_t node);

/* The nodes that a wish permits, the best first, into rank[] (room for every node). Returns their number. Nodes that look
 * full come after those that do not. First fit orders by distance alone and looks at nothing.
 * Who goes on to the second calls strategy_rank_rest(): most never do, and finding the best alone is linear. */
uint32_t strategy_rank(const weir_strategy *strategy, const struct ledger *ledger, const struct wish *wish,
		       struct rank *rank);

/* All but the first into their order, if they are not yet. */
void strategy_rank_rest(struct rank *rank, uint32_t count);

/* The same, with score and fits filled in for every strategy: for dry runs. */
uint32_t strategy_rank_all(const weir_strategy *strategy, const struct ledger *ledger, const struct wish *wish,
			   struct rank *rank);

#endif
