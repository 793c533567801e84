/* SPDX-License-Identifier: MIT */
/*
 * levels.c - levels of degradation: from what the host does to what each class may do.
 *
 * Holds:     the level, and since when the pressure is below it.
 * Invariant: Z3  memory that live grants cover is no pressure: used <= granted gives 0, however full it is.
 *            Z4  a level is left only after leave_ns during which no tick saw pressure above its threshold less
 *                leave_permille.
 * Progress:  wait-free.
 * Not here:  who ticks, and who is told (gate.c); the monitor (numa/).
 */
#include "runtime/levels.h"

#include "private/compiler.h"
#include "private/error.h"

enum {
	UNCOVERED_LEAST_PERMILLE = 50, /* of the limit: the least that uncovered use is compared with */
	DELAY_TARGETS = 10,
	PRESSURE_MOST_PERMILLE = 1000000,
	ENTER_MOST_PERMILLE = 100000
};

static weir_status check_enter(const uint32_t enter_permille[WEIR_LEVELS])
{
	for (int l = WEIR_LEVEL_YELLOW; l < WEIR_LEVELS; l++) {
		uint32_t least = l == WEIR_LEVEL_YELLOW ? 1 : enter_permille[l - 1] + 1;
		if (enter_permille[l] < least || enter_permille[l] > ENTER_MOST_PERMILLE)
			return error_set(
				WEIR_EINVAL,
				"levels.enter_permille[%d] (%s) is %u: give 0 for all (700, 850, 950, 1000), or "
				"numbers that rise, here from %u to %d",
				l, weir_level_name((weir_level)l), enter_permille[l], least, ENTER_MOST_PERMILLE);
	}
	return WEIR_OK;
}

weir_status levels_resolve(weir_level_options *out, const weir_level_options *given, uint64_t delay_target_ns)
{
	static const weir_level_options none = {.size = sizeof(none)};
	static const uint32_t enter_default[WEIR_LEVELS] = {0, 700, 850, 950, 1000};
	if (given && given->size != sizeof(*given))
		return error_set(WEIR_EINVAL, "levels.size is %zu: use WEIR_LEVEL_OPTIONS() or set it to %zu",
				 given->size, sizeof(*given));
	*out = given ? *given : none;
	if ((unsigned)out->degrade > WEIR_DEGRADE_OBSERVE)
		return error_set(WEIR_EINVAL,
				 "levels.degrade is %d: give WEIR_DEGRADE_ON, WEIR_DEGRADE_OFF or WEIR_DEGRADE_OBSERVE",
				 (int)out->degrade);
	for (int l = WEIR_LEVEL_YELLOW; l < WEIR_LEVELS; l++)
		if (!out->enter_permille[l])
			out->enter_permille[l] = enter_default[l];
	weir_status status = check_enter(out->enter_permille);
	if (status)
		return status;
	if (!out->leave_permille)
		out->leave_permille = 50;
	if (out->leave_permille > 500 || out->leave_permille >= out->enter_permille[WEIR_LEVEL_YELLOW])
		return error_set(WEIR_EINVAL,
				 "levels.leave_permille is %u: give 0 (50) or 1 to 500, below enter_permille[1] (%u)",
				 out->leave_permille, out->enter_permille[WEIR_LEVEL_YELLOW]);
	if (!out->leave_ns)
		out->leave_ns = 100 * WEIR_NS_PER_MS;
	if (!out->stall_permille)
		out->stall_permille = 100;
	if (out->stall_permille > 1000)
		return error_set(WEIR_EINVAL, "levels.stall_permille is %u: give 0 (100) or 1 to 1000",
				 out->stall_permille);
	if (!out->queue_delay_max_ns)
		out->queue_delay_max_ns =
			delay_target_ns < UINT64_MAX / DELAY_TARGETS ? DELAY_TARGETS * delay_target_ns : UINT64_MAX;
	return WEIR_OK;
}

void levels_init(struct levels *levels, const weir_level_options *options)
{
	*levels = (struct levels){.options = *options};
}

static uint64_t group_limit_bytes(const weir_reading *reading)
{
	uint64_t most = reading->cgroup_memory_max_bytes;
	if (reading->known & WEIR_KNOWN_CGROUP_MEMORY_HIGH && reading->cgroup_memory_high_bytes < most)
		most = reading->cgroup_memory_high_bytes;
	return reading->cgroup_memory_available_bytes <= most ? most : UINT64_MAX;
}

void levels_read(struct levels *levels, const weir_reading *reading, bool group, struct levels_input *input)
{
	uint64_t used = 0;
	bool known = false;
	uint32_t group_known = WEIR_KNOWN_CGROUP_MEMORY | WEIR_KNOWN_CGROUP_MEMORY_MAX;
	uint64_t group_limit = group_limit_bytes(reading);
	if (group && (reading->known & group_known) == group_known && group_limit != UINT64_MAX) {
		/* Page cache, which the kernel drops before it refuses, is no use. */
		used = group_limit - reading->cgroup_memory_available_bytes;
		known = true;
	} else if (reading->known & WEIR_KNOWN_PROCESS) {
		used = reading->process_rss_bytes;
		known = true;
	}
	if (known && !levels->begun) {
		levels->begun = true;
		levels->base_bytes = used;
	}
	input->used_bytes = used > levels->base_bytes ? used - levels->base_bytes : 0;
	/* The host's full says that nobody gets on; the group's own, which the host's hides when others run, that we do not. */
	double host = reading->known & WEIR_KNOWN_MEMORY_PRESSURE ? reading->pressure[WEIR_STALL_MEMORY].full : 0;
	double own = reading->known & WEIR_KNOWN_CGROUP_MEMORY_PRESSURE
			     ? reading->cgroup_pressure[WEIR_STALL_MEMORY].full
			     : 0;
	input->stall_percent = own > host ? own : host;
	levels->last_used_bytes = input->used_bytes;
	levels->last_stall_percent = input->stall_percent;
}

