/* SPDX-License-Identifier: MIT */
/* limits_say.h - resolved limits in words, with what bounds each of them. */
#ifndef WEIR_RUNTIME_LIMITS_SAY_H
#define WEIR_RUNTIME_LIMITS_SAY_H

#include "runtime/limits.h"

/* Write it to the log, if it is on. given: what they were resolved from; may be NULL. */
void limits_say(const struct limits *limits, const weir_machine *machine, const weir_limits *given);

#endif
