/* SPDX-License-Identifier: MIT */
/*
 * html.h - report.html: one page that needs nothing else.
 */
#ifndef BENCH_HTML_H
#define BENCH_HTML_H

#include <stdio.h>

#include "report.h"

/* Text with & < > " ' as entities, and control characters as spaces. */
void html_escape(const char *text, FILE *out);

/* False: errno says why not. */
bool html_write(const struct report *report, const char *file);

#endif
