/* SPDX-License-Identifier: MIT */
/*
 * host.h - `weir host`: a reading of the monitor's as text and as JSON.
 */
#ifndef WEIR_TOOL_HOST_H
#define WEIR_TOOL_HOST_H

#include <stdio.h>

#include <weir/weir.h>

/* What is printed: the reading, of which machine, and what its taking cost: the monitor's thread's part of one core. */
struct host_view {
	const weir_machine *machine;
	const weir_reading *reading;
	double cost_share;
};

/* The names of the parts of a reading, and of what can be known; NULL for a bit that is none. */
const char *host_part_name(weir_monitor_part part);
const char *host_known_name(uint32_t bit);

void host_print_text(FILE *out, const struct host_view *view);

/* On one line. Returns 0, or -1: no memory. */
int host_print_json(FILE *out, const struct host_view *view);

#endif
