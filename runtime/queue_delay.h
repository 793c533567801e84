/* SPDX-License-Identifier: MIT */
/*
 * queue_delay.h - how long tasks wait for room at present, from one period to the next. Pure.
 *
 * The mean of those that got room in the period; where nobody did and somebody waits, as long as before and a period more;
 * where nobody waits, none.
 */
#ifndef WEIR_RUNTIME_QUEUE_DELAY_H
#define WEIR_RUNTIME_QUEUE_DELAY_H

#include <stdint.h>

struct queue_delay {
	uint64_t granted, waited_ns; /* at the end of the last period */
	uint64_t delay_ns;
};

/* A period ends. granted, waited_ns: of all that waited, since ever. */
static inline uint64_t queue_delay_next(struct queue_delay *d, uint64_t granted, uint64_t waited_ns, uint64_t waiting,
					uint64_t period_ns)
{
	if (granted > d->granted)
		d->delay_ns = (waited_ns - d->waited_ns) / (granted - d->granted);
	else if (waiting)
		d->delay_ns += period_ns;
	else
		d->delay_ns = 0;
	d->granted = granted;
	d->waited_ns = waited_ns;
	return d->delay_ns;
}

#endif
