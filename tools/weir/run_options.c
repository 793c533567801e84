/* SPDX-License-Identifier: MIT */
/*
 * run_options.c - the options of `weir run`, by glibc's argp.
 *
 * Invariant: what run_options_parse() returns was checked word by word; whether the machine has as much is the pool's
 *            to say.
 * Together:  one thread.
 */
#include "run_options.h"

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum key {
	KEY_LIMIT_CPU = 256,
	KEY_LIMIT_MEMORY,
	KEY_LIMIT_BANDWIDTH,
	KEY_LIMIT,
	KEY_MACHINE,
	KEY_STRATEGY,
	KEY_ADMISSION,
	KEY_DEFAULT_DEMAND,
	KEY_UNBOUND,
	KEY_JOBLOG,
	KEY_RECORD,
	KEY_HALT,
	KEY_RETRIES,
	KEY_TIMEOUT,
	KEY_GRACE,
	KEY_DRY_RUN,
	KEY_PROGRESS
};

enum { GROUP_LIMITS = 1, GROUP_OUTPUT, GROUP_COURSE };

static const struct argp_option options[] = {
	{.doc = "How much may be used:", .group = GROUP_LIMITS},
	{"limit-cpu", KEY_LIMIT_CPU, "CORES", 0, "In all (default: what this process may use)", 0},
	{"limit-memory", KEY_LIMIT_MEMORY, "BYTES", 0, "In all, as 512M or 1.5G (default: what this process may use)",
	 0},
	{"limit-bandwidth", KEY_LIMIT_BANDWIDTH, "BYTES", 0, "Of memory, a second, in all (default: none)", 0},
	{"limit", KEY_LIMIT, "NAME=COUNT", 0, "A counted resource that jobs may ask for, up to 4 of them", 0},
	{"jobs", 'j', "N", 0, "At most N commands at once (takes one of the 4 counted resources)", 0},
	{"machine", KEY_MACHINE, "MACHINE", 0,
	 "\"this\", an hwloc synthetic description or FILE.xml; commands are bound to cores on this machine only", 0},
	{"strategy", KEY_STRATEGY, "NAME", 0, "Which node: first, best or worst fit (default: first)", 0},
	{"admission", KEY_ADMISSION, "RULES", 0,
	 "hard, or watermark (keep room for higher classes), adaptive, deadline, observe, several with + (default: "
	 "hard)",
	 0},
	{"default-demand", KEY_DEFAULT_DEMAND, "DEMAND", 0,
	 "What a line needs where it does not say (default: cores=1)", 0},
	{"unbound", KEY_UNBOUND, NULL, 0, "Leave cores and memory policy of the commands alone", 0},
	{.doc = "What is printed and written:", .group = GROUP_OUTPUT},
	{"keep-order", 'k', NULL, 0, "Print output in the order of the job list", 0},
	{"ungroup", 'u', NULL, 0, "Do not keep the output of a command together", 0},
	{"joblog", KEY_JOBLOG, "FILE", 0, "Write a line for each command that ended, as GNU parallel does", 0},
	{"record", KEY_RECORD, "OUT.swf", 0, "Write them as a workload for `weir replay`", 0},
	{"progress", KEY_PROGRESS, NULL, 0, "Show on a terminal how far it is", 0},
	{"quiet", 'q', NULL, 0, "No summary at the end", 0},
	{.doc = "How it goes:", .group = GROUP_COURSE},
	{"halt", KEY_HALT, "WHEN", 0,
	 "never; soon,fail=N: start no more after N failures; now,fail=N: and end what runs", 0},
	{"retries", KEY_RETRIES, "N", 0, "Run a failing command up to N times in all", 0},
	{"timeout", KEY_TIMEOUT, "TIME", 0, "End a command after so many seconds (or 5m, 2h, 1d)", 0},
	{"grace", KEY_GRACE, "TIME", 0, "Between TERM and KILL (default: 2)", 0},
	{"dry-run", KEY_DRY_RUN, NULL, 0, "Print what would be run, and what could not", 0},
	{0}};

