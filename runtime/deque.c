/* SPDX-License-Identifier: MIT */
/* deque.c - creating and ending a deque. The protocol is in deque.h, as the hot path inlines it. */
#include "runtime/deque.h"

#include <stdlib.h>

#include "private/error.h"

weir_status deque_init(struct deque *d, uint32_t capacity)
{
	if (capacity == 0 || capacity > UINT32_C(1) << 30)
		return error_set(WEIR_EINVAL, "deque capacity is %u: give 1 to 2^30", capacity);
	d->capacity = 1;
	while (d->capacity < (int64_t)capacity)
		d->capacity *= 2;
	size_t bytes = (size_t)d->capacity * sizeof(*d->slot);
	d->slot = aligned_alloc(CACHE_LINE, bytes < CACHE_LINE ? CACHE_LINE : bytes);
	if (!d->slot)
		return error_set(WEIR_ENOMEM, "no memory for a deque of %u", capacity);
	for (int64_t i = 0; i < d->capacity; i++)
		at_init(&d->slot[i], NULL);
	at_init(&d->top, 0);
	at_init(&d->bottom, 0);
	return WEIR_OK;
}

void deque_fini(struct deque *d)
{
	free(d->slot);
	d->slot = NULL;
	d->capacity = 0;
}
