/* SPDX-License-Identifier: MIT */
/*
 * levels.h - levels of degradation: from what the host does to what each class may do.
 *
 * Pure: no clock, no monitor, no ledger; who ticks brings time and readings, one at a time. Anybody may look meanwhile.
 */
#ifndef WEIR_RUNTIME_LEVELS_H
#define WEIR_RUNTIME_LEVELS_H

#include <weir/policy.h>

#include "private/atomics.h"

/* What pressure is made of. What is not known is zero. */
struct levels_input {
	uint64_t used_bytes;	/* since the beginning */
	uint64_t limit_bytes;	/* what may be used */
	uint64_t granted_bytes; /* of that, what live grants cover */
	double stall_percent;	/* of the last 10 s, in which all tasks stalled on memory */
	uint64_t delay_ns;	/* standing delay between grant and start; 0 but under WEIR_ADMIT_ADAPTIVE */
};

struct levels {
	weir_level_options options; /* resolved */
	/* Who ticks. */
	bool begun;	     /* there was a reading: */
	uint64_t base_bytes; /* in use then, which does not count */
	uint64_t last_used_bytes;
	double last_stall_percent;
	bool below; /* the pressure is below the level's own since: */
	uint64_t below_ns;
	/* Anybody. Each is whole; two of them may be of two ticks. */
	_Atomic(uint32_t) level, from;
	_Atomic(uint32_t) pressure_permille, memory_permille, stalls_permille, delay_permille;
	_Atomic(uint64_t) used_bytes, granted_bytes, changes;
};

/* What a level does to a class. */
enum level_effect { LEVEL_GO, LEVEL_WAIT, LEVEL_REJECT };

/* Errors: WEIR_EINVAL: the text names the option. given may be NULL. delay_target_ns: of the adaptive rule. */
weir_status levels_resolve(weir_level_options *out, const weir_level_options *given, uint64_t delay_target_ns);

/* options: resolved. */
void levels_init(struct levels *levels, const weir_level_options *options);

/* What a reading says; the first one is the beginning, from which use is counted. group: the control group is this
 * process's and its children's alone, so that the group's use is taken and not only the process's. */
void levels_read(struct levels *levels, const weir_reading *reading, bool group, struct levels_input *input);

/* No reading: what the last one said. */
void levels_again(const struct levels *levels, struct levels_input *input);

/* True: the level changed; *change says how, but for the largest over-user. */
bool levels_tick(struct levels *levels, const struct levels_input *input, uint64_t now_ns, weir_level_change *change);

/* The last tick's; from: the level before this one. */
void levels_look(const struct levels *levels, weir_level_change *out);

enum level_effect levels_effect(weir_level level, weir_class task_class);

static inline weir_level levels_now(const struct levels *levels)
{
	return (weir_level)at_load(&levels->level, relaxed, none);
}

#endif
