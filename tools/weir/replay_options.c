/* SPDX-License-Identifier: MIT */
/*
 * replay_options.c - `weir replay`'s command line. Everything that can be said to be wrong without a machine is said
 * here.
 *
 * Holds:     nothing.
 * Not here:  what fits which machine: the library says it, by the name of its own option.
 */
#include "replay_options.h"

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
	KEY_STRATEGY = 256,
	KEY_ADMISSION,
	KEY_LIMIT_CPU,
	KEY_LIMIT_MEMORY,
	KEY_MACHINE,
	KEY_WORKERS,
	KEY_PLAIN,
	KEY_JSON,
	KEY_SEED,
	KEY_JOBS,
	KEY_SPEEDUP
};

static const struct argp_option option_table[] = {
	{"speedup", KEY_SPEEDUP, "X", 0,
	 "Divide arrival and run times by X (default: so that neither the arrivals nor the work take more than 10 s; "
	 "at least 1)",
	 0},
	{"strategy", KEY_STRATEGY, "NAME", 0, "Choose nodes by first, best or worst fit (default: first)", 0},
	{"admission", KEY_ADMISSION, "RULES", 0,
	 "hard, or watermark, adaptive, deadline, observe, several with + (default: hard)", 0},
	{"limit-cpu", KEY_LIMIT_CPU, "CORES", 0, "Cores in all (default: what this process may use)", 0},
	{"limit-memory", KEY_LIMIT_MEMORY, "BYTES", 0,
	 "Memory in all, as 512M or 2G (default: 256M, or less on a small host; see docs/replay.md)", 0},
	{"machine", KEY_MACHINE, "MACHINE", 0,
	 "this, a synthetic description (\"numa:4 core:4 pu:1\") or an hwloc FILE.xml (default: this)", 0},
	{"workers", KEY_WORKERS, "N", 0,
	 "Threads, so jobs at once at most (default: one for each of the machine's cores)", 0},
	{"plain", KEY_PLAIN, NULL, 0, "A plain pool: no admission, no limits kept", 0},
	{"jobs", KEY_JOBS, "N", 0, "Replay the first N jobs only", 0},
	{"seed", KEY_SEED, "N", 0,
	 "Seed of what jobs write and of the order in which they touch their pages (default: 1)", 0},
	{"json", KEY_JSON, "FILE", OPTION_ARG_OPTIONAL,
	 "The report as JSON into FILE, or on standard output in place of the text", 0},
	{0}};

/* A decimal number, and nothing else: no hexadecimal, no infinity, no blanks before it. */
static double parse_positive(struct argp_state *state, const char *option, const char *text)
{
	char *end = NULL;
	errno = 0;
	double value = isdigit((unsigned char)*text) || *text == '.' ? strtod(text, &end) : 0;
	if (!end || end == text || *end || errno || !isfinite(value) || value <= 0 || strpbrk(text, "xX"))
		argp_error(state, "%s is '%s': give a number above 0", option, text);
	return value;
}

static uint64_t parse_whole(struct argp_state *state, const char *option, const char *text, uint64_t least,
			    uint64_t most)
{
	char *end = NULL;
	errno = 0;
	unsigned long long value = isdigit((unsigned char)*text) ? strtoull(text, &end, 10) : 0;
	if (!end || *end || errno || value < least || value > most)
		argp_error(state, "%s is '%s': give a whole number from %llu to %llu", option, text,
			   (unsigned long long)least, (unsigned long long)most);
	return value;
}

static void parse_admission(struct argp_state *state, struct replay_options *options, const char *text)
{
	if (weir_rules_parse(&options->rule, text))
		argp_error(state,
			   "--admission is '%s': give hard, watermark, adaptive, deadline or observe, or several with "
			   "+ between them",
			   text);
	options->admission = text;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct replay_options *options = state->input;
	switch (key) {
	case KEY_SPEEDUP:
		options->speedup = parse_positive(state, "--speedup", text);
		return 0;
	case KEY_STRATEGY:
		if (!weir_strategy_find(text))
			argp_error(state, "--strategy is '%s': give first, best or worst", text);
		options->strategy = text;
		return 0;
	case KEY_ADMISSION:
		parse_admission(state, options, text);
		return 0;
	case KEY_LIMIT_CPU:
		options->limit_cores = parse_positive(state, "--limit-cpu", text);
		return 0;
	case KEY_LIMIT_MEMORY:
		if (weir_bytes_parse(&options->limit_memory_bytes, text))
			argp_error(state, "--limit-memory: %s", weir_error_text());
		if (!options->limit_memory_bytes)
			argp_error(state, "--limit-memory is '%s': give more than nothing", text);
		return 0;
	case KEY_MACHINE:
		options->machine = text;
		return 0;
	case KEY_WORKERS:
		options->workers = (uint32_t)parse_whole(state, "--workers", text, 1, 4096);
		return 0;
	case KEY_PLAIN:
		options->plain = true;
		return 0;
	case KEY_JOBS:
		options->jobs_max = parse_whole(state, "--jobs", text, 1, SIZE_MAX);
		return 0;
	case KEY_SEED:
		options->seed = parse_whole(state, "--seed", text, 0, UINT64_MAX);
		return 0;
	case KEY_JSON:
		options->json = true;
		options->json_file = text;
		return 0;
	case ARGP_KEY_ARG:
		if (options->workload)
			argp_error(state, "one workload at a time: '%s' and '%s' (a file for --json goes behind '=')",
				   options->workload, text);
		options->workload = text;
		return 0;
	case ARGP_KEY_END:
		if (!options->workload)
			argp_error(state, "no workload: give a file in the Standard Workload Format, or -");
		if (options->plain && (options->strategy || options->admission))
			argp_error(state, "--plain admits everything: --strategy and --admission would do nothing");
		options->strategy = options->strategy ? options->strategy : "first";
		options->admission = options->admission ? options->admission : "hard";
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void replay_options_parse(struct replay_options *out, int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse,
		.args_doc = "WORKLOAD.swf",
		.doc = "Run the jobs of a workload in the Standard Workload Format through weir's pool, in real time.\v"
		       "Each job is a task with its part of the machine's cores and memory; it takes that memory, "
		       "touches it and "
		       "computes until its run time is up.\n\n"
		       "Exit status: 0; 1 if jobs failed or a limit was not kept; 130 after Ctrl-C; 255 if the "
		       "options, the "
		       "workload or the machine are wrong.",
	};
	*out = (struct replay_options){.machine = "this", .seed = 1, .jobs_max = SIZE_MAX};
	argp_parse(&argp, argc, argv, 0, NULL, out);
}
