/* SPDX-License-Identifier: MIT */
/* error.h - set the calling thread's error text and return the code: `return error_set(WEIR_EINVAL, "...", ...)`. */
#ifndef WEIR_PRIVATE_ERROR_H
#define WEIR_PRIVATE_ERROR_H

#include <stdint.h>

#include <weir/status.h>

#include "private/compiler.h"

weir_status error_set(weir_status status, const char *format, ...) PRINTF_LIKE(2, 3);

/* The same for a failed system call: appends ": " and the text of errno_value. */
weir_status error_set_errno(weir_status status, int errno_value, const char *format, ...) PRINTF_LIKE(3, 4);

/* What makes a word that stands for so many things one of several: "%u node%s". */
static inline const char *plural(uint64_t number)
{
	return number == 1 ? "" : "s";
}

#endif