/* Counted resources must not be mistaken for what a demand says anyway. */
static bool is_free_name(const struct run_options *o, const char *name, size_t bytes)
{
	static const char *const taken[] = {"cores", "memory", "bandwidth", "steps",
					    "class", "node",   "priority",  "jobs"};
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		if (strlen(taken[i]) == bytes && memcmp(taken[i], name, bytes) == 0)
			return false;
	}
	for (uint32_t i = 0; i < o->names_count; i++) {
		if (strlen(o->names[i]) == bytes && memcmp(o->names[i], name, bytes) == 0)
			return false;
	}
	for (size_t i = 0; i < bytes; i++) {
		if (!isalpha((unsigned char)name[i]) && name[i] != '_' &&
		    (i == 0 || (!isdigit((unsigned char)name[i]) && name[i] != '-')))
			return false;
	}
	return bytes > 0;
}

/* text: the option's argument; number: where in it the number starts. */
static uint64_t parse_count_in(struct argp_state *state, const char *option, const char *text, const char *number,
			       uint64_t max)
{
	char *end;
	errno = 0;
	unsigned long long value = strtoull(number, &end, 10);
	if (!isdigit((unsigned char)*number) || *end || errno || value < 1 || value > max)
		argp_error(state, "%s=%s: give a whole number from 1 to %llu", option, text, (unsigned long long)max);
	return value;
}

static uint64_t parse_count(struct argp_state *state, const char *option, const char *text, uint64_t max)
{
	return parse_count_in(state, option, text, text, max);
}

static double parse_positive(struct argp_state *state, const char *option, const char *text, char **end)
{
	errno = 0;
	double value = strtod(text, end);
	if (!isdigit((unsigned char)*text) || errno || !isfinite(value) || value <= 0 || *end == text)
		argp_error(state, "%s=%s: give a number above 0", option, text);
	return value;
}

static uint64_t parse_time_ns(struct argp_state *state, const char *option, const char *text)
{
	char *end;
	double value = parse_positive(state, option, text, &end);
	double unit = *end == 'm' ? 60 : *end == 'h' ? 3600 : *end == 'd' ? 86400 : 1;
	if (*end && (!strchr("smhd", *end) || end[1]))
		argp_error(state, "%s=%s: give seconds, or a number with s, m, h or d", option, text);
	value *= unit * (double)WEIR_NS_PER_S;
	if (value > 1e18)
		argp_error(state, "%s=%s: give less than 30 years", option, text);
	return value < 1 ? 1 : (uint64_t)value;
}

static uint64_t parse_bytes(struct argp_state *state, const char *option, const char *text)
{
	uint64_t bytes = 0;
	if (weir_bytes_parse(&bytes, text))
		argp_error(state, "%s: %s", option, weir_error_text());
	if (!bytes)
		argp_error(state, "%s=%s: give bytes above 0, as 512M or 1.5G", option, text);
	return bytes;
}

static void parse_limit(struct argp_state *state, struct run_options *o, const char *text)
{
	const char *equals = strchr(text, '=');
	if (!equals || !is_free_name(o, text, (size_t)(equals - text)))
		argp_error(state, "--limit=%s: give NAME=COUNT, with a new name of letters, digits, '_' and '-'", text);
	if (o->names_count == WEIR_COUNTED_MAX)
		argp_error(state, "--limit=%s: there can be %d counted resources", text, WEIR_COUNTED_MAX);
	char *name = strndup(text, (size_t)(equals - text));
	if (!name)
		argp_failure(state, argp_err_exit_status, ENOMEM, "--limit");
	o->limits.counted[o->names_count] = parse_count_in(state, "--limit", text, equals + 1, UINT32_MAX);
	o->limits.counted_name[o->names_count] = name;
	o->names[o->names_count++] = name;
}

static void parse_halt(struct argp_state *state, struct run_options *o, const char *text)
{
	if (strcmp(text, "never") == 0) {
		o->halt = HALT_NEVER;
		return;
	}
	if (strncmp(text, "soon,fail=", 10) == 0)
		o->halt = HALT_SOON;
	else if (strncmp(text, "now,fail=", 9) == 0)
		o->halt = HALT_NOW;
	else
		argp_error(state, "--halt=%s: give never, soon,fail=N or now,fail=N", text);
	o->halt_failures = parse_count_in(state, "--halt", text, strchr(text, '=') + 1, UINT32_MAX);
}

static void parse_strategy(struct argp_state *state, struct run_options *o, const char *text)
{
	o->strategy = weir_strategy_find(text);
	o->strategy_name = text;
	if (!o->strategy)
		argp_error(state, "--strategy=%s: give first, best or worst", text);
}

