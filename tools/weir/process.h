/* SPDX-License-Identifier: MIT */
/*
 * process.h - run one shell command to its end, on a node's cores, with a time limit, and measure it.
 */
#ifndef WEIR_TOOL_PROCESS_H
#define WEIR_TOOL_PROCESS_H

#include "starter.h"

struct process_spec {
	struct starter *starter;
	struct start start;
	uint64_t timeout_ns; /* 0: none */
	uint64_t grace_ns;   /* between TERM and KILL when the time is over */
	int term_fd;	     /* once readable, the command gets SIGTERM; an eventfd that is never read; -1: none */
	int kill_fd;	     /* the same for SIGKILL */
};

struct process_result {
	int error;	 /* errno: it was never started */
	int exit_status; /* 0 if a signal ended it */
	int signal;	 /* that ended it */
	bool timed_out;
	bool stopped; /* by term_fd or kill_fd */
	uint64_t started_unix_ns;
	uint64_t started_ns; /* CLOCK_MONOTONIC */
	uint64_t wall_ns;
	uint64_t cpu_ns;	    /* its own and that of what it waited for */
	uint64_t peak_memory_bytes; /* the largest resident set of one process of it; at least what weir's own fork had
				     */
};

/* Run it; returns when it has ended. Signals go to its whole process group; what is left of the group is killed when a
 * command was stopped or ran out of time, and left alone when it ended by itself, as a shell does.
 * Thread:  any, many at once. */
void process_run(const struct process_spec *spec, struct process_result *result);

/* The time of day, in ns since 1970. */
uint64_t process_unix_ns(void);

#endif