void levels_again(const struct levels *levels, struct levels_input *input)
{
	input->used_bytes = levels->last_used_bytes;
	input->stall_percent = levels->last_stall_percent;
}

static uint32_t permille(double part)
{
	if (!(part > 0))
		return 0;
	return part < PRESSURE_MOST_PERMILLE / 1000.0 ? (uint32_t)(part * 1000) : PRESSURE_MOST_PERMILLE;
}

static double memory_pressure(const struct levels_input *input)
{
	if (!input->limit_bytes || input->used_bytes <= input->granted_bytes)
		return 0;
	double limit = (double)input->limit_bytes;
	double uncovered = limit - (double)input->granted_bytes;
	double least = limit * UNCOVERED_LEAST_PERMILLE / 1000;
	return (double)(input->used_bytes - input->granted_bytes) / (uncovered > least ? uncovered : least);
}

static weir_level level_of(const struct levels *levels, uint32_t pressure)
{
	uint32_t level = WEIR_LEVELS - 1;
	while (level && pressure < levels->options.enter_permille[level])
		level--;
	return (weir_level)level;
}

/* The level that the pressure is at, seen from the level now: up at once, down later. */
static weir_level next_level(struct levels *levels, weir_level now, uint32_t pressure, uint64_t now_ns)
{
	weir_level up = level_of(levels, pressure);
	weir_level down = level_of(levels, pressure + levels->options.leave_permille);
	bool was_below = levels->below;
	levels->below = down < now;
	if (up > now) {
		levels->below = false;
		return up;
	}
	if (!levels->below)
		return now;
	if (!was_below)
		levels->below_ns = now_ns;
	if (now_ns - levels->below_ns < levels->options.leave_ns)
		return now;
	levels->below = false;
	return down;
}

void levels_look(const struct levels *levels, weir_level_change *out)
{
	*out = (weir_level_change){
		.size = sizeof(*out),
		.from = (weir_level)at_load(&levels->from, relaxed, none),
		.to = levels_now(levels),
		.pressure = at_load(&levels->pressure_permille, relaxed, none) / 1000.0,
		.memory = at_load(&levels->memory_permille, relaxed, none) / 1000.0,
		.stalls = at_load(&levels->stalls_permille, relaxed, none) / 1000.0,
		.delay = at_load(&levels->delay_permille, relaxed, none) / 1000.0,
		.used_bytes = at_load(&levels->used_bytes, relaxed, none),
		.granted_bytes = at_load(&levels->granted_bytes, relaxed, none),
	};
}

static uint32_t largest(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

bool levels_tick(struct levels *levels, const struct levels_input *input, uint64_t now_ns, weir_level_change *change)
{
	if (levels->options.degrade == WEIR_DEGRADE_OFF)
		return false;
	uint32_t memory = permille(memory_pressure(input));
	uint32_t stalls = permille(input->stall_percent * 10 / levels->options.stall_permille);
	uint32_t delay = permille((double)input->delay_ns / (double)levels->options.queue_delay_max_ns);
	uint32_t pressure = largest(memory, largest(stalls, delay));
	at_store(&levels->memory_permille, memory, relaxed, none);
	at_store(&levels->stalls_permille, stalls, relaxed, none);
	at_store(&levels->delay_permille, delay, relaxed, none);
	at_store(&levels->pressure_permille, pressure, relaxed, none);
	at_store(&levels->used_bytes, input->used_bytes, relaxed, none);
	at_store(&levels->granted_bytes, input->granted_bytes, relaxed, none);
	weir_level now = levels_now(levels);
	weir_level next = next_level(levels, now, pressure, now_ns);
	if (next == now)
		return false;
	at_store(&levels->from, now, relaxed, none);
	at_store(&levels->level, next, relaxed, none);
	at_add(&levels->changes, 1, relaxed, none);
	levels_look(levels, change);
	return true;
}

enum level_effect levels_effect(weir_level level, weir_class task_class)
{
	static const uint8_t effect[WEIR_LEVELS][WEIR_CLASSES] = {
		[WEIR_LEVEL_YELLOW] = {[WEIR_BEST_EFFORT] = LEVEL_WAIT},
		[WEIR_LEVEL_ORANGE] = {[WEIR_BEST_EFFORT] = LEVEL_REJECT, [WEIR_NORMAL] = LEVEL_WAIT},
		[WEIR_LEVEL_RED] = {[WEIR_BEST_EFFORT] = LEVEL_REJECT, [WEIR_NORMAL] = LEVEL_REJECT},
		[WEIR_LEVEL_BLACK] =
			{[WEIR_BEST_EFFORT] = LEVEL_REJECT, [WEIR_NORMAL] = LEVEL_REJECT, [WEIR_HIGH] = LEVEL_REJECT},
	};
	return (enum level_effect)effect[level][task_class];
}
