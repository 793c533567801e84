/* SPDX-License-Identifier: MIT */
/* invented.h - for tests: a machine without a topology behind it, whose nodes may lack cores or memory. */
#ifndef TESTS_INVENTED_H
#define TESTS_INVENTED_H

#include <string.h>

#include "numa/topology.h"

enum { INVENTED_NODES = 4 };

struct invented {
	struct weir_machine machine;
	struct machine_node node[INVENTED_NODES];
	uint32_t distance[INVENTED_NODES * INVENTED_NODES];
	uint32_t order[INVENTED_NODES * INVENTED_NODES];
	uint32_t cores_near[INVENTED_NODES];
	uint32_t memory_near[INVENTED_NODES];
};

/* The nearest by number, itself first, that has what is asked for. */
static inline void invented_near(struct invented *out)
{
	uint32_t nodes = out->machine.nodes;
	for (uint32_t n = 0; n < nodes; n++) {
		out->cores_near[n] = out->memory_near[n] = UINT32_MAX;
		for (uint32_t i = 0; i < nodes; i++) {
			uint32_t other = (n + i) % nodes;
			out->order[n * nodes + i] = other;
			out->distance[n * nodes + other] = i ? 20 : 10;
			if (out->node[other].cores && out->cores_near[n] == UINT32_MAX)
				out->cores_near[n] = other;
			if (out->node[other].memory_bytes && out->memory_near[n] == UINT32_MAX)
				out->memory_near[n] = other;
		}
	}
}

/* Equal nodes. */
static inline struct weir_machine *invent(struct invented *out, uint32_t nodes, uint32_t cores, uint64_t memory_bytes)
{
	memset(out, 0, sizeof(*out));
	for (uint32_t n = 0; n < nodes; n++) {
		out->node[n].cores = cores;
		out->node[n].memory_bytes = memory_bytes;
		out->node[n].memory_default_bytes = memory_bytes;
	}
	out->machine.nodes = nodes;
	out->machine.cores = nodes * cores;
	out->machine.cores_quota = nodes * cores;
	out->machine.facts.ranks = 1;
	out->machine.node = out->node;
	out->machine.distance = out->distance;
	out->machine.order = out->order;
	out->machine.cores_near = out->cores_near;
	out->machine.memory_near = out->memory_near;
	invented_near(out);
	return &out->machine;
}

#endif
