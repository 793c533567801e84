/* SPDX-License-Identifier: MIT */
/*
 * floors.c - what a class must leave over on each node.
 *
 * Holds:     the floors, by class and node.
 * Not here:  that a floor is not obeyed on a node where nothing is held (ledger.c); the rules (gate.c).
 */
#include "runtime/floors.h"

#include <stdlib.h>

bool floors_init(struct floors *floors, uint32_t nodes, const uint32_t class_permille[WEIR_CLASSES])
{
	*floors = (struct floors){.nodes = nodes, .word = calloc((size_t)nodes * WEIR_CLASSES, sizeof(*floors->word))};
	for (int c = 0; c < WEIR_CLASSES; c++)
		floors->class_permille[c] = class_permille[c];
	return floors->word != NULL;
}

void floors_fini(struct floors *floors)
{
	free(floors->word);
	floors->word = NULL;
}

/* Of a node's limit; a class's part of the cores is whole cores, rounded down. */
static struct packed node_floor(const struct ledger *ledger, struct packed limit, uint32_t class_permille,
				uint32_t unused_permille)
{
	struct packed floor = {0};
	for (int r = 0; r < WEIR_RESOURCES; r++) {
		weir_resource resource = (weir_resource)r;
		uint64_t all = packed_get(limit, resource);
		uint64_t units = all * class_permille / 1000;
		if (resource == WEIR_CPU)
			units -= units % ledger->limits.units.per_core;
		units += all * unused_permille / 1000;
		*(word_kind(resource) == WORD_MAIN ? &floor.main : &floor.counted) |= word_put(resource, units);
	}
	return floor;
}

void floors_set(struct floors *floors, const struct ledger *ledger, bool watermark, uint32_t factor_permille)
{
	for (uint32_t c = 0; c < WEIR_CLASSES; c++)
		for (uint32_t n = 0; n < floors->nodes; n++) {
			struct packed floor = node_floor(ledger, ledger_own_limit(ledger, n),
							 watermark ? floors->class_permille[c] : 0,
							 factor_permille < 1000 ? 1000 - factor_permille : 0);
			struct floor_words *word = &floors->word[(size_t)c * floors->nodes + n];
			at_store(&word->main, floor.main, relaxed, none);
			at_store(&word->counted, floor.counted, relaxed, none);
		}
}
