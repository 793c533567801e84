/* SPDX-License-Identifier: MIT */
/*
 * log.c - one line to one callback, limited in lines per second.
 *
 * Holds:     one sink for the process: level, function, context.
 * Progress:  wait-free for writers but for the callback itself.
 * Not here:  errors returned to callers (error.c).
 */
#include "private/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "private/clock.h"
#include "private/error.h"
#include "private/rcu.h"

enum { LOG_LINE_BYTES = 512, LOG_LINES_PER_S_DEFAULT = 100 };

struct sink {
	weir_log_fn fn;
	void *context;
	uint32_t lines_per_s_max;
};

_Atomic(int) log_level = WEIR_LOG_OFF;

static _Atomic(struct sink *) current_sink;
/* The second that is being counted and the lines written in it, in one word: the count starts anew with the second. */
static _Atomic(uint64_t) second_and_lines;
static _Atomic(uint64_t) lines_dropped;

static const char *const level_names[] = {"off", "error", "warning", "info", "debug"};

static void write_to_stderr(weir_log_level level, const char *line)
{
	fprintf(stderr, "weir: %s: %s\n", level_names[level], line);
}

/* True if this line is within the limit of its second. A lost race counts one line too few: the limit is no promise. */
static bool within_rate(uint32_t lines_per_s_max)
{
	uint64_t second = weir_clock_monotonic_ns() / WEIR_NS_PER_S;
	uint64_t seen = at_load(&second_and_lines, relaxed, none);
	if (seen >> 32 != (second & UINT32_MAX)) {
		at_cas(&second_and_lines, &seen, second << 32, relaxed, relaxed, none);
	}
	return (at_add(&second_and_lines, 1, relaxed, none) & UINT32_MAX) < lines_per_s_max;
}

static void deliver(const struct sink *sink, weir_log_level level, const char *line)
{
	if (sink && sink->fn)
		sink->fn(level, line, sink->context);
	else
		write_to_stderr(level, line);
}

void log_write(weir_log_level level, const char *format, ...)
{
	rcu_enter();
	/* ORDER(log): acquire, pairs with the release in weir_log_set(): we see the sink's fields. */
	struct sink *sink = at_load(&current_sink, acquire, log);
	if (within_rate(sink ? sink->lines_per_s_max : LOG_LINES_PER_S_DEFAULT)) {
		char line[LOG_LINE_BYTES];
		uint64_t dropped = at_swap(&lines_dropped, 0, relaxed, none);
		if (dropped) {
			snprintf(line, sizeof(line), "%llu lines dropped, over the limit of lines per second",
				 (unsigned long long)dropped);
			deliver(sink, WEIR_LOG_WARN, line);
		}
		va_list args;
		va_start(args, format);
		vsnprintf(line, sizeof(line), format, args);
		va_end(args);
		deliver(sink, level, line);
	} else {
		at_add(&lines_dropped, 1, relaxed, none);
	}
	rcu_leave();
}

weir_status weir_log_set(weir_log_level level, weir_log_fn fn, void *context, uint32_t lines_per_s_max)
{
	if ((int)level < WEIR_LOG_OFF || (int)level > WEIR_LOG_DEBUG)
		return error_set(WEIR_EINVAL, "log level %d: give WEIR_LOG_OFF (0) to WEIR_LOG_DEBUG (4)", (int)level);
	struct sink *sink = malloc(sizeof(*sink));
	if (!sink)
		return error_set(WEIR_ENOMEM, "no memory for a log sink");
	sink->fn = fn;
	sink->context = context;
	sink->lines_per_s_max = lines_per_s_max ? lines_per_s_max : LOG_LINES_PER_S_DEFAULT;
	/* ORDER(log): release publishes the sink's fields; acquire, because the old sink is freed below. */
	struct sink *old = at_swap(&current_sink, sink, acq_rel, log);
	at_store(&log_level, (int)level, relaxed, none);
	rcu_synchronize_all();
	free(old);
	return WEIR_OK;
}

weir_log_level weir_log_level_get(void)
{
	return (weir_log_level)at_load(&log_level, relaxed, none);
}
