/* SPDX-License-Identifier: MIT */
/*
 * peer_step.c - the body of the loops over a range, compiled once for all programs: whichever compiler a runtime needs, the
 * piece itself takes the same time.
 */
#include "peer.h"

void peer_steps(uint32_t *array, int64_t begin, int64_t end)
{
	for (int64_t i = begin; i < end; i++)
		peer_step(array, i);
}
