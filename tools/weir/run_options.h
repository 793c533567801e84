/* SPDX-License-Identifier: MIT */
/*
 * run_options.h - what `weir run` was asked to do. docs/run.md explains every option.
 */
#ifndef WEIR_TOOL_RUN_OPTIONS_H
#define WEIR_TOOL_RUN_OPTIONS_H

#include <weir/pool.h>

#include "output.h"

enum halt_when { HALT_NEVER, HALT_SOON, HALT_NOW };

struct run_options {
	const char *jobs; /* path, "-": standard input */
	const char *machine;
	weir_limits limits; /* the last counted resource in use is "jobs at once" where jobs_at_once is set */
	const char *names[WEIR_COUNTED_MAX]; /* what job lines may ask for */
	uint32_t names_count;
	uint32_t jobs_slot;    /* the counted resource of jobs_at_once */
	uint64_t jobs_at_once; /* 0: no limit */
	const weir_strategy *strategy;
	const char *strategy_name;
	uint32_t admission;
	const char *default_demand;
	bool unbound;
	enum output_mode output;
	const char *joblog;
	const char *record;
	enum halt_when halt;
	uint64_t halt_failures;
	uint32_t tries;
	uint64_t timeout_ns;
	uint64_t grace_ns;
	bool dry_run;
	bool progress;
	bool quiet;
};

/* Fill in *out from the command line. Wrong options end the program with a message and EXIT_OTHER_ERROR, as do --help
 * and --usage with 0. */
void run_options_parse(struct run_options *out, int argc, char **argv);

void run_options_free(struct run_options *options);

#endif
