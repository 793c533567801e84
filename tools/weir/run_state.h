/* SPDX-License-Identifier: MIT */
/*
 * run_state.h - what the parts of `weir run` share: run.c sets up and takes down, run_command.c runs one command.
 */
#ifndef WEIR_TOOL_RUN_STATE_H
#define WEIR_TOOL_RUN_STATE_H

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include <weir/task.h>

#include "output.h"
#include "process.h"
#include "record.h"
#include "run_options.h"
#include "run_report.h"
#include "watch.h"

struct run;

struct run_job {
	struct run *run;
	size_t index;
};

struct run {
	const struct run_options *options;
	struct jobfile file;
	struct run_job *job;
	struct result *result;
	size_t *turn; /* of the jobs: which is submitted when */
	weir_pool *pool;
	weir_group *group;
	struct watch *watch;
	struct output *output;
	struct starter *starter;
	sigset_t signals; /* as they were blocked when we came */
	FILE *joblog;
	struct record_frame frame;

	pthread_mutex_t lock; /* for all below, and joblog */
	pthread_cond_t news;  /* something began or ended */
	struct run_counts counts;
	bool ending;	 /* no command starts any more */
	int signal;	 /* that ended it */
	int halt_status; /* of the command that did; -1: none */
	bool joblog_failed;
};

/* A task's body; argument: a run_job. */
weir_status run_command(weir_task *task, void *argument);

/* watch_calls.interrupted; context: the run. */
void run_interrupted(void *context, int signal, bool again);

/* After a failure that is counted already: is it the one that halts the run? exit_status: of what failed. */
void run_halt_if_due(struct run *run, int exit_status);

/* No command starts any more. Thread: any. */
bool run_is_ending(struct run *run);

/* "weir run: ..." on standard error; and "file:line: ..." of one job. */
void run_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
void run_complain_of(const struct run *run, size_t index, const char *what, const char *why);

#endif
