/* SPDX-License-Identifier: MIT */
/*
 * log.h - weir says why: off by default, one callback, limited in rate.
 */
#ifndef WEIR_LOG_H
#define WEIR_LOG_H

#include <weir/status.h>

WEIR_BEGIN_DECLS

typedef enum weir_log_level {
	WEIR_LOG_OFF = 0,	/* the default */
	WEIR_LOG_ERROR = 1,
	WEIR_LOG_WARN = 2,
	WEIR_LOG_INFO = 3,
	WEIR_LOG_DEBUG = 4	/* every refusal and every degradation, with its reason */
} weir_log_level;

/* One line, without newline, valid during the call. Must not block and must not call weir. */
typedef void (*weir_log_fn)(weir_log_level level, const char *line, void *context);

/* Set where log lines go, for the whole process. fn NULL: standard error.
 * lines_per_s_max: further lines in the same second are dropped and their count is said; 0: 100.
 * Errors:  WEIR_EINVAL for a level that does not exist.
 * Thread:  any; a line under way may still go to the old callback until the call returns. */
WEIR_API weir_status weir_log_set(weir_log_level level, weir_log_fn fn, void *context, uint32_t lines_per_s_max);

WEIR_API weir_log_level weir_log_level_get(void);

WEIR_END_DECLS

#endif