static void parse_admission(struct argp_state *state, struct run_options *o, const char *text)
{
	if (weir_rules_parse(&o->admission, text))
		argp_error(state,
			   "--admission=%s: give hard, watermark, adaptive, deadline or observe, or several with + "
			   "between them",
			   text);
}

/* What needs all the options: the demand may name any counted resource, and -j takes the next free one. */
static void finish(struct argp_state *state, struct run_options *o)
{
	weir_demand demand = {.size = sizeof(demand)};
	if (weir_demand_parse(&demand, o->default_demand, o->names))
		argp_error(state, "--default-demand: %s", weir_error_text());
	if (o->jobs_at_once) {
		if (o->names_count == WEIR_COUNTED_MAX)
			argp_error(state, "--jobs takes one of the %d counted resources: give one --limit less",
				   WEIR_COUNTED_MAX);
		o->jobs_slot = o->names_count;
		o->limits.counted[o->jobs_slot] = o->jobs_at_once;
		o->limits.counted_name[o->jobs_slot] = "jobs";
	}
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct run_options *o = state->input;
	char *end;
	switch (key) {
	case KEY_LIMIT_CPU:
		o->limits.cores = parse_positive(state, "--limit-cpu", argument, &end);
		if (*end)
			argp_error(state, "--limit-cpu=%s: give a number of cores, as 4 or 1.5", argument);
		return 0;
	case KEY_LIMIT_MEMORY:
		o->limits.memory_bytes = parse_bytes(state, "--limit-memory", argument);
		return 0;
	case KEY_LIMIT_BANDWIDTH:
		o->limits.bandwidth_bytes_s = parse_bytes(state, "--limit-bandwidth", argument);
		return 0;
	case KEY_LIMIT:
		parse_limit(state, o, argument);
		return 0;
	case 'j':
		o->jobs_at_once = parse_count(state, "--jobs", argument, UINT32_MAX);
		return 0;
	case KEY_MACHINE:
		o->machine = argument;
		return 0;
	case KEY_STRATEGY:
		parse_strategy(state, o, argument);
		return 0;
	case KEY_ADMISSION:
		parse_admission(state, o, argument);
		return 0;
	case KEY_DEFAULT_DEMAND:
		o->default_demand = argument;
		return 0;
	case KEY_UNBOUND:
		o->unbound = true;
		return 0;
	case 'k':
		o->output = OUTPUT_KEEP_ORDER;
		return 0;
	case 'u':
		o->output = OUTPUT_UNGROUP;
		return 0;
	case KEY_JOBLOG:
		o->joblog = argument;
		return 0;
	case KEY_RECORD:
		o->record = argument;
		return 0;
	case KEY_PROGRESS:
		o->progress = true;
		return 0;
	case 'q':
		o->quiet = true;
		return 0;
	case KEY_HALT:
		parse_halt(state, o, argument);
		return 0;
	case KEY_RETRIES:
		o->tries = (uint32_t)parse_count(state, "--retries", argument, UINT32_MAX);
		return 0;
	case KEY_TIMEOUT:
		o->timeout_ns = parse_time_ns(state, "--timeout", argument);
		return 0;
	case KEY_GRACE:
		o->grace_ns = parse_time_ns(state, "--grace", argument);
		return 0;
	case KEY_DRY_RUN:
		o->dry_run = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num > 0)
			argp_error(state, "one job file at a time: '%s' is one too many", argument);
		o->jobs = argument;
		return 0;
	case ARGP_KEY_END:
		finish(state, o);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void run_options_parse(struct run_options *out, int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "[JOBS]",
		.doc = "Run the commands of JOBS (default: standard input), one a line, as many at once as the limits "
		       "allow. "
		       "What a command needs may stand before it:\n\n"
		       "  cores=2 memory=1G gpu=1 class=high node=1 -- ./solve input.7\v"
		       "Exit status: 0 all succeeded, 1-100 so many failed, 101 more, 255 other errors. With --halt: "
		       "that of the "
		       "command that halted it.",
	};
	*out = (struct run_options){
		.jobs = "-",
		.limits = {.size = sizeof(weir_limits)},
		.strategy = WEIR_FIRST_FIT,
		.strategy_name = "first",
		.default_demand = "cores=1",
		.tries = 1,
		.grace_ns = 2 * WEIR_NS_PER_S,
	};
	argp_parse(&argp, argc, argv, 0, NULL, out);
}

void run_options_free(struct run_options *o)
{
	for (uint32_t i = 0; i < o->names_count; i++)
		free((char *)o->names[i]);
}
