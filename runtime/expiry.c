/* SPDX-License-Identifier: MIT */
/*
 * expiry.c - who waits for a time only, by when it is over.
 *
 * Holds:     links in waiters; takes nothing and decides nothing.
 * Invariant: X1  no waiter's time is over before that of the one above it; the heap is filled row by row, so that it has
 *                log2(count) rows.
 * Progress:  add and remove take one step a row, whatever happened before. No memory is asked for.
 * Together:  nothing: the holder of admission's token is alone here.
 * Not here:  what becomes of who is too late (kick.c), who keeps time (tick.c).
 *
 * Place k (1 is the top) has 2k and 2k + 1 below it, so the bits of k after its first say the way from the top: 0 left,
 * 1 right.
 */
#include "runtime/expiry.h"

static struct waiter *at_place(const struct expiry *expiry, uint32_t place)
{
	struct waiter *waiter = expiry->first;
	for (int bit = 30 - __builtin_clz(place); bit >= 0; bit--)
		waiter = place >> bit & 1 ? waiter->expiry.right : waiter->expiry.left;
	return waiter;
}

/* The link that leads to whoever is, or was, where `waiter` is. */
static struct waiter **link_to(struct expiry *expiry, const struct waiter *waiter, struct waiter *above)
{
	if (!above)
		return &expiry->first;
	return above->expiry.left == waiter ? &above->expiry.left : &above->expiry.right;
}

/* `waiter` stands where `other` stood. */
static void take_place(struct expiry *expiry, struct waiter *waiter, const struct waiter *other)
{
	waiter->expiry = other->expiry;
	*link_to(expiry, other, waiter->expiry.up) = waiter;
	if (waiter->expiry.left)
		waiter->expiry.left->expiry.up = waiter;
	if (waiter->expiry.right)
		waiter->expiry.right->expiry.up = waiter;
}

/* Change places with the one above. */
static void rise(struct expiry *expiry, struct waiter *waiter)
{
	struct waiter *above = waiter->expiry.up;
	const struct expiry_link below = waiter->expiry;
	bool left = above->expiry.left == waiter;
	*(left ? &above->expiry.left : &above->expiry.right) = NULL; /* or it would be above itself */
	take_place(expiry, waiter, above);
	*(left ? &waiter->expiry.left : &waiter->expiry.right) = above;
	above->expiry = (struct expiry_link){.up = waiter, .left = below.left, .right = below.right};
	if (below.left)
		below.left->expiry.up = above;
	if (below.right)
		below.right->expiry.up = above;
}

static bool is_earlier(const struct waiter *a, const struct waiter *b)
{
	return a->expires_ns < b->expires_ns;
}

/* To where X1 holds again. */
static void settle(struct expiry *expiry, struct waiter *waiter)
{
	while (waiter->expiry.up && is_earlier(waiter, waiter->expiry.up))
		rise(expiry, waiter);
	for (struct waiter *least; (least = waiter->expiry.left) != NULL;) {
		struct waiter *right = waiter->expiry.right;
		if (right && is_earlier(right, least))
			least = right;
		if (!is_earlier(least, waiter))
			return;
		rise(expiry, least);
	}
}

void expiry_add(struct expiry *expiry, struct waiter *waiter)
{
	uint32_t place = ++expiry->count;
	struct waiter *above = place > 1 ? at_place(expiry, place / 2) : NULL;
	waiter->expiry = (struct expiry_link){.up = above};
	if (!above)
		expiry->first = waiter;
	else
		*(place & 1 ? &above->expiry.right : &above->expiry.left) = waiter;
	settle(expiry, waiter);
}

void expiry_remove(struct expiry *expiry, struct waiter *waiter)
{
	struct waiter *last = at_place(expiry, expiry->count--);
	*link_to(expiry, last, last->expiry.up) = NULL;
	if (last != waiter) {
		take_place(expiry, last, waiter);
		settle(expiry, last);
	}
	waiter->expiry = (struct expiry_link){0};
}
