/* SPDX-License-Identifier: MIT */
/* limits_say.h - resolved limits in words, with what bounds each of them. */
#ifndef WEIR_RUNTIME_LIMITS_SAY_H
#define WEIR_RUNTIME_LIMITS_SAY_H

#include "runtime/limits.h"

/* Write it to the log, if it is on. given: what they were resolved from; may be NULL. */
void limits_say(const struct limits *limits, const weir_machine *machine, const weir_limits *given);

/* So much of a resource with its unit, "2.5 cores", "4194304 bytes"; written into text, and returned. */
enum { AMOUNT_TEXT_BYTES = 48 };
const char *limits_amount_text(weir_resource resource, double amount, char text[AMOUNT_TEXT_BYTES]);

#endif
