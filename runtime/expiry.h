/* SPDX-License-Identifier: MIT */
/*
 * expiry.h - who waits for a time only, by when it is over: a binary heap whose links lie in the waiters, so that it needs no
 * memory of its own and cannot fail.
 *
 * Belongs to the holder of admission's token.
 */
#ifndef WEIR_RUNTIME_EXPIRY_H
#define WEIR_RUNTIME_EXPIRY_H

#include "runtime/room.h"

/* A time that never comes. */
#define EXPIRY_NEVER UINT64_MAX

struct expiry {
	struct waiter *first; /* whose time is over first */
	uint32_t count;
};

/* A waiter with expires_ns, which stays as it is while the waiter is in here. */
void expiry_add(struct expiry *expiry, struct waiter *waiter);

/* A waiter that is in here. */
void expiry_remove(struct expiry *expiry, struct waiter *waiter);

/* When somebody's time is over next. */
static inline uint64_t expiry_next_ns(const struct expiry *expiry)
{
	return expiry->first ? expiry->first->expires_ns : EXPIRY_NEVER;
}

#endif
