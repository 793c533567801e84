/* SPDX-License-Identifier: MIT */
/*
 * options.c - the options of tools/bench, by glibc's argp. tools/bench itself reads --peer, too, as CMake must know.
 *
 * Invariant: what options_parse() returns was checked word by word; whether there is such a workload, the list of
 *            programs says (measure.c).
 * Together:  one thread.
 */
#include "options.h"

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <weir/clock.h>

enum key {
	KEY_QUICK = 256,
	KEY_PEER,
	KEY_ONLY,
	KEY_ROUNDS,
	KEY_THREADS,
	KEY_KEEP,
	KEY_STRICT,
	KEY_TIMEOUT,
	KEY_PROGRAMS,
	KEY_PROMISES,
	KEY_OUT,
	KEY_RESULTS,
	KEY_COMMIT,
	KEY_CHECK,
	KEY_BUDGET,
	KEY_LOOK
};

static const struct argp_option table[] = {
	{"quick", KEY_QUICK, NULL, 0,
	 "All workloads in less than 3 minutes: short runs, 3 to 5 rounds of what is promised, 1 to 5 of the rest", 0},
	{"peer", KEY_PEER, "NAME=PREFIX", 0,
	 "Where a peer is installed that Debian does not have (lace, enkits, taskflow, argobots; its program is "
	 "compiled against "
	 "it), or a finished program of a peer that speaks bench/PROTOCOL.md. Again for each peer",
	 0},
	{"only", KEY_ONLY, "WORKLOAD,...", 0, "Only these workloads", 0},
	{"rounds", KEY_ROUNDS, "N", 0,
	 "Rounds of A B A B, 1 to 64 (default: 9; quick: up to 5, as time allows); fewer than 3 judge no promise", 0},
	{"threads", KEY_THREADS, "N,...", 0, "Only these thread counts (default: all that the programs name)", 0},
	{"keep", KEY_KEEP, NULL, 0, "Keep the report as bench/results/DATE-bench.json and .txt", 0},
	{"strict", KEY_STRICT, NULL, 0, "Exit status 1 if a promise is missed", 0},
	{"timeout", KEY_TIMEOUT, "SECONDS", 0, "For one run of a program (default: 20; quick: 5)", 0},
	{"programs", KEY_PROGRAMS, "FILE", OPTION_HIDDEN, NULL, 0},
	{"promises", KEY_PROMISES, "FILE", OPTION_HIDDEN, NULL, 0},
	{"out", KEY_OUT, "FOLDER", OPTION_HIDDEN, NULL, 0},
	{"results", KEY_RESULTS, "FOLDER", OPTION_HIDDEN, NULL, 0},
	{"commit", KEY_COMMIT, "TEXT", OPTION_HIDDEN, NULL, 0},
	{"check", KEY_CHECK, NULL, OPTION_HIDDEN, NULL, 0},
	{"budget", KEY_BUDGET, "MS", OPTION_HIDDEN, NULL, 0},
	{"look", KEY_LOOK, "US", OPTION_HIDDEN, NULL, 0},
	{0}};

static void parse_peer(struct argp_state *state, struct options *o, const char *text)
{
	const char *equals = strchr(text, '=');
	if (!equals || !protocol_is_name(text, (size_t)(equals - text)) || !equals[1])
		argp_error(state, "--peer %s: give NAME=PREFIX, with a name of lower case letters, digits, '_' and '-'",
			   text);
	if (o->peers_count == PEERS_MOST)
		argp_error(state, "--peer %s: there can be %d", text, PEERS_MOST);
	o->peers[o->peers_count++] =
		(struct outside){.name = text, .name_bytes = (size_t)(equals - text), .prefix = equals + 1};
}

/* Cuts the text. */
static void parse_only(struct argp_state *state, struct options *o, char *text)
{
	const char *all = strdupa(text);
	for (char *name; (name = strsep(&text, ","));) {
		if (!protocol_is_name(name, strlen(name)))
			argp_error(state, "--only '%s': give names of workloads with a comma between them", all);
		if (o->only_count == ONLY_MOST)
			argp_error(state, "--only: give at most %d workloads", ONLY_MOST);
		o->only[o->only_count++] = name;
	}
}

static uint64_t parse_whole(struct argp_state *state, const char *option, const char *text, uint64_t most)
{
	char *end;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || errno || value < 1 || value > most)
		argp_error(state, "%s %s: give a whole number from 1 to %llu", option, text, (unsigned long long)most);
	return value;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct options *o = state->input;
	switch (key) {
	case KEY_QUICK:
		o->quick = true;
		return 0;
	case KEY_PEER:
		parse_peer(state, o, argument);
		return 0;
	case KEY_ONLY:
		parse_only(state, o, argument);
		return 0;
	case KEY_ROUNDS:
		o->rounds = (uint32_t)parse_whole(state, "--rounds", argument, ROUNDS_MOST);
		return 0;
	case KEY_THREADS:
		if (!protocol_parse_counts(argument, strlen(argument), o->threads, &o->threads_count, NULL))
			argp_error(state, "--threads %s: give up to %d counts from 1 to %d with a comma between them",
				   argument, COUNTS_MOST, THREADS_MOST);
		return 0;
	case KEY_KEEP:
		o->keep = true;
		return 0;
	case KEY_STRICT:
		o->strict = true;
		return 0;
	case KEY_TIMEOUT:
		o->timeout_ns = parse_whole(state, "--timeout", argument, 3600) * WEIR_NS_PER_S;
		return 0;
	case KEY_PROGRAMS:
		o->programs = argument;
		return 0;
	case KEY_PROMISES:
		o->promises = argument;
		return 0;
	case KEY_OUT:
		o->out = argument;
		return 0;
	case KEY_RESULTS:
		o->results = argument;
		return 0;
	case KEY_COMMIT:
		o->commit = argument;
		return 0;
	case KEY_BUDGET:
		o->budget_ns = parse_whole(state, "--budget", argument, 3600000) * WEIR_NS_PER_MS;
		return 0;
	case KEY_LOOK:
		o->look_ns = parse_whole(state, "--look", argument, 1000000) * WEIR_NS_PER_US;
		return 0;
	case KEY_CHECK:
		o->check = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "there is no command '%s': give options, or compare A.json B.json", argument);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void options_parse(struct options *out, int argc, char **argv)
{
	static const struct argp argp = {
		.options = table,
		.parser = parse,
		.args_doc = "\ncompare A.json B.json",
		.doc = "Measure weir beside other runtimes, in turn, and report medians over the rounds.\v"
		       "Installs the Debian packages of peers that are missing, and builds in build/bench. The report "
		       "is a "
		       "table here, build/bench/report.json and build/bench/report.html. A peer that cannot be had "
		       "reads "
		       "'not run', with the reason. Rounds before or after which the machine was disturbed by more "
		       "than 5 % "
		       "are counted, and rows with many of them are marked noisy.\n\n"
		       "`compare` marks what is slower in B than in A by more than the spread of both, and exits with "
		       "1 "
		       "if anything is; one round says nothing. What is in A alone is gone, what is in B alone new. On "
		       "two different machines it compares the ratios to "
		       "the peers instead.\n\n"
		       "Exit status: 0 measured; 1 with --strict, a promise is missed (compare: something is slower); "
		       "2 "
		       "wrong options, nothing to run, or a program of weir or the floor failed.",
	};
	*out = (struct options){.commit = "unknown", .out = ".", .results = "."};
	argp_err_exit_status = EXIT_WRONG;
	argp_parse(&argp, argc, argv, 0, NULL, out);
}
