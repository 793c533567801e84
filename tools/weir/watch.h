/* SPDX-License-Identifier: MIT */
/*
 * watch.h - the thread that hears signals, and through which running commands are stopped.
 */
#ifndef WEIR_TOOL_WATCH_H
#define WEIR_TOOL_WATCH_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct watch;

struct watch_calls {
	void (*interrupted)(void *context, int signal, bool again); /* SIGINT, SIGTERM or SIGHUP came */
	void (*tick)(void *context);				    /* five times a second; NULL: not wanted */
	void *context;
};

/* Keep the signals that the watch listens to, and SIGPIPE, from this thread and those it starts from now on.
 * before: the mask as it was. */
void watch_block_signals(sigset_t *before);

/* Start the thread. Owns: *out until watch_stop(). Returns 0 or an errno. */
int watch_start(struct watch **out, const struct watch_calls *calls, uint64_t grace_ns);

/* End what runs: TERM now, KILL after the grace. Thread: any. */
void watch_end_commands(struct watch *watch);

/* For process_spec. The first signal makes the first readable, the second the second; neither is ever read. */
int watch_term_fd(const struct watch *watch);
int watch_kill_fd(const struct watch *watch);

void watch_stop(struct watch *watch);

#endif
