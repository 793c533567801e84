/* SPDX-License-Identifier: MIT */
/*
 * error.c - status texts, the calling thread's last error, and the end of a program whose invariant broke.
 *
 * Holds:     one text per thread.
 * Not here:  what is logged (log.c).
 */
#include "private/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "private/check.h"

#define STRING_(x) #x
#define STRING(x) STRING_(x)

enum { ERROR_TEXT_BYTES = 512 };

static _Thread_local char error_text[ERROR_TEXT_BYTES];

static const char *const status_texts[] = {
	[WEIR_OK] = "success",
	[WEIR_EINVAL] = "invalid argument",
	[WEIR_ENOMEM] = "out of memory",
	[WEIR_ESYSTEM] = "the operating system refused",
	[WEIR_EAGAIN] = "no room now",
	[WEIR_EINFEASIBLE] = "more than the limits, will never fit",
	[WEIR_EFULL] = "queue full",
	[WEIR_EEXIST] = "in use already",
	[WEIR_ENOENT] = "not there",
	[WEIR_ESTALE] = "handle is stale",
	[WEIR_EDEADLK] = "would wait for ever",
	[WEIR_ECANCELED] = "cancelled",
	[WEIR_ESHUTDOWN] = "shut down",
	[WEIR_EVERSION] = "headers and library do not match",
	[WEIR_EBUSY] = "in use",
	[WEIR_ETIME] = "the time that was given has passed",
};

const char *weir_status_text(weir_status status)
{
	if (status >= WEIR_EUSER)
		return "application error";
	if (status < 0 || (size_t)status >= ARRAY_LENGTH(status_texts))
		return "unknown status";
	return status_texts[status];
}

bool weir_status_retryable(weir_status status)
{
	return status == WEIR_EAGAIN || status == WEIR_EFULL;
}

const char *weir_error_text(void)
{
	return error_text;
}

const char *weir_version(void)
{
	return STRING(WEIR_VERSION_MAJOR) "." STRING(WEIR_VERSION_MINOR) "." STRING(WEIR_VERSION_PATCH);
}

weir_status error_set(weir_status status, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(error_text, sizeof(error_text), format, args);
	va_end(args);
	return status;
}

weir_status error_set_errno(weir_status status, int errno_value, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int used = vsnprintf(error_text, sizeof(error_text), format, args);
	va_end(args);
	if (used >= 0 && (size_t)used < sizeof(error_text)) {
		char buffer[128];
		snprintf(error_text + used, sizeof(error_text) - (size_t)used, ": %s",
			 strerror_r(errno_value, buffer, sizeof(buffer)));
	}
	return status;
}

void check_failed(const char *invariant, const char *condition, const char *file, int line)
{
	fprintf(stderr, "weir: invariant %s is broken: %s (%s:%d)\n", invariant, condition, file, line);
	abort();
}
