/* SPDX-License-Identifier: MIT */
/*
 * law.c - the adaptive rule's law: from how long granted tasks wait for a worker to how much of the limits is used.
 *
 * Holds:     the factor, and the shortest delay of the interval.
 * Invariant: Z5  LAW_FACTOR_MIN <= factor <= LAW_FACTOR_MAX.
 * Progress:  lock-free.
 * Not here:  what the factor does to the ledger (floors.c).
 */
#include "runtime/law.h"

void law_init(struct law *law, uint64_t target_ns, uint64_t interval_ns, uint64_t now_ns)
{
	*law = (struct law){.target_ns = target_ns, .interval_ns = interval_ns};
	law_reset(law, now_ns);
}

void law_reset(struct law *law, uint64_t now_ns)
{
	law->next_ns = now_ns + law->interval_ns;
	at_store(&law->shortest_ns, UINT64_MAX, relaxed, none);
	at_store(&law->standing_ns, 0, relaxed, none);
	at_store(&law->factor, LAW_FACTOR_MAX, relaxed, none);
}

void law_note(struct law *law, uint64_t delay_ns)
{
	uint64_t shortest = at_load(&law->shortest_ns, relaxed, none);
	while (delay_ns < shortest && !at_cas_weak(&law->shortest_ns, &shortest, delay_ns, relaxed, relaxed, none))
		;
}

bool law_tick(struct law *law, uint64_t now_ns)
{
	if (now_ns < law->next_ns)
		return false;
	law->next_ns = now_ns + law->interval_ns;
	uint64_t standing = at_swap(&law->shortest_ns, UINT64_MAX, relaxed, none);
	if (standing == UINT64_MAX)
		return false;
	at_store(&law->standing_ns, standing, relaxed, none);
	uint32_t factor = at_load(&law->factor, relaxed, none);
	uint32_t next = standing > law->target_ns ? factor * LAW_FALL_PERMILLE / 1000 : factor + LAW_RISE;
	next = next < LAW_FACTOR_MIN ? LAW_FACTOR_MIN : next > LAW_FACTOR_MAX ? LAW_FACTOR_MAX : next;
	at_store(&law->factor, next, relaxed, none);
	return next != factor;
}
