/* SPDX-License-Identifier: MIT */
/*
 * replay_options.h - the options of `weir replay`, read and checked one by one.
 */
#ifndef WEIR_TOOLS_REPLAY_OPTIONS_H
#define WEIR_TOOLS_REPLAY_OPTIONS_H

#include <weir/weir.h>

struct replay_options {
	const char *workload;
	const char *machine;
	const char *strategy; /* a name that weir_strategy_find() knows */
	const char *admission;
	uint32_t rule;
	double limit_cores;	     /* 0: the default */
	uint64_t limit_memory_bytes; /* 0: the default */
	double speedup;		     /* 0: chosen */
	uint32_t workers;	     /* 0: the pool's default */
	uint64_t seed;
	size_t jobs_max;
	bool plain;
	bool json;
	const char *json_file; /* NULL with json: standard output */
};

/* Ends the program, with a message, on options that are wrong. */
void replay_options_parse(struct replay_options *out, int argc, char **argv);

#endif
