/* SPDX-License-Identifier: MIT */
/* log.h - one line to whoever asked for it. Costs one relaxed load where nobody did. Never blocks, never allocates. */
#ifndef WEIR_PRIVATE_LOG_H
#define WEIR_PRIVATE_LOG_H

#include <weir/log.h>

#include "private/atomics.h"
#include "private/compiler.h"

extern _Atomic(int) log_level;

void log_write(weir_log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

#define LOG(level, ...)                                                                                                \
	do {                                                                                                           \
		if (unlikely(at_load(&log_level, relaxed, none) >= (int)(level)))                                      \
			log_write((level), __VA_ARGS__);                                                               \
	} while (0)

#endif
