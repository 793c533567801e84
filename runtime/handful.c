/* SPDX-License-Identifier: MIT */
/* handful.c - filling and stealing. The protocol is argued in hand.h. */
#include "runtime/handful.h"

#include <string.h>

#include "private/check.h"
#include "private/membarrier.h"

void handful_init(struct handful *hand, bool fenced)
{
	memset(hand, 0, sizeof(*hand));
	hand->fenced = fenced;
}

void handful_close(struct handful *hand, uint32_t entries)
{
	uint64_t end = at_load(&hand->end, relaxed, none) & ~(uint64_t)HANDFUL_AT_IT;
	if (entries) {
		hand->is_run = hand->call[0].run != 0;
		uint32_t calls = hand->is_run ? call_count(hand->call[0].run) : entries;
		CHECK("D3", hand->is_run ? entries == 1 : entries <= HANDFUL_MAX);
		hand->first = hand->top;
		hand->top += (uint64_t)calls * HANDFUL_ONE;
		at_store(&hand->next, hand->first, relaxed, none);
		end = hand->top;
	}
	/* ORDER(handful): release, pairs with the exchange in handful_steal(): next and the calls. ORDER(announce): seq_cst, P of the
	 * argument in park.h. */
	at_store(&hand->end, end, seq_cst, announce);
}

/* Those from one place to the end of a victim's hand. */
static uint32_t copy(const struct handful *victim, struct handful *mine, uint64_t from, uint64_t end)
{
	uint32_t count = (uint32_t)((end - from) / HANDFUL_ONE);
	uint64_t i = (from - victim->first) / HANDFUL_ONE;
	if (!count)
		return 0;
	if (!victim->is_run) {
		memcpy(mine->call, &victim->call[i], count * sizeof(mine->call[0]));
		return count;
	}
	mine->call[0] = victim->call[0];
	mine->call[0].argument = call_argument(&victim->call[0], i);
	mine->call[0].run = call_run(count, victim->call[0].run & CALL_STRIDE_MAX);
	return 1;
}

uint32_t handful_steal(struct handful *victim, struct handful *mine)
{
	uint64_t end = at_load(&victim->end, relaxed, none);
	uint64_t next = at_load(&victim->next, relaxed, none);
	if ((end & HANDFUL_AT_IT) || next >= end)
		return 0;
	uint64_t count = (end - next) / HANDFUL_ONE;
	uint64_t middle = end - (count + 1) / 2 * HANDFUL_ONE;
	/* ORDER(handful): acquire, pairs with handful_close() and with the last thief's release: what the hand holds. seq_cst, with
	 * handful_take(). Failure: somebody else was quicker. */
	if (!at_cas(&victim->end, &end, middle | HANDFUL_AT_IT, seq_cst, relaxed, handful))
		return 0;
	if (likely(!victim->fenced))
		membarrier_all();
	/* ORDER(handful): seq_cst, with handful_take(). */
	next = at_load(&victim->next, seq_cst, handful);
	uint64_t from = next > middle ? next : middle;
	if (from > end)
		from = end;
	uint32_t entries = copy(victim, mine, from, end);
	/* ORDER(handful): release, pairs with handful_open(): we have read. */
	at_store(&victim->end, from, release, handful);
	return entries;
}
