/* SPDX-License-Identifier: MIT */
/*
 * run_environment.h - what a command is told of its grant: WEIR_NODE, WEIR_CORES, WEIR_MEMORY_BYTES, WEIR_JOB.
 */
#ifndef WEIR_TOOL_RUN_ENVIRONMENT_H
#define WEIR_TOOL_RUN_ENVIRONMENT_H

#include <weir/tracker.h>

struct environment;

/* Take this process's environment, which must not change from now on. Owns: the result until environment_destroy().
 * NULL: no memory. */
struct environment *environment_create(void);
void environment_destroy(struct environment *environment);

/* One command's: one block, to be freed by free(). NULL: no memory. Thread: any, many at once. */
char **environment_for(const struct environment *environment, const weir_allocation *grant, uint64_t sequence);

#endif
