/* SPDX-License-Identifier: MIT */
/*
 * starter.h - a small process that starts the commands on behalf of this one.
 */
#ifndef WEIR_TOOL_STARTER_H
#define WEIR_TOOL_STARTER_H

#include <sys/types.h>

#include <weir/machine.h>

struct starter;

struct start {
	const char *command;	/* for /bin/sh -c */
	char *const *variables; /* "NAME=VALUE" on top of the environment, NULL at the end; NULL: none */
	int output_fd;		/* -1: both are this process's own */
	int error_fd;
	uint32_t node;
	uint32_t first_core;
	uint32_t cores; /* 0: not bound */
};

/* Fork it. Commands get the environment, signal mask, limits and folder that this process has now. Call it before the
 * first thread, and while little memory is in use. machine: to bind commands to; NULL: they are not bound. Not used by
 * the caller's side afterwards. Owns:    *out until starter_destroy(), which ends it and does not touch the commands.
 * Returns 0 or an errno. */
int starter_create(struct starter **out, const weir_machine *machine);
void starter_destroy(struct starter *starter);

/* Start a command as a child of this process, leader of a process group of its own, with no standard input.
 * Returns its process id, or minus an errno; -EPIPE: the starter is gone. Thread: any. */
pid_t starter_start(struct starter *starter, const struct start *start);

#endif
