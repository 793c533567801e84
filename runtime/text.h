/* SPDX-License-Identifier: MIT */
/*
 * text.h - a text that is written piece by piece and counted on where there is no room, as by snprintf().
 */
#ifndef WEIR_RUNTIME_TEXT_H
#define WEIR_RUNTIME_TEXT_H

#include <stddef.h>

#include "private/compiler.h"

struct text {
	char *at;
	size_t size;
	size_t used; /* so long would it be */
};

/* words.c */
void text_say(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
