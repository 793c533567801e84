/* SPDX-License-Identifier: MIT */
/*
 * stall.c - what is said when the room has been full for long: one line in the log that names what is short, and who has it.
 *
 * Holds:     since when somebody waits.
 * Invariant: U3  one line for each time that demands have waited at every look for a second, however long it goes on.
 * Not here:  what is short and who holds it (why.c).
 *
 * A pool that is saturated and flows says it too, once: whoever reads it learns which resource is the bottleneck.
 */
#include "runtime/stall.h"

#include "private/log.h"
#include "runtime/why.h"

enum { STALL_TEXT_BYTES = 640 };

static void say(struct weir_admission *admission, uint64_t since_ns, uint64_t now_ns)
{
	weir_why why;
	char text[STALL_TEXT_BYTES];
	if (!why_first(admission, &why))
		return;
	(void)weir_why_text(&why, text, sizeof(text));
	LOG(WEIR_LOG_WARN, "admission: the room has been full for %.1f s and %llu demands wait; the first of them %s",
	    (double)(now_ns - since_ns) / (double)WEIR_NS_PER_S,
	    (unsigned long long)at_load(&admission->waiting, relaxed, none), text);
}

void stall_look(struct weir_admission *admission, uint64_t now_ns)
{
	struct stall *stall = &admission->stall;
	if (!at_load(&admission->waiting, relaxed, none)) {
		*stall = (struct stall){0};
		return;
	}
	if (!stall->since_ns)
		stall->since_ns = now_ns;
	if (stall->said || now_ns - stall->since_ns < STALL_NS)
		return;
	stall->said = true;
	tally_add(&admission->tally, COUNT_STALLS, 1);
	if (at_load(&log_level, relaxed, none) >= WEIR_LOG_WARN)
		say(admission, stall->since_ns, now_ns);
}
